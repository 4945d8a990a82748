//! What a node tells people and tests: each decision with its reason.

use orbweave_model::{InstanceId, NodeId, WorkloadName};
use std::time::Duration;

/// The kinds of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the field's own words")]
pub enum EventKind {
    LinkUp,
    LinkDown,
    MemberUp,
    MemberSuspect,
    MemberDown,
    WorkloadAccepted,
    WorkloadDeleted,
    OfferSent,
    OfferAccepted,
    OfferRefused,
    Claim,
    ClaimReleased,
    FetchStarted,
    FetchDone,
    FetchFailed,
    Compiled,
    Started,
    Failed,
    Drained,
    Stopped,
    ReleaseRefused,
    RecordRefused,
    SelfDoubt,
    SelfDoubtOver,
    Cordon,
    Quota,
    RolledBack,
    ZoneUp,
    ZoneLost,
    ZoneSplit,
    Allotted,
    HandedOver,
}

/// Something that the node saw, decided or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What kind of thing.
    pub kind: EventKind,
    /// What happened, in words.
    pub text: String,
    /// Why, where there is a reason to tell.
    pub cause: Option<String>,
    /// The workload that it is about.
    pub workload: Option<WorkloadName>,
    /// The slot.
    pub slot: Option<u32>,
    /// The epoch of the claim.
    pub epoch: Option<u64>,
    /// The instance.
    pub instance: Option<InstanceId>,
    /// Another node that it is about.
    pub about: Option<NodeId>,
    /// How long it took.
    pub took: Option<Duration>,
}

impl Event {
    /// An event about nothing in particular yet.
    pub fn new(kind: EventKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            cause: None,
            workload: None,
            slot: None,
            epoch: None,
            instance: None,
            about: None,
            took: None,
        }
    }

    /// About another node.
    pub fn about(mut self, node: NodeId) -> Self {
        self.about = Some(node);
        self
    }

    /// With a reason.
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// About a workload.
    pub fn of(mut self, workload: &WorkloadName) -> Self {
        self.workload = Some(workload.clone());
        self
    }

    /// About one slot of it.
    pub fn slot(mut self, slot: u32) -> Self {
        self.slot = Some(slot);
        self
    }

    /// At an epoch.
    pub fn epoch(mut self, epoch: u64) -> Self {
        self.epoch = Some(epoch);
        self
    }

    /// About an instance.
    pub fn instance(mut self, instance: InstanceId) -> Self {
        self.instance = Some(instance);
        self
    }

    /// After this long.
    pub fn took(mut self, took: Duration) -> Self {
        self.took = Some(took);
        self
    }
}

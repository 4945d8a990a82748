//! What happened on a node, one line each: for people, for `deploy --wait`, for tests.

use orbweave_model::{InstanceId, NodeId, WorkloadName};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Something that a node saw, decided or did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When, by the node's wall clock, in milliseconds since 1970.
    pub at_ms: u64,
    /// The node that says so.
    pub node: NodeId,
    /// What kind of thing.
    pub kind: EventKind,
    /// The workload that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadName>,
    /// The slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u32>,
    /// The epoch of the claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// The instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// Another node that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<NodeId>,
    /// How long it took, for what takes time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// What happened, in words.
    pub text: String,
    /// Why, where there is a reason to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

impl Event {
    /// An event about nothing in particular yet; the caller fills in what it knows.
    pub fn new(at_ms: u64, node: NodeId, kind: EventKind, text: impl Into<String>) -> Self {
        Self {
            at_ms,
            node,
            kind,
            workload: None,
            slot: None,
            epoch: None,
            instance: None,
            about: None,
            took_ms: None,
            text: text.into(),
            cause: None,
        }
    }
}

/// The kinds of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// The node is up and answers.
    NodeReady,
    /// A link to a peer came up.
    LinkUp,
    /// A link to a peer went down.
    LinkDown,
    /// A peer was turned away.
    PeerRefused,
    /// A member is alive.
    MemberUp,
    /// A member missed its probes.
    MemberSuspect,
    /// A member is held for dead.
    MemberDown,
    /// A node joined with a ticket.
    NodeJoined,
    /// A workload's specification was accepted here.
    WorkloadAccepted,
    /// A workload's deletion was accepted here.
    WorkloadDeleted,
    /// A slot was offered to a node.
    OfferSent,
    /// An offer was accepted.
    OfferAccepted,
    /// An offer was refused; `cause` says why.
    OfferRefused,
    /// This node claims a slot, and has written it down.
    Claim,
    /// This node gave a claim up.
    ClaimReleased,
    /// A component is being fetched.
    FetchStarted,
    /// A component is here and verified.
    FetchDone,
    /// A component could not be fetched; it is tried again.
    FetchFailed,
    /// A component was compiled, or found compiled.
    Compiled,
    /// An instance runs.
    Started,
    /// An instance could not start, or ended.
    Failed,
    /// An instance answered for the first time.
    AnsweredFirstRequest,
    /// An instance finished what it had.
    Drained,
    /// An instance was stopped.
    Stopped,
    /// A release, or a component of one, was refused; `cause` says why.
    ReleaseRefused,
    /// A record was refused; `cause` says why.
    RecordRefused,
    /// A request was sent again to another replica.
    RequestRetried,
    /// This node lost sight of most others and suspects itself.
    SelfDoubt,
    /// It sees them again.
    SelfDoubtOver,
    /// People took a node out of service, or back into it.
    Cordon,
    /// A namespace has another quota, or its quota covers more or less of a workload.
    Quota,
    /// A new revision did not come up, and replicas go back to the one before.
    RolledBack,
    /// Another zone is attached.
    ZoneUp,
    /// Another zone is out of reach.
    ZoneLost,
    /// Another zone is split: its gateways do not follow one leader.
    ZoneSplit,
    /// This zone took slots of a workload.
    Allotted,
    /// A slot goes over to a node that came up.
    HandedOver,
    /// An event of a kind that this version does not know.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name on the wire is the name for people.
        let name = serde_json::to_value(self).ok();
        f.pad(name.as_ref().and_then(|v| v.as_str()).unwrap_or("unknown"))
    }
}

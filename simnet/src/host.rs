//! One host: a machine with clocks, a disk and an executor, and the node on it.

use crate::clock::ClockModel;
use crate::dice::Dice;
use crate::disk::Disk;
use crate::linked::Linked;
use orbweave_core::link_plan::LinkPlan;
use orbweave_core::{Event, Input, Node};
use orbweave_model::{Hash, InstanceId, Labels, Mono, NodeId, Now, Resources, WorkloadName};
use orbweave_trust::SecretKey;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Events of each host that are kept to explain a failure, at most and at least; between
/// these all hosts share a number of them.
const EVENTS_KEPT: (usize, usize) = (16, 400);
const EVENTS_KEPT_IN_ALL: usize = 40_000;

/// What a host is made of.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// Its name; `node-` and its number if nothing is said.
    pub name: Option<String>,
    /// Its labels.
    pub labels: Labels,
    /// What it has.
    pub capacity: Resources,
    /// How its clocks are off.
    pub clock: ClockModel,
    /// Its zone. Hosts are introduced to the first of theirs, and that one to the first of all.
    pub zone: String,
    /// Its island: a mesh side by side with others, which know nothing of one another.
    pub island: u32,
    /// Whether components fail to start on it.
    pub broken: bool,
    /// How long before the beginning its certificate of 90 days was issued.
    pub certified_ago: Duration,
    /// Its orbit, or its place on the ground.
    pub plan: Option<LinkPlan>,
    /// Whether it speaks the wire of the version before.
    pub previous_version: bool,
}

impl Default for HostOptions {
    fn default() -> Self {
        let capacity =
            Resources { cpu_milli: 8_000, memory_bytes: 8 << 30, instances: 64, accelerator_milli: 0 };
        Self {
            name: None,
            labels: Labels::default(),
            capacity,
            clock: ClockModel::default(),
            zone: "zone".into(),
            island: 0,
            broken: false,
            certified_ago: Duration::from_secs(24 * 3_600),
            plan: None,
            previous_version: false,
        }
    }
}

/// What the executor runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Of which workload.
    pub workload: WorkloadName,
    /// Which slot of it.
    pub slot: u32,
    /// The component that it was started from.
    pub component: Hash,
    /// Of which version.
    pub sequence: u64,
    /// The environment that it was started with.
    pub env: Vec<(String, String)>,
    /// Whether it answers.
    pub running: bool,
    /// When the executor was told to start it.
    pub since: Mono,
}

/// A machine and its node.
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: NodeId,
    /// Its key.
    pub key: SecretKey,
    /// What it is made of.
    pub options: HostOptions,
    /// The node, while the machine runs.
    pub node: Option<Node>,
    /// Its disk, which outlives the node.
    pub disk: Disk,
    /// Which start of the node this is.
    pub life: u32,
    /// Whether it is frozen: nothing moves, and what arrives waits.
    pub frozen: bool,
    /// What the executor runs.
    pub instances: BTreeMap<InstanceId, Instance>,
    /// Instances that the executor was told to start, over all lives.
    pub started: Vec<(Mono, WorkloadName, u32)>,
    /// Answers to commands.
    pub replies: BTreeMap<u64, Result<(), String>>,
    /// The last events, with the time of the run.
    pub events: VecDeque<(Mono, Event)>,
    /// Its certificate, as it was last renewed.
    pub certificate: Vec<u8>,
    /// What a transaction takes at most on its disk, while that is slow.
    pub slow_disk: Option<Duration>,
    /// Whether its disk takes nothing more.
    pub disk_full: bool,
    pub(crate) dice: Dice,
    pub(crate) booted: Mono,
    /// When its wake-up is due that counts; others are stale.
    pub(crate) armed: Option<Mono>,
    /// The moment of its last wake-up, and how many there were in it.
    pub(crate) woken: (Mono, u32),
    /// Peers that it has a link to, and which life of theirs.
    pub(crate) links: Linked,
    pub(crate) blobs: BTreeSet<Hash>,
    /// Components that are compiled.
    pub(crate) compiled: BTreeSet<Hash>,
    pub(crate) backlog: VecDeque<Input>,
    pub(crate) submitted: BTreeMap<u64, Vec<u8>>,
}

impl Host {
    pub(crate) fn new(
        name: String,
        key: SecretKey,
        certificate: Vec<u8>,
        dice: Dice,
        options: HostOptions,
    ) -> Self {
        Self {
            id: key.node_id(),
            name,
            key,
            options,
            node: None,
            disk: Disk::default(),
            life: 0,
            frozen: false,
            instances: BTreeMap::new(),
            started: Vec::new(),
            replies: BTreeMap::new(),
            events: VecDeque::new(),
            certificate,
            slow_disk: None,
            disk_full: false,
            dice,
            booted: Mono(0),
            armed: None,
            woken: (Mono(0), 0),
            links: Linked::default(),
            blobs: BTreeSet::new(),
            compiled: BTreeSet::new(),
            backlog: VecDeque::new(),
            submitted: BTreeMap::new(),
        }
    }

    /// Whether it is on scheduled links.
    pub fn is_scheduled(&self) -> bool {
        self.options.plan.as_ref().is_some_and(LinkPlan::is_scheduled)
    }

    /// Whether its node lives and moves.
    pub fn is_up(&self) -> bool {
        self.node.is_some() && !self.frozen
    }

    /// Its node, if it lives and moves.
    pub fn up(&self) -> Option<&Node> {
        self.node.as_ref().filter(|_| !self.frozen)
    }

    /// The record that was handed in under this number.
    pub fn submission(&self, id: u64) -> Option<&[u8]> {
        self.submitted.get(&id).map(Vec::as_slice)
    }

    /// Both clocks of this host: monotonic since its start, wall with its skew.
    pub(crate) fn now(&self, time: Mono) -> Now {
        self.options.clock.now(self.booted, time)
    }

    /// When its node wants to be woken, by the time of the run.
    pub(crate) fn wake_at(&self) -> Option<Mono> {
        self.up().map(|node| self.options.clock.when(self.booted, node.next_timeout()))
    }

    pub(crate) fn note(&mut self, time: Mono, event: Event, hosts: usize) {
        let kept = (EVENTS_KEPT_IN_ALL / hosts.max(1)).clamp(EVENTS_KEPT.0, EVENTS_KEPT.1);
        if self.events.len() >= kept {
            self.events.pop_front();
        }
        self.events.push_back((time, event));
    }
}

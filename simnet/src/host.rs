//! One host: a machine with a clock, a disk and an executor, and the node on it.

use crate::disk::Disk;
use orbweave_core::{Event, Input, Node};
use orbweave_model::{Hash, InstanceId, Labels, Mono, NodeId, Now, Resources, Wall, WorkloadName};
use orbweave_trust::SecretKey;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Events of each host that are kept to explain a failure.
const EVENTS_KEPT: usize = 400;

/// What a host is made of.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// Its labels.
    pub labels: Labels,
    /// What it has.
    pub capacity: Resources,
    /// How far its wall clock is off, in milliseconds.
    pub skew_ms: i64,
    /// Whether components fail to start on it.
    pub broken: bool,
    /// How long before the beginning its certificate of 90 days was issued.
    pub certified_ago: Duration,
}

impl Default for HostOptions {
    fn default() -> Self {
        let capacity = Resources { cpu_milli: 8_000, memory_bytes: 8 << 30, instances: 64 };
        Self {
            labels: Labels::default(),
            capacity,
            skew_ms: 0,
            broken: false,
            certified_ago: Duration::from_secs(24 * 3_600),
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
    pub(crate) booted: Mono,
    /// When the disk is done with all batches.
    pub(crate) disk_until: Mono,
    /// Its certificate, as it was last renewed.
    pub certificate: Vec<u8>,
    /// Peers that it has a link to, and which life of theirs.
    pub(crate) links: BTreeMap<usize, u32>,
    pub(crate) blobs: BTreeSet<Hash>,
    pub(crate) backlog: VecDeque<Input>,
    pub(crate) submitted: BTreeMap<u64, Vec<u8>>,
    /// Slots whose claim was durable at some time.
    pub(crate) claimed: BTreeSet<(String, u32)>,
}

impl Host {
    pub(crate) fn new(name: String, key: SecretKey, certificate: Vec<u8>, options: HostOptions) -> Self {
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
            booted: Mono(0),
            disk_until: Mono(0),
            certificate,
            links: BTreeMap::new(),
            blobs: BTreeSet::new(),
            backlog: VecDeque::new(),
            submitted: BTreeMap::new(),
            claimed: BTreeSet::new(),
        }
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
        let wall = crate::world::BEGIN + time.since(Mono(0));
        let wall = Wall(wall.0.saturating_add_signed(self.options.skew_ms));
        Now { mono: Mono(time.since(self.booted).as_nanos() as u64), wall }
    }

    /// When its node wants to be woken, by the time of the run.
    pub(crate) fn wake_at(&self) -> Option<Mono> {
        self.up().map(|node| self.booted + Duration::from_nanos(node.next_timeout().0))
    }

    pub(crate) fn note(&mut self, time: Mono, event: Event) {
        if self.events.len() == EVENTS_KEPT {
            self.events.pop_front();
        }
        self.events.push_back((time, event));
    }
}

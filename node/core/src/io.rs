//! What goes into a node and what comes out of it.

use crate::event::Event;
use orbweave_model::{Hash, InstanceId, NodeId, WorkloadName};
use orbweave_trust::{Noted, Release};
use std::net::SocketAddr;
use std::time::Duration;

/// One reconciliation stream. Numbers of our own are chosen here, those of a
/// peer's by the driver; the two do not mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SyncId {
    /// The other side.
    pub peer: NodeId,
    /// Whether we began it.
    pub ours: bool,
    /// Which.
    pub number: u64,
}

/// Names the answer to a command; chosen by the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommandId(pub u64);

/// Names a batch of writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchId(pub u64);

/// What an executor reports of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecutorEvent {
    /// The component is compiled, or was found compiled.
    Compiled {
        /// Whether a compilation of before was used.
        cached: bool,
        /// How long it took.
        took: Duration,
    },
    /// It answers.
    Running,
    /// It could not start, or ended by itself.
    Failed {
        /// Why, in words.
        reason: String,
    },
}

/// What a driver, or a simulator, feeds in.
#[derive(Debug, Clone)]
pub enum Input {
    /// A link to an admitted peer is up.
    LinkUp {
        /// The peer.
        peer: NodeId,
        /// The measured round trip.
        rtt: Duration,
    },
    /// The link to a peer is gone.
    LinkDown {
        /// The peer.
        peer: NodeId,
    },
    /// A later measurement of a link.
    Rtt {
        /// The peer.
        peer: NodeId,
        /// The round trip.
        rtt: Duration,
    },
    /// Discovery or a person named an address of a node.
    Found {
        /// The node.
        peer: NodeId,
        /// Where it may be.
        addresses: Vec<SocketAddr>,
    },
    /// A peer that was asked for it issued a new certificate for this node.
    Certified {
        /// Its envelope, not verified yet.
        certificate: Vec<u8>,
    },
    /// A datagram of an admitted peer.
    Datagram {
        /// Who sent it, as the link authenticated it.
        from: NodeId,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A record that gossip brought.
    Gossip {
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A frame of a reconciliation.
    Sync {
        /// Which.
        id: SyncId,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A reconciliation's stream ended.
    SyncClosed {
        /// Which.
        id: SyncId,
    },
    /// A fetch ended.
    Blob {
        /// What was fetched.
        hash: Hash,
        /// Whether it is here, or why not.
        outcome: Result<(), String>,
    },
    /// The executor reports.
    Executor {
        /// Of which instance.
        instance: InstanceId,
        /// What.
        event: ExecutorEvent,
    },
    /// A person hands in a signed record.
    Submit {
        /// Names the answer.
        id: CommandId,
        /// The record's envelope.
        bytes: Vec<u8>,
    },
    /// A batch of writes is durable.
    Persisted {
        /// Which.
        batch: BatchId,
    },
    /// The node shall leave: hand its work over and say goodbye.
    Leave,
}

/// What the executor shall run.
#[derive(Debug, Clone)]
pub struct Start {
    /// Names the run.
    pub instance: InstanceId,
    /// The workload.
    pub workload: WorkloadName,
    /// The slot.
    pub slot: u32,
    /// The release, which only verification makes.
    pub release: Release,
    /// Environment variables of the guest.
    pub env: Vec<(String, String)>,
    /// Memory that it may take, in bytes.
    pub memory_bytes: u64,
    /// The longest that one call may take.
    pub call_time: Duration,
    /// Calls at once.
    pub concurrency: u32,
    /// The path that must answer before it counts as running, and from then on.
    pub health: Option<String>,
}

/// One write of a batch, all of which become durable together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A record under its identity.
    PutRecord {
        /// The identity's bytes.
        key: Vec<u8>,
        /// The envelope.
        value: Vec<u8>,
    },
    /// A record that expired or was evicted.
    DropRecord {
        /// The identity's bytes.
        key: Vec<u8>,
    },
    /// What the node must know of itself after a restart.
    PutSelf {
        /// Opaque to the driver.
        value: Vec<u8>,
    },
    /// A release that was taken in, so that no older one is after a restart. An entry of
    /// its own: a node that takes in thousands does not write all of them each time.
    PutRelease {
        /// Its publisher and name.
        key: Vec<u8>,
        /// Opaque to the driver.
        value: Vec<u8>,
    },
}

impl From<Noted> for Write {
    fn from(Noted { key, value }: Noted) -> Self {
        Self::PutRelease { key, value }
    }
}

/// What the driver, or a simulator, shall do. Most are datagrams: what is large and rare is
/// behind a pointer.
#[derive(Debug, Clone)]
pub enum Output {
    /// Send a datagram; it may be lost.
    Datagram {
        /// To whom.
        to: NodeId,
        /// Its bytes, at most `limit::DATAGRAM_BYTES_MAX`.
        bytes: Vec<u8>,
    },
    /// Publish a record on gossip; it may be lost.
    Publish {
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Send a frame of a reconciliation; the first of one of ours opens its stream.
    Sync {
        /// Which.
        id: SyncId,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Close a reconciliation's stream once its frames are sent.
    SyncClose {
        /// Which.
        id: SyncId,
    },
    /// Keep this certificate of our own in the place of the one before.
    Renewed {
        /// Its envelope.
        certificate: Vec<u8>,
    },
    /// Try to link to a node.
    Dial {
        /// The node that is expected there.
        peer: NodeId,
        /// Where it may be.
        addresses: Vec<SocketAddr>,
    },
    /// Ask a node for a new certificate: ours has expired, and gets no link.
    AskRenewal {
        /// The node that is expected there.
        peer: NodeId,
        /// Where it may be.
        addresses: Vec<SocketAddr>,
    },
    /// Cut a peer off: its certificate was revoked.
    Evict {
        /// The peer.
        peer: NodeId,
    },
    /// Fetch a blob, verified, from the first provider that has it.
    Fetch {
        /// Its hash.
        hash: Hash,
        /// Its size in bytes, as the release states it.
        size: u64,
        /// Whom to ask, the likeliest first.
        providers: Vec<NodeId>,
    },
    /// Compile a component that is here, so that a later start is quick.
    Prepare {
        /// Its release, which only verification makes.
        release: Release,
    },
    /// Run a component that is here.
    Start(Box<Start>),
    /// End an instance.
    Stop {
        /// Which.
        instance: InstanceId,
    },
    /// Make these writes durable, then say so.
    Persist {
        /// Names the batch.
        batch: BatchId,
        /// The writes.
        writes: Vec<Write>,
    },
    /// The answer to a command.
    Reply {
        /// Which command.
        id: CommandId,
        /// Whether it is durable, or why it was refused.
        result: Result<(), String>,
    },
    /// For people and tests.
    Notify(Box<Event>),
    /// The routes or the running replicas changed.
    RoutesChanged,
}

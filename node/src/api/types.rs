//! What the admin API says, as JSON in camelCase. The same types serve the server,
//! the client and `-o json`, so that a script and a person read the same facts.
//!
//! A reader of a later version skips fields that it does not know; fields are
//! added, never given another meaning.

use super::event::Event;
pub use super::explanation::*;
pub use super::zone::*;
use orbweave_model::{
    Hash, InstanceId, Labels, MeshId, Namespace, NodeId, PublicKey, Resources, Selector, WorkloadName,
};
use orbweave_scheduler::quota::Bounds;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// The node that answers, and how it sees its mesh.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The node.
    pub node: NodeId,
    /// Its name in the mesh.
    pub name: String,
    /// The mesh.
    pub mesh: MeshId,
    /// What its founder called the mesh.
    pub mesh_name: String,
    /// The version of the program.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// Time since the node came up.
    pub uptime_ms: u64,
    /// Peers with a link that is up.
    pub peers: u32,
    /// Members by state.
    pub members: MemberCounts,
    /// Where it listens.
    pub ports: Ports,
    /// What else it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<NodeSettings>,
    /// Resident memory of the process.
    pub memory_bytes: u64,
    /// Routes that more than one workload names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<RouteConflict>,
    /// Bytes, messages and decisions since the start, by name.
    pub counters: BTreeMap<String, u64>,
}

/// A route that more than one workload names: they were deployed on two sides of a
/// partition, or by nodes that had not heard of one another's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteConflict {
    /// The host and the path.
    pub route: String,
    /// The workloads in order of their names; the first answers.
    pub workloads: Vec<WorkloadName>,
}

impl From<crate::ingress::Conflict> for RouteConflict {
    fn from(conflict: crate::ingress::Conflict) -> Self {
        Self { route: conflict.place, workloads: conflict.workloads }
    }
}

/// Members by state, the answering node among the alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberCounts {
    /// Alive, those that are dark as planned among them.
    pub alive: u32,
    /// Suspected, or overdue.
    pub suspect: u32,
    /// Down.
    pub down: u32,
}

/// Where a node listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ports {
    /// HTTP ingress (TCP).
    pub http: SocketAddr,
    /// Node to node: quinn on UDP, libp2p on TCP.
    pub mesh: SocketAddr,
    /// The admin API on loopback, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<SocketAddr>,
}

/// What a node was told when it was started, or an earlier time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSettings {
    /// Its zone.
    #[serde(default = "zone_default")]
    pub zone: String,
    /// Its labels.
    pub labels: Labels,
    /// What it offers.
    pub capacity: Resources,
    /// Nodes that it asks first.
    pub peers: Vec<NodeId>,
    /// Whether it looks for nodes on the local network.
    pub mdns: bool,
    /// Whether it pushes news by gossip.
    pub gossip: bool,
}

/// The state of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NodeState {
    /// Heard of in time.
    Alive,
    /// Missed a probe; it may still refute.
    Suspect,
    /// On scheduled links, and out of reach as planned.
    Dark,
    /// On scheduled links; it was in reach, and was not heard.
    Overdue,
    /// Held for dead; its claims are being replaced.
    Down,
    /// It left in order.
    Left,
}

/// Whether a node is a place for work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// It is.
    #[default]
    Open,
    /// It takes nothing new.
    Cordoned,
    /// It takes nothing new, and what it holds goes to others.
    Drained,
}

/// A member, as the answering node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeView {
    /// The node.
    pub id: NodeId,
    /// Its name, from its certificate.
    pub name: String,
    /// Its state.
    pub state: NodeState,
    /// Of a dark one: when its next contact begins, in milliseconds since the Unix epoch,
    /// if one is near.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dark_until_ms: Option<u64>,
    /// Whether it is the node that answers.
    #[serde(rename = "self", default)]
    pub this: bool,
    /// Its zone.
    #[serde(default = "zone_default")]
    pub zone: String,
    /// Its labels.
    pub labels: Labels,
    /// Where it says that it can be reached.
    pub addresses: Vec<SocketAddr>,
    /// What it has.
    pub capacity: Resources,
    /// What of that is free, as far as is known here.
    pub free: Resources,
    /// The measured round trip, where a link is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_us: Option<u64>,
    /// Its generation: one more with each start.
    pub generation: u64,
    /// Whether people took it out of service.
    #[serde(default)]
    pub service: Service,
    /// The generation of what they said last about that; 0 before.
    #[serde(default)]
    pub service_generation: u64,
    /// When they said it, in milliseconds since 1970.
    #[serde(default)]
    pub service_since_ms: u64,
    /// How long ago it was heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heard_ms: Option<u64>,
}

/// A workload and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadView {
    /// Its name.
    pub name: WorkloadName,
    /// Whose it is.
    #[serde(default)]
    pub namespace: Namespace,
    /// The generation of its specification.
    pub generation: u64,
    /// The version that its release names.
    pub version: String,
    /// Replicas wanted.
    pub replicas: u32,
    /// Replicas running in the view of the answering node.
    pub running: u32,
    /// Whether it was deleted; the deletion is kept as a generation.
    pub deleted: bool,
    /// The hash of its component.
    pub component: Hash,
    /// Where requests for it come in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteView>,
    /// Other workloads that name the same host and path: the first by name answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rivals: Vec<WorkloadName>,
    /// When this generation was submitted, in milliseconds since 1970.
    pub created_ms: u64,
    /// The generation that runs again, because this one did not come up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back_to: Option<u64>,
}

/// A namespace, and what its workloads have of what they may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuotaView {
    /// The namespace.
    pub namespace: Namespace,
    /// The generation of its quota; 0 where it never had one.
    pub generation: u64,
    /// When that was said, in milliseconds since 1970.
    pub since_ms: u64,
    /// What all its replicas together may have.
    pub bounds: Bounds,
    /// What those take that are covered, whether they run or not.
    pub used: Resources,
    /// Replicas that are wanted and not covered.
    pub uncovered: u32,
}

/// Where requests for a workload come in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteView {
    /// The host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The beginning of the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether a request whose replica died is sent again.
    pub idempotent: bool,
    /// The time that a request has, retries included.
    pub deadline_ms: u64,
}

/// How far an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// The slot has no holder that this node knows.
    Unplaced,
    /// Claimed; nothing has begun.
    Claimed,
    /// The component is on its way.
    Fetching,
    /// The component is being compiled, or its compiled form looked up.
    Compiling,
    /// The instance is being made.
    Starting,
    /// It answers.
    Running,
    /// It finishes what it has and takes no more.
    Draining,
    /// It could not start, or ended; `describe` says why.
    Failed,
    /// Another zone keeps the slot, and its nodes know how far it is.
    Elsewhere,
}

/// One slot of one workload and who holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceView {
    /// The workload.
    pub workload: WorkloadName,
    /// The slot.
    pub slot: u32,
    /// The holder; none while unplaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// The holder's name, or the zone that keeps the slot.
    #[serde(default)]
    pub node_name: String,
    /// How far it is.
    pub phase: Phase,
    /// Whether it runs in the other zone that keeps it, as that zone says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere_runs: bool,
    /// The epoch of the claim.
    pub epoch: u64,
    /// How long it has been in this phase, as far as is known here.
    pub since_ms: u64,
    /// The generation of the specification that it runs, as far as is known here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// The instance, where it is this node's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// Why it is as it is, in a few words, where that is not plain.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// All that a node can say about one workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Describe {
    /// What `get` says.
    pub workload: WorkloadView,
    /// Conditions on labels of nodes.
    pub requires: Selector,
    /// What each replica needs.
    pub need: Resources,
    /// The longest that one call may take.
    pub call_time_ms: u64,
    /// Calls at once in one replica.
    pub concurrency: u32,
    /// Environment variables of the guest.
    pub env: BTreeMap<String, String>,
    /// How far the last change is, where it went to a few replicas at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutView>,
    /// The signed release; none once the workload was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseView>,
    /// Who holds what.
    pub instances: Vec<InstanceView>,
    /// Exported functions, where a replica runs on the answering node.
    #[serde(default)]
    pub functions: Vec<String>,
    /// Why each node does or does not hold a replica, in words.
    pub verdicts: Vec<Verdict>,
    /// The last events about it on the answering node, oldest first.
    pub events: Vec<Event>,
}

/// What a release states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseView {
    /// The name that it was signed for.
    pub name: String,
    /// The version.
    pub version: String,
    /// The publisher's key.
    pub publisher: PublicKey,
    /// Its place in the publisher's order: an older one is refused.
    pub sequence: u64,
    /// Bytes of the component.
    pub size: u64,
    /// Valid from, in milliseconds since 1970.
    pub not_before_ms: u64,
    /// Valid until, in milliseconds since 1970.
    pub expires_ms: u64,
    /// Interfaces that it imports.
    pub imports: Vec<String>,
    /// Interfaces that it exports.
    pub exports: Vec<String>,
}

/// Why a node does or does not hold a replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The slot, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u32>,
    /// The node.
    pub node: NodeId,
    /// Its name.
    #[serde(default)]
    pub node_name: String,
    /// Whether the node would do.
    pub eligible: bool,
    /// The reason in words.
    pub text: String,
}

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogStream {
    /// The guest's standard output.
    Stdout,
    /// The guest's standard error.
    Stderr,
    /// A message of the host about the guest.
    Host,
}

/// A line that a guest wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// On which node.
    pub node: NodeId,
    /// Of which workload.
    pub workload: WorkloadName,
    /// Of which instance.
    pub instance: InstanceId,
    /// Where it came from.
    pub stream: LogStream,
    /// The line, without its end.
    pub text: String,
}

/// Asks for a join ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TicketRequest {
    /// How many nodes may use it.
    pub uses: u32,
    /// How long it lasts.
    pub ttl_ms: u64,
}

/// A join ticket, in its text form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketResponse {
    /// The ticket: whoever has it may join.
    pub ticket: String,
}

/// A component that was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlobResponse {
    /// Its BLAKE3 hash.
    pub hash: Hash,
    /// Its size.
    pub size: u64,
}

/// Calls an exported function, wherever a replica runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallRequest {
    /// The workload.
    pub workload: WorkloadName,
    /// The function: `name`, `interface.name` or `package:ns/interface.name`.
    pub function: String,
    /// The arguments in WAVE, apart by commas.
    #[serde(default)]
    pub args: String,
    /// The time that the call has.
    pub deadline_ms: u64,
}

/// What a call gave back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallResponse {
    /// The result in WAVE; empty where the function has none.
    pub result: String,
    /// The node that ran it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
}

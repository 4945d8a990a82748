//! What the API needs of the node. The server knows no more of it than this, so that
//! it can be tested without one.

use super::error::ApiError;
use super::event::Event;
use super::types::{
    CallRequest, CallResponse, Describe, InstanceView, LogLine, NodeView, Plan, QuotaView, Status, Why,
    WorkloadView, ZoneView,
};
use bytes::Bytes;
use orbweave_core::WorkloadSpec;
use orbweave_model::{Hash, WorkloadName};
use std::future::Future;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};

/// What other nodes can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Source {
    /// What guests wrote.
    Logs = 1,
    /// What happened.
    Events = 2,
}

/// What other nodes say, as lines of JSON.
#[derive(Debug)]
pub struct Elsewhere {
    /// What they remember, with its time.
    pub lines: Vec<(u64, Bytes)>,
    /// What follows, where that was asked for.
    pub follows: mpsc::Receiver<Bytes>,
}

/// The node behind the API.
pub trait Backend: Clone + Send + Sync + 'static {
    /// The node, and how it sees its mesh.
    fn status(&self) -> impl Future<Output = Status> + Send;
    /// Every member that is known.
    fn nodes(&self) -> impl Future<Output = Vec<NodeView>> + Send;
    /// Every zone that is known, the node's own first.
    fn zones(&self) -> impl Future<Output = Vec<ZoneView>> + Send;
    /// Every namespace that is known, and what it has of what it may have.
    fn quotas(&self) -> impl Future<Output = Vec<QuotaView>> + Send;
    /// Every workload that is known, deleted ones among them.
    fn workloads(&self) -> impl Future<Output = Vec<WorkloadView>> + Send;
    /// Every slot of every workload.
    fn instances(&self) -> impl Future<Output = Vec<InstanceView>> + Send;
    /// All about one workload.
    fn describe(&self, workload: &WorkloadName) -> impl Future<Output = Option<Describe>> + Send;
    /// Why a slot is where it is, or nowhere.
    fn why(&self, workload: &WorkloadName, slot: u32) -> impl Future<Output = Option<Why>> + Send;
    /// What a specification would change if it were handed in.
    fn plan(&self, workload: &WorkloadName, spec: WorkloadSpec) -> impl Future<Output = Option<Plan>> + Send;
    /// The specification of a workload that holds, as its bytes.
    fn spec(&self, workload: &WorkloadName) -> impl Future<Output = Option<Vec<u8>>> + Send;
    /// Takes a signed record in; returns once it is durable here.
    fn submit(&self, record: Vec<u8>) -> impl Future<Output = Result<(), ApiError>> + Send;
    /// Keeps a component, to be fetched by others.
    fn add_blob(&self, bytes: Bytes) -> impl Future<Output = Result<Hash, ApiError>> + Send;
    /// Makes a join ticket.
    fn create_ticket(
        &self,
        uses: u32,
        ttl: Duration,
    ) -> impl Future<Output = Result<String, ApiError>> + Send;
    /// Calls an exported function, wherever a replica runs.
    fn call(&self, request: CallRequest) -> impl Future<Output = Result<CallResponse, ApiError>> + Send;
    /// The last lines, and those that follow.
    fn logs(&self, workload: Option<&WorkloadName>) -> (Vec<LogLine>, broadcast::Receiver<LogLine>);
    /// The last events, and those that follow.
    fn events(&self) -> (Vec<Event>, broadcast::Receiver<Event>);
    /// What the other nodes that hold replicas of a workload say about it.
    fn elsewhere(
        &self,
        what: Source,
        workload: &WorkloadName,
        follow: bool,
    ) -> impl Future<Output = Elsewhere> + Send;
    /// Ends the node in order.
    fn shutdown(&self) -> impl Future<Output = ()> + Send;
}

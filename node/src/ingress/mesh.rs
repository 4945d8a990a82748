//! What ingress needs of the node around it: a seam, so that tests drive many
//! ingresses against one another without a network.

use super::body::IngressBody;
use super::failure::CallFailure;
use super::table::RouteTable;
use super::traffic::Traffic;
use http::{Request, Response};
use orbweave_model::{NodeId, WorkloadName};
use orbweave_net::StreamKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

/// The node as ingress sees it.
pub trait Mesh: Clone + Send + Sync + 'static {
    /// What goes out on a stream.
    type Send: AsyncWrite + Cancelled + Unpin + Send + 'static;
    /// What comes in on a stream.
    type Recv: AsyncRead + Unpin + Send + 'static;
    /// A service that runs on this node.
    type Service: LocalService;

    /// This node.
    fn id(&self) -> NodeId;
    /// The routes as they are now.
    fn routes(&self) -> Arc<RouteTable>;
    /// Changes whenever the routes do.
    fn route_changes(&self) -> watch::Receiver<u64>;
    /// The service of this name, while it runs here.
    fn local(&self, workload: &WorkloadName) -> Option<Self::Service>;
    /// Opens a stream to a peer.
    fn open(
        &self,
        peer: NodeId,
        kind: StreamKind,
    ) -> impl Future<Output = Result<(Self::Send, Self::Recv), String>> + Send;
    /// The traffic of this node.
    fn traffic(&self) -> &Arc<Traffic>;
}

/// The sending half of a stream whose other end may lose interest.
pub trait Cancelled {
    /// Done when the peer wants no more of what is sent.
    fn cancelled(&mut self) -> impl Future<Output = ()> + Send;
}

/// A service that runs on this node.
pub trait LocalService: Send + Sync + 'static {
    /// Handles a request in a fresh instance.
    fn http(
        &self,
        request: Request<IngressBody>,
        deadline: Duration,
    ) -> impl Future<Output = Result<Response<IngressBody>, CallFailure>> + Send;

    /// Calls an exported function, arguments and result in WAVE.
    fn call(
        &self,
        function: &str,
        args: &str,
        deadline: Duration,
    ) -> impl Future<Output = Result<String, CallFailure>> + Send;

    /// Calls an exported function, arguments and result in the value encoding.
    fn call_encoded(
        &self,
        function: &str,
        args: &[u8],
        deadline: Duration,
    ) -> impl Future<Output = Result<Vec<u8>, CallFailure>> + Send;
}

//! Ingress over the running node: its streams, its services, its routes.

use super::body::{BodyError, IngressBody};
use super::failure::CallFailure;
use super::invoke::{self, Called, Values};
use super::mesh::{Cancelled, LocalService, Mesh};
use super::table::RouteTable;
use super::traffic::Traffic;
use super::{server, serving};
use crate::driver::NodeHandle;
use http::{Request, Response};
use http_body_util::BodyExt;
use orbweave_model::{NodeId, WorkloadName};
use orbweave_net::{RecvStream, SendStream, StreamKind};
use orbweave_wasm::{CallError, Service};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Serves HTTP on a listener until `shutdown` is done; then requests may finish.
pub async fn serve(handle: NodeHandle, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) {
    server::serve(handle, listener, shutdown).await;
}

/// Serves a stream of kind `Http` or `Invoke` that a peer opened.
pub async fn serve_stream(
    handle: NodeHandle,
    peer: NodeId,
    kind: StreamKind,
    send: SendStream,
    recv: RecvStream,
) {
    serving::serve_stream(handle, peer, kind, send, recv).await;
}

/// Calls an exported function at the best live replica, arguments and result in WAVE.
pub async fn call(
    handle: &NodeHandle,
    workload: &WorkloadName,
    function: &str,
    wave_args: &str,
    deadline: Duration,
) -> Result<(String, NodeId), CallFailure> {
    let args = Values::Wave(wave_args.to_owned());
    let Called { result, node } = invoke::call(handle, workload, function, &args, deadline).await?;
    match result {
        Values::Wave(text) => Ok((text, node)),
        Values::Encoded(_) => {
            Err(CallFailure::Broken { node, why: "it answered in another encoding".to_owned() })
        }
    }
}

impl Mesh for NodeHandle {
    type Send = SendStream;
    type Recv = RecvStream;
    type Service = Service;

    fn id(&self) -> NodeId {
        NodeHandle::id(self)
    }

    fn routes(&self) -> Arc<RouteTable> {
        NodeHandle::routes(self)
    }

    fn route_changes(&self) -> watch::Receiver<u64> {
        NodeHandle::route_changes(self)
    }

    fn local(&self, workload: &WorkloadName) -> Option<Service> {
        self.local_service(workload)
    }

    async fn open(&self, peer: NodeId, kind: StreamKind) -> Result<(SendStream, RecvStream), String> {
        self.net().open(peer, kind).await.map_err(|e| e.to_string())
    }

    fn traffic(&self) -> &Arc<Traffic> {
        NodeHandle::traffic(self)
    }
}

impl Cancelled for SendStream {
    async fn cancelled(&mut self) {
        // An error is a link that is gone: nobody waits there either.
        let _ = self.stopped().await;
    }
}

impl LocalService for Service {
    async fn http(
        &self,
        request: Request<IngressBody>,
        deadline: Duration,
    ) -> Result<Response<IngressBody>, CallFailure> {
        let response = Service::http(self, request, deadline).await.map_err(|e| failure(e, deadline))?;
        Ok(response.map(|body| body.map_err(BodyError::from).boxed_unsync()))
    }

    async fn call(&self, function: &str, args: &str, deadline: Duration) -> Result<String, CallFailure> {
        Service::call(self, function, args, deadline).await.map_err(|e| failure(e, deadline))
    }

    async fn call_encoded(
        &self,
        function: &str,
        args: &[u8],
        deadline: Duration,
    ) -> Result<Vec<u8>, CallFailure> {
        let function = self.resolve(function).map_err(|e| failure(e, deadline))?;
        Service::call_encoded(self, function, args, deadline).await.map_err(|e| failure(e, deadline))
    }
}

/// What a failed call means to a caller on another node.
fn failure(error: CallError, allowed: Duration) -> CallFailure {
    match error {
        CallError::NoSuchFunction { .. } | CallError::BadArguments(..) => {
            CallFailure::BadRequest(error.to_string())
        }
        CallError::DeadlineExceeded => CallFailure::DeadlineExceeded(allowed),
        CallError::NoCapacity => CallFailure::NoCapacity(error.to_string()),
        other => CallFailure::Trapped(other.to_string()),
    }
}

//! The other end: requests and calls of peers, served by what runs on this node, or passed
//! on to another zone where they may be.

use super::attempt::{HttpCall, from_wire_headers, strip_hop_headers, to_request, wire_headers};
use super::body::{self, IngressBody};
use super::dispatch::{self, Answer};
use super::failure::CallFailure;
use super::frame::{
    self, HEAD_BYTES_MAX, INVOKE_BYTES_MAX, InvokeAnswer, InvokeHead, RequestHead, ResponseHead, WireFailure,
};
use super::invoke::{self, Called, Values};
use super::lost::while_alive;
use super::mesh::{Cancelled, LocalService, Mesh};
use super::traffic::Count;
use super::way::Way;
use http::{Method, Response};
use http_body_util::BodyExt;
use orbweave_model::NodeId;
use orbweave_net::StreamKind;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

/// A peer has this long to send the head of what it asks.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// A peer cannot ask for more time than this.
const DEADLINE_MAX: Duration = Duration::from_secs(3_600);

/// Serves one stream of a peer. A guest is stopped when the peer no longer wants its answer.
pub async fn serve_stream<M: Mesh>(mesh: M, peer: NodeId, kind: StreamKind, send: M::Send, recv: M::Recv) {
    let served = match kind {
        StreamKind::Http => http(&mesh, peer, send, recv).await,
        StreamKind::Invoke => invoke(&mesh, peer, send, recv).await,
        _ => Ok(()),
    };
    if let Err(e) = served {
        debug!("a stream of node {} ended: {e}", peer.short());
    }
}

async fn http<M: Mesh>(mesh: &M, peer: NodeId, mut send: M::Send, mut recv: M::Recv) -> io::Result<()> {
    let head: RequestHead =
        timeout(HEAD_TIME_MAX, frame::read_head("a request", &mut recv, HEAD_BYTES_MAX)).await??;
    let Ok(_permit) = mesh.traffic().served.clone().try_acquire_owned() else {
        return refuse_http(&mut send, &busy()).await;
    };
    let allowed = Duration::from_millis(head.deadline_ms).min(DEADLINE_MAX);
    let deadline = Instant::now() + allowed;
    let way = Way::passed_on(peer, head.relays);
    let service = mesh.local(&head.workload);
    if service.is_none() && way.is_none() {
        return refuse_http(&mut send, &CallFailure::NotHere).await;
    }
    let workload = head.workload.clone();
    // A body without length may still turn out to be empty; one of length zero is no body.
    let body = match head.body_bytes {
        Some(0) => {
            timeout(HEAD_TIME_MAX, frame::read_chunk(&mut recv)).await??;
            body::full(bytes::Bytes::new())
        }
        _ => body::from_stream(recv, deadline),
    };
    let here = service.is_some();
    let answering = async {
        let call = call(head)?;
        match (service, way) {
            (Some(service), _) => service.http(to_request(&call, body)?, allowed).await,
            (None, Some(way)) => pass_on(mesh, &call, body, way, deadline).await,
            (None, None) => Err(CallFailure::NotHere),
        }
    };
    let response = tokio::select! {
        biased;
        response = answering => response,
        () = send.cancelled() => return Err(no_longer_wanted()),
        () = sleep_until(deadline) => Err(CallFailure::DeadlineExceeded(allowed)),
    };
    match response {
        Ok(response) => {
            mesh.traffic().count(Count::Served);
            if here {
                mesh.traffic().answered_here(&workload);
            }
            send_response(&mut send, response, deadline).await
        }
        Err(failure) => refuse_http(&mut send, &failure).await,
    }
}

/// Sends a peer's request on, to a replica of this zone or towards another one.
async fn pass_on<M: Mesh>(
    mesh: &M,
    call: &HttpCall,
    body: IngressBody,
    way: Way,
    deadline: Instant,
) -> Result<Response<IngressBody>, CallFailure> {
    let routes = mesh.routes();
    let entry = routes.workload(&call.workload);
    let entry = entry.ok_or_else(|| CallFailure::NoSuchWorkload(call.workload.clone()))?;
    let answer = dispatch::once(mesh, entry, call, body, way, deadline).await;
    let Answer { response, target, .. } = answer.map_err(|gave_up| gave_up.failure)?;
    let node = target.node();
    Ok(if node == mesh.id() { response } else { response.map(|body| while_alive(mesh, node, body)) })
}

fn call(head: RequestHead) -> Result<HttpCall, CallFailure> {
    Ok(HttpCall {
        workload: head.workload,
        method: Method::from_bytes(head.method.as_bytes())
            .map_err(|_| CallFailure::BadRequest("the method is not well formed".to_owned()))?,
        target: head.target,
        authority: head.authority,
        headers: from_wire_headers(head.headers).map_err(CallFailure::BadRequest)?,
    })
}

async fn send_response<W: AsyncWrite + Cancelled + Unpin>(
    send: &mut W,
    response: Response<IngressBody>,
    deadline: Instant,
) -> io::Result<()> {
    let (mut parts, mut body) = response.into_parts();
    strip_hop_headers(&mut parts.headers);
    let head = ResponseHead {
        status: Some(parts.status.as_u16()),
        headers: Some(wire_headers(&parts.headers)),
        failure: None,
    };
    let Some(head) = frame::head_bytes(&head, HEAD_BYTES_MAX) else {
        let why = format!("its answer has more than {HEAD_BYTES_MAX} bytes of headers");
        return refuse_http(send, &CallFailure::Trapped(why)).await;
    };
    send.write_all(&head).await?;
    loop {
        let piece = tokio::select! {
            biased;
            piece = body.frame() => piece,
            () = send.cancelled() => return Err(no_longer_wanted()),
            () = sleep_until(deadline) => Some(Err("its time is over".into())),
        };
        match piece {
            None => return frame::close_body(send, true).await,
            Some(Ok(piece)) => {
                if let Some(bytes) = piece.data_ref() {
                    frame::write_chunk(send, bytes).await?;
                }
            }
            // The guest stopped within its answer, or its time is over: say so.
            Some(Err(_)) => return frame::close_body(send, false).await,
        }
    }
}

async fn refuse_http<W: AsyncWrite + Unpin>(send: &mut W, failure: &CallFailure) -> io::Result<()> {
    let head = ResponseHead { failure: Some(wire_failure(failure)), ..ResponseHead::default() };
    let head = frame::head_bytes(&head, HEAD_BYTES_MAX).unwrap_or_default();
    send.write_all(&head).await?;
    send.shutdown().await
}

async fn invoke<M: Mesh>(mesh: &M, peer: NodeId, mut send: M::Send, mut recv: M::Recv) -> io::Result<()> {
    // Before the arguments, which come within the frame: their memory is part of what is bounded.
    let answer = match mesh.traffic().served.clone().try_acquire_owned() {
        Ok(_permit) => {
            // The time for the frame is the call's own, which is not known before it is read.
            let reading = frame::read_sole_head("a call", &mut recv, INVOKE_BYTES_MAX);
            let head: InvokeHead = timeout(HEAD_TIME_MAX, reading).await??;
            tokio::select! {
                biased;
                answer = invoked(mesh, peer, head) => answer,
                () = send.cancelled() => return Err(no_longer_wanted()),
            }
        }
        Err(_) => Err(busy()),
    };
    let answer = answer.unwrap_or_else(|failure| InvokeAnswer {
        failure: Some(wire_failure(&failure)),
        ..InvokeAnswer::default()
    });
    let bytes = frame::head_bytes(&answer, INVOKE_BYTES_MAX).or_else(|| {
        let failure = wire_failure(&CallFailure::Trapped("its result is too long to travel".to_owned()));
        frame::head_bytes(
            &InvokeAnswer { failure: Some(failure), ..InvokeAnswer::default() },
            INVOKE_BYTES_MAX,
        )
    });
    send.write_all(&bytes.unwrap_or_default()).await?;
    send.shutdown().await
}

async fn invoked<M: Mesh>(mesh: &M, peer: NodeId, head: InvokeHead) -> Result<InvokeAnswer, CallFailure> {
    let allowed = Duration::from_millis(head.deadline_ms).min(DEADLINE_MAX);
    let Some(service) = mesh.local(&head.workload) else {
        let way = Way::passed_on(peer, head.relays).ok_or(CallFailure::NotHere)?;
        return pass_call_on(mesh, head, way, allowed).await;
    };
    let call = async {
        match (&head.wave, &head.encoded) {
            (_, Some(encoded)) => {
                let result = service.call_encoded(&head.function, encoded, allowed).await?;
                Ok(InvokeAnswer { encoded: Some(result.into()), ..InvokeAnswer::default() })
            }
            (wave, None) => {
                let args = wave.as_deref().unwrap_or_default();
                let result = service.call(&head.function, args, allowed).await?;
                Ok(InvokeAnswer { wave: Some(result), ..InvokeAnswer::default() })
            }
        }
    };
    let answer = match timeout(allowed, call).await {
        Ok(answer) => answer?,
        Err(_) => return Err(CallFailure::DeadlineExceeded(allowed)),
    };
    mesh.traffic().count(Count::Served);
    mesh.traffic().answered_here(&head.workload);
    Ok(answer)
}

/// Sends a peer's call on, and says who ran it.
async fn pass_call_on<M: Mesh>(
    mesh: &M,
    head: InvokeHead,
    way: Way,
    allowed: Duration,
) -> Result<InvokeAnswer, CallFailure> {
    let args = match head.encoded {
        Some(encoded) => Values::Encoded(encoded.into()),
        None => Values::Wave(head.wave.unwrap_or_default()),
    };
    let Called { result, node } =
        invoke::attempts(mesh, &head.workload, &head.function, &args, way, allowed).await?;
    mesh.traffic().count(Count::Served);
    let answer = InvokeAnswer { node: Some(node), ..InvokeAnswer::default() };
    Ok(match result {
        Values::Encoded(bytes) => InvokeAnswer { encoded: Some(bytes.into()), ..answer },
        Values::Wave(text) => InvokeAnswer { wave: Some(text), ..answer },
    })
}

fn no_longer_wanted() -> io::Error {
    io::Error::other("its answer is no longer wanted")
}

fn busy() -> CallFailure {
    CallFailure::NoCapacity("the node serves too many requests at once".to_owned())
}

fn wire_failure(failure: &CallFailure) -> WireFailure {
    let (code, text) = failure.to_wire();
    WireFailure { code, text }
}

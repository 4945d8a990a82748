//! One attempt at one replica, or at a node that passes on to one: in process, or over a
//! stream to the node.

use super::body::{self, BodyError, Held, Holding, IngressBody};
use super::failure::CallFailure;
use super::frame::{self, HEAD_BYTES_MAX, HEADERS_MAX, Header, RequestHead, ResponseHead};
use super::mesh::{LocalService, Mesh};
use super::traffic::{Outstanding, Traffic};
use super::way::Target;
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use orbweave_model::{NodeId, WorkloadName};
use orbweave_net::StreamKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

/// The longest answer that is held so that a death in its middle can be repaired;
/// a longer one is passed on as it comes.
pub const RESPONSE_HELD_MAX: usize = 4 * 1024 * 1024;

/// A request without its body.
#[derive(Debug, Clone)]
pub struct HttpCall {
    /// The workload.
    pub workload: WorkloadName,
    /// The method.
    pub method: http::Method,
    /// Path and query.
    pub target: String,
    /// Host and port as the client named them.
    pub authority: String,
    /// The headers, without those that end at this hop.
    pub headers: HeaderMap,
}

/// Who took the request, before the request is sent.
pub enum Ready<M: Mesh> {
    /// It runs here.
    Local(M::Service),
    /// A stream to its node is open.
    Remote(M::Send, M::Recv),
}

/// Finds the service here, or opens a stream to its node. Nothing has been asked yet.
pub async fn prepare<M: Mesh>(
    mesh: &M,
    workload: &WorkloadName,
    target: Target,
    kind: StreamKind,
    deadline: Instant,
) -> Result<Ready<M>, CallFailure> {
    let node = target.node();
    if node == mesh.id() {
        return mesh.local(workload).map(Ready::Local).ok_or(CallFailure::NotHere);
    }
    match timeout_at(deadline, mesh.open(node, kind)).await {
        Ok(Ok((send, recv))) => Ok(Ready::Remote(send, recv)),
        Ok(Err(why)) => Err(CallFailure::Unreachable { node, beyond: false, why }),
        Err(_) => {
            let why = "its link did not open in time".to_owned();
            Err(CallFailure::Unreachable { node, beyond: false, why })
        }
    }
}

/// Asks the one that is ready and reads the head of its answer; `hold` reads the
/// body as well, as far as it may be held.
pub async fn run<M: Mesh>(
    mesh: &M,
    call: &HttpCall,
    ready: Ready<M>,
    target: Target,
    body: IngressBody,
    deadline: Instant,
    hold: bool,
) -> Result<Response<IngressBody>, CallFailure> {
    let begun = Instant::now();
    let outstanding = mesh.traffic().begin(&call.workload, target);
    let response = match ready {
        Ready::Local(service) => {
            let response = local(call, &service, body, deadline).await;
            if response.is_ok() {
                mesh.traffic().answered_here(&call.workload);
            }
            response?
        }
        Ready::Remote(send, recv) => remote::<M>(call, target, send, recv, body, deadline).await?,
    };
    finish(mesh.traffic(), call, target.node(), response, outstanding, begun, hold).await
}

async fn local<S: LocalService>(
    call: &HttpCall,
    service: &S,
    body: IngressBody,
    deadline: Instant,
) -> Result<Response<IngressBody>, CallFailure> {
    let allowed = deadline.saturating_duration_since(Instant::now());
    let request = to_request(call, body)?;
    match timeout_at(deadline, service.http(request, allowed)).await {
        Ok(response) => response.map(strip),
        Err(_) => Err(CallFailure::DeadlineExceeded(allowed)),
    }
}

async fn remote<M: Mesh>(
    call: &HttpCall,
    target: Target,
    send: M::Send,
    mut recv: M::Recv,
    body: IngressBody,
    deadline: Instant,
) -> Result<Response<IngressBody>, CallFailure> {
    let node = target.node();
    let allowed = deadline.saturating_duration_since(Instant::now());
    let head = to_head(call, &body, allowed, target.relays())?;
    // A task of its own: the replica may answer before it has read everything.
    let sending = AbortOnDropHandle::new(tokio::spawn(send_request(send, head, body)));
    let reading = frame::read_head::<ResponseHead, _>("an answer", &mut recv, HEAD_BYTES_MAX);
    let head = match timeout_at(deadline, reading).await {
        Ok(Ok(head)) => head,
        Ok(Err(e)) => return Err(CallFailure::Broken { node, why: e.to_string() }),
        Err(_) => return Err(CallFailure::DeadlineExceeded(allowed)),
    };
    if let Some(failure) = head.failure {
        return Err(CallFailure::from_wire(node, failure.code, failure.text, allowed));
    }
    let body = body::guarded(body::from_stream(recv, deadline), sending);
    from_head(head, body).map_err(|why| CallFailure::Broken { node, why })
}

async fn send_request<W: AsyncWrite + Unpin>(
    mut send: W,
    head: Vec<u8>,
    mut body: IngressBody,
) -> Result<(), BodyError> {
    send.write_all(&head).await?;
    while let Some(piece) = body.frame().await {
        match piece {
            Ok(piece) => {
                if let Some(bytes) = piece.data_ref() {
                    frame::write_chunk(&mut send, bytes).await?;
                }
            }
            Err(e) => {
                frame::close_body(&mut send, false).await?;
                return Err(e);
            }
        }
    }
    Ok(frame::close_body(&mut send, true).await?)
}

async fn finish(
    traffic: &Arc<Traffic>,
    call: &HttpCall,
    node: NodeId,
    response: Response<IngressBody>,
    outstanding: Outstanding,
    begun: Instant,
    hold: bool,
) -> Result<Response<IngressBody>, CallFailure> {
    let (parts, body) = response.into_parts();
    let body = if hold {
        let held = Held::new(traffic.held.clone(), RESPONSE_HELD_MAX).collect(body).await;
        match held.map_err(|e| CallFailure::Broken { node, why: e.to_string() })? {
            Holding::Whole(bytes, permit) => body::guarded(body::full(bytes), permit),
            Holding::TooMuch(body) => body::guarded(body, outstanding),
        }
    } else {
        body::guarded(body, outstanding)
    };
    traffic.took(&call.workload, begun.elapsed());
    traffic.trust_again(node);
    Ok(Response::from_parts(parts, body))
}

/// Headers that end at this hop (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Takes away what ends at this hop, and what `connection` names.
pub fn strip_hop_headers(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(http::header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn strip(mut response: Response<IngressBody>) -> Response<IngressBody> {
    strip_hop_headers(response.headers_mut());
    response
}

fn to_head(
    call: &HttpCall,
    body: &IngressBody,
    allowed: Duration,
    relays: Option<u8>,
) -> Result<Vec<u8>, CallFailure> {
    let head = RequestHead {
        workload: call.workload.clone(),
        method: call.method.to_string(),
        target: call.target.clone(),
        authority: call.authority.clone(),
        headers: wire_headers(&call.headers),
        deadline_ms: u64::try_from(allowed.as_millis()).unwrap_or(u64::MAX),
        body_bytes: hyper::body::Body::size_hint(body).exact(),
        relays,
    };
    frame::head_bytes(&head, HEAD_BYTES_MAX)
        .ok_or_else(|| CallFailure::BadRequest(format!("the headers are longer than {HEAD_BYTES_MAX} bytes")))
}

/// Headers as they travel.
pub fn wire_headers(headers: &HeaderMap) -> Vec<Header> {
    headers
        .iter()
        .map(|(name, value)| Header { name: name.as_str().to_owned(), value: value.as_bytes().to_vec() })
        .collect()
}

/// Headers as they came from a peer.
pub fn from_wire_headers(headers: Vec<Header>) -> Result<HeaderMap, String> {
    if headers.len() > HEADERS_MAX {
        return Err(format!("more than {HEADERS_MAX} headers"));
    }
    let mut map = HeaderMap::with_capacity(headers.len());
    for header in headers {
        let name: HeaderName =
            header.name.parse().map_err(|_| "a header's name is not well formed".to_owned())?;
        let value = HeaderValue::from_bytes(&header.value)
            .map_err(|_| format!("the value of the header {name} is not well formed"))?;
        map.append(name, value);
    }
    strip_hop_headers(&mut map);
    Ok(map)
}

fn from_head(head: ResponseHead, body: IngressBody) -> Result<Response<IngressBody>, String> {
    let status = head.status.ok_or("the answer has neither status nor failure")?;
    let status = StatusCode::from_u16(status).map_err(|_| format!("{status} is no HTTP status"))?;
    if status.is_informational() {
        return Err(format!("{status} is no final status"));
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = from_wire_headers(head.headers.unwrap_or_default())?;
    Ok(response)
}

/// The request as the guest gets it: absolute, with its host.
pub fn to_request(call: &HttpCall, body: IngressBody) -> Result<Request<IngressBody>, CallFailure> {
    let bad =
        |e: &dyn std::fmt::Display| CallFailure::BadRequest(format!("the request is not well formed: {e}"));
    let uri = http::Uri::builder()
        .scheme("http")
        .authority(call.authority.as_str())
        .path_and_query(call.target.as_str())
        .build()
        .map_err(|e| bad(&e))?;
    let host = HeaderValue::from_str(&call.authority).map_err(|e| bad(&e))?;
    let length = hyper::body::Body::size_hint(&body).exact();
    let mut request = Request::new(body);
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = call.headers.clone();
    request.headers_mut().insert(HOST, host);
    if let Some(length) = length.filter(|&n| n > 0) {
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(request)
}

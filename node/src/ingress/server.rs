//! The HTTP listener: connections, requests, and failures as answers.

use super::attempt::{HttpCall, strip_hop_headers};
use super::body::{self, BodyError, Held, Holding, IngressBody};
use super::dispatch::{self, Answer, GaveUp};
use super::failure::CallFailure;
use super::frame::{HEAD_BYTES_MAX, HEADERS_MAX};
use super::lost::while_alive;
use super::mesh::Mesh;
use super::slow::{STALL_TIME_MAX, StallBound, discarded};
use super::table::{MESH_SUFFIX, RouteEntry};
use super::traffic::Count;
use super::way::{Target, Way};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use orbweave_model::limit;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

/// The replica that answered: the first digits of its node's id, and its slot.
pub const REPLICA_HEADER: &str = "orbweave-replica";
/// Which attempt the answer came from: 1 when the first replica gave it.
pub const ATTEMPTS_HEADER: &str = "orbweave-attempts";
/// One word for the failure, on answers that are not a guest's.
pub const ERROR_HEADER: &str = "orbweave-error";

/// A client has this long to send its request line and headers, and as long between
/// two requests: a slow sender cannot hold a connection for ever.
const HEADERS_TIME_MAX: Duration = Duration::from_secs(30);
/// Connections have this long to finish what they have when the node goes down.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);
/// A rest after `accept` failed, as it does when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves HTTP on a listener until `shutdown` is done; then requests may finish.
pub async fn serve<M: Mesh>(mesh: M, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) {
    serve_patiently(mesh, listener, STALL_TIME_MAX, shutdown).await;
}

/// The same, with the time after which a client that reads nothing is given up.
pub async fn serve_patiently<M: Mesh>(
    mesh: M,
    listener: TcpListener,
    stall_time_max: Duration,
    shutdown: impl Future<Output = ()> + Send,
) {
    let (closing, tasks) = (CancellationToken::new(), TaskTracker::new());
    tokio::pin!(shutdown);
    loop {
        let accept = async {
            // Full: the backlog of the socket waits, not our memory.
            let permit = mesh.traffic().connections.clone().acquire_owned().await;
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept => accepted,
        };
        match accepted {
            Ok((socket, _)) => {
                let connection = connection(mesh.clone(), socket, stall_time_max, closing.clone());
                tasks.spawn(async move {
                    let _permit = permit;
                    connection.await;
                });
            }
            Err(e) => {
                warn!("the ingress cannot accept a connection: {e}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    closing.cancel();
    tasks.close();
    let _ = tokio::time::timeout(DRAIN_TIME_MAX, tasks.wait()).await;
}

async fn connection<M: Mesh>(
    mesh: M,
    socket: TcpStream,
    stall_time_max: Duration,
    closing: CancellationToken,
) {
    let _ = socket.set_nodelay(true);
    let socket = StallBound::new(socket, stall_time_max);
    let service = service_fn(move |request| {
        let mesh = mesh.clone();
        async move { Ok::<_, Infallible>(answer(&mesh, request).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIME_MAX)
        .max_headers(HEADERS_MAX)
        .max_buf_size(2 * HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(socket), service);
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = closing.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(e) = ended {
        debug!("an HTTP connection ended: {e}");
    }
}

/// Answers one request.
pub async fn answer<M: Mesh>(mesh: &M, request: Request<Incoming>) -> Response<IngressBody> {
    // A client that waits for leave to send has nothing under way that would be lost.
    let waits = request.headers().contains_key(EXPECT);
    let request = request.map(|body| {
        let body = body.map_err(BodyError::from).boxed_unsync();
        if waits { body } else { discarded(body) }
    });
    answer_with(mesh, request).await
}

/// Answers one request, whatever its body came in.
pub async fn answer_with<M: Mesh>(mesh: &M, request: Request<IngressBody>) -> Response<IngressBody> {
    let traffic = mesh.traffic();
    traffic.count(Count::Request);
    let Ok(permit) = traffic.requests.clone().try_acquire_owned() else {
        traffic.count(Count::Error);
        let busy = CallFailure::NoCapacity("this node has too many requests at once".to_owned());
        return refusal(&GaveUp { failure: busy, attempts: 0 });
    };
    let response = match handle(mesh, request).await {
        Ok(answer) => passed_on(mesh, answer),
        Err(Refused::Mesh(gave_up)) => {
            traffic.count(Count::Error);
            refusal(&gave_up)
        }
        Err(Refused::Client(status, text)) => plain(status, text),
    };
    response.map(|body| body::guarded(body, permit))
}

/// Why there is no answer of a guest.
enum Refused {
    /// The mesh could not answer.
    Mesh(GaveUp),
    /// The request is not one to answer.
    Client(StatusCode, String),
}

impl From<GaveUp> for Refused {
    fn from(gave_up: GaveUp) -> Self {
        Self::Mesh(gave_up)
    }
}

async fn handle<M: Mesh>(mesh: &M, request: Request<IngressBody>) -> Result<Answer, Refused> {
    let arrived = Instant::now();
    let (parts, body) = request.into_parts();
    if parts.method == Method::CONNECT {
        return Err(Refused::Client(StatusCode::METHOD_NOT_ALLOWED, "CONNECT is not served here".to_owned()));
    }
    let host = match parts.uri.authority() {
        Some(authority) => Some(authority.as_str().to_owned()),
        None => parts.headers.get(HOST).and_then(|h| h.to_str().ok()).map(str::to_owned),
    };
    let routes = mesh.routes();
    let Some(entry) = routes.find(host.as_deref(), parts.uri.path()) else {
        return Err(Refused::Client(
            StatusCode::NOT_FOUND,
            no_such_service(host.as_deref(), parts.uri.path()),
        ));
    };
    if declared_length(&parts.headers).is_some_and(|n| n > limit::BODY_BYTES_MAX as u64) {
        return Err(too_large());
    }
    let mut headers = parts.headers;
    strip_hop_headers(&mut headers);
    headers.remove(HOST);
    let call = HttpCall {
        workload: entry.name.clone(),
        method: parts.method,
        target: parts.uri.path_and_query().map_or("/", |t| t.as_str()).to_owned(),
        authority: host.filter(|h| !h.is_empty()).unwrap_or_else(|| format!("{}{MESH_SUFFIX}", entry.name)),
        headers,
    };
    let deadline = arrived + entry.deadline;
    if entry.idempotent() {
        repeatable(mesh, entry, call, body, deadline).await
    } else {
        let body = Limited::new(body, limit::BODY_BYTES_MAX).boxed_unsync();
        let answer = dispatch::once(mesh, entry, &call, body, Way::FROM_HERE, deadline).await;
        Ok(answer.map_err(GaveUp::unrepeated)?)
    }
}

/// Holds the body and sends it as often as it takes.
async fn repeatable<M: Mesh>(
    mesh: &M,
    entry: &RouteEntry,
    mut call: HttpCall,
    body: IngressBody,
    deadline: Instant,
) -> Result<Answer, Refused> {
    let held = Held::new(mesh.traffic().held.clone(), limit::BODY_BYTES_MAX).collect(body);
    let (bytes, _share) = match timeout_at(deadline, held).await {
        Ok(Ok(Holding::Whole(bytes, share))) => (bytes, share),
        Ok(Ok(Holding::TooMuch(_))) if mesh.traffic().held.available_permits() == 0 => {
            let failure = CallFailure::NoCapacity("this node holds too many bodies at once".to_owned());
            return Err(GaveUp { failure, attempts: 0 }.into());
        }
        Ok(Ok(Holding::TooMuch(_))) => return Err(too_large()),
        Ok(Err(e)) => {
            return Err(Refused::Client(StatusCode::BAD_REQUEST, format!("the body broke off: {e}")));
        }
        Err(_) => {
            let text = "the body did not arrive in time".to_owned();
            return Err(Refused::Client(StatusCode::REQUEST_TIMEOUT, text));
        }
    };
    // The body is whole now, however it came in.
    call.headers.remove(CONTENT_LENGTH);
    Ok(dispatch::repeatable(mesh, Arc::new(call), bytes, entry.deadline, deadline).await?)
}

fn declared_length(headers: &http::HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large() -> Refused {
    let text = format!("a body has at most {} bytes", limit::BODY_BYTES_MAX);
    Refused::Client(StatusCode::PAYLOAD_TOO_LARGE, text)
}

fn no_such_service(host: Option<&str>, path: &str) -> String {
    let shown = |text: &str| text.chars().take(200).collect::<String>();
    format!(
        "no service here answers for host {:?} and path {:?}.\n\
         A request finds its service by the Host header (without port, in any case) and by the longest \
         path that its route names; a route that names neither is reached as <workload>{MESH_SUFFIX}.\n\
         `orbweave get` lists the workloads and their routes.",
        shown(host.unwrap_or("")),
        shown(path),
    )
}

/// The guest's answer, with who gave it.
fn passed_on<M: Mesh>(mesh: &M, answer: Answer) -> Response<IngressBody> {
    let node = answer.target.node();
    let mut response = match node == mesh.id() {
        true => answer.response,
        false => answer.response.map(|body| while_alive(mesh, node, body)),
    };
    let replica = match answer.target {
        Target::Replica(replica) => format!("{}/{}", node.short(), replica.slot),
        Target::Beyond { .. } => format!("{}/beyond", node.short()),
    };
    if let Ok(value) = HeaderValue::from_str(&replica) {
        response.headers_mut().insert(REPLICA_HEADER, value);
    }
    response.headers_mut().insert(ATTEMPTS_HEADER, HeaderValue::from(answer.attempt));
    response
}

/// A failure of the mesh as an answer.
fn refusal(gave_up: &GaveUp) -> Response<IngressBody> {
    let status = gave_up.failure.status();
    let mut response = plain(status, gave_up.failure.to_string());
    let headers = response.headers_mut();
    headers.insert(ERROR_HEADER, HeaderValue::from_static(gave_up.failure.word()));
    headers.insert(ATTEMPTS_HEADER, HeaderValue::from(gave_up.attempts));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn plain(status: StatusCode, text: String) -> Response<IngressBody> {
    let mut response = Response::new(body::full(text + "\n"));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

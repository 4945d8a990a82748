//! The server: a Unix socket of mode 0600 and, where it was asked for, loopback TCP
//! with a bearer token.

use super::backend::{Backend, Source};
use super::error::ApiError;
use super::event::Event;
use super::line;
use super::types::{BlobResponse, CallRequest, LogLine, TicketRequest, TicketResponse};
use crate::manifest::quantity::{CALL_TIME_MAX, CALL_TIME_MIN, Span};
use crate::state_dir::{StateDir, StateDirError, random_bytes};
use axum::body::Body;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use orbweave_core::WorkloadSpec;
use orbweave_model::{WorkloadName, limit};
use serde::Deserialize;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// The largest JSON request.
const JSON_BYTES_MAX: usize = 1024 * 1024;
/// Components taken in at once: each is held in memory until it is stored.
const UPLOADS_MAX: usize = 2;
/// The longest life of a ticket.
const TICKET_TTL_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Why the admin API cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The state directory cannot be used.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// The socket cannot be opened.
    #[error("the admin API cannot listen on {}: {source}", path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The port cannot be opened.
    #[error("the admin API cannot listen on {address}: {source}; choose another --port")]
    Port {
        /// Where.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// The address can be reached from elsewhere.
    #[error("the admin API listens on loopback only, and {0} is not")]
    NotLoopback(SocketAddr),
}

/// The listeners, open and not yet served. Whoever has the directory's lock binds.
#[derive(Debug)]
pub struct AdminServer {
    socket: UnixListener,
    socket_path: PathBuf,
    tcp: Option<(TcpListener, String)>,
}

impl AdminServer {
    /// Opens the listeners. The caller holds the directory's lock, so that a socket
    /// which is already there belongs to a process that has ended.
    pub async fn bind(dir: &StateDir, tcp: Option<SocketAddr>) -> Result<Self, BindError> {
        let socket_path = dir.socket_checked()?;
        let failed = |source| BindError::Socket { path: socket_path.clone(), source };
        match std::fs::remove_file(&socket_path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e)),
            _ => {}
        }
        // Until the mode is set, the directory's own mode (0700) keeps others out.
        let socket = UnixListener::bind(&socket_path).map_err(failed)?;
        std::fs::set_permissions(&socket_path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let tcp = match tcp {
            None => None,
            Some(address) if !address.ip().is_loopback() => return Err(BindError::NotLoopback(address)),
            Some(address) => {
                let failed = |source| BindError::Port { address, source };
                let listener = TcpListener::bind(address).await.map_err(failed)?;
                Some((listener, token(dir)?))
            }
        };
        Ok(Self { socket, socket_path, tcp })
    }

    /// Where the API listens on TCP.
    #[cfg(test)]
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref()?.0.local_addr().ok()
    }

    /// Serves until `stop`. Streams end then; other requests are finished.
    pub async fn serve<B: Backend>(self, backend: B, stop: CancellationToken) -> io::Result<()> {
        let routes = router(backend, stop.clone());
        let unix =
            axum::serve(self.socket, routes.clone()).with_graceful_shutdown(stop.clone().cancelled_owned());
        let served = match self.tcp {
            None => unix.await,
            Some((listener, token)) => {
                let guarded =
                    routes.layer(middleware::from_fn_with_state(Arc::<str>::from(token), authorised));
                let tcp = axum::serve(listener, guarded).with_graceful_shutdown(stop.cancelled_owned());
                tokio::try_join!(async { unix.await }, async { tcp.await }).map(drop)
            }
        };
        // A client that finds no socket knows that no node runs.
        let _ = std::fs::remove_file(&self.socket_path);
        served
    }
}

/// The token of the API on TCP: drawn once, kept for the owner to read.
fn token(dir: &StateDir) -> Result<String, BindError> {
    let path = dir.token();
    if path.exists() {
        let kept = dir.read(&path)?;
        return Ok(String::from_utf8_lossy(kept.trim_ascii()).into_owned());
    }
    let bytes: [u8; 32] =
        random_bytes().map_err(|source| BindError::Socket { path: path.clone(), source })?;
    let token = data_encoding::HEXLOWER.encode(&bytes);
    dir.write_new(&path, format!("{token}\n").as_bytes())?;
    Ok(token)
}

async fn authorised(State(token): State<Arc<str>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(AUTHORIZATION).and_then(|v| v.to_str().ok()?.strip_prefix("Bearer "));
    // Compared by hash: how long it takes says nothing about the token.
    let same = given.is_some_and(|given| blake3::hash(given.as_bytes()) == blake3::hash(token.as_bytes()));
    if same {
        return next.run(request).await;
    }
    ApiError::new(StatusCode::UNAUTHORIZED, "the admin API on TCP wants its token")
        .fix("send the text of admin.token in the state directory as `Authorization: Bearer …`")
        .into_response()
}

struct Shared<B> {
    backend: B,
    stop: CancellationToken,
    uploads: Semaphore,
}

type Api<B> = State<Arc<Shared<B>>>;

fn router<B: Backend>(backend: B, stop: CancellationToken) -> Router {
    let shared = Arc::new(Shared { backend, stop, uploads: Semaphore::new(UPLOADS_MAX) });
    Router::new()
        .route("/v1/status", get(status::<B>))
        .route("/v1/nodes", get(nodes::<B>))
        .route("/v1/zones", get(zones::<B>))
        .route("/v1/quotas", get(quotas::<B>))
        .route("/v1/workloads", get(workloads::<B>))
        .route("/v1/workloads/{name}", get(describe::<B>))
        .route("/v1/workloads/{name}/why", get(why::<B>))
        .route("/v1/workloads/{name}/spec", get(spec::<B>))
        .route("/v1/plans/{name}", post(plan::<B>).layer(DefaultBodyLimit::max(limit::RECORD_BYTES_MAX)))
        .route("/v1/instances", get(instances::<B>))
        .route("/v1/records", post(submit::<B>).layer(DefaultBodyLimit::max(limit::RECORD_BYTES_MAX)))
        .route("/v1/blobs", post(upload::<B>))
        .route("/v1/tickets", post(ticket::<B>))
        .route("/v1/calls", post(call::<B>))
        .route("/v1/logs", get(logs::<B>))
        .route("/v1/events", get(events::<B>))
        .route("/v1/shutdown", post(shutdown::<B>))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(DefaultBodyLimit::max(JSON_BYTES_MAX))
        .with_state(shared)
}

async fn unknown(request: Request) -> ApiError {
    ApiError::not_found(format!("the admin API has no {} {}", request.method(), request.uri().path()))
        .fix("the program that asks and the node may be of different versions: compare `orbweave --version` and `orbweave status`")
}

async fn status<B: Backend>(State(api): Api<B>) -> Response {
    Json(api.backend.status().await).into_response()
}

async fn nodes<B: Backend>(State(api): Api<B>) -> Response {
    Json(api.backend.nodes().await).into_response()
}

async fn quotas<B: Backend>(State(api): Api<B>) -> Response {
    Json(api.backend.quotas().await).into_response()
}

async fn zones<B: Backend>(State(api): Api<B>) -> Response {
    Json(api.backend.zones().await).into_response()
}

async fn workloads<B: Backend>(State(api): Api<B>) -> Response {
    Json(api.backend.workloads().await).into_response()
}

async fn instances<B: Backend>(State(api): Api<B>) -> Response {
    Json(api.backend.instances().await).into_response()
}

async fn describe<B: Backend>(
    State(api): Api<B>,
    name: Result<Path<WorkloadName>, PathRejection>,
) -> Result<Response, ApiError> {
    let Path(name) = name.map_err(|e| ApiError::bad_request(e.body_text()))?;
    match api.backend.describe(&name).await {
        Some(all) => Ok(Json(all).into_response()),
        None => Err(no_workload(&name)),
    }
}

fn no_workload(name: &WorkloadName) -> ApiError {
    ApiError::not_found(format!("no workload is called {name}")).fix("see `orbweave get`")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfSlot {
    #[serde(default)]
    slot: u32,
}

async fn why<B: Backend>(
    State(api): Api<B>,
    name: Result<Path<WorkloadName>, PathRejection>,
    query: Result<Query<OfSlot>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Path(name) = name.map_err(|e| ApiError::bad_request(e.body_text()))?;
    let Query(asked) = query.map_err(|e| ApiError::bad_request(e.body_text()))?;
    let why = api.backend.why(&name, asked.slot).await.ok_or_else(|| no_workload(&name))?;
    Ok(Json(why).into_response())
}

async fn spec<B: Backend>(
    State(api): Api<B>,
    name: Result<Path<WorkloadName>, PathRejection>,
) -> Result<Bytes, ApiError> {
    let Path(name) = name.map_err(|e| ApiError::bad_request(e.body_text()))?;
    api.backend.spec(&name).await.map(Bytes::from).ok_or_else(|| no_workload(&name))
}

async fn plan<B: Backend>(
    State(api): Api<B>,
    name: Result<Path<WorkloadName>, PathRejection>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let Path(name) = name.map_err(|e| ApiError::bad_request(e.body_text()))?;
    let spec = WorkloadSpec::decode(&body).map_err(|e| ApiError::bad_request(e.to_string()))?;
    let plan = api.backend.plan(&name, spec).await;
    Ok(Json(plan.ok_or_else(|| ApiError::unavailable("the node is stopping"))?).into_response())
}

async fn submit<B: Backend>(State(api): Api<B>, record: Bytes) -> Result<StatusCode, ApiError> {
    api.backend.submit(record.to_vec()).await?;
    Ok(StatusCode::CREATED)
}

async fn upload<B: Backend>(
    State(api): Api<B>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<BlobResponse>, ApiError> {
    let declared =
        headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
    if declared > limit::COMPONENT_BYTES_MAX {
        return Err(too_large(declared));
    }
    let _room = api.uploads.acquire().await.map_err(|_| ApiError::unavailable("the node is stopping"))?;
    let bytes = component_bytes(body).await?;
    let size = bytes.len() as u64;
    let hash = api.backend.add_blob(bytes).await?;
    Ok(Json(BlobResponse { hash, size }))
}

/// The body, counted as it comes: a length that was declared proves nothing.
async fn component_bytes(mut body: Body) -> Result<Bytes, ApiError> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| ApiError::bad_request(format!("the upload broke off: {e}")))?;
        let Ok(data) = frame.into_data() else { continue };
        let size = bytes.len() as u64 + data.len() as u64;
        if size > limit::COMPONENT_BYTES_MAX {
            return Err(too_large(size));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

fn too_large(size: u64) -> ApiError {
    let max = limit::COMPONENT_BYTES_MAX;
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("{size} bytes are more than the {max} that a component may have"),
    )
    .fix("strip debug information from the component")
}

async fn ticket<B: Backend>(
    State(api): Api<B>,
    request: Result<Json<TicketRequest>, JsonRejection>,
) -> Result<Json<TicketResponse>, ApiError> {
    let Json(TicketRequest { uses, ttl_ms }) = request.map_err(|e| ApiError::bad_request(e.body_text()))?;
    let ttl = Duration::from_millis(ttl_ms);
    if uses == 0 || ttl.is_zero() || ttl > TICKET_TTL_MAX {
        return Err(ApiError::bad_request("a ticket has at least one use, and a life of 1 ms to 366 days"));
    }
    let ticket = api.backend.create_ticket(uses, ttl).await?;
    Ok(Json(TicketResponse { ticket }))
}

async fn call<B: Backend>(
    State(api): Api<B>,
    request: Result<Json<CallRequest>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(request) = request.map_err(|e| ApiError::bad_request(e.body_text()))?;
    let deadline = Span(Duration::from_millis(request.deadline_ms));
    if let Err(e) = deadline.bounded(CALL_TIME_MIN, CALL_TIME_MAX) {
        return Err(ApiError::bad_request(format!("deadlineMs: {e}")));
    }
    Ok(Json(api.backend.call(request).await?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Follow {
    #[serde(default)]
    workload: Option<WorkloadName>,
    #[serde(default)]
    follow: bool,
    #[serde(default)]
    everywhere: bool,
}

impl Follow {
    /// The workload of which other nodes are asked, if they are.
    fn everywhere(&self) -> Result<Option<&WorkloadName>, ApiError> {
        match (&self.workload, self.everywhere) {
            (None, true) => Err(ApiError::bad_request("other nodes are asked about one workload: name it")),
            (workload, true) => Ok(workload.as_ref()),
            (_, false) => Ok(None),
        }
    }
}

async fn logs<B: Backend>(
    State(api): Api<B>,
    query: Result<Query<Follow>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(asked) = query.map_err(|e| ApiError::bad_request(e.body_text()))?;
    let (last, receiver) = api.backend.logs(asked.workload.as_ref());
    let elsewhere = match asked.everywhere()? {
        Some(workload) => Some(api.backend.elsewhere(Source::Logs, workload, asked.follow).await),
        None => None,
    };
    let (follow, stop) = (asked.follow.then_some(receiver), api.stop.clone());
    let keep = move |line: &LogLine| asked.workload.as_ref().is_none_or(|name| line.workload == *name);
    Ok(match elsewhere {
        None => line::stream(last, follow, keep, stop),
        Some(elsewhere) => {
            let last = last.into_iter().map(|line| (line.at_ms, line)).collect();
            line::merged(last, elsewhere, follow, keep, stop)
        }
    })
}

async fn events<B: Backend>(
    State(api): Api<B>,
    query: Result<Query<Follow>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(asked) = query.map_err(|e| ApiError::bad_request(e.body_text()))?;
    let (mut last, receiver) = api.backend.events();
    let elsewhere = match asked.everywhere()? {
        Some(workload) => Some(api.backend.elsewhere(Source::Events, workload, asked.follow).await),
        None => None,
    };
    let (follow, stop) = (asked.follow.then_some(receiver), api.stop.clone());
    let keep =
        move |event: &Event| asked.workload.as_ref().is_none_or(|n| event.workload.as_ref() == Some(n));
    last.retain(&keep);
    Ok(match elsewhere {
        None => line::stream(last, follow, keep, stop),
        Some(elsewhere) => {
            let last = last.into_iter().map(|event| (event.at_ms, event)).collect();
            line::merged(last, elsewhere, follow, keep, stop)
        }
    })
}

async fn shutdown<B: Backend>(State(api): Api<B>) -> StatusCode {
    // Answered first: the node takes this server down with it.
    let backend = api.backend.clone();
    tokio::spawn(async move { backend.shutdown().await });
    StatusCode::ACCEPTED
}

//! The load: requests with the real image at a fixed rate, whatever the answers do
//! (an open loop), and what came back.

use super::show::{Show, now_ms};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::ingress::{ATTEMPTS_HEADER, REPLICA_HEADER};

/// Time between two requests, on a machine that has the time for it: 20 a second.
const REQUEST_EVERY: Duration = Duration::from_millis(50);
/// Requests that are sent one after the other to see how long one takes.
const PACING: usize = 5;
/// Requests that are asked for: 30 s of them.
pub const REQUESTS: usize = 600;
/// A client gives up after this; the route's own deadline is shorter.
const CLIENT_TIME_MAX: Duration = Duration::from_secs(30);
/// The largest answer.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A request and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// When it was sent.
    pub sent_ms: u64,
    /// When it was answered in full.
    pub answered_ms: u64,
    /// The answer, or why there is none.
    pub outcome: Result<Answer, String>,
}

/// A complete answer with status 200 and the targets in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The first digits of the node that answered.
    pub node: String,
    /// Its slot.
    pub slot: u32,
    /// Which attempt it was.
    pub attempt: u32,
    /// Targets in the image.
    pub targets: usize,
}

/// Sends until it is told to stop, and never fewer than [`REQUESTS`].
pub struct Load {
    image: Bytes,
    port: AtomicU16,
    exchanges: Mutex<Vec<Exchange>>,
    sent: AtomicUsize,
    enough: AtomicBool,
}

impl Load {
    /// Requests with this image to the ingress on this port.
    pub fn new(image: Bytes, port: u16) -> Arc<Self> {
        Arc::new(Self {
            image,
            port: AtomicU16::new(port),
            exchanges: Mutex::default(),
            sent: AtomicUsize::new(0),
            enough: AtomicBool::new(false),
        })
    }

    /// The time between two requests that leaves this machine time for everything else: an
    /// open loop beyond what it can do would only show how it fails.
    pub async fn pace(&self) -> Duration {
        let mut took = Vec::new();
        for _ in 0..PACING {
            let exchange = self.send().await;
            took.push(exchange.answered_ms - exchange.sent_ms);
        }
        took.sort_unstable();
        REQUEST_EVERY.max(Duration::from_millis(took[PACING / 2]))
    }

    /// Begins; the handle ends when all is sent and answered.
    pub fn begin(self: &Arc<Self>, every: Duration, show: Arc<Show>) -> AbortOnDropHandle<()> {
        let load = self.clone();
        AbortOnDropHandle::new(tokio::spawn(async move {
            let tasks = TaskTracker::new();
            let mut ticks = interval(every);
            // Late ticks are caught up: the rate is what was promised.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            while load.sent() < REQUESTS || !load.enough.load(SeqCst) {
                ticks.tick().await;
                let one = load.clone();
                load.sent.fetch_add(1, SeqCst);
                tasks.spawn(async move {
                    let exchange = one.send().await;
                    one.exchanges().push(exchange);
                });
                show.status(load.summary());
            }
            tasks.close();
            tasks.wait().await;
        }))
    }

    /// Sends no more once all that was asked for is sent.
    pub fn enough(&self) {
        self.enough.store(true, SeqCst);
    }

    /// Requests go to the ingress on this port from now on.
    pub fn redirect(&self, port: u16) {
        self.port.store(port, SeqCst);
    }

    /// Requests so far.
    pub fn sent(&self) -> usize {
        self.sent.load(SeqCst)
    }

    /// Sends one request outside the count.
    pub async fn send(&self) -> Exchange {
        let sent_ms = now_ms();
        let outcome = timeout(CLIENT_TIME_MAX, post(self.port.load(SeqCst), self.image.clone())).await;
        let outcome = outcome.unwrap_or_else(|_| Err(format!("no answer within {CLIENT_TIME_MAX:?}")));
        Exchange { sent_ms, answered_ms: now_ms(), outcome }
    }

    /// What was answered so far, in order of the answers.
    pub fn exchanges(&self) -> MutexGuard<'_, Vec<Exchange>> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn summary(&self) -> String {
        let exchanges = self.exchanges();
        let answered = exchanges.iter().filter(|e| e.outcome.is_ok()).count();
        let failed = exchanges.len() - answered;
        format!("{} requests sent, {answered} answered, {failed} failed", self.sent())
    }
}

/// One request on a connection of its own.
async fn post(port: u16, image: Bytes) -> Result<Answer, String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.map_err(|e| text(&e))?;
    let _ = socket.set_nodelay(true);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.map_err(|e| text(&e))?;
    let connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let request = Request::post("/")
        .header("host", super::files::HOST)
        .header("content-type", "image/tiff")
        .body(Full::new(image))
        .map_err(|e| text(&e))?;
    let (head, body) = sender.send_request(request).await.map_err(|e| text(&e))?.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|e| e.to_string())?.to_bytes();
    drop(connection);
    if head.status != StatusCode::OK {
        let said: String = String::from_utf8_lossy(&body).chars().take(200).collect();
        return Err(format!("{}: {}", head.status, said.trim()));
    }
    let header = |name: &str| head.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let (node, slot) = header(REPLICA_HEADER).split_once('/').ok_or("the answer does not say who gave it")?;
    Ok(Answer {
        node: node.to_owned(),
        slot: slot.parse().map_err(|_| "the answer's slot is no number".to_owned())?,
        attempt: header(ATTEMPTS_HEADER).parse().unwrap_or(1),
        targets: targets(&body)?,
    })
}

/// How many features a GeoJSON collection has.
fn targets(body: &[u8]) -> Result<usize, String> {
    let json: serde_json::Value =
        serde_json::from_slice(body).map_err(|e| format!("the answer is no JSON: {e}"))?;
    let features = json.get("features").and_then(|f| f.as_array());
    features.map(Vec::len).ok_or_else(|| "the answer has no features".to_owned())
}

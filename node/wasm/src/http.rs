//! HTTP requests to `wasi:http/incoming-handler`: a fresh instance each.
//!
//! The guest may answer before it has read the request, and go on after its response
//! has begun. Bodies stream both ways through a buffer of two chunks: a slow reader
//! holds the writer up. An instance that fails after its response began breaks the
//! body off with an error, never with an ordinary end.

use crate::admit::{Outstanding, Turn};
use crate::error::CallError;
use crate::run::{self, Guest};
use crate::service::{Service, Shared};
use crate::state::{self, State};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Limited};
use orbweave_model::limit::BODY_BYTES_MAX;
use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

type Head = Result<Response<HyperOutgoingBody>, ErrorCode>;

/// How the guest ended, once it has: for the body that it may have left half written.
type Failure = Arc<OnceLock<CallError>>;

impl Service {
    /// Answers a request within `deadline`, which covers the whole body of the response.
    /// The request must name its host, in its URI or its `host` header. Dropping the
    /// response's body before its end stops the guest.
    pub async fn http<B>(&self, request: Request<B>, deadline: Duration) -> Result<Response<Body>, CallError>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let shared = &self.shared;
        let Some(proxy) = &shared.proxy else {
            let name = &shared.name;
            return Err(CallError::NoSuchFunction(format!(
                "{name} does not export wasi:http/incoming-handler"
            )));
        };
        let request = accept(request)?;
        let deadline = shared.deadline(deadline);
        let turn = Outstanding::new(shared)?.turn(deadline).await?;
        let (respond, mut head) = oneshot::channel();
        let failure = Failure::default();
        let exchange = Exchange { request, respond, failure: Arc::clone(&failure) };
        let guest = Box::pin(guest(Arc::clone(shared), proxy.clone(), turn, exchange, deadline));
        let mut driven = Box::pin(drive(Arc::clone(shared), guest, deadline, Arc::clone(&failure)));
        // Most guests are done, body and all, before anything has to wait: no task for them.
        let rest = tokio::select! {
            biased;
            () = &mut driven => None,
            early = &mut head => {
                return answer(early, Some(GuestTask(Some(tokio::spawn(driven)))), failure);
            }
        };
        answer(head.await, rest, failure)
    }
}

fn answer(
    head: Result<Head, oneshot::error::RecvError>,
    guest: Option<GuestTask>,
    failure: Failure,
) -> Result<Response<Body>, CallError> {
    match head {
        Ok(Ok(response)) => Ok(Body::new(response, guest, failure)),
        Ok(Err(code)) => Err(CallError::Refused(format!("{code:?}"))),
        Err(_) => Err(failure
            .get()
            .cloned()
            .unwrap_or_else(|| CallError::Trapped("it returned without a response".into()))),
    }
}

/// Runs a guest to its end or its deadline.
async fn drive(shared: Arc<Shared>, guest: Guest<()>, deadline: Instant, failure: Failure) {
    let ended = if shared.patience.begins_here() {
        run::from_here(&shared, deadline, guest).await
    } else {
        run::on_pool(&shared, deadline, guest).await
    };
    if let Err(overdue) = ended {
        // Kept before the instance goes: what reads the body must find the reason.
        let _ = failure.set(CallError::DeadlineExceeded);
        drop(overdue);
    }
    if let Some(error) = failure.get() {
        shared.note(error);
    }
}

/// What goes into a guest and where its answer goes.
struct Exchange {
    request: Request<Incoming>,
    respond: oneshot::Sender<Head>,
    failure: Failure,
}

async fn guest(
    shared: Arc<Shared>,
    proxy: ProxyPre<State>,
    turn: Turn,
    exchange: Exchange,
    deadline: Instant,
) {
    let _turn = turn;
    let mut store = state::store(&shared, deadline);
    let failure = exchange.failure;
    let served: wasmtime::Result<()> = async {
        let request = store.data_mut().http().new_incoming_request(Scheme::Http, exchange.request)?;
        let out = store.data_mut().http().new_response_outparam(exchange.respond)?;
        let instance = proxy.instantiate_async(&mut store).await?;
        instance.wasi_http_incoming_handler().call_handle(&mut store, request, out).await
    }
    .await;
    if let Err(error) = served {
        // Before the store goes, and with it the writing end of the body.
        let _ = failure.set(state::classify(store.data(), &error));
    }
}

type Incoming = http_body_util::combinators::UnsyncBoxBody<Bytes, wasmtime_wasi_http::Error>;

/// Bounds the request, and refuses what the guest's host could not represent.
fn accept<B>(request: Request<B>) -> Result<Request<Incoming>, CallError>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let (parts, body) = request.into_parts();
    let named = parts.uri.authority().is_some()
        || parts.headers.get(http::header::HOST).is_some_and(|host| host.to_str().is_ok());
    if !named {
        return Err(CallError::BadArguments(
            "the request names no host, in its URI or its host header".into(),
        ));
    }
    let body = Limited::new(body, BODY_BYTES_MAX).map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            wasmtime_wasi_http::Error::HttpRequestBodySize(Some(BODY_BYTES_MAX as u64))
        } else {
            wasmtime_wasi_http::Error::InternalError(Some(error.to_string()))
        }
    });
    Ok(Request::from_parts(parts, body.boxed_unsync()))
}

/// A guest that goes on behind its response. Dropping this stops it.
struct GuestTask(Option<JoinHandle<()>>);

impl GuestTask {
    /// Lets it finish, within its deadline.
    fn leave(mut self) {
        drop(self.0.take());
    }
}

impl Drop for GuestTask {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// The body of a response, as the guest writes it.
pub struct Body {
    inner: HyperOutgoingBody,
    guest: Option<GuestTask>,
    failure: Failure,
    /// What its `content-length` still promises.
    left: Option<u64>,
    ended: bool,
}

/// Why a body broke off. What came before it is not the whole response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the response broke off: {0}")]
pub struct BodyError(pub CallError);

impl Body {
    fn new(
        response: Response<HyperOutgoingBody>,
        guest: Option<GuestTask>,
        failure: Failure,
    ) -> Response<Self> {
        let length = response.headers().get(http::header::CONTENT_LENGTH);
        let left = length.and_then(|length| length.to_str().ok()?.parse().ok());
        response.map(|inner| Self { inner, guest, failure, left, ended: false })
    }

    /// All of it is there: the guest may finish what it still does.
    fn complete(&mut self) {
        if let Some(guest) = self.guest.take() {
            guest.leave();
        }
    }

    fn count(&mut self, bytes: usize) {
        self.left = self.left.map(|left| left.saturating_sub(bytes as u64));
        if self.left == Some(0) {
            self.complete();
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let polled = std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx));
        Poll::Ready(match polled {
            Some(Ok(frame)) => {
                self.count(frame.data_ref().map_or(0, Bytes::len));
                Some(Ok(frame))
            }
            // An instance that is gone leaves what looks like an end.
            None => {
                self.ended = true;
                self.complete();
                self.failure.get().map(|error| Err(BodyError(error.clone())))
            }
            Some(Err(error)) => {
                self.ended = true;
                let why = || CallError::Trapped(format!("it gave up its response: {error}"));
                Some(Err(BodyError(self.failure.get().cloned().unwrap_or_else(why))))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

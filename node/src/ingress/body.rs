//! Bodies: passed on as they come, or held within a budget so that they can be repeated.

use bytes::{Bytes, BytesMut};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::AsyncRead;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::frame;

/// Why a body broke off.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// A body of a request or an answer on its way.
pub type IngressBody = UnsyncBoxBody<Bytes, BodyError>;

/// A body that is all here.
pub fn full(bytes: impl Into<Bytes>) -> IngressBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body that keeps `guard` until it is done or dropped.
pub fn guarded(body: IngressBody, guard: impl Send + Unpin + 'static) -> IngressBody {
    Guarded { body, _guard: guard }.boxed_unsync()
}

struct Guarded<G> {
    body: IngressBody,
    _guard: G,
}

impl<G: Unpin> Body for Guarded<G> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body that arrives on a stream. Not one piece of it may come after `deadline`.
pub fn from_stream<R>(recv: R, deadline: Instant) -> IngressBody
where
    R: AsyncRead + Unpin + Send + 'static,
{
    let pieces = futures::stream::try_unfold(recv, move |mut recv| async move {
        let piece = match timeout_at(deadline, frame::read_chunk(&mut recv)).await {
            Ok(piece) => piece?,
            Err(_) => return Err(BodyError::from(io::Error::from(io::ErrorKind::TimedOut))),
        };
        Ok(piece.map(|bytes| (Frame::data(Bytes::from(bytes)), recv)))
    });
    StreamBody::new(pieces).boxed_unsync()
}

/// Bytes under a shared budget: held only as long as the budget has room.
pub struct Held {
    bytes: BytesMut,
    permit: Option<OwnedSemaphorePermit>,
    budget_kib: Arc<Semaphore>,
    room: usize,
    max: usize,
}

/// What became of holding a body.
pub enum Holding {
    /// It is all here; the permit gives its share of the budget back.
    Whole(Bytes, Option<OwnedSemaphorePermit>),
    /// It is longer than allowed, or the budget is used up: the body still has all of it.
    TooMuch(IngressBody),
}

impl Held {
    /// Nothing yet, at most `max` bytes.
    pub fn new(budget_kib: Arc<Semaphore>, max: usize) -> Self {
        Self { bytes: BytesMut::new(), permit: None, budget_kib, room: 0, max }
    }

    /// Reads a body to its end while there is room.
    pub async fn collect(mut self, mut body: IngressBody) -> Result<Holding, BodyError> {
        while let Some(frame) = body.frame().await {
            // Trailers end here: nothing in the mesh reads them.
            let Ok(data) = frame?.into_data() else { continue };
            if !self.push(&data) {
                let Self { bytes, permit, .. } = self;
                return Ok(Holding::TooMuch(guarded(joined(bytes.freeze(), data, body), permit)));
            }
        }
        Ok(Holding::Whole(self.bytes.freeze(), self.permit))
    }

    fn push(&mut self, data: &[u8]) -> bool {
        let length = self.bytes.len().saturating_add(data.len());
        if length > self.max {
            return false;
        }
        while self.room < length {
            let kib = (length - self.room).div_ceil(1024);
            let Some(more) = u32::try_from(kib)
                .ok()
                .and_then(|kib| self.budget_kib.clone().try_acquire_many_owned(kib).ok())
            else {
                return false;
            };
            match &mut self.permit {
                Some(permit) => permit.merge(more),
                None => self.permit = Some(more),
            }
            self.room += kib * 1024;
        }
        self.bytes.extend_from_slice(data);
        true
    }
}

/// What was read already, then the rest.
fn joined(read: Bytes, next: Bytes, rest: IngressBody) -> IngressBody {
    let before = [read, next].into_iter().filter(|b| !b.is_empty());
    let before = futures::stream::iter(before.map(|b| Ok(Frame::data(b))).collect::<Vec<_>>());
    let after = futures::stream::try_unfold(rest, |mut rest| async move {
        Ok(rest.frame().await.transpose()?.map(|frame| (frame, rest)))
    });
    StreamBody::new(futures::StreamExt::chain(before, after)).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_held_within_the_budget_and_its_share_comes_back() {
        let budget = Arc::new(Semaphore::new(4));
        let held = Held::new(budget.clone(), 10_000).collect(full(vec![7; 3_000])).await.unwrap();
        assert_eq!(budget.available_permits(), 1);
        match held {
            Holding::Whole(bytes, permit) => {
                assert_eq!(bytes.len(), 3_000);
                drop(permit);
            }
            Holding::TooMuch(_) => panic!("there was room"),
        }
        assert_eq!(budget.available_permits(), 4);
    }

    #[tokio::test]
    async fn a_body_that_is_too_long_is_passed_on_whole() {
        for (budget_kib, max) in [(1, 10_000), (100, 100)] {
            let budget = Arc::new(Semaphore::new(budget_kib));
            let pieces = (0..4_u8).map(|i| Ok(Frame::data(Bytes::from(vec![i; 600]))));
            let body = StreamBody::new(futures::stream::iter(pieces.collect::<Vec<_>>())).boxed_unsync();
            match Held::new(budget.clone(), max).collect(body).await.unwrap() {
                Holding::Whole(..) => panic!("there was no room"),
                Holding::TooMuch(body) => {
                    let bytes = body.collect().await.unwrap().to_bytes();
                    assert_eq!(bytes, (0..4_u8).flat_map(|i| vec![i; 600]).collect::<Vec<_>>());
                }
            }
            assert_eq!(budget.available_permits(), budget_kib);
        }
    }
}

//! Clients that do not keep pace: one that reads nothing cannot hold a request for ever,
//! and one that is refused before it has sent everything still gets to read why.

use super::body::{BodyError, IngressBody};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep, timeout};

/// A client that takes not one byte of its answer for this long is given up.
pub const STALL_TIME_MAX: Duration = Duration::from_secs(30);
/// What is left of a refused request's body is read and discarded up to this much …
pub const DISCARDED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// … and for this long.
pub const DISCARD_TIME_MAX: Duration = Duration::from_secs(2);

/// A connection that breaks off when the other end takes nothing for `max`.
pub struct StallBound<S> {
    inner: S,
    max: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> StallBound<S> {
    /// Bounds the pauses between two successful writes.
    pub fn new(inner: S, max: Duration) -> Self {
        Self { inner, max, stalled: None }
    }

    fn bounded<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let max = self.max;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(max)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its answer")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StallBound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for StallBound<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.bounded(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.bounded(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.bounded(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.bounded(cx, shut)
    }
}

/// A request's body of which the rest is read and discarded when it is dropped: a
/// connection that is closed over unread bytes is reset, and the client would lose the
/// answer that says why.
pub fn discarded(body: IngressBody) -> IngressBody {
    if body.is_end_stream() {
        return body;
    }
    Discarded { rest: Some(body) }.boxed_unsync()
}

struct Discarded {
    rest: Option<IngressBody>,
}

impl Body for Discarded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(rest).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.rest = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.as_ref().is_none_or(|rest| rest.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), |rest| rest.size_hint())
    }
}

impl Drop for Discarded {
    fn drop(&mut self) {
        let rest = self.rest.take().filter(|rest| !rest.is_end_stream());
        // Outside a runtime nobody could read on; the connection then ends as it may.
        if let (Some(rest), Ok(runtime)) = (rest, tokio::runtime::Handle::try_current()) {
            runtime.spawn(timeout(DISCARD_TIME_MAX, discard(rest)));
        }
    }
}

async fn discard(mut rest: IngressBody) {
    let mut room = DISCARDED_BYTES_MAX;
    while let Some(Ok(frame)) = rest.frame().await {
        let Some(left) = room.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return };
        room = left;
    }
}

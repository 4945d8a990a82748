//! What went over the wire, and what was dropped because somebody was slower.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

/// Totals since the start of this [`crate::Net`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// UDP payload bytes sent on links.
    pub quinn_sent_bytes: u64,
    /// UDP payload bytes received on links.
    pub quinn_received_bytes: u64,
    /// TCP payload bytes that libp2p sent.
    pub libp2p_sent_bytes: u64,
    /// TCP payload bytes that libp2p received.
    pub libp2p_received_bytes: u64,
    /// Datagrams that the node was too slow for, or that were too long.
    pub datagrams_dropped: u64,
    /// Gossip that was too long, or too much.
    pub gossip_dropped: u64,
    /// Handshakes refused because too many were under way.
    pub handshakes_refused: u64,
    /// Dials not begun because too many were under way.
    pub dials_dropped: u64,
    /// Streams that were ended because their kind is unknown or came too late.
    pub streams_refused: u64,
    /// Blob requests denied by [`crate::Gate::may_get`].
    pub blobs_denied: u64,
}

/// The cells behind [`Counters`].
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) libp2p_sent: AtomicU64,
    pub(crate) libp2p_received: AtomicU64,
    pub(crate) datagrams_dropped: AtomicU64,
    pub(crate) gossip_dropped: AtomicU64,
    pub(crate) handshakes_refused: AtomicU64,
    pub(crate) dials_dropped: AtomicU64,
    pub(crate) streams_refused: AtomicU64,
    pub(crate) blobs_denied: AtomicU64,
}

pub(crate) fn count(cell: &AtomicU64) {
    cell.fetch_add(1, Ordering::Relaxed);
}

impl Counts {
    pub(crate) fn snapshot(&self, (sent, received): (u64, u64)) -> Counters {
        let get = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        Counters {
            quinn_sent_bytes: sent,
            quinn_received_bytes: received,
            libp2p_sent_bytes: get(&self.libp2p_sent),
            libp2p_received_bytes: get(&self.libp2p_received),
            datagrams_dropped: get(&self.datagrams_dropped),
            gossip_dropped: get(&self.gossip_dropped),
            handshakes_refused: get(&self.handshakes_refused),
            dials_dropped: get(&self.dials_dropped),
            streams_refused: get(&self.streams_refused),
            blobs_denied: get(&self.blobs_denied),
        }
    }
}

/// A libp2p transport stream whose bytes are counted.
pub(crate) struct Counted<S> {
    inner: S,
    counts: Arc<Counts>,
}

impl<S> Counted<S> {
    pub(crate) fn new(inner: S, counts: Arc<Counts>) -> Self {
        Self { inner, counts }
    }

    fn add(cell: &AtomicU64, bytes: usize) {
        cell.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl<S: futures::AsyncRead + Unpin> futures::AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<std::io::Result<usize>> {
        let read = ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        Self::add(&self.counts.libp2p_received, read);
        Poll::Ready(Ok(read))
    }
}

impl<S: futures::AsyncWrite + Unpin> futures::AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes))?;
        Self::add(&self.counts.libp2p_sent, written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, slices))?;
        Self::add(&self.counts.libp2p_sent, written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

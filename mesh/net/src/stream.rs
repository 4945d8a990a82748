//! Streams of a link. The first byte that a stream carries names its kind; it travels
//! with the first payload, so opening a stream costs no packet of its own.

use bytes::Bytes;
use futures::FutureExt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much of the first write is copied behind the kind byte.
const FIRST_WRITE_BYTES: usize = 4096;

/// What a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum StreamKind {
    /// Reconciliation of records.
    Sync = 1,
    /// A call of an exported function.
    Invoke = 2,
    /// A relayed HTTP request.
    Http = 3,
    /// A blob; handled inside this crate, never surfaces.
    Blob = 4,
    /// Logs and queries relayed between nodes.
    Admin = 5,
}

impl StreamKind {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Sync,
            2 => Self::Invoke,
            3 => Self::Http,
            4 => Self::Blob,
            5 => Self::Admin,
            _ => return None,
        })
    }
}

/// The sending half. Dropping it finishes it.
#[derive(Debug)]
pub struct SendStream {
    inner: quinn::SendStream,
    /// The kind byte, until it has been written.
    kind: Option<u8>,
}

impl SendStream {
    pub(crate) fn opened(inner: quinn::SendStream, kind: StreamKind) -> Self {
        Self { inner, kind: Some(kind as u8) }
    }

    pub(crate) fn accepted(inner: quinn::SendStream) -> Self {
        Self { inner, kind: None }
    }

    /// Writes all of it; waits while the peer's window is full.
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if let Some(kind) = self.kind {
            let head = bytes.len().min(FIRST_WRITE_BYTES);
            let mut first = Vec::with_capacity(head + 1);
            first.push(kind);
            first.extend_from_slice(&bytes[..head]);
            let written = self.inner.write(&first).await?;
            self.kind = None;
            bytes = &bytes[written.saturating_sub(1)..];
        }
        if !bytes.is_empty() {
            self.inner.write_all(bytes).await?;
        }
        Ok(())
    }

    /// Writes all of it without a copy.
    pub async fn write_chunk(&mut self, bytes: Bytes) -> io::Result<()> {
        if bytes.len() <= FIRST_WRITE_BYTES && self.kind.is_some() {
            return self.write_all(&bytes).await;
        }
        self.write_all(&[]).await?;
        Ok(self.inner.write_chunk(bytes).await?)
    }

    /// Says that nothing more follows. What was written still arrives.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.kind.is_some() {
            // A stream on which nothing was written has room for one byte.
            self.write_all(&[]).now_or_never().ok_or(io::ErrorKind::WouldBlock)??;
        }
        Ok(self.inner.finish()?)
    }

    /// Gives the stream up; what was written may not arrive. Errors (already finished) are of no interest.
    pub fn reset(&mut self, code: u32) {
        let _ = self.inner.reset(code.into());
    }

    /// Waits until the peer has everything (`None`) or wants no more (its code).
    pub async fn stopped(&mut self) -> io::Result<Option<u64>> {
        Ok(self.inner.stopped().await?.map(|code| code.into_inner()))
    }

    /// Lower goes later when the link is full; streams begin at 0.
    pub fn set_priority(&self, priority: i32) {
        let _ = self.inner.set_priority(priority);
    }

    pub(crate) fn id(&self) -> u64 {
        self.inner.id().index()
    }
}

impl AsyncWrite for SendStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(kind) = self.kind {
            let head = bytes.len().min(FIRST_WRITE_BYTES);
            let mut first = Vec::with_capacity(head + 1);
            first.push(kind);
            first.extend_from_slice(&bytes[..head]);
            let written =
                ready!(Pin::new(&mut self.inner).poll_write(cx, &first)).map_err(io::Error::from)?;
            self.kind = None;
            // Zero would read as "closed": go on unless the caller wrote nothing.
            if written > 1 || bytes.is_empty() {
                return Poll::Ready(Ok(written.saturating_sub(1)));
            }
        }
        Pin::new(&mut self.inner).poll_write(cx, bytes).map_err(io::Error::from)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.finish())
    }
}

/// The receiving half. Dropping it tells the peer to stop.
#[derive(Debug)]
pub struct RecvStream {
    inner: quinn::RecvStream,
}

impl RecvStream {
    pub(crate) fn new(inner: quinn::RecvStream) -> Self {
        Self { inner }
    }

    /// Some bytes, or `None` at the end.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        Ok(self.inner.read(buffer).await?)
    }

    /// Fills the buffer. An end before its first byte is `UnexpectedEof`, one within it `InvalidData`.
    pub async fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.inner.read_exact(buffer).await.map_err(|e| match e {
            quinn::ReadExactError::FinishedEarly(0) => {
                io::Error::new(io::ErrorKind::UnexpectedEof, "the stream ended")
            }
            quinn::ReadExactError::FinishedEarly(_) => {
                io::Error::new(io::ErrorKind::InvalidData, "the stream ended within a message")
            }
            quinn::ReadExactError::ReadError(e) => e.into(),
        })
    }

    /// The next bytes as they arrived, at most `max`, without a copy; `None` at the end.
    pub async fn read_chunk(&mut self, max: usize) -> io::Result<Option<Bytes>> {
        Ok(self.inner.read_chunk(max, true).await?.map(|chunk| chunk.bytes))
    }

    /// Everything up to the end; an error if it is more than `max` bytes.
    pub async fn read_to_end(&mut self, max: usize) -> io::Result<Vec<u8>> {
        self.inner.read_to_end(max).await.map_err(|e| match e {
            quinn::ReadToEndError::TooLong => {
                io::Error::new(io::ErrorKind::InvalidData, format!("the stream holds more than {max} bytes"))
            }
            quinn::ReadToEndError::Read(e) => e.into(),
        })
    }

    /// Tells the peer that nothing more is wanted. Errors (already ended) are of no interest.
    pub fn stop(&mut self, code: u32) {
        let _ = self.inner.stop(code.into());
    }

    pub(crate) fn id(&self) -> u64 {
        self.inner.id().index()
    }
}

impl AsyncRead for RecvStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        AsyncRead::poll_read(Pin::new(&mut self.inner), cx, buffer)
    }
}

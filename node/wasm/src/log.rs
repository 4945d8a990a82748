//! What guests print, line by line, bounded in length and rate.

use crate::limit;
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// One line, from a guest or about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Where it came from.
    pub stream: LogStream,
    /// The line without its end, at most [`limit::LOG_LINE_BYTES_MAX`] long; what was
    /// no UTF-8 is replaced.
    pub text: String,
}

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// The guest's standard output.
    Stdout,
    /// The guest's standard error.
    Stderr,
    /// The host, about the guest.
    Host,
}

/// Takes the lines of one service. It is called from guests' calls: it must not block.
pub type LogSink = Arc<dyn Fn(LogLine) + Send + Sync>;

/// The lines of one service, under its rate.
pub(crate) struct Logs {
    sink: LogSink,
    rate: Mutex<Rate>,
}

struct Rate {
    left: u32,
    refilled: Instant,
    dropped: u64,
}

impl Logs {
    pub(crate) fn new(sink: LogSink) -> Self {
        let rate = Rate { left: limit::LOG_LINES_PER_SECOND_MAX, refilled: Instant::now(), dropped: 0 };
        Self { sink, rate: Mutex::new(rate) }
    }

    /// A word of the host's own.
    pub(crate) fn host(&self, text: String) {
        self.line(LogStream::Host, text);
    }

    fn line(&self, stream: LogStream, text: String) {
        let dropped = {
            let mut rate = lock(&self.rate);
            if rate.refilled.elapsed().as_secs() >= 1 {
                rate.left = limit::LOG_LINES_PER_SECOND_MAX;
                rate.refilled = Instant::now();
            }
            let Some(left) = rate.left.checked_sub(1) else {
                rate.dropped += 1;
                return;
            };
            rate.left = left;
            std::mem::take(&mut rate.dropped)
        };
        if dropped > 0 {
            let text =
                format!("{dropped} lines dropped: more than {} a second", limit::LOG_LINES_PER_SECOND_MAX);
            (self.sink)(LogLine { stream: LogStream::Host, text });
        }
        (self.sink)(LogLine { stream, text });
    }
}

/// One output of one instance. All handles that the guest opens share its line.
pub(crate) struct GuestOutput {
    line: Arc<Line>,
}

struct Line {
    begun: Mutex<Vec<u8>>,
    stream: LogStream,
    logs: Arc<Logs>,
}

impl GuestOutput {
    pub(crate) fn new(stream: LogStream, logs: &Arc<Logs>) -> Self {
        Self { line: Arc::new(Line { begun: Mutex::default(), stream, logs: Arc::clone(logs) }) }
    }
}

impl Line {
    fn write(&self, bytes: &[u8]) {
        let mut begun = lock(&self.begun);
        for piece in bytes.split_inclusive(|&b| b == b'\n') {
            let (text, ended) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            for part in text.chunks(limit::LOG_LINE_BYTES_MAX) {
                if begun.len() + part.len() > limit::LOG_LINE_BYTES_MAX {
                    self.emit(&mut begun);
                }
                begun.extend_from_slice(part);
            }
            if ended {
                self.emit(&mut begun);
            }
        }
    }

    fn emit(&self, begun: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(begun).trim_end_matches('\r').to_owned();
        begun.clear();
        self.logs.line(self.stream, text);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut begun = std::mem::take(self.begun.get_mut().unwrap_or_else(PoisonError::into_inner));
        if !begun.is_empty() {
            self.emit(&mut begun);
        }
    }
}

impl IsTerminal for GuestOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestOutput {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this one, and that is not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Writer { line: Arc::clone(&self.line) })
    }
}

struct Writer {
    line: Arc<Line>,
}

impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.line.write(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(16 * limit::LOG_LINE_BYTES_MAX)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {}
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

use std::fmt;

use crate::bindings::wasi::http::types::{
    Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use crate::bindings::wasi::io::streams::{InputStream, OutputStream, StreamError};

/// A read asks for this much at once.
const READ_MAX: u64 = 1 << 20;

/// Why a body could not be read.
#[derive(Debug)]
pub enum BodyError {
    /// Longer than the caller allows.
    TooLarge {
        /// The bound, in bytes.
        bytes_max: usize,
    },
    /// The sender went away, or the host refused.
    Broken,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes_max } => {
                write!(f, "the body is longer than {bytes_max} bytes: send a smaller one")
            }
            Self::Broken => f.write_str("the body broke off before its end: send it again"),
        }
    }
}

/// A request's body, read piece by piece.
pub struct Incoming {
    // Before `_body`: a child resource is dropped before its parent.
    stream: InputStream,
    _body: IncomingBody,
}

impl Incoming {
    /// The next piece; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
        match self.stream.blocking_read(READ_MAX) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StreamError::Closed) => Ok(None),
            Err(StreamError::LastOperationFailed(_)) => Err(BodyError::Broken),
        }
    }
}

/// The body of a request. Can be taken once.
pub fn incoming(request: &IncomingRequest) -> Result<Incoming, BodyError> {
    let body = request.consume().map_err(|()| BodyError::Broken)?;
    let stream = body.stream().map_err(|()| BodyError::Broken)?;
    Ok(Incoming { stream, _body: body })
}

/// The whole body, of at most `bytes_max` bytes.
pub fn read_body(request: &IncomingRequest, bytes_max: usize) -> Result<Vec<u8>, BodyError> {
    let announced = request
        .headers()
        .get("content-length")
        .first()
        .and_then(|value| std::str::from_utf8(value).ok()?.parse::<usize>().ok())
        .unwrap_or(0);
    if announced > bytes_max {
        return Err(BodyError::TooLarge { bytes_max });
    }
    let mut incoming = incoming(request)?;
    let mut bytes = Vec::with_capacity(announced);
    while let Some(piece) = incoming.next()? {
        if bytes.len() + piece.len() > bytes_max {
            return Err(BodyError::TooLarge { bytes_max });
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// An answer's body, written piece by piece.
pub struct Outgoing {
    stream: OutputStream,
    body: OutgoingBody,
}

impl Outgoing {
    /// Writes all of it, waiting as long as the reader is slow. An error means that nobody reads.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), StreamError> {
        while !bytes.is_empty() {
            let permitted = usize::try_from(self.stream.check_write()?).unwrap_or(usize::MAX);
            if permitted == 0 {
                self.stream.subscribe().block();
                continue;
            }
            let (now, later) = bytes.split_at(permitted.min(bytes.len()));
            self.stream.write(now)?;
            bytes = later;
        }
        Ok(())
    }

    /// Ends the body; without it the receiver sees it broken off.
    pub fn finish(self) {
        let _ = self.stream.blocking_flush();
        drop(self.stream);
        // An error says that the receiver has gone.
        let _ = OutgoingBody::finish(self.body, None);
    }
}

/// Begins an answer whose body follows. `length` where it is known beforehand.
pub fn start_response(
    response_out: ResponseOutparam,
    status: u16,
    content_type: &str,
    length: Option<usize>,
) -> Outgoing {
    let fields = Fields::new();
    let _ = fields.set("content-type", &[content_type.as_bytes().to_vec()]);
    if let Some(length) = length {
        let _ = fields.set("content-length", &[length.to_string().into_bytes()]);
    }
    let response = OutgoingResponse::new(fields);
    response.set_status_code(status).expect("a status code that we chose");
    let body = response.body().expect("the first call gives the body");
    let stream = body.write().expect("the first call gives the stream");
    ResponseOutparam::set(response_out, Ok(response));
    Outgoing { stream, body }
}

/// Answers with a body that is at hand.
pub fn respond(response_out: ResponseOutparam, status: u16, content_type: &str, body: &[u8]) {
    let mut outgoing = start_response(response_out, status, content_type, Some(body.len()));
    if outgoing.write(body).is_ok() {
        outgoing.finish();
    }
}

//! The bytes of a request, a call and their answers on a stream between two nodes.
//!
//! A head is a `u32` length and that much CBOR. An HTTP body follows as chunks: a `u32`
//! length and that many bytes, closed by [`END`], or by [`ABORTED`] when its source
//! failed. A stream that ends without a close was cut off: a dropped sender never
//! looks like a complete body.

use minicbor::{Decode, Encode};
use orbweave_model::{NodeId, WorkloadName, limit, wire};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A head of an HTTP request or answer.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Headers in one head.
pub const HEADERS_MAX: usize = 100;
/// A call or its answer: arguments travel within the frame.
pub const INVOKE_BYTES_MAX: usize = limit::BODY_BYTES_MAX + HEAD_BYTES_MAX;
/// What is reserved for a head before it is there: most are shorter, and read in one go.
const HEAD_RESERVED_BYTES: usize = 4 * 1024;
/// One chunk of a body.
pub const CHUNK_BYTES_MAX: usize = 256 * 1024;

/// Closes a body that is complete.
const END: u32 = 0;
/// Closes a body whose source failed.
const ABORTED: u32 = u32::MAX;

/// A header as it came.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Header {
    /// The name in lower case.
    #[n(0)]
    pub name: String,
    /// The value.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub value: Vec<u8>,
}

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RequestHead {
    /// The workload.
    #[n(0)]
    pub workload: WorkloadName,
    /// The method.
    #[n(1)]
    pub method: String,
    /// Path and query.
    #[n(2)]
    pub target: String,
    /// Host and port as the client named them.
    #[n(3)]
    pub authority: String,
    /// The headers, without those that end at this hop.
    #[n(4)]
    pub headers: Vec<Header>,
    /// The time that is left.
    #[n(5)]
    pub deadline_ms: u64,
    /// The length of the body, where it is known.
    #[n(6)]
    pub body_bytes: Option<u64>,
    /// How many nodes may pass the request on, the one that reads this among them; `None`
    /// where it is for a replica on that node.
    #[n(7)]
    pub relays: Option<u8>,
}

/// The head of an answer: a status with headers, or a failure.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct ResponseHead {
    /// The status of the guest.
    #[n(0)]
    pub status: Option<u16>,
    /// The headers.
    #[n(1)]
    pub headers: Option<Vec<Header>>,
    /// Why there is no answer of the guest.
    #[n(2)]
    pub failure: Option<WireFailure>,
}

/// Why a serving node has no answer of the guest.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct WireFailure {
    /// See `failure.rs`.
    #[n(0)]
    pub code: u8,
    /// In words.
    #[n(1)]
    pub text: String,
}

/// A call of an exported function: arguments in WAVE, or in the value encoding of the
/// component model where the caller resolved the function before.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct InvokeHead {
    /// The workload.
    #[n(0)]
    pub workload: WorkloadName,
    /// The function by name.
    #[n(1)]
    pub function: String,
    /// The time that is left.
    #[n(2)]
    pub deadline_ms: u64,
    /// The arguments in WAVE.
    #[n(3)]
    pub wave: Option<String>,
    /// The arguments encoded.
    #[n(4)]
    pub encoded: Option<minicbor::bytes::ByteVec>,
    /// As in [`RequestHead`].
    #[n(5)]
    pub relays: Option<u8>,
}

/// What a call gave back: in the form in which the arguments came, or a failure.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct InvokeAnswer {
    /// The result in WAVE.
    #[n(0)]
    pub wave: Option<String>,
    /// The result encoded.
    #[n(1)]
    pub encoded: Option<minicbor::bytes::ByteVec>,
    /// Why there is none.
    #[n(2)]
    pub failure: Option<WireFailure>,
    /// Who ran it, where the call might be passed on.
    #[n(3)]
    pub node: Option<NodeId>,
}

/// The bytes of a head with its length, or `None` when it is longer than allowed.
pub fn head_bytes<T: Encode<()>>(head: &T, max: usize) -> Option<Vec<u8>> {
    let body = wire::encode(head);
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= max)?;
    let mut bytes = Vec::with_capacity(4 + body.len());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&body);
    Some(bytes)
}

/// Reads a head.
pub async fn read_head<T, R>(what: &'static str, recv: &mut R, max: usize) -> io::Result<T>
where
    T: for<'b> Decode<'b, ()>,
    R: AsyncRead + Unpin,
{
    let length = recv.read_u32().await?;
    let length = usize::try_from(length).ok().filter(|&n| n <= max);
    let length = length.ok_or_else(|| invalid(format!("{what} is longer than {max} bytes")))?;
    // Grows with what really arrives: a length alone reserves a page at most.
    let mut bytes = Vec::with_capacity(length.min(HEAD_RESERVED_BYTES));
    let got = recv.take(length as u64).read_to_end(&mut bytes).await?;
    if got < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    wire::decode_open(what, &bytes, max).map_err(|e| invalid(e.to_string()))
}

/// Reads the head of a stream that carries nothing else, and the stream's end: one that
/// was read to its end closes without a packet that tells the peer to stop.
pub async fn read_sole_head<T, R>(what: &'static str, recv: &mut R, max: usize) -> io::Result<T>
where
    T: for<'b> Decode<'b, ()>,
    R: AsyncRead + Unpin,
{
    let head = read_head(what, recv, max).await?;
    read_end(what, recv).await?;
    Ok(head)
}

/// Reads the end of a stream, which is due.
async fn read_end<R: AsyncRead + Unpin>(what: &str, recv: &mut R) -> io::Result<()> {
    match recv.read(&mut [0]).await? {
        0 => Ok(()),
        _ => Err(invalid(format!("more follows on the stream where {what} ended"))),
    }
}

/// Writes one piece of a body.
pub async fn write_chunk<W: AsyncWrite + Unpin>(send: &mut W, bytes: &[u8]) -> io::Result<()> {
    for part in bytes.chunks(CHUNK_BYTES_MAX) {
        let length = u32::try_from(part.len()).map_err(|_| invalid("a chunk is too long".to_owned()))?;
        send.write_all(&length.to_be_bytes()).await?;
        send.write_all(part).await?;
    }
    Ok(())
}

/// Closes a body, complete or not, and the stream with it.
pub async fn close_body<W: AsyncWrite + Unpin>(send: &mut W, complete: bool) -> io::Result<()> {
    let mark = if complete { END } else { ABORTED };
    send.write_all(&mark.to_be_bytes()).await?;
    send.shutdown().await
}

/// Reads one piece of a body; `None` at its end, which is the stream's. A body that was
/// cut off is an error.
pub async fn read_chunk<R: AsyncRead + Unpin>(recv: &mut R) -> io::Result<Option<Vec<u8>>> {
    let length = match recv.read_u32().await? {
        END => return read_end("a body", recv).await.map(|()| None),
        ABORTED => return Err(io::Error::other("the other side could not finish the body")),
        length => length,
    };
    let length = usize::try_from(length).ok().filter(|&n| n <= CHUNK_BYTES_MAX);
    let length = length.ok_or_else(|| invalid(format!("a chunk is longer than {CHUNK_BYTES_MAX} bytes")))?;
    let mut bytes = vec![0; length];
    recv.read_exact(&mut bytes).await?;
    Ok(Some(bytes))
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> RequestHead {
        RequestHead {
            workload: "hello".parse().unwrap(),
            method: "POST".to_owned(),
            target: "/a?b=c".to_owned(),
            authority: "hello.mesh".to_owned(),
            headers: vec![Header { name: "x".to_owned(), value: vec![0xff] }],
            deadline_ms: 1_500,
            body_bytes: Some(3),
            relays: None,
        }
    }

    fn hex<T: Encode<()>>(head: &T) -> String {
        data_encoding::HEXLOWER.encode(&head_bytes(head, HEAD_BYTES_MAX).unwrap())
    }

    /// Pinned: a node of an older version must read what this one writes.
    #[test]
    fn the_request_head_has_the_bytes_that_it_always_had() {
        assert_eq!(
            hex(&head()),
            "0000002fa7006568656c6c6f0164504f535402662f613f623d63036a68656c6c6f2e6d6573680481826178"
                .to_owned()
                + "41ff051905dc0603"
        );
    }

    /// Pinned, as those of an ordinary request are.
    #[test]
    fn a_request_that_may_be_passed_on_says_how_often() {
        assert_eq!(
            hex(&RequestHead { relays: Some(2), ..head() }),
            "00000031a8006568656c6c6f0164504f535402662f613f623d63036a68656c6c6f2e6d6573680481826178"
                .to_owned()
                + "41ff051905dc06030702"
        );
        let call = InvokeHead {
            workload: "hello".parse().unwrap(),
            function: "echo".to_owned(),
            deadline_ms: 1_500,
            wave: Some("\"a\"".to_owned()),
            encoded: None,
            relays: None,
        };
        assert_eq!(hex(&call), "00000017a4006568656c6c6f01646563686f021905dc0363226122");
        let passed_on = InvokeHead { relays: Some(2), ..call };
        assert_eq!(hex(&passed_on), "00000019a5006568656c6c6f01646563686f021905dc03632261220502");
    }

    #[tokio::test]
    async fn a_head_is_read_back_and_keys_of_a_later_version_are_skipped() {
        let bytes = head_bytes(&head(), HEAD_BYTES_MAX).unwrap();
        let read: RequestHead = read_head("a head", &mut &bytes[..], HEAD_BYTES_MAX).await.unwrap();
        assert_eq!(read, head());
        // {0: 200, 9: "new"}
        let later = [0, 0, 0, 9, 0xa2, 0x00, 0x18, 0xc8, 0x09, 0x63, b'n', b'e', b'w'];
        let read: ResponseHead = read_head("a head", &mut &later[..], HEAD_BYTES_MAX).await.unwrap();
        assert_eq!(read.status, Some(200));
    }

    #[tokio::test]
    async fn a_sole_head_is_followed_by_the_end_of_its_stream() {
        let mut bytes = head_bytes(&head(), HEAD_BYTES_MAX).unwrap();
        let read: RequestHead = read_sole_head("a head", &mut &bytes[..], HEAD_BYTES_MAX).await.unwrap();
        assert_eq!(read, head());
        bytes.push(0);
        assert!(read_sole_head::<RequestHead, _>("a head", &mut &bytes[..], HEAD_BYTES_MAX).await.is_err());
    }

    #[tokio::test]
    async fn a_head_that_is_too_long_cut_or_flipped_is_an_error_and_no_panic() {
        assert!(head_bytes(&head(), 10).is_none());
        let bytes = head_bytes(&head(), HEAD_BYTES_MAX).unwrap();
        for end in 0..bytes.len() {
            assert!(read_head::<RequestHead, _>("a head", &mut &bytes[..end], HEAD_BYTES_MAX).await.is_err());
        }
        for i in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[i] ^= 0x80;
            let _ = read_head::<RequestHead, _>("a head", &mut &flipped[..], HEAD_BYTES_MAX).await;
        }
    }

    #[tokio::test]
    async fn a_body_without_its_close_was_cut_off() {
        let mut bytes = Vec::new();
        write_chunk(&mut bytes, b"abc").await.unwrap();
        let mut cut = &bytes[..];
        assert_eq!(read_chunk(&mut cut).await.unwrap().as_deref(), Some(&b"abc"[..]));
        assert!(read_chunk(&mut cut).await.is_err());
        close_body(&mut bytes, true).await.unwrap();
        let mut whole = &bytes[7..];
        assert_eq!(read_chunk(&mut whole).await.unwrap(), None);
        assert!(read_chunk(&mut &[&bytes[7..], b"x"].concat()[..]).await.is_err());
        assert!(read_chunk(&mut &u32::MAX.to_be_bytes()[..]).await.is_err());
        assert!(read_chunk(&mut &(u32::MAX - 1).to_be_bytes()[..]).await.is_err());
    }
}

//! The hello exchange, first on every connection, and nothing passes before it.
//!
//! The acceptor speaks first: a dialler's handshake ends before its own key is judged,
//! and a stranger must know the mesh before it shows its token. Three frames on one
//! stream, each a length (u32, big endian) and CBOR with integer keys:
//! greeting (acceptor) → answer (dialler) → verdict (acceptor). Who refuses closes the
//! connection with the reason.

use crate::limit::{HELLO_BYTES_MAX, HELLO_DEADLINE, JOIN_DEADLINE, JOIN_REPLY_BYTES_MAX, REASON_BYTES_MAX};
use crate::{Gate, NetError};
use minicbor::{Decode, Encode};
use orbweave_model::{NodeId, wire};
use quinn::{Connection, ConnectionError, VarInt};
use std::future::Future;
use std::net::SocketAddr;
use tokio::time::timeout;

/// The version of this exchange; what nodes say to one another has its own, in the hello.
const EXCHANGE_VERSION: u32 = 1;
/// What a frame may hold beside the hello.
const FRAME_OVERHEAD_BYTES: usize = 128;

/// Why a connection was closed, told to the peer as the application error code.
pub(crate) mod close {
    /// This node stops.
    pub const SHUTDOWN: u32 = 0;
    /// Not admitted; the reason is in the close frame.
    pub const REFUSED: u32 = 1;
    /// Another connection of the same pair took over.
    pub const SUPERSEDED: u32 = 2;
    /// The exchange was not kept to.
    pub const PROTOCOL: u32 = 3;
    /// The node takes no more links.
    pub const BUSY: u32 = 4;
    /// Admission was withdrawn.
    pub const EVICTED: u32 = 5;
    /// A stranger has what it came for.
    pub const JOINED: u32 = 6;
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Greeting {
    #[n(0)]
    version: u32,
    #[n(1)]
    boot: u64,
    #[n(2)]
    port: u16,
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    hello: Vec<u8>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Answer {
    #[n(0)]
    version: u32,
    #[n(1)]
    boot: u64,
    #[n(2)]
    port: u16,
    /// A join request in place of a hello.
    #[n(3)]
    joins: bool,
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    body: Vec<u8>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Verdict {
    /// Empty for a link; what a joiner gets.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    body: Vec<u8>,
}

/// What this node says of itself in every exchange.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Me {
    /// Drawn at start: two connections from one boot are one peer dialling twice.
    pub(crate) boot: u64,
    /// Where this node listens, whatever port a translation shows.
    pub(crate) port: u16,
}

/// A peer that both sides admitted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admitted {
    pub(crate) peer: NodeId,
    pub(crate) boot: u64,
    /// Where the peer listens: where we reached it, or its address as we see it with the port that it says.
    pub(crate) address: SocketAddr,
}

/// What a connection that we accepted turned out to be.
pub(crate) enum Accepted {
    /// A link; the peer waits for [`PendingVerdict::send`].
    Link(Admitted, PendingVerdict),
    /// A stranger, which was answered.
    Joined,
}

/// The acceptor's last word, given once the link is in place.
pub(crate) struct PendingVerdict(quinn::SendStream);

impl PendingVerdict {
    pub(crate) async fn send(mut self) -> Result<(), NetError> {
        write(&mut self.0, &Verdict { body: Vec::new() }).await?;
        let _ = self.0.finish();
        Ok(())
    }
}

/// The acceptor's side.
pub(crate) async fn accept(
    connection: &Connection,
    peer: NodeId,
    me: Me,
    gate: &dyn Gate,
) -> Result<Accepted, NetError> {
    let exchange = async {
        let (mut send, mut recv) = connection.open_bi().await.map_err(closed)?;
        let greeting =
            Greeting { version: EXCHANGE_VERSION, boot: me.boot, port: me.port, hello: gate.hello() };
        write(&mut send, &greeting).await?;
        let answer: Answer =
            read(&mut recv, "an answer to a hello", HELLO_BYTES_MAX).await.map_err(|e| why(connection, e))?;
        Ok::<_, NetError>((send, answer))
    };
    let (mut send, answer) = within(connection, HELLO_DEADLINE, exchange).await?;
    if answer.joins {
        let reply = match timeout(JOIN_DEADLINE, gate.join(peer, &answer.body)).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(reason)) => return Err(refuse(connection, &reason)),
            Err(_) => return Err(refuse(connection, "the issuer took too long to decide; try again")),
        };
        let farewell = async {
            write(&mut send, &Verdict { body: reply }).await?;
            let _ = send.finish();
            // The joiner closes once it has the answer.
            connection.closed().await;
            Ok(())
        };
        within(connection, HELLO_DEADLINE, farewell).await?;
        return Ok(Accepted::Joined);
    }
    gate.admit(peer, &answer.body).map_err(|reason| refuse(connection, &reason))?;
    let address = SocketAddr::new(connection.remote_address().ip(), answer.port);
    Ok(Accepted::Link(Admitted { peer, boot: answer.boot, address }, PendingVerdict(send)))
}

/// The dialler's side.
pub(crate) async fn dial(
    connection: &Connection,
    peer: NodeId,
    me: Me,
    gate: &dyn Gate,
) -> Result<Admitted, NetError> {
    let exchange = async {
        let (mut send, mut recv) = connection.accept_bi().await.map_err(closed)?;
        let greeting: Greeting =
            read(&mut recv, "a hello", HELLO_BYTES_MAX).await.map_err(|e| why(connection, e))?;
        gate.admit(peer, &greeting.hello).map_err(|reason| refuse(connection, &reason))?;
        let answer = Answer {
            version: EXCHANGE_VERSION,
            boot: me.boot,
            port: me.port,
            joins: false,
            body: gate.hello(),
        };
        write(&mut send, &answer).await?;
        let _ = send.finish();
        let _: Verdict =
            read(&mut recv, "a verdict", HELLO_BYTES_MAX).await.map_err(|e| why(connection, e))?;
        // Reached there, whatever the peer believes its port to be.
        Ok(Admitted { peer, boot: greeting.boot, address: connection.remote_address() })
    };
    within(connection, HELLO_DEADLINE, exchange).await
}

/// The stranger's side: checks the mesh, then asks.
pub(crate) async fn join(
    connection: &Connection,
    mesh_check: impl FnOnce(&[u8]) -> Result<(), String>,
    request: Vec<u8>,
) -> Result<Vec<u8>, NetError> {
    let exchange = async {
        let (mut send, mut recv) = connection.accept_bi().await.map_err(closed)?;
        let greeting: Greeting =
            read(&mut recv, "a hello", HELLO_BYTES_MAX).await.map_err(|e| why(connection, e))?;
        mesh_check(&greeting.hello).map_err(|reason| refuse(connection, &reason))?;
        let answer = Answer { version: EXCHANGE_VERSION, boot: 0, port: 0, joins: true, body: request };
        write(&mut send, &answer).await?;
        let _ = send.finish();
        Ok::<_, NetError>(recv)
    };
    let mut recv = within(connection, HELLO_DEADLINE, exchange).await?;
    let verdict = async {
        let verdict: Result<Verdict, _> =
            read(&mut recv, "an answer to a join request", JOIN_REPLY_BYTES_MAX).await;
        verdict.map_err(|e| why(connection, e))
    };
    let verdict = within(connection, JOIN_DEADLINE + HELLO_DEADLINE, verdict).await?;
    connection.close(close::JOINED.into(), b"joined");
    Ok(verdict.body)
}

async fn within<T>(
    connection: &Connection,
    deadline: std::time::Duration,
    exchange: impl Future<Output = Result<T, NetError>>,
) -> Result<T, NetError> {
    let result = timeout(deadline, exchange).await.unwrap_or_else(|_| {
        Err(NetError::Hello(format!("the peer was silent for {} s", deadline.as_secs())))
    });
    if let Err(NetError::Hello(reason)) = &result {
        connection.close(close::PROTOCOL.into(), reason_bytes(reason));
    }
    result
}

/// Closes with the reason, which is also our own error.
fn refuse(connection: &Connection, reason: &str) -> NetError {
    connection.close(close::REFUSED.into(), reason_bytes(reason));
    NetError::Refused(reason.to_owned())
}

/// A reason, cut at a character to what a close frame may carry.
fn reason_bytes(reason: &str) -> &[u8] {
    let mut end = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason.as_bytes()[..end]
}

/// What the end of a connection says.
pub(crate) fn closed(error: ConnectionError) -> NetError {
    match error {
        ConnectionError::ApplicationClosed(close) if close.error_code == VarInt::from_u32(close::REFUSED) => {
            let reason: String =
                String::from_utf8_lossy(&close.reason).chars().take(REASON_BYTES_MAX).collect();
            NetError::Refused(format!("by the peer: {reason}"))
        }
        other => NetError::Hello(other.to_string()),
    }
}

/// The connection's own end explains a broken stream better than the stream does.
fn why(connection: &Connection, error: NetError) -> NetError {
    match connection.close_reason() {
        Some(reason) => closed(reason),
        None => error,
    }
}

async fn write<T: Encode<()>>(send: &mut quinn::SendStream, frame: &T) -> Result<(), NetError> {
    let body = wire::encode(frame);
    let length =
        u32::try_from(body.len()).map_err(|_| NetError::Hello("our own hello is too long".into()))?;
    let mut bytes = Vec::with_capacity(4 + body.len());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&body);
    send.write_all(&bytes).await.map_err(|e| NetError::Hello(e.to_string()))
}

async fn read<T: for<'b> Decode<'b, ()>>(
    recv: &mut quinn::RecvStream,
    what: &'static str,
    body_max: usize,
) -> Result<T, NetError> {
    let max = body_max + FRAME_OVERHEAD_BYTES;
    let mut length = [0; 4];
    recv.read_exact(&mut length).await.map_err(|e| NetError::Hello(format!("{what} did not come: {e}")))?;
    let length = u32::from_be_bytes(length) as usize;
    if length > max {
        return Err(NetError::Hello(format!("{what} has {length} bytes, more than the {max} allowed")));
    }
    let mut body = vec![0; length];
    recv.read_exact(&mut body).await.map_err(|e| NetError::Hello(format!("{what} broke off: {e}")))?;
    wire::decode_open(what, &body, max).map_err(|e| NetError::Hello(e.to_string()))
}

#[cfg(test)]
#[path = "hello_tests.rs"]
mod tests;

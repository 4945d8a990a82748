//! The drivers of the mesh: quinn links, verified blobs, discovery and gossip.
//!
//! This crate decides nothing about placement or membership. It keeps one admitted quinn
//! connection a pair of nodes, carries datagrams and streams over it, serves and fetches
//! blobs, and lets libp2p find peers and spread records. Whom to admit, whom to dial and
//! what to do with what arrives is the node's: it implements [`Gate`] and reads
//! [`NetEvent`]s.
//!
//! - Nothing passes before both sides admitted one another: the hello exchange is the
//!   first thing on every connection, and libp2p's allow-list is filled from it alone.
//! - Every queue has a bound ([`limit`]). When the node is slower than the network,
//!   datagrams and gossip are dropped and counted; streams wait; link changes are never lost.
//! - One port number: quinn on UDP, libp2p on TCP.
//!
//! ```no_run
//! use orbweave_model::{Hash, MeshId, NodeId};
//! use orbweave_net::{Gate, Net, NetConfig, NetEvent};
//! use orbweave_trust::SecretKey;
//! use std::sync::Arc;
//!
//! struct Open;
//! impl Gate for Open {
//!     fn hello(&self) -> Vec<u8> { b"certificate".to_vec() }
//!     fn admit(&self, _: NodeId, hello: &[u8]) -> Result<(), String> {
//!         if hello == b"certificate" { Ok(()) } else { Err("no certificate".into()) }
//!     }
//!     fn join(&self, _: NodeId, _: &[u8]) -> orbweave_net::BoxFuture<'static, Result<Vec<u8>, String>> {
//!         Box::pin(async { Err("no tickets here".into()) })
//!     }
//!     fn may_get(&self, _: NodeId, _: Hash) -> bool { true }
//! }
//!
//! # async fn run() -> Result<(), orbweave_net::NetError> {
//! orbweave_net::install_crypto_provider();
//! let (net, mut events) = Net::start(NetConfig {
//!     secret: SecretKey::from_bytes([7; 32]),
//!     mesh: MeshId([1; 32]),
//!     zone: "default".into(),
//!     listen: "127.0.0.1:8081".parse().expect("an address"),
//!     mdns: false,
//!     gossip: true,
//!     blob_dir: "/tmp/blobs".into(),
//!     gate: Arc::new(Open),
//! }).await?;
//! while let Some(event) = events.recv().await {
//!     if let NetEvent::LinkUp { peer, .. } = event {
//!         net.send_datagram(peer, "hello".into());
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod blob;
mod counters;
mod discovery;
mod endpoint;
mod error;
mod hello;
mod join;
pub mod limit;
mod link;
mod net;
mod peer_id;
mod stream;
mod tls;

pub use counters::Counters;
pub use error::{FetchError, NetError};
pub use futures::future::BoxFuture;
pub use join::join;
pub use net::Net;
pub use stream::{RecvStream, SendStream, StreamKind};
pub use tls::install_crypto_provider;

use bytes::Bytes;
use orbweave_model::{Hash, MeshId, NodeId};
use orbweave_trust::SecretKey;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What a node's network needs to know.
pub struct NetConfig {
    /// The node's one key.
    pub secret: SecretKey,
    /// The mesh: names the private protocols and topics.
    pub mesh: MeshId,
    /// The node's zone: names the topic of gossip, which stays within it.
    pub zone: String,
    /// Where to listen: UDP for quinn and TCP for libp2p, the same port number. Port 0 picks one.
    pub listen: SocketAddr,
    /// Whether to look for peers on the local network.
    pub mdns: bool,
    /// Whether to publish and receive gossip. Correctness never depends on it.
    pub gossip: bool,
    /// Where blobs are kept.
    pub blob_dir: PathBuf,
    /// The node's decisions.
    pub gate: Arc<dyn Gate>,
}

/// What only the node can decide. Calls come from any thread and should return at once.
pub trait Gate: Send + Sync + 'static {
    /// Our certificate and protocol version, at most [`limit::HELLO_BYTES_MAX`].
    fn hello(&self) -> Vec<u8>;

    /// Whether the peer with this key and hello is a member. The reason is told to the peer.
    fn admit(&self, peer: NodeId, hello: &[u8]) -> Result<(), String>;

    /// A stranger presents a ticket's token and gets its certificate, or a reason.
    fn join(&self, peer: NodeId, request: &[u8]) -> BoxFuture<'static, Result<Vec<u8>, String>>;

    /// Whether this peer may have this blob. Asked on every get.
    fn may_get(&self, peer: NodeId, hash: Hash) -> bool;

    /// Takes a stream as it arrives, on the link's own task, or gives it back to become
    /// [`NetEvent::Stream`]. Whoever wants the shortest way spawns its handler here.
    fn take_stream(&self, stream: IncomingStream) -> Option<IncomingStream> {
        Some(stream)
    }
}

/// A stream that an admitted peer opened.
#[derive(Debug)]
pub struct IncomingStream {
    /// Who opened it, by its key.
    pub peer: NodeId,
    /// What it is for.
    pub kind: StreamKind,
    /// Towards the peer.
    pub send: SendStream,
    /// From the peer.
    pub recv: RecvStream,
}

/// A node and where it may be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAddress {
    /// Who is expected there; nobody else is accepted.
    pub node: NodeId,
    /// UDP addresses for quinn; the TCP ports of libp2p have the same numbers.
    pub addresses: Vec<SocketAddr>,
}

/// What happened on the network.
#[derive(Debug)]
pub enum NetEvent {
    /// Both sides admitted one another.
    LinkUp {
        /// The peer, by its key.
        peer: NodeId,
        /// Where the peer listens.
        remote: SocketAddr,
        /// Round-trip time at first sight.
        rtt: Duration,
    },
    /// The link is gone: closed, reset or silent for too long.
    LinkDown {
        /// The peer.
        peer: NodeId,
    },
    /// A link did not come about because one side refused the other.
    Refused {
        /// The peer, where its key is known.
        peer: Option<NodeId>,
        /// In words; begins with "by the peer" when it was the peer that refused.
        reason: String,
    },
    /// A datagram of an admitted peer.
    Datagram {
        /// The peer.
        peer: NodeId,
        /// At most [`orbweave_model::limit::DATAGRAM_BYTES_MAX`].
        bytes: Bytes,
    },
    /// A message that some member published, from whoever forwarded it.
    Gossip {
        /// At most [`limit::GOSSIP_BYTES_MAX`].
        bytes: Bytes,
    },
    /// mDNS, Kademlia or identify know where a node may be reached. Nothing is verified yet.
    Found {
        /// The node and its addresses.
        peer: PeerAddress,
    },
    /// A peer opened a stream.
    Stream {
        /// The peer.
        peer: NodeId,
        /// What it is for.
        kind: StreamKind,
        /// Towards the peer.
        send: SendStream,
        /// From the peer.
        recv: RecvStream,
    },
}

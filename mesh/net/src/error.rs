//! What can go wrong, and what it means for the caller.

use orbweave_model::{Hash, NodeId};
use std::io;
use std::net::SocketAddr;

/// Why something on the network did not happen. Links that were up stay up.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// Nothing was started: the address is taken or not ours.
    #[error("cannot listen on {address} ({transport}): {source}; choose another port or stop what holds it")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// `udp` for quinn, `tcp` for libp2p.
        transport: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
    /// Nothing was started: the key or the TLS configuration was not taken.
    #[error("TLS could not be set up: {0}")]
    Tls(String),
    /// Nothing was started: libp2p refused its configuration.
    #[error("libp2p could not be set up: {0}")]
    Discovery(String),
    /// Nothing was started, or nothing was stored.
    #[error("the blob store failed: {0}")]
    Blobs(String),
    /// No link to this peer is up: dial it, or wait for it.
    #[error("there is no link to node {}", .0.short())]
    NoLink(NodeId),
    /// The link went down meanwhile.
    #[error("the link to node {} broke: {why}", .peer.short())]
    LinkBroken {
        /// The peer.
        peer: NodeId,
        /// What quinn says.
        why: String,
    },
    /// None of the addresses answered as the node that was expected.
    #[error("node {} did not answer at any of its {tried} addresses; the last said: {why}", .peer.short())]
    Unreachable {
        /// Who was dialled.
        peer: NodeId,
        /// How many addresses were tried.
        tried: usize,
        /// The last failure.
        why: String,
    },
    /// The other side, or we, did not want this link. Trying again changes nothing by itself.
    #[error("refused: {0}")]
    Refused(String),
    /// The other side did not keep to the protocol, or was too slow.
    #[error("the hello exchange failed: {0}")]
    Hello(String),
}

/// Why a blob was not fetched. What arrived is kept: a later fetch goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Verified against the hash, so no provider has a smaller one.
    #[error("blob {} has {size} bytes, more than the {max} that were expected", .hash.short())]
    TooLarge {
        /// The blob.
        hash: Hash,
        /// Its verified size.
        size: u64,
        /// The bound that was given.
        max: u64,
    },
    /// No provider delivered it.
    #[error("no provider of blob {} delivered it: {}", .hash.short(), .tried.iter().map(|(node, why)| format!("{}: {why}", node.short())).collect::<Vec<_>>().join("; "))]
    NoProvider {
        /// The blob.
        hash: Hash,
        /// Who was asked, and why it failed there.
        tried: Vec<(NodeId, String)>,
    },
    /// Our own store failed.
    #[error("the blob store failed: {0}")]
    Store(String),
}

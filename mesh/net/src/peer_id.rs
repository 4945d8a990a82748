//! A NodeId and a libp2p PeerId are one Ed25519 key in two notations.

use libp2p::PeerId;
use libp2p::identity::{Keypair, PublicKey, ed25519};
use libp2p::multiaddr::{Multiaddr, Protocol};
use orbweave_model::NodeId;
use orbweave_trust::SecretKey;
use std::net::SocketAddr;

/// The identity multihash: the digest is the encoded key itself.
const IDENTITY_CODE: u64 = 0;

/// `None` if the bytes are no point of the curve.
pub(crate) fn peer_of_node(node: &NodeId) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(node.as_bytes()).ok()?;
    Some(PublicKey::from(key).to_peer_id())
}

/// `None` for keys of other kinds than Ed25519: no node of ours.
pub(crate) fn node_of_peer(peer: &PeerId) -> Option<NodeId> {
    let multihash = peer.as_ref();
    if multihash.code() != IDENTITY_CODE {
        return None;
    }
    let key = PublicKey::try_decode_protobuf(multihash.digest()).ok()?;
    Some(NodeId(key.try_into_ed25519().ok()?.to_bytes()))
}

/// The node's key as libp2p wants it.
pub(crate) fn keypair(secret: &SecretKey) -> Result<Keypair, String> {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(&secret.to_bytes()[..]);
    // libp2p zeroes the bytes that it takes.
    Keypair::ed25519_from_bytes(&mut bytes).map_err(|e| e.to_string())
}

/// `/ip4/…/tcp/…` of an address.
pub(crate) fn multiaddr_of(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}

/// The address in `/ip4/…/tcp/…[/p2p/…]`; `None` for anything else, and for what nobody can dial.
pub(crate) fn address_of(multiaddr: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = multiaddr.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    let Protocol::Tcp(port) = parts.next()? else { return None };
    let address = SocketAddr::new(ip, port);
    let dialable = port != 0 && !address.ip().is_unspecified() && !address.ip().is_multicast();
    let ends = matches!(parts.next(), None | Some(Protocol::P2p(_))) && parts.next().is_none();
    (dialable && ends).then_some(address)
}

#[cfg(test)]
#[path = "peer_id_tests.rs"]
mod tests;

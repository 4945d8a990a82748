//! A stranger asks the issuer of its ticket for a certificate.

use crate::{NetError, PeerAddress, endpoint, hello, tls};
use orbweave_model::NodeId;
use orbweave_trust::SecretKey;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// Dials the issuer, checks by `mesh_check` that its hello belongs to the mesh of the ticket,
/// and only then shows the request. Returns what [`crate::Gate::join`] answered.
pub async fn join(
    secret: &SecretKey,
    issuer: NodeId,
    addresses: &[SocketAddr],
    mesh_check: impl FnOnce(&[u8]) -> Result<(), String>,
    request: Vec<u8>,
) -> Result<Vec<u8>, NetError> {
    tls::install_crypto_provider();
    let (v4, v6): (Vec<_>, Vec<_>) = addresses.iter().partition(|address| address.is_ipv4());
    let families = [
        (SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), v4),
        (SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)), v6),
    ];
    let mut last =
        NetError::Unreachable { peer: issuer, tried: 0, why: "the ticket names no address".into() };
    for (local, addresses) in families {
        if addresses.is_empty() {
            continue;
        }
        let endpoint = endpoint::client(secret, local)?;
        match endpoint::connect(&endpoint, &PeerAddress { node: issuer, addresses }).await {
            Ok(connection) => {
                let reply = hello::join(&connection, mesh_check, request).await;
                // The close frame tells the issuer that the answer arrived.
                endpoint.close(hello::close::JOINED.into(), b"joined");
                let _ = tokio::time::timeout(crate::limit::SHUTDOWN_GRACE, endpoint.wait_idle()).await;
                return reply;
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

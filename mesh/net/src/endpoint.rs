//! The quinn endpoint: one UDP port, bounded, and recognisable after a restart.

use crate::limit::{
    DATAGRAM_BUFFER_BYTES, DIAL_DEADLINE, DIAL_STAGGER, HANDSHAKES_MAX, KEEP_ALIVE, LINK_IDLE_TIMEOUT,
    SEND_WINDOW_BYTES, STRANGER_WINDOW_BYTES, STREAM_WINDOW_BYTES,
};
use crate::tls::{Tls, server_name};
use crate::{NetError, PeerAddress};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use orbweave_model::limit::ADDRESSES_MAX;
use orbweave_trust::SecretKey;
use quinn::crypto::{CryptoError, HmacKey};
use quinn::{Connection, EndpointConfig, IdleTimeout, TransportConfig, VarInt};
use quinn_proto::HashedConnectionIdGenerator;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use tokio::time::timeout;

/// A number that tells one life of a process from the next.
pub(crate) fn random_u64() -> u64 {
    let mut bytes = [0; 8];
    // A failing system RNG would have stopped TLS long before.
    let _ = rustls::crypto::ring::default_provider().secure_random.fill(&mut bytes);
    u64::from_be_bytes(bytes)
}

/// Binds the socket and sets both roles up.
pub(crate) fn server(
    secret: &SecretKey,
    socket: UdpSocket,
    address: SocketAddr,
) -> Result<quinn::Endpoint, NetError> {
    let tls = Tls::new(secret)?;
    let mut server = quinn::ServerConfig::with_crypto(tls.server);
    // A stranger may open no stream: the first one, the hello's, is ours.
    server.transport_config(Arc::new(transport(0)));
    server.max_incoming(2 * HANDSHAKES_MAX);
    server.incoming_buffer_size(64 * 1024);
    server.incoming_buffer_size_total(4 * 1024 * 1024);
    let mut endpoint =
        quinn::Endpoint::new(endpoint_config(secret), Some(server), socket, Arc::new(quinn::TokioRuntime))
            .map_err(|source| NetError::Listen { address, transport: "udp", source })?;
    endpoint.set_default_client_config(client_config(tls.client));
    Ok(endpoint)
}

/// An endpoint that only dials, for a stranger that joins.
pub(crate) fn client(secret: &SecretKey, local: SocketAddr) -> Result<quinn::Endpoint, NetError> {
    let tls = Tls::new(secret)?;
    let mut endpoint = quinn::Endpoint::client(local).map_err(|source| NetError::Listen {
        address: local,
        transport: "udp",
        source,
    })?;
    endpoint.set_default_client_config(client_config(tls.client));
    Ok(endpoint)
}

fn client_config(tls: Arc<quinn::crypto::rustls::QuicClientConfig>) -> quinn::ClientConfig {
    let mut client = quinn::ClientConfig::new(tls);
    // One stream: the hello's. More once both sides admitted.
    client.transport_config(Arc::new(transport(1)));
    client
}

fn transport(streams_at_first: u32) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(streams_at_first.into())
        .max_concurrent_uni_streams(0u32.into())
        .stream_receive_window(STREAM_WINDOW_BYTES.into())
        .receive_window(STRANGER_WINDOW_BYTES.into())
        .send_window(SEND_WINDOW_BYTES)
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(idle_timeout()))
        .datagram_receive_buffer_size(Some(DATAGRAM_BUFFER_BYTES))
        .datagram_send_buffer_size(DATAGRAM_BUFFER_BYTES);
    transport
}

fn idle_timeout() -> IdleTimeout {
    let millis = u32::try_from(LINK_IDLE_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
    IdleTimeout::from(VarInt::from_u32(millis))
}

/// Keys drawn from the node's: a node restarted on its port recognises connection ids of
/// its former life, and answers packets of an old connection with a reset at once.
fn endpoint_config(secret: &SecretKey) -> EndpointConfig {
    let reset = ResetKey(secret.derive("orbweave quic stateless reset v1"));
    let mut config = EndpointConfig::new(Arc::new(reset));
    let seed = secret.derive("orbweave quic connection ids v1");
    let mut key = [0; 8];
    key.copy_from_slice(&seed[..8]);
    let key = u64::from_be_bytes(key);
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(key)));
    config
}

/// Keyed BLAKE3 as the MAC of reset tokens.
struct ResetKey([u8; 32]);

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        blake3::Hasher::new_keyed(&self.0).update(data).finalize_xof().fill(signature_out);
    }

    fn signature_len(&self) -> usize {
        blake3::OUT_LEN
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let given: [u8; blake3::OUT_LEN] = signature.try_into().map_err(|_| CryptoError)?;
        // Comparing `blake3::Hash`es takes constant time.
        if blake3::keyed_hash(&self.0, data) == blake3::Hash::from(given) { Ok(()) } else { Err(CryptoError) }
    }
}

/// Dials every address, each a little after the last, until one answers as the expected node.
pub(crate) async fn connect(endpoint: &quinn::Endpoint, to: &PeerAddress) -> Result<Connection, NetError> {
    let name = server_name(&to.node);
    let mut waiting = to.addresses.iter().copied().take(ADDRESSES_MAX);
    let mut attempts = FuturesUnordered::new();
    let mut tried = 0;
    let mut why = "no address is known".to_owned();
    let mut next = waiting.next();
    loop {
        if let Some(address) = next.take() {
            tried += 1;
            attempts.push(connect_one(endpoint, address, &name));
        }
        if attempts.is_empty() {
            return Err(NetError::Unreachable { peer: to.node, tried, why });
        }
        match timeout(DIAL_STAGGER, attempts.next()).await {
            Ok(Some(Ok(connection))) => return Ok(connection),
            Ok(Some(Err(error))) => why = error,
            Ok(None) | Err(_) => {}
        }
        next = waiting.next();
    }
}

async fn connect_one(
    endpoint: &quinn::Endpoint,
    address: SocketAddr,
    name: &str,
) -> Result<Connection, String> {
    let connecting = endpoint.connect(address, name).map_err(|e| format!("{address}: {e}"))?;
    match timeout(DIAL_DEADLINE, connecting).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(format!("{address}: {error}")),
        Err(_) => Err(format!("{address}: no answer within {} s", DIAL_DEADLINE.as_secs())),
    }
}

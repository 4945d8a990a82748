//! A 64-byte echo through `Net::open` beside the same over plain quinn, in one run.
//! `cargo bench -p orbweave-net --bench echo`

use orbweave_model::{Hash, MeshId, NodeId};
use orbweave_net::{BoxFuture, Gate, IncomingStream, Net, NetConfig, NetEvent, PeerAddress, StreamKind};
use orbweave_trust::SecretKey;
use quinn::rustls;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 20;
const ECHOES_PER_ROUND: usize = 500;
const PAYLOAD: [u8; 64] = [7; 64];

struct Open;

impl Gate for Open {
    fn hello(&self) -> Vec<u8> {
        Vec::new()
    }

    fn admit(&self, _: NodeId, _: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn join(&self, _: NodeId, _: &[u8]) -> BoxFuture<'static, Result<Vec<u8>, String>> {
        Box::pin(async { Err("no".into()) })
    }

    fn may_get(&self, _: NodeId, _: Hash) -> bool {
        false
    }

    fn take_stream(&self, mut stream: IncomingStream) -> Option<IncomingStream> {
        if stream.kind != StreamKind::Invoke {
            return Some(stream);
        }
        tokio::spawn(async move {
            let bytes = stream.recv.read_to_end(1024).await.expect("read");
            stream.send.write_all(&bytes).await.expect("written");
        });
        None
    }
}

async fn start(n: u8) -> (Net, tokio::sync::mpsc::Receiver<NetEvent>, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let (net, events) = Net::start(NetConfig {
        secret: SecretKey::from_bytes([n; 32]),
        mesh: MeshId([1; 32]),
        zone: "default".into(),
        listen: "127.0.0.1:0".parse().expect("an address"),
        mdns: false,
        gossip: false,
        blob_dir: dir.path().to_owned(),
        gate: Arc::new(Open),
    })
    .await
    .expect("a network");
    (net, events, dir)
}

async fn ours(net: &Net, peer: NodeId, kind: StreamKind) -> Duration {
    let began = Instant::now();
    let (mut send, mut recv) = net.open(peer, kind).await.expect("a stream");
    send.write_all(&PAYLOAD).await.expect("written");
    send.finish().expect("finished");
    assert_eq!(recv.read_to_end(1024).await.expect("read"), PAYLOAD);
    began.elapsed()
}

async fn plain(connection: &quinn::Connection) -> Duration {
    let began = Instant::now();
    let (mut send, mut recv) = connection.open_bi().await.expect("a stream");
    send.write_all(&PAYLOAD).await.expect("written");
    send.finish().expect("finished");
    assert_eq!(recv.read_to_end(1024).await.expect("read"), PAYLOAD);
    began.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

#[tokio::main]
async fn main() {
    orbweave_net::install_crypto_provider();
    let (a, mut a_events, _a_dir) = start(1).await;
    let (b, mut b_events, _b_dir) = start(2).await;
    a.dial(PeerAddress { node: b.id(), addresses: vec![b.local_address().expect("an address")] });
    while !matches!(a_events.recv().await, Some(NetEvent::LinkUp { .. })) {}
    // Streams that the gate does not take come by the event channel.
    tokio::spawn(async move {
        while let Some(event) = b_events.recv().await {
            if let NetEvent::Stream { mut send, mut recv, .. } = event {
                tokio::spawn(async move {
                    let bytes = recv.read_to_end(1024).await.expect("read");
                    send.write_all(&bytes).await.expect("written");
                });
            }
        }
    });
    let (server, client) = plain_pair();
    let address = server.local_addr().expect("an address");
    tokio::spawn(async move {
        let connection = server.accept().await.expect("a dial").await.expect("a handshake");
        while let Ok((mut send, mut recv)) = connection.accept_bi().await {
            tokio::spawn(async move {
                let bytes = recv.read_to_end(1024).await.expect("read");
                send.write_all(&bytes).await.expect("written");
            });
        }
    });
    let connection = client.connect(address, "plain").expect("dialled").await.expect("connected");

    let (mut taken, mut evented, mut raw) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        for _ in 0..ECHOES_PER_ROUND {
            let (t, e, r) = (
                ours(&a, b.id(), StreamKind::Invoke).await,
                ours(&a, b.id(), StreamKind::Http).await,
                plain(&connection).await,
            );
            // The first round warms up.
            if round > 0 {
                taken.push(t);
                evented.push(e);
                raw.push(r);
            }
        }
    }
    let (taken, evented, raw) = (median(taken), median(evented), median(raw));
    println!("plain quinn              {raw:7.1} µs");
    println!("taken by the gate        {taken:7.1} µs   {:.2}x", taken / raw);
    println!("by the event channel     {evented:7.1} µs   {:.2}x", evented / raw);
}

/// quinn with its defaults, and a key that nobody checks.
fn plain_pair() -> (quinn::Endpoint, quinn::Endpoint) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let pkcs8 =
        [&[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20][..], &[9; 32]].concat();
    let key = provider
        .key_provider
        .load_private_key(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8)))
        .expect("a key");
    let spki = key.public_key().expect("a public key").to_vec();
    let certified = Arc::new(rustls::sign::CertifiedKey::new(vec![CertificateDer::from(spki)], key));
    let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::server::AlwaysResolvesServerRawPublicKeys::new(certified)));
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    let server = quinn::crypto::rustls::QuicServerConfig::try_from(server).expect("a server");
    let client = quinn::crypto::rustls::QuicClientConfig::try_from(client).expect("a client");
    let any = "127.0.0.1:0".parse().expect("an address");
    let server = quinn::Endpoint::server(quinn::ServerConfig::with_crypto(Arc::new(server)), any);
    let mut dialler = quinn::Endpoint::client(any).expect("an endpoint");
    dialler.set_default_client_config(quinn::ClientConfig::new(Arc::new(client)));
    (server.expect("an endpoint"), dialler)
}

#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

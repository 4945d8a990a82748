//! The limit: quinn with its defaults, and a key that nobody checks.

use crate::ours;
use quinn::rustls;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use std::sync::Arc;
use tokio::runtime::Runtime;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

const ANSWER_BYTES_MAX: usize = 1_024;

pub struct Link(quinn::Connection);

impl Link {
    pub async fn ask(&self, text: &str) -> String {
        let (mut send, mut recv) = self.0.open_bi().await.expect("a stream");
        send.write_all(text.as_bytes()).await.expect("written");
        send.finish().expect("finished");
        String::from_utf8(recv.read_to_end(ANSWER_BYTES_MAX).await.expect("an answer")).expect("text")
    }
}

/// The call of `local_call`'s synchronous limit: a fresh instance, one typed call, drop.
pub fn handler() -> impl Fn(String) -> String + Clone + Send + 'static {
    let mut pool = PoolingAllocationConfig::new();
    pool.pagemap_scan(Enabled::Auto).linear_memory_keep_resident(512 << 10).table_keep_resident(64 << 10);
    let mut config = Config::new();
    config.concurrency_support(false);
    config.epoch_interruption(true);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    let engine = Engine::new(&config).expect("an engine");
    let component = Component::new(&engine, ours::greeter()).expect("a component");
    let interface = component.get_export_index(None, ours::INTERFACE).expect("an interface");
    let greet = component.get_export_index(Some(&interface), ours::FUNCTION).expect("a function");
    let pre = Linker::<()>::new(&engine).instantiate_pre(&component).expect("linked");
    move |text: String| {
        let mut store = Store::new(pre.engine(), ());
        store.set_epoch_deadline(1_000_000);
        let instance = pre.instantiate(&mut store).expect("an instance");
        let greet = instance.get_typed_func::<(&str,), (String,)>(&mut store, greet).expect("a function");
        greet.call(&mut store, (text.as_str(),)).expect("an answer").0
    }
}

/// A client's connection to a server that answers by this handler, a task a stream.
pub fn connected<H>(clients: &Runtime, servers: &Runtime, handler: H) -> Link
where
    H: Fn(String) -> String + Clone + Send + 'static,
{
    let (server, client) = configs();
    let any = "127.0.0.1:0".parse().expect("an address");
    let server = servers.block_on(async { quinn::Endpoint::server(server, any) }).expect("an endpoint");
    let address = server.local_addr().expect("an address");
    servers.spawn(async move {
        let connection = server.accept().await.expect("a dial").await.expect("a handshake");
        while let Ok((mut send, mut recv)) = connection.accept_bi().await {
            let handler = handler.clone();
            tokio::spawn(async move {
                let asked = recv.read_to_end(ANSWER_BYTES_MAX).await.expect("a request");
                let answer = handler(String::from_utf8(asked).expect("text"));
                send.write_all(answer.as_bytes()).await.expect("written");
            });
        }
    });
    clients.block_on(async {
        let mut dialler = quinn::Endpoint::client(any).expect("an endpoint");
        dialler.set_default_client_config(client);
        Link(dialler.connect(address, "limit").expect("dialled").await.expect("connected"))
    })
}

fn configs() -> (quinn::ServerConfig, quinn::ClientConfig) {
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
    (quinn::ServerConfig::with_crypto(Arc::new(server)), quinn::ClientConfig::new(Arc::new(client)))
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

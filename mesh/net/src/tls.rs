//! TLS by raw public keys (RFC 7250): the node's one key on both sides, no certificates.
//!
//! The server name of a dial carries the node that is expected, so one client
//! configuration serves every dial, and no key but the expected one passes.

use crate::NetError;
use data_encoding::BASE32_NOPAD;
use orbweave_model::NodeId;
use orbweave_trust::SecretKey;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use std::sync::Arc;

/// What both sides say they speak.
pub(crate) const ALPN: &[u8] = b"orbweave/1";
/// Behind the label with the node's key.
const NAME_SUFFIX: &str = ".orbweave";
/// DER of an Ed25519 SubjectPublicKeyInfo, up to the key.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// DER of an Ed25519 PKCS#8 private key, up to the seed.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Makes ring the process's TLS provider. Idempotent; call it first thing in `main`.
pub fn install_crypto_provider() {
    // An error says that a provider is installed already, which is what we want.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The name under which a node is dialled.
pub(crate) fn server_name(node: &NodeId) -> String {
    let mut name = BASE32_NOPAD.encode(node.as_bytes()).to_ascii_lowercase();
    name.push_str(NAME_SUFFIX);
    name
}

fn node_of_server_name(name: &ServerName<'_>) -> Option<NodeId> {
    let ServerName::DnsName(name) = name else { return None };
    let label = name.as_ref().strip_suffix(NAME_SUFFIX)?;
    let bytes = BASE32_NOPAD.decode(label.to_ascii_uppercase().as_bytes()).ok()?;
    bytes.try_into().ok().map(NodeId)
}

fn node_of_spki(spki: &[u8]) -> Option<NodeId> {
    spki.strip_prefix(&SPKI_PREFIX)?.try_into().ok().map(NodeId)
}

/// Who is at the other end, by the key that TLS verified.
pub(crate) fn peer_of(connection: &quinn::Connection) -> Option<NodeId> {
    let identity = connection.peer_identity()?;
    let keys = identity.downcast_ref::<Vec<CertificateDer<'static>>>()?;
    node_of_spki(keys.first()?.as_ref())
}

/// The configurations of both roles.
pub(crate) struct Tls {
    pub(crate) server: Arc<quinn::crypto::rustls::QuicServerConfig>,
    pub(crate) client: Arc<quinn::crypto::rustls::QuicClientConfig>,
}

impl Tls {
    pub(crate) fn new(secret: &SecretKey) -> Result<Self, NetError> {
        Self::build(secret).map_err(|e| NetError::Tls(e.to_string()))
    }

    fn build(secret: &SecretKey) -> Result<Self, Box<dyn std::error::Error>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Arc::new(RawKeys { algorithms: provider.signature_verification_algorithms });
        let key = certified_key(secret, &provider)?;

        let mut server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::clone(&verifier) as Arc<dyn ClientCertVerifier>)
            .with_cert_resolver(Arc::new(rustls::server::AlwaysResolvesServerRawPublicKeys::new(
                Arc::clone(&key),
            )));
        server.alpn_protocols = vec![ALPN.to_vec()];
        // A resumed session would skip the client's key.
        server.send_tls13_tickets = 0;

        let mut client = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::new(rustls::client::AlwaysResolvesClientRawPublicKeys::new(key)));
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.resumption = rustls::client::Resumption::disabled();

        Ok(Self { server: Arc::new(server.try_into()?), client: Arc::new(client.try_into()?) })
    }
}

fn certified_key(secret: &SecretKey, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, Error> {
    let mut pkcs8 = Vec::with_capacity(PKCS8_PREFIX.len() + 32);
    pkcs8.extend_from_slice(&PKCS8_PREFIX);
    pkcs8.extend_from_slice(&secret.to_bytes()[..]);
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8));
    let signer = provider.key_provider.load_private_key(key)?;
    let mut spki = SPKI_PREFIX.to_vec();
    spki.extend_from_slice(secret.node_id().as_bytes());
    Ok(Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki)], signer)))
}

/// Accepts Ed25519 keys only; as a client, only the key that the server name carries.
#[derive(Debug)]
struct RawKeys {
    algorithms: WebPkiSupportedAlgorithms,
}

impl RawKeys {
    fn verify_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = SubjectPublicKeyInfoDer::from(key.as_ref());
        verify_tls13_signature_with_raw_key(message, &spki, signature, &self.algorithms)
    }
}

fn only_tls13() -> Error {
    Error::PeerIncompatible(rustls::PeerIncompatible::Tls13RequiredForQuic)
}

impl ServerCertVerifier for RawKeys {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match (node_of_spki(end_entity.as_ref()), node_of_server_name(server_name)) {
            (Some(given), Some(expected)) if given == expected => Ok(ServerCertVerified::assertion()),
            (Some(_), _) => Err(CertificateError::NotValidForName.into()),
            (None, _) => Err(CertificateError::BadEncoding.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(only_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for RawKeys {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // Whether this key may come in is decided by its certificate, in the hello.
        match node_of_spki(end_entity.as_ref()) {
            Some(_) => Ok(ClientCertVerified::assertion()),
            None => Err(CertificateError::BadEncoding.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(only_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

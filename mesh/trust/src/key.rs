//! Keys, what they sign, and how a signature is checked.

use crate::dsse;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use orbweave_model::{NodeId, PublicKey, Signature};
use std::fmt;
use zeroize::Zeroizing;

/// An Ed25519 secret key: of a node, or of a principal (root, admission, publisher,
/// operator). Wiped from memory when dropped; never printed.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// The key of 32 random bytes, which the caller draws.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let bytes = Zeroizing::new(bytes);
        Self(SigningKey::from_bytes(&bytes))
    }

    /// The 32 bytes, to be stored where only their owner reads them.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// The public half as the identity of a node.
    pub fn node_id(&self) -> NodeId {
        self.public().into()
    }

    /// Signs a message for one purpose: the signature holds in no other [`Domain`].
    pub fn sign(&self, domain: Domain, message: &[u8]) -> Signature {
        Signature(self.0.sign(&domain.signed_bytes(message)).to_bytes())
    }

    /// A secret for another purpose, from which this key cannot be found: the MAC key
    /// of the compiled cache, the stateless-reset key. One purpose, one text.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let bytes = Zeroizing::new(self.0.to_bytes());
        blake3::derive_key(&format!("orbweave v1 derived key: {purpose}"), bytes.as_slice())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public().short())
    }
}

/// What a signature is for. Each purpose signs a prefix of its own before the
/// message, so that a signature made for one is worth nothing in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Domain {
    /// The first document of a mesh, by its roots.
    Genesis,
    /// A delegation or revocation, by the roots.
    TrustDocument,
    /// A node's certificate, by an admission key.
    Certificate,
    /// A record of the shared state, by its author.
    Record,
    /// A release statement, by its publisher: DSSE's own pre-authentication encoding,
    /// so that standard tools can check it.
    Release,
}

impl Domain {
    /// The bytes that are signed: the prefix, then the message. No prefix begins with
    /// another (each text ends in the only zero byte it has, and DSSE's begins unlike
    /// them), so no message can be read in two domains. TLS and Noise, which a node's
    /// key signs too, begin unlike any of them.
    pub fn signed_bytes(self, message: &[u8]) -> Vec<u8> {
        let prefix: &[u8] = match self {
            Self::Genesis => b"orbweave/v1/genesis\0",
            Self::TrustDocument => b"orbweave/v1/trust-document\0",
            Self::Certificate => b"orbweave/v1/certificate\0",
            Self::Record => b"orbweave/v1/record\0",
            Self::Release => return dsse::pre_authentication(dsse::RELEASE_PAYLOAD_TYPE, message),
        };
        [prefix, message].concat()
    }
}

/// Checks signatures. A pure function: the same arguments, the same answer, so that a
/// simulator may remember it.
pub trait SignatureCheck {
    /// Whether `signature` is that of `key` over `message` in `domain`.
    fn check(&self, key: &PublicKey, domain: Domain, message: &[u8], signature: &Signature) -> bool;
}

/// The check that counts: Ed25519 without weak keys and without malleable signatures
/// (`verify_strict`).
#[derive(Debug, Clone, Copy, Default)]
pub struct Strict;

impl SignatureCheck for Strict {
    fn check(&self, key: &PublicKey, domain: Domain, message: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        VerifyingKey::from_bytes(&key.0)
            .is_ok_and(|key| key.verify_strict(&domain.signed_bytes(message), &signature).is_ok())
    }
}

//! The envelope of genesis, trust documents and certificates: a payload kept as it
//! came, and signatures in the order of their keys, so that it has one encoding only.

use crate::key::{Domain, SecretKey, SignatureCheck};
use minicbor::{Decode, Encode};
use orbweave_model::wire::{self, WireError};
use orbweave_model::{PublicKey, Signature};

/// Signatures of one envelope.
pub const SIGNATURES_MAX: usize = 16;

/// Why bytes are no signed document. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not the CBOR of an envelope, or altered.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// There is no signature.
    #[error("{what} is unsigned: it carries no signature at all")]
    Unsigned {
        /// What was read.
        what: &'static str,
    },
    /// More signatures than a document of this kind may have.
    #[error("{what} carries {count} signatures, more than the {max} allowed")]
    TooManySignatures {
        /// What was read.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// The signatures are not in ascending order of their keys, or one key signed twice.
    #[error("{what} has its signatures out of order or twice by one key")]
    Disorder {
        /// What was read.
        what: &'static str,
    },
}

/// Why a document is not endorsed by the roots. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndorsementError {
    /// Someone signed who is no root of the mesh.
    #[error("signed by {key}, which is no root key of this mesh")]
    NotARoot {
        /// Who signed.
        key: PublicKey,
    },
    /// A signature does not match. One bad signature refuses the document, even if
    /// enough others are good: nothing in an envelope may be altered.
    #[error("the signature of {key} does not match: the document was altered, or signed by another key")]
    BadSignature {
        /// Whose signature.
        key: PublicKey,
    },
    /// Not enough roots signed.
    #[error("signed by {have} root keys, but this mesh asks for {need}: let more roots sign it")]
    TooFew {
        /// How many signed.
        have: usize,
        /// How many must.
        need: usize,
    },
}

/// One signature and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct SignedBy {
    #[n(0)]
    pub key: PublicKey,
    #[n(1)]
    pub signature: Signature,
}

/// A payload under signatures.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Signed {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub payload: Vec<u8>,
    #[n(1)]
    pub signatures: Vec<SignedBy>,
}

impl Signed {
    /// Signs a payload with each of the keys.
    pub fn new(domain: Domain, payload: Vec<u8>, keys: &[&SecretKey]) -> Self {
        let mut signed = Self { payload, signatures: Vec::new() };
        for key in keys {
            signed.add(SignedBy { key: key.public(), signature: key.sign(domain, &signed.payload) });
        }
        signed
    }

    /// Reads an envelope. The signatures are not checked yet.
    pub fn read(
        what: &'static str,
        bytes: &[u8],
        bytes_max: usize,
        max: usize,
    ) -> Result<Self, EnvelopeError> {
        let signed: Self = wire::decode_exact(what, bytes, bytes_max)?;
        let count = signed.signatures.len();
        if count == 0 {
            return Err(EnvelopeError::Unsigned { what });
        }
        if count > max {
            return Err(EnvelopeError::TooManySignatures { what, count, max });
        }
        if !signed.signatures.is_sorted_by(|a, b| a.key < b.key) {
            return Err(EnvelopeError::Disorder { what });
        }
        Ok(signed)
    }

    /// Adds a signature in its place. Of two by one key the smaller stays, so that
    /// adding is order-free and idempotent. Whether anything changed.
    pub fn add(&mut self, by: SignedBy) -> bool {
        match self.signatures.binary_search_by(|have| have.key.cmp(&by.key)) {
            Ok(at) => match self.signatures.get_mut(at) {
                Some(have) if by.signature < have.signature => {
                    *have = by;
                    true
                }
                _ => false,
            },
            Err(at) => {
                self.signatures.insert(at, by);
                true
            }
        }
    }

    /// The one encoding.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Whether every signature is a root's and matches, and there are enough.
    pub fn endorsed(
        &self,
        domain: Domain,
        roots: &[PublicKey],
        threshold: u8,
        check: &dyn SignatureCheck,
    ) -> Result<(), EndorsementError> {
        for SignedBy { key, signature } in &self.signatures {
            if !roots.contains(key) {
                return Err(EndorsementError::NotARoot { key: *key });
            }
            if !check.check(key, domain, &self.payload, signature) {
                return Err(EndorsementError::BadSignature { key: *key });
            }
        }
        let (have, need) = (self.signatures.len(), usize::from(threshold));
        if have < need { Err(EndorsementError::TooFew { have, need }) } else { Ok(()) }
    }
}

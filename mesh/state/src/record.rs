//! One signed statement of one author.
//!
//! On the wire a record is the exact envelope `[payload, signature]`. The payload
//! is an open map: what a newer version adds is kept, forwarded and verified,
//! because the received bytes are what is stored and hashed, never a re-encoding.

use minicbor::{Decode, Encode};
use orbweave_model::plant::{self, Plant};
use orbweave_model::wire::{self, WireError};
use orbweave_model::{Hash, Hlc, MeshId, PublicKey, Signature, limit};
use orbweave_trust::{Domain, SecretKey, SignatureCheck};
use std::fmt;
use std::sync::Arc;

/// The longest key of a record, in bytes.
pub const KEY_BYTES_MAX: usize = 128;

/// What a record is about. Kinds of a newer version are carried, not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct RecordKind(#[n(0)] pub u8);

impl RecordKind {
    /// A node: addresses, labels, capacity, certificate. By the node; expires.
    pub const NODE: Self = Self(1);
    /// Desired state of a workload. By a principal that may operate; kept.
    pub const WORKLOAD: Self = Self(3);
    /// The slots of one workload that a node holds. By the holder; lives with its node record.
    pub const CLAIM: Self = Self(5);
    /// A delegation or revocation, signed by the roots. Kept.
    pub const TRUST: Self = Self(6);
    /// A renewed certificate of the node that the key names. By an admission key; kept.
    pub const CERTIFICATE: Self = Self(7);
}

/// Identity of a record: only a record of the same identity supersedes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct RecordId {
    /// What it is about.
    #[n(0)]
    pub kind: RecordKind,
    /// Which of that kind.
    #[n(1)]
    pub key: String,
    /// Who says so.
    #[n(2)]
    pub author: PublicKey,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Payload<'a> {
    #[n(0)]
    kind: RecordKind,
    #[b(1)]
    key: &'a str,
    #[n(2)]
    author: PublicKey,
    #[n(3)]
    hlc: Hlc,
    #[cbor(b(4), with = "minicbor::bytes")]
    body: &'a [u8],
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Envelope<'a> {
    #[cbor(b(0), with = "minicbor::bytes")]
    payload: &'a [u8],
    #[n(1)]
    signature: Signature,
}

/// Why bytes are no record of this mesh. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not understood.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The key is empty or longer than [`KEY_BYTES_MAX`].
    #[error("a record's key must have 1 to {KEY_BYTES_MAX} bytes, this one has {0}")]
    Key(usize),
    /// The signature is not the author's over these bytes in this mesh.
    #[error("the record's signature is not its author's ({author})", author = .0.short())]
    Signature(PublicKey),
}

/// A record whose signature was verified. Cloning shares its bytes.
#[derive(Clone)]
pub struct Record {
    id: RecordId,
    hlc: Hlc,
    digest: Hash,
    bytes: Arc<[u8]>,
    body: std::ops::Range<usize>,
}

impl Record {
    /// Signs a statement and returns the envelope's bytes.
    pub fn sign(
        author: &SecretKey,
        mesh: MeshId,
        kind: RecordKind,
        key: &str,
        hlc: Hlc,
        body: Vec<u8>,
    ) -> Vec<u8> {
        let payload = wire::encode(&Payload { kind, key, author: author.public(), hlc, body: &body });
        let signature = author.sign(Domain::Record, &in_mesh(mesh, &payload));
        wire::encode(&Envelope { payload: &payload, signature })
    }

    /// Reads and verifies an envelope.
    pub fn open(bytes: &[u8], mesh: MeshId, check: &dyn SignatureCheck) -> Result<Self, RecordError> {
        let (record, envelope) = Self::read(bytes)?;
        record.verify(&envelope, mesh, check)
    }

    /// The same for a record that is wanted. `wanted` sees it before its signature is
    /// verified, and so must believe nothing of it but its identity and digest.
    pub fn open_if(
        bytes: &[u8],
        mesh: MeshId,
        check: &dyn SignatureCheck,
        wanted: impl FnOnce(&Self) -> bool,
    ) -> Result<Option<Self>, RecordError> {
        let (record, envelope) = Self::read(bytes)?;
        if wanted(&record) { record.verify(&envelope, mesh, check).map(Some) } else { Ok(None) }
    }

    fn verify(
        self,
        envelope: &Envelope<'_>,
        mesh: MeshId,
        check: &dyn SignatureCheck,
    ) -> Result<Self, RecordError> {
        let message = in_mesh(mesh, envelope.payload);
        if check.check(&self.id.author, Domain::Record, &message, &envelope.signature) {
            Ok(self)
        } else {
            Err(RecordError::Signature(self.id.author))
        }
    }

    fn read(bytes: &[u8]) -> Result<(Self, Envelope<'_>), RecordError> {
        let envelope: Envelope = wire::decode_exact("a record", bytes, limit::RECORD_BYTES_MAX)?;
        let payload: Payload =
            wire::decode_open("a record's payload", envelope.payload, limit::RECORD_BYTES_MAX)?;
        if payload.key.is_empty() || payload.key.len() > KEY_BYTES_MAX {
            return Err(RecordError::Key(payload.key.len()));
        }
        // The body is a slice of `bytes`: keep where it lies instead of a copy.
        let start = payload.body.as_ptr() as usize - bytes.as_ptr() as usize;
        let record = Self {
            id: RecordId { kind: payload.kind, key: payload.key.to_owned(), author: payload.author },
            hlc: payload.hlc,
            digest: Hash::of(bytes),
            body: start..start + payload.body.len(),
            bytes: Arc::from(bytes),
        };
        Ok((record, envelope))
    }

    /// Kind, key and author.
    pub fn id(&self) -> &RecordId {
        &self.id
    }

    /// When its author said so, by the author's clock.
    pub fn hlc(&self) -> Hlc {
        self.hlc
    }

    /// BLAKE3 of the envelope.
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// The envelope as received.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// The statement itself.
    pub fn body(&self) -> &[u8] {
        &self.bytes[self.body.clone()]
    }

    /// Whether it takes the place of `other`, which has the same identity. The
    /// digest decides between two that one author gave the same HLC, so that
    /// every node decides alike.
    pub fn supersedes(&self, other: &Record) -> bool {
        let newer = (self.hlc, self.digest) > (other.hlc, other.digest);
        newer != plant::on(Plant::SmallerReadingWins)
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({:?} @{}.{})", self.id, self.hlc.wall.0, self.hlc.count)
    }
}

/// A signature holds in one mesh only.
fn in_mesh(mesh: MeshId, payload: &[u8]) -> Vec<u8> {
    [mesh.as_bytes(), payload].concat()
}

//! One signed statement of one author.
//!
//! On the wire a record is the exact envelope `[payload, signature]`. The payload
//! is an open map: what a newer version adds is kept, forwarded and verified,
//! because the received bytes are what is stored and hashed, never a re-encoding.

use minicbor::{Decode, Encode};
use orbweave_model::plant::{self, Plant};
use orbweave_model::wire::{self, WireError};
use orbweave_model::{Hash, Hlc, MeshId, PublicKey, Signature, limit};
use orbweave_trust::{Domain, SecretKey, SignatureCheck, Strict};
use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The longest key of a record, in bytes.
pub const KEY_BYTES_MAX: usize = 128;

/// What a record is about. Kinds of a newer version are carried, not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct RecordKind(#[n(0)] pub u8);

impl RecordKind {
    /// A node: addresses, labels, capacity, certificate. By the node; expires.
    pub const NODE: Self = Self(1);
    /// A zone as one of its gateways sees it. By the gateway; expires.
    pub const SUMMARY: Self = Self(2);
    /// Desired state of a workload. By a principal that may operate; kept.
    pub const WORKLOAD: Self = Self(3);
    /// The slots of one workload that a zone holds. By a gateway of it; lives with its summary.
    pub const ALLOTMENT: Self = Self(4);
    /// The slots of one workload that a node holds. By the holder; lives with its node record.
    pub const CLAIM: Self = Self(5);
    /// A delegation or revocation, signed by the roots. Kept.
    pub const TRUST: Self = Self(6);
    /// A renewed certificate of the node that the key names. By an admission key; kept.
    pub const CERTIFICATE: Self = Self(7);
    /// Whether the node that the key names is a place for work. By a principal that may
    /// operate; kept.
    pub const CORDON: Self = Self(8);
    /// What the workloads of the namespace that the key names may have in all. By an
    /// admission key; kept.
    pub const QUOTA: Self = Self(9);

    /// How far records of this kind travel. What only a newer version understands stays in
    /// its zone, where its author has a node record.
    pub const fn scope(self) -> Scope {
        match self {
            Self::SUMMARY
            | Self::WORKLOAD
            | Self::ALLOTMENT
            | Self::TRUST
            | Self::CERTIFICATE
            | Self::CORDON
            | Self::QUOTA => Scope::Mesh,
            _ => Scope::Zone,
        }
    }
}

/// How far records travel, and what two nodes compare: those of one zone all that they
/// hold, those of two zones what is for the whole mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum Scope {
    /// Within a zone.
    #[n(0)]
    #[default]
    Zone,
    /// Everywhere.
    #[n(1)]
    Mesh,
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

/// Checks the signatures of records, and may remember the records that it found in
/// order: where many nodes run in one process, as in a simulator, they share them. What
/// a digest names is the same bytes, so that whoever remembers decides nothing.
pub trait Opener: SignatureCheck {
    /// The record of this mesh with this digest, if it was opened before.
    fn opened(&self, _mesh: MeshId, _digest: &Hash) -> Option<Record> {
        None
    }

    /// A record of this mesh was opened.
    fn remember(&self, _mesh: MeshId, _record: &Record) {}
}

/// Remembers nothing: a node holds each record once anyway.
impl Opener for Strict {}

/// A record whose signature was verified. Cloning shares it, with what was read of it.
#[derive(Clone)]
pub struct Record(Arc<Opened>);

struct Opened {
    id: RecordId,
    hlc: Hlc,
    digest: Hash,
    bytes: Arc<[u8]>,
    body: std::ops::Range<usize>,
    identity: OnceLock<u64>,
    /// What a reader made of the body.
    read: OnceLock<Arc<dyn Any + Send + Sync>>,
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
    pub fn open(bytes: &[u8], mesh: MeshId, opener: &(impl Opener + ?Sized)) -> Result<Self, RecordError> {
        let digest = Hash::of(bytes);
        match opener.opened(mesh, &digest) {
            Some(record) => Ok(record),
            None => Sealed::read(bytes, digest)?.open(mesh, opener),
        }
    }

    /// The same for a record that is wanted. `wanted` sees its identity and its digest
    /// before its signature is verified.
    pub fn open_if(
        bytes: &[u8],
        mesh: MeshId,
        opener: &(impl Opener + ?Sized),
        wanted: impl FnOnce(&RecordId, &Hash) -> bool,
    ) -> Result<Option<Self>, RecordError> {
        let digest = Hash::of(bytes);
        if let Some(record) = opener.opened(mesh, &digest) {
            return Ok(wanted(record.id(), &digest).then_some(record));
        }
        let sealed = Sealed::read(bytes, digest)?;
        if wanted(&sealed.id, &digest) { sealed.open(mesh, opener).map(Some) } else { Ok(None) }
    }

    /// Kind, key and author.
    pub fn id(&self) -> &RecordId {
        &self.0.id
    }

    /// When its author said so, by the author's clock.
    pub fn hlc(&self) -> Hlc {
        self.0.hlc
    }

    /// BLAKE3 of the envelope.
    pub fn digest(&self) -> Hash {
        self.0.digest
    }

    /// The envelope as received.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.0.bytes
    }

    /// The statement itself.
    pub fn body(&self) -> &[u8] {
        &self.0.bytes[self.0.body.clone()]
    }

    /// What a reader makes of the body, which must depend on nothing else. It is read
    /// once and then shared, unless two readers differ in what they make of it.
    pub fn read<T: Any + Send + Sync, E>(
        &self,
        reader: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        if let Some(read) = self.0.read.get()
            && let Ok(read) = read.clone().downcast::<T>()
        {
            return Ok(read);
        }
        let read = Arc::new(reader(self.body())?);
        // Whoever was first is remembered.
        let _ = self.0.read.set(read.clone());
        Ok(read)
    }

    /// A number that stands for its identity: of two records with the same, one
    /// supersedes the other.
    pub(crate) fn identity(&self) -> u64 {
        *self.0.identity.get_or_init(|| {
            let hash = Hash::of(&wire::encode(self.id()));
            hash.0.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
        })
    }

    /// Whether somebody else holds this very copy too.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Whether it takes the place of `other`, which has the same identity. The
    /// digest decides between two that one author gave the same HLC, so that
    /// every node decides alike.
    pub fn supersedes(&self, other: &Record) -> bool {
        let newer = (self.hlc(), self.digest()) > (other.hlc(), other.digest());
        newer != plant::on(Plant::SmallerReadingWins)
    }
}

/// An envelope that was read, and whose signature was not verified yet.
struct Sealed<'a> {
    bytes: &'a [u8],
    envelope: Envelope<'a>,
    id: RecordId,
    hlc: Hlc,
    digest: Hash,
    body: std::ops::Range<usize>,
}

impl<'a> Sealed<'a> {
    fn read(bytes: &'a [u8], digest: Hash) -> Result<Self, RecordError> {
        let envelope: Envelope = wire::decode_exact("a record", bytes, limit::RECORD_BYTES_MAX)?;
        let payload: Payload =
            wire::decode_open("a record's payload", envelope.payload, limit::RECORD_BYTES_MAX)?;
        if payload.key.is_empty() || payload.key.len() > KEY_BYTES_MAX {
            return Err(RecordError::Key(payload.key.len()));
        }
        let id = RecordId { kind: payload.kind, key: payload.key.to_owned(), author: payload.author };
        // The body is a slice of `bytes`: keep where it lies instead of a copy.
        let start = payload.body.as_ptr() as usize - bytes.as_ptr() as usize;
        let body = start..start + payload.body.len();
        Ok(Self { bytes, id, hlc: payload.hlc, digest, body, envelope })
    }

    fn open(self, mesh: MeshId, opener: &(impl Opener + ?Sized)) -> Result<Record, RecordError> {
        let Self { bytes, envelope, id, hlc, digest, body } = self;
        let message = in_mesh(mesh, envelope.payload);
        if !opener.check(&id.author, Domain::Record, &message, &envelope.signature) {
            return Err(RecordError::Signature(id.author));
        }
        let (identity, read) = (OnceLock::new(), OnceLock::new());
        let opened = Opened { id, hlc, digest, bytes: Arc::from(bytes), body, identity, read };
        let record = Record(Arc::new(opened));
        opener.remember(mesh, &record);
        Ok(record)
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({:?} @{}.{})", self.id(), self.hlc().wall.0, self.hlc().count)
    }
}

/// A signature holds in one mesh only.
fn in_mesh(mesh: MeshId, payload: &[u8]) -> Vec<u8> {
    [mesh.as_bytes(), payload].concat()
}

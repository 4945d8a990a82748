//! The first document of a mesh. Its payload's hash is the mesh's id.

use crate::envelope::{EndorsementError, EnvelopeError, SIGNATURES_MAX, Signed, SignedBy};
use crate::key::{Domain, SecretKey, SignatureCheck};
use crate::role::Grant;
use crate::text;
use minicbor::{Decode, Encode};
use orbweave_model::wire::{self, WireError};
use orbweave_model::{Hash, MeshId, PublicKey, Wall, WorkloadName};
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;

/// A genesis document in its envelope.
pub const GENESIS_BYTES_MAX: usize = 16 * 1024;
/// Root keys of a mesh.
pub const ROOTS_MAX: usize = SIGNATURES_MAX;
/// Keys that a genesis gives roles to.
pub const GRANTS_MAX: usize = 64;
/// The longest partition that a mesh may plan for.
pub const PARTITION_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

const WHAT: &str = "the genesis document";

/// What a mesh is, from its first day: its roots, who admits, publishes and operates,
/// and how long a partition it plans for. It never changes; trust documents add to it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
#[cbor(map)]
#[serde(rename_all = "camelCase")]
pub struct Genesis {
    /// The mesh's name, an RFC 1123 label: for people.
    #[n(0)]
    pub name: String,
    /// The root keys.
    #[n(1)]
    pub roots: Vec<PublicKey>,
    /// How many of the roots must sign: the genesis itself, and every trust document.
    #[n(2)]
    pub threshold: u8,
    /// Who may do what, until revoked.
    #[n(3)]
    pub grants: Vec<Grant>,
    /// The longest partition that the mesh plans for, in milliseconds.
    #[n(4)]
    pub partition_max_ms: u64,
    /// When it was made.
    #[n(5)]
    pub created: Wall,
    /// Random, so that two meshes of one name are two meshes.
    #[n(6)]
    #[cbor(with = "minicbor::bytes")]
    #[serde(serialize_with = "text::hex")]
    pub salt: [u8; 16],
}

/// Why a genesis says nothing that a mesh could be built on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisFault {
    /// The name is no RFC 1123 label.
    #[error("its name is no name: 1 to 63 lower-case letters, digits and '-'")]
    Name,
    /// No root, too many, or one twice.
    #[error("it must have 1 to {ROOTS_MAX} root keys, each once")]
    Roots,
    /// The threshold is none or more than there are roots.
    #[error("its threshold must lie between 1 and the number of its roots")]
    Threshold,
    /// Too many grants, or one key twice.
    #[error("it may grant roles to at most {GRANTS_MAX} keys, each once")]
    Grants,
    /// No partition or one of more than a year.
    #[error("its longest partition must lie between 1 ms and {} days", PARTITION_MAX.as_secs() / 86_400)]
    Partition,
}

/// Why a genesis document was refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// No signed envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The payload is not understood.
    #[error(transparent)]
    Body(#[from] WireError),
    /// Another mesh than the one that was expected.
    #[error(
        "this is the genesis of mesh {found}, but mesh {expected} was expected: the ticket or address belongs to another mesh"
    )]
    OtherMesh {
        /// The mesh that was asked for.
        expected: MeshId,
        /// The mesh whose genesis it is.
        found: MeshId,
    },
    /// What it says cannot hold.
    #[error("the genesis document cannot be used: {0}")]
    Fault(#[from] GenesisFault),
    /// Not signed by enough of its own roots.
    #[error("the genesis document is refused: {0}")]
    Endorsement(#[from] EndorsementError),
}

impl Genesis {
    /// Signs it with each of these keys. Whether they suffice is for [`Genesis::verify`].
    pub fn sign(&self, roots: &[&SecretKey]) -> Vec<u8> {
        Signed::new(Domain::Genesis, wire::encode(self), roots).encode()
    }

    /// Adds the signature of one more root to a document that may not have enough yet.
    pub fn cosign(document: &[u8], root: &SecretKey) -> Result<Vec<u8>, EnvelopeError> {
        let mut signed = Signed::read(WHAT, document, GENESIS_BYTES_MAX, SIGNATURES_MAX)?;
        let signature = root.sign(Domain::Genesis, &signed.payload);
        signed.add(SignedBy { key: root.public(), signature });
        Ok(signed.encode())
    }

    /// Verifies a document, and that it is the expected mesh's where one is expected.
    ///
    /// The id is the hash of the *payload*: the same genesis with one more signature
    /// is the same mesh.
    pub fn verify(
        document: &[u8],
        expected: Option<MeshId>,
        check: &dyn SignatureCheck,
    ) -> Result<(MeshId, Genesis), GenesisError> {
        let signed = Signed::read(WHAT, document, GENESIS_BYTES_MAX, SIGNATURES_MAX)?;
        let found = MeshId(Hash::of(&signed.payload).0);
        if let Some(expected) = expected.filter(|id| *id != found) {
            return Err(GenesisError::OtherMesh { expected, found });
        }
        let genesis: Genesis = wire::decode_open(WHAT, &signed.payload, GENESIS_BYTES_MAX)?;
        genesis.check()?;
        signed.endorsed(Domain::Genesis, &genesis.roots, genesis.threshold, check)?;
        Ok((found, genesis))
    }

    /// Whether a mesh can be built on it.
    pub fn check(&self) -> Result<(), GenesisFault> {
        if self.name.parse::<WorkloadName>().is_err() {
            return Err(GenesisFault::Name);
        }
        let distinct: BTreeSet<_> = self.roots.iter().collect();
        if self.roots.is_empty() || self.roots.len() > ROOTS_MAX || distinct.len() != self.roots.len() {
            return Err(GenesisFault::Roots);
        }
        if self.threshold == 0 || usize::from(self.threshold) > self.roots.len() {
            return Err(GenesisFault::Threshold);
        }
        let distinct: BTreeSet<_> = self.grants.iter().map(|g| g.key).collect();
        if self.grants.len() > GRANTS_MAX || distinct.len() != self.grants.len() {
            return Err(GenesisFault::Grants);
        }
        if self.partition_max_ms == 0 || self.partition_max() > PARTITION_MAX {
            return Err(GenesisFault::Partition);
        }
        Ok(())
    }

    /// The longest partition that the mesh plans for.
    pub fn partition_max(&self) -> Duration {
        Duration::from_millis(self.partition_max_ms)
    }
}

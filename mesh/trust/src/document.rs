//! Trust documents: what the roots add to the genesis, or take back.

use crate::envelope::{EndorsementError, EnvelopeError, SIGNATURES_MAX, Signed, SignedBy};
use crate::genesis::Genesis;
use crate::key::{Domain, SecretKey, SignatureCheck};
use crate::role::Roles;
use minicbor::{Decode, Encode};
use orbweave_model::wire::{self, WireError};
use orbweave_model::{MeshId, PublicKey, Wall};
use serde::Serialize;

/// A trust document in its envelope.
pub const DOCUMENT_BYTES_MAX: usize = 8 * 1024;

const WHAT: &str = "the trust document";
const DELEGATE: u8 = 0;
const REVOKE: u8 = 1;

/// What the roots say about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum TrustStatement {
    /// The key has these roles, up to and including a moment. Several for one key add up.
    Delegate {
        /// Whose roles.
        key: PublicKey,
        /// The roles.
        roles: Roles,
        /// The last moment at which it has them.
        not_after: Wall,
    },
    /// The key has no role and no place in the mesh any more, for ever, whatever
    /// arrives before or after.
    Revoke {
        /// Which key: of a node, a delegate, a publisher, an operator or a root.
        key: PublicKey,
    },
}

/// Why a trust document was refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// No signed envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The payload is not understood.
    #[error(transparent)]
    Body(#[from] WireError),
    /// It is a document of another mesh.
    #[error("the trust document is of mesh {found}, but this is mesh {expected}")]
    OtherMesh {
        /// This mesh.
        expected: MeshId,
        /// The mesh that it names.
        found: MeshId,
    },
    /// Not signed by enough roots.
    #[error("the trust document is refused: {0}")]
    Endorsement(#[from] EndorsementError),
    /// It says something that only a newer version understands.
    #[error(
        "the trust document is of kind {kind}, which this version does not know: it is genuine, update this node"
    )]
    UnknownKind {
        /// The kind that it names.
        kind: u8,
    },
    /// Of a known kind, but what the kind needs is missing.
    #[error("the trust document lacks {field}")]
    Incomplete {
        /// What is missing.
        field: &'static str,
    },
    /// The bound on documents is reached.
    #[error("this node holds {max} {what} already and takes no more")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The bound.
        max: usize,
    },
}

/// The payload. Flat and open: a later version may add kinds and keys.
#[derive(Encode, Decode)]
#[cbor(map)]
struct Body {
    #[n(0)]
    mesh: MeshId,
    #[n(1)]
    kind: u8,
    #[n(2)]
    key: Option<PublicKey>,
    #[n(3)]
    roles: Option<Roles>,
    #[n(4)]
    not_after: Option<Wall>,
}

impl Body {
    fn statement(&self) -> Result<TrustStatement, TrustError> {
        let key = self.key.ok_or(TrustError::Incomplete { field: "the key that it is about" });
        match self.kind {
            DELEGATE => Ok(TrustStatement::Delegate {
                key: key?,
                roles: self.roles.ok_or(TrustError::Incomplete { field: "roles" })?,
                not_after: self.not_after.ok_or(TrustError::Incomplete { field: "an end" })?,
            }),
            REVOKE => Ok(TrustStatement::Revoke { key: key? }),
            kind => Err(TrustError::UnknownKind { kind }),
        }
    }
}

impl TrustStatement {
    /// Signs it for one mesh with each of these roots. Whether they suffice is for
    /// [`TrustStatement::verify`].
    pub fn sign(&self, mesh: MeshId, roots: &[&SecretKey]) -> Vec<u8> {
        let body = match *self {
            Self::Delegate { key, roles, not_after } => {
                Body { mesh, kind: DELEGATE, key: Some(key), roles: Some(roles), not_after: Some(not_after) }
            }
            Self::Revoke { key } => Body { mesh, kind: REVOKE, key: Some(key), roles: None, not_after: None },
        };
        Signed::new(Domain::TrustDocument, wire::encode(&body), roots).encode()
    }

    /// Adds the signature of one more root to a document that may not have enough yet.
    pub fn cosign(document: &[u8], root: &SecretKey) -> Result<Vec<u8>, EnvelopeError> {
        let mut signed = Signed::read(WHAT, document, DOCUMENT_BYTES_MAX, SIGNATURES_MAX)?;
        let signature = root.sign(Domain::TrustDocument, &signed.payload);
        signed.add(SignedBy { key: root.public(), signature });
        Ok(signed.encode())
    }

    /// Verifies a document of this mesh against its genesis. What revocations take from
    /// it is for [`Authority`](crate::Authority), which knows them.
    pub fn verify(
        document: &[u8],
        mesh: MeshId,
        genesis: &Genesis,
        check: &dyn SignatureCheck,
    ) -> Result<TrustStatement, TrustError> {
        open(document, mesh, genesis, check)?.1
    }

    /// The key that it is about.
    pub fn key(&self) -> &PublicKey {
        match self {
            Self::Delegate { key, .. } | Self::Revoke { key } => key,
        }
    }
}

/// A genuine document, and what it says if this version understands it.
pub(crate) fn open(
    document: &[u8],
    mesh: MeshId,
    genesis: &Genesis,
    check: &dyn SignatureCheck,
) -> Result<(Signed, Result<TrustStatement, TrustError>), TrustError> {
    let signed = Signed::read(WHAT, document, DOCUMENT_BYTES_MAX, SIGNATURES_MAX)?;
    let body: Body = wire::decode_open(WHAT, &signed.payload, DOCUMENT_BYTES_MAX)?;
    if body.mesh != mesh {
        return Err(TrustError::OtherMesh { expected: mesh, found: body.mesh });
    }
    signed.endorsed(Domain::TrustDocument, &genesis.roots, genesis.threshold, check)?;
    Ok((signed, body.statement()))
}

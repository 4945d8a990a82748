//! Who may do what in a mesh, and which bytes may run: keys, genesis, trust
//! documents, certificates, join tickets and signed releases.
//!
//! The contract of this crate:
//! - It is sans-IO. Time is an argument, randomness comes in as bytes, keys come in
//!   as bytes. Checking a signature is a pure function behind [`SignatureCheck`], so
//!   that a simulator may remember its results.
//! - Whatever is signed is stored, hashed and forwarded as the bytes that arrived.
//!   An envelope has one encoding only; the payload inside may carry keys of a newer
//!   version, which are kept and stay under the signature.
//! - Every decoder is bounded and never panics, whatever the bytes.
//! - A [`Release`] exists only if it was verified here, and a [`Component`] exists
//!   only if its bytes are those of a verified release. Whatever compiles or runs
//!   takes a [`Component`], so nothing unverified ever runs.
//!
//! ```
//! use orbweave_model::{Wall, limit};
//! use orbweave_trust::*;
//!
//! let (root, admission, node) =
//!     (SecretKey::from_bytes([1; 32]), SecretKey::from_bytes([2; 32]), SecretKey::from_bytes([3; 32]));
//! let now = Wall(1_800_000_000_000);
//!
//! // A mesh begins with a genesis document; its hash is the mesh's id.
//! let genesis = Genesis {
//!     name: "fleet".into(),
//!     roots: vec![root.public()],
//!     threshold: 1,
//!     grants: vec![Grant { key: admission.public(), roles: Roles::ADMIT }],
//!     partition_max_ms: limit::PARTITION_DEFAULT.as_millis() as u64,
//!     created: now,
//!     salt: [7; 16],
//! };
//! let document = genesis.sign(&[&root]);
//! let (mesh, genesis) = Genesis::verify(&document, None, &Strict)?;
//! let authority = Authority::new(mesh, genesis);
//!
//! // Who holds the admission key lets a node in, for at least two longest partitions.
//! let draft = Certificate::draft(&authority, node.node_id(), "a", admission.public(), now, None, 1)?;
//! let certificate = Certificate::verify(&draft.issue(&admission), &authority, now, &Strict)?;
//! assert_eq!(certificate.node, node.node_id());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod authority;
mod certificate;
mod component;
mod document;
mod dsse;
mod envelope;
mod genesis;
mod key;
mod release;
mod role;
mod rollback;
mod text;
mod ticket;
mod ticket_book;

pub use authority::{Applied, Authority, DELEGATIONS_MAX, REVOCATIONS_MAX};
pub use certificate::{
    CERTIFICATE_BACKDATE, CERTIFICATE_BYTES_MAX, CERTIFICATE_LIFE_MAX, CERTIFICATE_PARTITIONS_MIN,
    Certificate, CertificateError,
};
pub use component::{Component, ComponentError};
pub use document::{DOCUMENT_BYTES_MAX, TrustError, TrustStatement};
pub use dsse::{DSSE_JSON_BYTES_MAX, DsseError, RELEASE_PAYLOAD_TYPE, from_dsse_json, to_dsse_json};
pub use envelope::{EndorsementError, EnvelopeError, SIGNATURES_MAX};
pub use genesis::{
    GENESIS_BYTES_MAX, GRANTS_MAX, Genesis, GenesisError, GenesisFault, PARTITION_MAX, ROOTS_MAX,
};
pub use key::{Domain, SecretKey, SignatureCheck, Strict};
pub use release::{
    INTERFACES_MAX, RELEASE_TEXT_BYTES_MAX, Release, ReleaseError, ReleaseStatement, StatementFault,
};
pub use role::{Grant, RoleError, Roles};
pub use rollback::{GUARD_BYTES_MAX, GUARD_ENTRIES_MAX, Noted, RollbackError, RollbackGuard};
pub use ticket::{TICKET_TEXT_BYTES_MAX, Ticket, TicketTextError};
pub use ticket_book::{TICKET_BOOK_BYTES_MAX, TICKET_USES_MAX, TICKETS_MAX, TicketBook, TicketError};

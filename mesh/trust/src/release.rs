//! Releases: what a publisher says about a component, and when a node believes it.

use crate::authority::Authority;
use crate::dsse::{Envelope, RELEASE_PAYLOAD_TYPE};
use crate::envelope::{EnvelopeError, SignedBy};
use crate::key::{Domain, SecretKey, SignatureCheck};
use crate::role::Roles;
use crate::rollback::{RollbackError, RollbackGuard};
use crate::text;
use minicbor::{Decode, Encode};
use orbweave_model::wire::{self, WireError};
use orbweave_model::{Hash, MeshId, PublicKey, Wall, limit};
use serde::Serialize;
use std::sync::Arc;

/// A name, a version or an interface in a release.
pub const RELEASE_TEXT_BYTES_MAX: usize = 128;
/// Imports, and exports, of one release.
pub const INTERFACES_MAX: usize = 128;

const WHAT: &str = "the release statement";

/// What a publisher says about a component.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
#[cbor(map)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseStatement {
    /// The component's name; sequences are counted for each name of a publisher.
    #[n(0)]
    pub name: String,
    /// The version, for people: what orders releases is the sequence.
    #[n(1)]
    pub version: String,
    /// The BLAKE3 hash of the component, by which it is fetched.
    #[n(2)]
    pub blake3: Hash,
    /// The SHA-256 hash of the component, which other tools and registries use.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    #[serde(serialize_with = "text::hex")]
    pub sha256: [u8; 32],
    /// The component's length in bytes.
    #[n(4)]
    pub size: u64,
    /// The interfaces that it imports.
    #[n(5)]
    pub imports: Vec<String>,
    /// The interfaces that it exports.
    #[n(6)]
    pub exports: Vec<String>,
    /// The key that signs.
    #[n(7)]
    pub publisher: PublicKey,
    /// The first moment at which it may be admitted.
    #[n(8)]
    pub not_before: Wall,
    /// The first moment at which it may no longer be admitted.
    #[n(9)]
    pub expires: Wall,
    /// Never decreases from release to release: a node refuses to go back.
    #[n(10)]
    pub sequence: u64,
    /// The one mesh that it is for, or any.
    #[n(11)]
    pub mesh: Option<MeshId>,
}

/// Why a statement, though signed, says nothing that could be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StatementFault {
    /// Name, version, import or export is empty, too long or has control characters.
    #[error("its {0} must be 1 to {RELEASE_TEXT_BYTES_MAX} bytes of printable text")]
    Text(&'static str),
    /// Too many imports or exports.
    #[error("it names more than {INTERFACES_MAX} {0}")]
    TooMany(&'static str),
    /// No component is empty, and none is larger than a node takes.
    #[error("its component must have 1 to {} bytes", limit::COMPONENT_BYTES_MAX)]
    Size,
    /// It expires before it begins.
    #[error("it expires before it begins")]
    Times,
}

/// Why a release was refused. Nothing was changed, and its component must not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// The envelope is not what a release travels in, or was altered.
    #[error("the release is malformed: {0}")]
    Malformed(#[source] WireError),
    /// The envelope holds something else than a release.
    #[error("the release is malformed: its envelope holds {found:?}, not {RELEASE_PAYLOAD_TYPE:?}")]
    OtherType {
        /// The type that it names, shortened.
        found: String,
    },
    /// More than the one signature that a release has.
    #[error("the release is malformed: it carries {count} signatures, and a release has one")]
    TooManySignatures {
        /// How many there are.
        count: usize,
    },
    /// What it says cannot be used.
    #[error("the release is malformed: {0}")]
    Fault(#[from] StatementFault),
    /// Nobody signed it.
    #[error("the release is unsigned: sign it with `orbweave sign` and a publisher key that the mesh knows")]
    Unsigned,
    /// Another key signed than the publisher that it names.
    #[error(
        "the release of {name} is wrongly signed: it names {publisher} as its publisher but is signed by {signer}"
    )]
    WrongSigner {
        /// The release's name.
        name: String,
        /// Who should have signed.
        publisher: PublicKey,
        /// Who signed.
        signer: PublicKey,
    },
    /// The signature does not match.
    #[error(
        "the release of {name} is wrongly signed: the signature of {publisher} does not match, so it was altered after signing or signed by another key"
    )]
    BadSignature {
        /// The release's name.
        name: String,
        /// Whose signature it should be.
        publisher: PublicKey,
    },
    /// It is for another mesh.
    #[error("the release of {name} is for mesh {found}, but this is mesh {expected}")]
    OtherMesh {
        /// The release's name.
        name: String,
        /// This mesh.
        expected: MeshId,
        /// The mesh that it is for.
        found: MeshId,
    },
    /// The publisher is revoked.
    #[error("the publisher {publisher} of {name} is revoked: nothing of it runs in this mesh")]
    Revoked {
        /// The release's name.
        name: String,
        /// The publisher.
        publisher: PublicKey,
    },
    /// The publisher is not known to this mesh, or may not publish (any more).
    #[error(
        "the publisher {publisher} of {name} is not trusted: this mesh gives it no right to publish (or no longer); let the roots delegate it"
    )]
    UntrustedPublisher {
        /// The release's name.
        name: String,
        /// The publisher.
        publisher: PublicKey,
    },
    /// Its time has not come.
    #[error("the release of {name} is not yet valid: it begins at {} ms, and now is {} ms after 1970", .not_before.0, .now.0)]
    NotYetValid {
        /// The release's name.
        name: String,
        /// When it begins.
        not_before: Wall,
        /// When it was looked at.
        now: Wall,
    },
    /// Its time is over.
    #[error("the release of {name} has expired: it ended at {} ms, and now is {} ms after 1970; sign it again", .expires.0, .now.0)]
    Expired {
        /// The release's name.
        name: String,
        /// When it ended.
        expires: Wall,
        /// When it was looked at.
        now: Wall,
    },
    /// A later release was taken in before.
    #[error("the release of {name} is refused: {fault}")]
    Rollback {
        /// The release's name.
        name: String,
        /// The sequence numbers.
        #[source]
        fault: RollbackError,
    },
}

/// A release that was verified. There is no other way to make one than
/// [`Release::verify`] and [`Release::verify_for_resume`]. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release(Arc<Inner>);

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    statement: ReleaseStatement,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expiry {
    Judged,
    Skipped,
}

impl ReleaseStatement {
    /// Signs it as it is: the bytes of the envelope. `publisher` must be the key that
    /// the statement names; if it is not, the result verifies nowhere.
    pub fn sign(&self, publisher: &SecretKey) -> Vec<u8> {
        let payload = wire::encode(self);
        let signature = publisher.sign(Domain::Release, &payload);
        let signatures = vec![SignedBy { key: publisher.public(), signature }];
        wire::encode(&Envelope { payload_type: RELEASE_PAYLOAD_TYPE.to_owned(), payload, signatures })
    }

    /// An envelope without a signature, which every node refuses: for drills and tests.
    pub fn unsigned(&self) -> Vec<u8> {
        let payload = wire::encode(self);
        wire::encode(&Envelope {
            payload_type: RELEASE_PAYLOAD_TYPE.to_owned(),
            payload,
            signatures: Vec::new(),
        })
    }

    /// Whether it can be used.
    pub fn check(&self) -> Result<(), StatementFault> {
        let lists = [("imports", &self.imports), ("exports", &self.exports)];
        for (what, list) in lists {
            if list.len() > INTERFACES_MAX {
                return Err(StatementFault::TooMany(what));
            }
        }
        let words = [("name", &self.name), ("version", &self.version)];
        let entries = lists.into_iter().flat_map(|(what, list)| list.iter().map(move |text| (what, text)));
        for (what, text) in words.into_iter().chain(entries) {
            if !text::is_printable(text, RELEASE_TEXT_BYTES_MAX) {
                return Err(StatementFault::Text(what));
            }
        }
        if self.size == 0 || self.size > limit::COMPONENT_BYTES_MAX {
            return Err(StatementFault::Size);
        }
        if self.expires <= self.not_before { Err(StatementFault::Times) } else { Ok(()) }
    }
}

impl Release {
    /// Verifies a release that is to be admitted. What it changes is for the caller:
    /// [`RollbackGuard::note`], once the release is admitted.
    pub fn verify(
        bytes: &[u8],
        authority: &Authority,
        guard: &RollbackGuard,
        now: Wall,
        check: &dyn SignatureCheck,
    ) -> Result<Release, ReleaseError> {
        Self::judge(bytes, authority, guard, now, check, Expiry::Judged)
    }

    /// Verifies a release that was admitted before, after a cold restart: as
    /// [`Release::verify`], but neither its own end nor that of its publisher's
    /// delegation counts. A known revocation does.
    pub fn verify_for_resume(
        bytes: &[u8],
        authority: &Authority,
        guard: &RollbackGuard,
        now: Wall,
        check: &dyn SignatureCheck,
    ) -> Result<Release, ReleaseError> {
        Self::judge(bytes, authority, guard, now, check, Expiry::Skipped)
    }

    fn judge(
        bytes: &[u8],
        authority: &Authority,
        guard: &RollbackGuard,
        now: Wall,
        check: &dyn SignatureCheck,
        expiry: Expiry,
    ) -> Result<Release, ReleaseError> {
        let statement = authentic(bytes, check)?;
        let ReleaseStatement { publisher, not_before, expires, .. } = statement;
        let name = || statement.name.clone();
        let expected = authority.mesh();
        if let Some(found) = statement.mesh.filter(|mesh| *mesh != expected) {
            return Err(ReleaseError::OtherMesh { name: name(), expected, found });
        }
        if authority.is_revoked(&publisher) {
            return Err(ReleaseError::Revoked { name: name(), publisher });
        }
        let trusted = match expiry {
            Expiry::Judged => authority.may(&publisher, Roles::PUBLISH, now),
            Expiry::Skipped => authority.was_entrusted(&publisher, Roles::PUBLISH),
        };
        if !trusted {
            return Err(ReleaseError::UntrustedPublisher { name: name(), publisher });
        }
        if now < not_before {
            return Err(ReleaseError::NotYetValid { name: name(), not_before, now });
        }
        if expires <= now && expiry == Expiry::Judged {
            return Err(ReleaseError::Expired { name: name(), expires, now });
        }
        guard
            .check(&publisher, &statement.name, statement.sequence)
            .map_err(|fault| ReleaseError::Rollback { name: name(), fault })?;
        Ok(Self(Arc::new(Inner { statement, bytes: bytes.to_vec() })))
    }

    /// What a release says, if the publisher that it names signed it, whoever that is: for
    /// people and for checks before a release is sent. It proves nothing of the right to
    /// publish, so nothing runs because of it.
    pub fn read(bytes: &[u8], check: &dyn SignatureCheck) -> Result<ReleaseStatement, ReleaseError> {
        authentic(bytes, check)
    }

    /// What the publisher says.
    pub fn statement(&self) -> &ReleaseStatement {
        &self.0.statement
    }

    /// The envelope as it arrived: what is stored and forwarded.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }
}

/// The statement, if it can be used and its publisher signed it, whoever that is.
fn authentic(bytes: &[u8], check: &dyn SignatureCheck) -> Result<ReleaseStatement, ReleaseError> {
    let (envelope, by) = Envelope::read(bytes).map_err(|fault| match fault {
        EnvelopeError::Wire(fault) => ReleaseError::Malformed(fault),
        EnvelopeError::Unsigned { .. } => ReleaseError::Unsigned,
        EnvelopeError::TooManySignatures { count, .. } => ReleaseError::TooManySignatures { count },
        EnvelopeError::Disorder { what } => ReleaseError::Malformed(WireError::NotCanonical { what }),
    })?;
    if envelope.payload_type != RELEASE_PAYLOAD_TYPE {
        return Err(ReleaseError::OtherType { found: envelope.payload_type.chars().take(80).collect() });
    }
    let statement: ReleaseStatement = wire::decode_open(WHAT, &envelope.payload, limit::RELEASE_BYTES_MAX)
        .map_err(ReleaseError::Malformed)?;
    statement.check()?;
    let publisher = statement.publisher;
    if by.key != publisher {
        return Err(ReleaseError::WrongSigner { name: statement.name, publisher, signer: by.key });
    }
    if !check.check(&publisher, Domain::Release, &envelope.payload, &by.signature) {
        return Err(ReleaseError::BadSignature { name: statement.name, publisher });
    }
    Ok(statement)
}

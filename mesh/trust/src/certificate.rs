//! Node certificates: who is a member, until when, and who said so.

use crate::authority::Authority;
use crate::envelope::{EnvelopeError, Signed, SignedBy};
use crate::key::{Domain, SecretKey, SignatureCheck};
use crate::role::Roles;
use minicbor::{Decode, Encode};
use orbweave_model::wire::{self, WireError};
use orbweave_model::{MeshId, NodeId, PublicKey, Wall, WorkloadName};
use serde::Serialize;
use std::time::Duration;

/// A certificate in its envelope.
pub const CERTIFICATE_BYTES_MAX: usize = 4 * 1024;
/// A certificate lives at least this many of the longest partitions that the mesh
/// plans for: one that is renewed at half its life outlives a partition that begins then.
pub const CERTIFICATE_PARTITIONS_MIN: u32 = 2;
/// The longest life of a certificate.
pub const CERTIFICATE_LIFE_MAX: Duration = Duration::from_secs(5 * 366 * 24 * 3600);
/// How far before its making a certificate begins, for nodes whose clocks are behind.
pub const CERTIFICATE_BACKDATE: Duration = Duration::from_secs(10 * 60);

const WHAT: &str = "the certificate";

/// That a node is a member.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
#[cbor(map)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// The mesh it is a member of.
    #[n(0)]
    pub mesh: MeshId,
    /// The node.
    #[n(1)]
    pub node: NodeId,
    /// The node's name, an RFC 1123 label: for people.
    #[n(2)]
    pub name: String,
    /// The admission key that signs.
    #[n(3)]
    pub issuer: PublicKey,
    /// The first moment at which it holds.
    #[n(4)]
    pub not_before: Wall,
    /// The first moment at which it no longer holds.
    #[n(5)]
    pub expires: Wall,
    /// Of two certificates of one node the one with the higher serial is the newer.
    #[n(6)]
    pub serial: u64,
}

/// Why a certificate was refused, or cannot be made. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// No signed envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The payload is not understood.
    #[error(transparent)]
    Body(#[from] WireError),
    /// The name of the node is no RFC 1123 label.
    #[error("the certificate's node name is no name: 1 to 63 lower-case letters, digits and '-'")]
    Name,
    /// It is a certificate of another mesh.
    #[error(
        "the certificate is of mesh {found}, but this is mesh {expected}: join this mesh with a ticket of it"
    )]
    OtherMesh {
        /// This mesh.
        expected: MeshId,
        /// The mesh that it names.
        found: MeshId,
    },
    /// Another key signed than the one that it names as its issuer.
    #[error("the certificate names {issuer} as its issuer but is signed by {signer}")]
    WrongSigner {
        /// Who should have signed.
        issuer: PublicKey,
        /// Who signed.
        signer: PublicKey,
    },
    /// The signature does not match.
    #[error(
        "the certificate's signature by {issuer} does not match: it was altered, or signed by another key"
    )]
    BadSignature {
        /// Whose signature it should be.
        issuer: PublicKey,
    },
    /// The node's key is revoked.
    #[error("node {node} is revoked and barred from this mesh: it needs a new key and a new ticket")]
    Revoked {
        /// The node.
        node: NodeId,
    },
    /// The issuer may not admit nodes: never could, its delegation has ended, or it is revoked.
    #[error(
        "the certificate's issuer {issuer} may not admit nodes to this mesh (or may no longer): join again through a node that may"
    )]
    UntrustedIssuer {
        /// The issuer.
        issuer: PublicKey,
    },
    /// The certificate's life is shorter than a planned partition asks for.
    #[error("a certificate of this mesh must live at least {} hours, {CERTIFICATE_PARTITIONS_MIN} times its longest partition", .min.as_secs() / 3600)]
    TooShort {
        /// The shortest life.
        min: Duration,
    },
    /// The certificate's life is longer than any may be, or ends before it begins.
    #[error("a certificate must end after its beginning, and within {} days of it", CERTIFICATE_LIFE_MAX.as_secs() / 86_400)]
    Life,
    /// It does not hold yet.
    #[error("the certificate of node {node} holds from {} ms on, and now is {} ms after 1970: check this machine's clock", .not_before.0, .now.0)]
    NotYetValid {
        /// The node.
        node: NodeId,
        /// When it begins.
        not_before: Wall,
        /// When it was looked at.
        now: Wall,
    },
    /// It has expired and nothing else is wrong with it: its node may renew it and do nothing else.
    #[error("the certificate of node {} has expired: the node may only renew it", .certificate.node)]
    Expired {
        /// What it says.
        certificate: Box<Certificate>,
    },
}

impl Certificate {
    /// A certificate to be issued now. Without a `life` it gets the shortest that the
    /// mesh's longest partition allows; a shorter one is an error.
    pub fn draft(
        authority: &Authority,
        node: NodeId,
        name: &str,
        issuer: PublicKey,
        now: Wall,
        life: Option<Duration>,
        serial: u64,
    ) -> Result<Self, CertificateError> {
        let min = Self::life_min(authority);
        let life = life.unwrap_or(min);
        if life < min {
            return Err(CertificateError::TooShort { min });
        }
        let not_before = now - CERTIFICATE_BACKDATE;
        let certificate = Self {
            mesh: authority.mesh(),
            node,
            name: name.to_owned(),
            issuer,
            not_before,
            expires: now + life,
            serial,
        };
        certificate.check()?;
        Ok(certificate)
    }

    /// The shortest life of a certificate of this mesh.
    pub fn life_min(authority: &Authority) -> Duration {
        authority.genesis().partition_max().saturating_mul(CERTIFICATE_PARTITIONS_MIN)
    }

    /// Signs it as it is. `issuer` must be the key that the certificate names; if it is
    /// not, the result verifies nowhere.
    pub fn issue(&self, issuer: &SecretKey) -> Vec<u8> {
        Signed::new(Domain::Certificate, wire::encode(self), &[issuer]).encode()
    }

    /// Verifies a certificate at this moment. [`CertificateError::Expired`] is returned
    /// only if nothing else is wrong.
    ///
    /// The issuer must be entitled *now*, not when it signed: nobody can prove when
    /// that was, and a thief of a key whose time is over could put any date.
    pub fn verify(
        bytes: &[u8],
        authority: &Authority,
        now: Wall,
        check: &dyn SignatureCheck,
    ) -> Result<Certificate, CertificateError> {
        let signed = Signed::read(WHAT, bytes, CERTIFICATE_BYTES_MAX, 1)?;
        let certificate: Self = wire::decode_open(WHAT, &signed.payload, CERTIFICATE_BYTES_MAX)?;
        let Self { mesh, node, issuer, not_before, expires, .. } = certificate;
        if mesh != authority.mesh() {
            return Err(CertificateError::OtherMesh { expected: authority.mesh(), found: mesh });
        }
        for SignedBy { key, signature } in &signed.signatures {
            if *key != issuer {
                return Err(CertificateError::WrongSigner { issuer, signer: *key });
            }
            if !check.check(key, Domain::Certificate, &signed.payload, signature) {
                return Err(CertificateError::BadSignature { issuer });
            }
        }
        certificate.check()?;
        if authority.is_revoked(&node.into()) {
            return Err(CertificateError::Revoked { node });
        }
        if !authority.may(&issuer, Roles::ADMIT, now) {
            return Err(CertificateError::UntrustedIssuer { issuer });
        }
        if now < not_before {
            return Err(CertificateError::NotYetValid { node, not_before, now });
        }
        if expires <= now {
            return Err(CertificateError::Expired { certificate: Box::new(certificate) });
        }
        Ok(certificate)
    }

    /// As [`Certificate::verify`], for a node that asks for a new one: age is no fault.
    pub fn verify_for_renewal(
        bytes: &[u8],
        authority: &Authority,
        now: Wall,
        check: &dyn SignatureCheck,
    ) -> Result<Certificate, CertificateError> {
        match Self::verify(bytes, authority, now, check) {
            Err(CertificateError::Expired { certificate }) => Ok(*certificate),
            verified => verified,
        }
    }

    /// What may take the place of this one, to be issued now: of the same node, under the
    /// same name, with a higher serial.
    pub fn successor(
        &self,
        authority: &Authority,
        issuer: PublicKey,
        now: Wall,
    ) -> Result<Self, CertificateError> {
        let serial = self.serial.max(now.0).saturating_add(1);
        Self::draft(authority, self.node, &self.name, issuer, now, None, serial)
    }

    /// The moment from which on its node asks for a new one: half of its life.
    pub fn renew_from(&self) -> Wall {
        Wall(self.not_before.0.saturating_add(self.expires.0.saturating_sub(self.not_before.0) / 2))
    }

    fn check(&self) -> Result<(), CertificateError> {
        if self.name.parse::<WorkloadName>().is_err() {
            return Err(CertificateError::Name);
        }
        let longest = self.not_before + CERTIFICATE_LIFE_MAX + CERTIFICATE_BACKDATE;
        if self.expires <= self.not_before || self.expires > longest {
            return Err(CertificateError::Life);
        }
        Ok(())
    }
}

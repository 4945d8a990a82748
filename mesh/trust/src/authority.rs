//! The view over genesis and trust documents: who may do what.

use crate::document::{self, TrustError, TrustStatement};
use crate::envelope::Signed;
use crate::genesis::Genesis;
use crate::key::SignatureCheck;
use crate::role::Roles;
use orbweave_model::{Hash, MeshId, PublicKey, Wall};
use std::collections::{BTreeMap, BTreeSet};

/// Delegations that a node holds, those of newer versions included.
pub const DELEGATIONS_MAX: usize = 4_096;
/// Revocations that a node holds: apart, so that delegations cannot crowd them out.
pub const REVOCATIONS_MAX: usize = 16_384;

/// What a genuine document did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It was new, or brought a new signature: persist it, forward it, ask again who may.
    Changed(TrustStatement),
    /// It was new but of a kind that this version does not know: persist and forward it.
    NotUnderstood,
    /// Nothing in it was new.
    Known,
}

/// Who may do what, as far as this node has heard.
///
/// A pure function of the genesis and the *set* of documents: in whatever order and
/// however often they were applied, the view is the same.
///
/// - A revoked key may nothing, for ever. Revocations count with the signatures of all
///   genesis roots, also of one that is itself revoked: two roots that revoke each
///   other are then both revoked, in any order.
/// - A delegation counts with the signatures of those roots alone that are not revoked.
///   If too few are left, the others must sign it again.
/// - One document signed by different roots is one document with all their signatures.
#[derive(Debug, Clone)]
pub struct Authority {
    mesh: MeshId,
    genesis: Genesis,
    documents: BTreeMap<Hash, Document>,
    revocations: usize,
    revoked: BTreeSet<PublicKey>,
    delegated: BTreeMap<PublicKey, Vec<(Roles, Wall)>>,
}

#[derive(Debug, Clone)]
struct Document {
    statement: Option<TrustStatement>,
    signed: Signed,
    bytes: Vec<u8>,
}

impl Authority {
    /// What holds on the first day. `genesis` must come from [`Genesis::verify`].
    pub fn new(mesh: MeshId, genesis: Genesis) -> Self {
        Self {
            mesh,
            genesis,
            documents: BTreeMap::new(),
            revocations: 0,
            revoked: BTreeSet::new(),
            delegated: BTreeMap::new(),
        }
    }

    /// The mesh.
    pub fn mesh(&self) -> MeshId {
        self.mesh
    }

    /// What the mesh began with.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Every genuine document, each to be persisted and forwarded as it is.
    pub fn documents(&self) -> impl Iterator<Item = &[u8]> {
        self.documents.values().map(|document| document.bytes.as_slice())
    }

    /// Every key that is revoked.
    pub fn revoked(&self) -> impl Iterator<Item = &PublicKey> {
        self.revoked.iter()
    }

    /// Whether a key is revoked.
    pub fn is_revoked(&self, key: &PublicKey) -> bool {
        self.revoked.contains(key)
    }

    /// Whether a key has all of these roles now.
    pub fn may(&self, key: &PublicKey, roles: Roles, now: Wall) -> bool {
        self.holds(key, roles, |not_after| now <= not_after)
    }

    /// Whether a key has, or had before its delegation ended, all of these roles and was
    /// not revoked: what was admitted then may resume.
    pub fn was_entrusted(&self, key: &PublicKey, roles: Roles) -> bool {
        self.holds(key, roles, |_| true)
    }

    fn holds(&self, key: &PublicKey, roles: Roles, counts: impl Fn(Wall) -> bool) -> bool {
        if self.is_revoked(key) {
            return false;
        }
        let granted = self.genesis.grants.iter().filter(|g| g.key == *key).map(|g| g.roles);
        let delegated = self.delegated.get(key).into_iter().flatten();
        let delegated = delegated.filter(|(_, not_after)| counts(*not_after)).map(|(roles, _)| *roles);
        granted.chain(delegated).fold(Roles::NONE, |all, more| all | more).contains(roles)
    }

    /// Takes in a document. An error changes nothing.
    pub fn apply(&mut self, document: &[u8], check: &dyn SignatureCheck) -> Result<Applied, TrustError> {
        let (signed, statement) = document::open(document, self.mesh, &self.genesis, check)?;
        let statement = match statement {
            Ok(statement) => Some(statement),
            Err(TrustError::UnknownKind { .. }) => None,
            Err(fault) => return Err(fault),
        };
        let id = Hash::of(&signed.payload);
        if let Some(have) = self.documents.get_mut(&id) {
            let mut changed = false;
            for by in signed.signatures {
                changed |= have.signed.add(by);
            }
            if !changed {
                return Ok(Applied::Known);
            }
            have.bytes = have.signed.encode();
        } else {
            self.room_for(statement.as_ref())?;
            self.revocations += usize::from(matches!(statement, Some(TrustStatement::Revoke { .. })));
            let bytes = signed.encode();
            self.documents.insert(id, Document { statement, signed, bytes });
        }
        self.review();
        Ok(statement.map_or(Applied::NotUnderstood, Applied::Changed))
    }

    fn room_for(&self, statement: Option<&TrustStatement>) -> Result<(), TrustError> {
        let (have, max, what) = match statement {
            Some(TrustStatement::Revoke { .. }) => (self.revocations, REVOCATIONS_MAX, "revocations"),
            _ => (self.documents.len().saturating_sub(self.revocations), DELEGATIONS_MAX, "delegations"),
        };
        if have < max { Ok(()) } else { Err(TrustError::TooMany { what, max }) }
    }

    /// Derives the view anew: revocations first, since they decide whose signatures
    /// count under the delegations.
    fn review(&mut self) {
        let statements = || self.documents.values().filter_map(|d| Some((d.statement?, &d.signed)));
        let revoked: BTreeSet<PublicKey> = statements()
            .filter_map(|(statement, _)| match statement {
                TrustStatement::Revoke { key } => Some(key),
                TrustStatement::Delegate { .. } => None,
            })
            .collect();
        let mut delegated: BTreeMap<PublicKey, Vec<(Roles, Wall)>> = BTreeMap::new();
        for (statement, signed) in statements() {
            if let TrustStatement::Delegate { key, roles, not_after } = statement {
                let endorsers = signed.signatures.iter().filter(|by| !revoked.contains(&by.key)).count();
                if endorsers >= usize::from(self.genesis.threshold) {
                    delegated.entry(key).or_default().push((roles, not_after));
                }
            }
        }
        (self.revoked, self.delegated) = (revoked, delegated);
    }
}

//! Memory against rollback: the highest sequence of each release that was taken in.

use crate::release::Release;
use minicbor::{Decode, Encode};
use orbweave_model::PublicKey;
use orbweave_model::wire::{self, WireError};
use std::collections::BTreeMap;

/// Releases, by publisher and name, that a node remembers.
pub const GUARD_ENTRIES_MAX: usize = 16_384;
/// A guard as bytes.
pub const GUARD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Why a sequence number was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RollbackError {
    /// A higher one was taken in before.
    #[error(
        "sequence {given} is rolled back: this node has taken in sequence {have} (sign it again with a higher one to go back on purpose)"
    )]
    RolledBack {
        /// The highest so far.
        have: u64,
        /// The one that was refused.
        given: u64,
    },
    /// The node remembers as many names as it may, so it could not tell later.
    #[error("this node remembers {GUARD_ENTRIES_MAX} releases already and takes none of a new name")]
    Full,
}

/// The highest sequence taken in, for each publisher and name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RollbackGuard(BTreeMap<(PublicKey, String), u64>);

#[derive(Encode, Decode)]
#[cbor(array)]
struct Stored {
    #[n(0)]
    publisher: PublicKey,
    #[n(1)]
    name: String,
    #[n(2)]
    sequence: u64,
}

/// One entry of a guard, as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// Names the publisher and the release; an entry replaces one of the same key.
    pub key: Vec<u8>,
    /// What [`RollbackGuard::restore`] reads.
    pub value: Vec<u8>,
}

/// [`Stored`], written from where it is kept.
#[derive(Encode)]
#[cbor(array)]
struct Kept<'a> {
    #[n(0)]
    publisher: &'a PublicKey,
    #[n(1)]
    name: &'a str,
    #[n(2)]
    sequence: u64,
}

impl RollbackGuard {
    /// Nothing was taken in yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The highest sequence so far.
    pub fn highest(&self, publisher: &PublicKey, name: &str) -> Option<u64> {
        self.0.get(&(*publisher, name.to_owned())).copied()
    }

    /// Whether a release of this sequence may be taken in: not below the highest.
    /// The same again may, for a release arrives by many paths.
    pub fn check(&self, publisher: &PublicKey, name: &str, sequence: u64) -> Result<(), RollbackError> {
        match self.highest(publisher, name) {
            Some(have) if sequence < have => Err(RollbackError::RolledBack { have, given: sequence }),
            None if self.0.len() >= GUARD_ENTRIES_MAX => Err(RollbackError::Full),
            _ => Ok(()),
        }
    }

    /// Takes note of a release, once it is admitted. If that changed anything, the entry
    /// that is to be persisted.
    pub fn note(&mut self, release: &Release) -> Option<Noted> {
        let statement = release.statement();
        self.check(&statement.publisher, &statement.name, statement.sequence).ok()?;
        let key = (statement.publisher, statement.name.clone());
        let before = self.0.insert(key, statement.sequence);
        (before != Some(statement.sequence))
            .then(|| noted(&statement.publisher, &statement.name, statement.sequence))
    }

    /// Every entry, to be persisted each by itself.
    pub fn entries(&self) -> impl Iterator<Item = Noted> {
        self.0.iter().map(|((publisher, name), sequence)| noted(publisher, name, *sequence))
    }

    /// Reads an entry back, in any order. It never lowers what is known.
    pub fn restore(&mut self, value: &[u8]) -> Result<(), WireError> {
        let Stored { publisher, name, sequence } =
            wire::decode_exact("an entry of the rollback guard", value, GUARD_BYTES_MAX)?;
        let highest = self.0.entry((publisher, name)).or_default();
        *highest = sequence.max(*highest);
        Ok(())
    }

    /// The guard as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let kept = self.0.iter().map(|((publisher, name), &sequence)| Kept { publisher, name, sequence });
        wire::encode(&kept.collect::<Vec<_>>())
    }

    /// Reads what [`RollbackGuard::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let what = "the rollback guard";
        let stored: Vec<Stored> = wire::decode_exact(what, bytes, GUARD_BYTES_MAX)?;
        let guard = Self(stored.into_iter().map(|s| ((s.publisher, s.name), s.sequence)).collect());
        // Entries out of order, or twice, are none that we wrote.
        let ours = guard.0.len() <= GUARD_ENTRIES_MAX && guard.encode() == bytes;
        if ours { Ok(guard) } else { Err(WireError::NotCanonical { what }) }
    }
}

fn noted(publisher: &PublicKey, name: &str, sequence: u64) -> Noted {
    let value = wire::encode(&Kept { publisher, name, sequence });
    Noted { key: wire::encode(&(publisher, name)), value }
}

//! The records that a node holds, in memory; the driver keeps their bytes on disk.

use crate::record::{Record, RecordId, RecordKind};
use orbweave_model::{PublicKey, Wall, limit};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a node's record holds after its author's last refresh.
pub const NODE_RECORD_LIFE: Duration = Duration::from_secs(15 * 60);

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merge {
    /// It holds now.
    Applied {
        /// Whether an older one of the same identity was there.
        replaced: bool,
    },
    /// That very record was there already.
    Known,
    /// A newer one of the same identity is there.
    Stale,
    /// Its author was evicted.
    Barred,
    /// The store, or the author's share of it, is full.
    Full,
}

/// Records by identity.
#[derive(Debug, Default, Clone)]
pub struct Store {
    records: BTreeMap<RecordId, Record>,
    by_author: BTreeMap<PublicKey, Share>,
    barred: BTreeSet<PublicKey>,
}

/// What one author takes of the store.
#[derive(Debug, Default, Clone, Copy)]
struct Share {
    records: usize,
    bytes: usize,
}

impl Store {
    /// Takes a verified, authorised record in. Commutative, associative and idempotent.
    pub fn merge(&mut self, record: Record) -> Merge {
        let author = record.id().author;
        // What the roots said counts also where the one that wrapped it is revoked.
        if self.barred.contains(&author) && record.id().kind != RecordKind::TRUST {
            return Merge::Barred;
        }
        if let Some(held) = self.records.get_mut(record.id()) {
            if held.digest() == record.digest() {
                return Merge::Known;
            }
            if !record.supersedes(held) {
                return Merge::Stale;
            }
            let (old, new) = (held.bytes().len(), record.bytes().len());
            let share = self.by_author.entry(author).or_default();
            if share.bytes - old + new > limit::RECORD_BYTES_PER_AUTHOR_MAX {
                return Merge::Full;
            }
            share.bytes = share.bytes - old + new;
            *held = record;
            return Merge::Applied { replaced: true };
        }
        let share = self.by_author.entry(author).or_default();
        let bytes = share.bytes + record.bytes().len();
        let full = share.records >= limit::RECORDS_PER_AUTHOR_MAX
            || bytes > limit::RECORD_BYTES_PER_AUTHOR_MAX
            || self.records.len() >= limit::RECORDS_MAX;
        if full {
            return Merge::Full;
        }
        *share = Share { records: share.records + 1, bytes };
        self.records.insert(record.id().clone(), record);
        Merge::Applied { replaced: false }
    }

    /// Evicts every record of a key and bars it, whichever arrived first.
    /// Returns the identities that went.
    pub fn bar(&mut self, author: PublicKey) -> Vec<RecordId> {
        self.barred.insert(author);
        let gone: Vec<RecordId> = self
            .records
            .keys()
            .filter(|id| id.author == author && id.kind != RecordKind::TRUST)
            .cloned()
            .collect();
        for id in &gone {
            self.remove(id);
        }
        gone
    }

    /// Whether records of this key are refused.
    pub fn is_barred(&self, author: &PublicKey) -> bool {
        self.barred.contains(author)
    }

    /// The record of this identity.
    pub fn get(&self, id: &RecordId) -> Option<&Record> {
        self.records.get(id)
    }

    /// Every record of a kind, in order of key and author.
    pub fn of_kind(&self, kind: RecordKind) -> impl Iterator<Item = &Record> {
        self.records.range(first_of(kind, "")..).take_while(move |(id, _)| id.kind == kind).map(|(_, r)| r)
    }

    /// The records of a kind and key, one an author.
    pub fn rivals<'a>(&'a self, kind: RecordKind, key: &'a str) -> impl Iterator<Item = &'a Record> {
        self.records
            .range(first_of(kind, key)..)
            .take_while(move |(id, _)| id.kind == kind && id.key == key)
            .map(|(_, r)| r)
    }

    /// Every record.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// When a record stops to hold: a node's by its refresh, a claim with its
    /// holder's node record, what is to be kept never.
    pub fn expires(&self, record: &Record) -> Option<Wall> {
        let author = record.id().author;
        match record.id().kind {
            RecordKind::NODE => Some(record.hlc().wall + NODE_RECORD_LIFE),
            RecordKind::WORKLOAD | RecordKind::TRUST | RecordKind::CERTIFICATE => None,
            // A claim, and what only a newer version understands.
            _ => {
                let node = RecordId { kind: RecordKind::NODE, key: author.to_string(), author };
                let lives =
                    self.get(&node).map_or(record.hlc().wall, |n| n.hlc().wall.max(record.hlc().wall));
                Some(lives + NODE_RECORD_LIFE)
            }
        }
    }

    /// The records that hold at `cutoff`: what two nodes compare.
    pub fn live(&self, cutoff: Wall) -> impl Iterator<Item = &Record> {
        self.iter().filter(move |r| self.expires(r).is_none_or(|end| end > cutoff))
    }

    /// Drops what expired before `cutoff`, and returns the records. Those of `me` stay:
    /// a node that slept does not forget what it said itself.
    pub fn expire(&mut self, cutoff: Wall, me: &PublicKey) -> Vec<Record> {
        let gone: Vec<Record> = self
            .iter()
            .filter(|r| r.id().author != *me)
            .filter(|r| self.expires(r).is_some_and(|end| end <= cutoff))
            .cloned()
            .collect();
        for record in &gone {
            self.remove(record.id());
        }
        gone
    }

    fn remove(&mut self, id: &RecordId) {
        if let Some(record) = self.records.remove(id)
            && let Some(share) = self.by_author.get_mut(&id.author)
        {
            share.records -= 1;
            share.bytes -= record.bytes().len();
        }
    }
}

fn first_of(kind: RecordKind, key: &str) -> RecordId {
    RecordId { kind, key: key.to_owned(), author: PublicKey([0; 32]) }
}

//! A disk: batches become durable in order, and a crash loses those that were not. As in
//! the store of production a batch is never there in part, and those that come while the
//! disk is busy share the next transaction: a slow disk is never behind by more than two.

use crate::shelf::Shelf;
use orbweave_core::Restored;
use orbweave_core::io::{BatchId, Write};
use orbweave_model::{PublicKey, wire};
use orbweave_state::record::{RecordId, RecordKind};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

/// What a disk is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskModel {
    /// The least and the most that a transaction takes until it is durable, drawn evenly.
    pub latency: (Duration, Duration),
}

impl DiskModel {
    /// A disk that takes so long, drawn evenly.
    pub const fn between(least: Duration, most: Duration) -> Self {
        Self { latency: (least, most) }
    }

    /// A solid-state disk that syncs in 1 to 8 ms.
    pub const fn solid_state() -> Self {
        Self::between(Duration::from_millis(1), Duration::from_millis(8))
    }
}

/// Batches that one transaction takes together at most, as in the store of production.
const GROUP: usize = 256;

#[derive(Debug, Clone)]
enum Entry {
    Put(Arc<[u8]>, Arc<[u8]>),
    Drop(Vec<u8>),
    Own(Vec<u8>),
    Release(Vec<u8>, Vec<u8>),
}

/// What one host has on disk, and what is on its way there.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    records: BTreeMap<Arc<[u8]>, Arc<[u8]>>,
    own: Option<Vec<u8>>,
    releases: BTreeMap<Vec<u8>, Vec<u8>>,
    pending: VecDeque<(BatchId, Vec<Entry>)>,
    /// How many of these, the oldest, are in the transaction that is under way.
    in_transaction: usize,
    /// Whether a transaction found no room since somebody last asked.
    failed: bool,
}

impl Disk {
    /// Takes a batch, which is not durable yet.
    pub(crate) fn write(&mut self, shelf: &mut Shelf, batch: BatchId, writes: Vec<Write>) {
        let mut entry = |write| match write {
            Write::PutRecord { key, value } => Entry::Put(shelf.share(&key), shelf.share(&value)),
            Write::DropRecord { key } => Entry::Drop(key),
            Write::PutSelf { value } => Entry::Own(value),
            Write::PutRelease { key, value } => Entry::Release(key, value),
        };
        self.pending.push_back((batch, writes.into_iter().map(&mut entry).collect()));
    }

    /// Begins a transaction of what waits, unless one is under way or nothing waits.
    pub(crate) fn begin(&mut self) -> bool {
        let begins = self.in_transaction == 0 && !self.pending.is_empty();
        if begins {
            self.in_transaction = self.pending.len().min(GROUP);
        }
        begins
    }

    /// Batches of the transaction under way that are not durable yet.
    pub(crate) fn in_transaction(&self) -> usize {
        self.in_transaction
    }

    /// The oldest batch becomes durable; its records are returned.
    pub(crate) fn sync_one(&mut self) -> Option<(BatchId, Vec<Arc<[u8]>>)> {
        let (batch, entries) = self.pending.pop_front()?;
        self.in_transaction = self.in_transaction.saturating_sub(1);
        let mut put = Vec::new();
        for entry in entries {
            match entry {
                Entry::Put(key, value) => {
                    put.push(value.clone());
                    self.records.insert(key, value);
                }
                Entry::Drop(key) => drop(self.records.remove(&key[..])),
                Entry::Own(value) => self.own = Some(value),
                Entry::Release(key, value) => drop(self.releases.insert(key, value)),
            }
        }
        Some((batch, put))
    }

    /// Makes a record durable that no node of this version wrote.
    pub(crate) fn plant(&mut self, key: Vec<u8>, record: Arc<[u8]>) {
        self.records.insert(key.into(), record);
    }

    /// Batches that are not durable yet.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The power goes: what was not durable is gone.
    pub(crate) fn crash(&mut self) {
        self.pending.clear();
        self.in_transaction = 0;
    }

    /// A transaction found no room: what was not durable is gone.
    pub(crate) fn fail(&mut self) {
        self.crash();
        self.failed = true;
    }

    /// Whether a transaction found no room since this was last asked.
    pub(crate) fn take_failure(&mut self) -> bool {
        std::mem::take(&mut self.failed)
    }

    /// A durable record, by its identity's bytes.
    pub fn record(&self, key: &[u8]) -> Option<&[u8]> {
        self.records.get(key).map(|bytes| &bytes[..])
    }

    /// Every durable record.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        self.records.values().map(|bytes| &bytes[..])
    }

    /// The newest of an identity: what is on its way here, or else what is durable.
    pub fn newest(&self, key: &[u8]) -> Option<&[u8]> {
        let last = self.pending.iter().rev().flat_map(|(_, entries)| entries.iter().rev());
        let last = last.filter_map(|entry| match entry {
            Entry::Put(put, value) if put[..] == *key => Some(Some(&value[..])),
            Entry::Drop(dropped) if dropped == key => Some(None),
            _ => None,
        });
        last.into_iter().next().unwrap_or_else(|| self.record(key))
    }

    /// The durable records of a kind, and of a key if one is named.
    pub fn durable_about(&self, kind: RecordKind, key: Option<&str>) -> Vec<&[u8]> {
        self.starting_with(&prefix(kind, key)).map(|(_, value)| value).collect()
    }

    /// The newest of each identity of a kind, and of a key if one is named: those on
    /// their way here among them.
    pub fn about(&self, kind: RecordKind, key: Option<&str>) -> Vec<&[u8]> {
        let prefix = prefix(kind, key);
        let mut found: BTreeMap<&[u8], &[u8]> = self.starting_with(&prefix).collect();
        for entry in self.pending.iter().flat_map(|(_, entries)| entries) {
            match entry {
                Entry::Put(key, value) if key.starts_with(&prefix) => drop(found.insert(key, value)),
                Entry::Drop(key) => drop(found.remove(&key[..])),
                _ => {}
            }
        }
        found.into_values().collect()
    }

    fn starting_with(&self, prefix: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
        let range = (Bound::Included(prefix), Bound::Unbounded);
        let durable = self.records.range::<[u8], _>(range);
        durable.take_while(move |(key, _)| key.starts_with(prefix)).map(|(key, value)| (&key[..], &value[..]))
    }

    /// The newest of each identity: what is durable, and what is on its way here.
    pub(crate) fn all(&self) -> Vec<&[u8]> {
        let mut found: BTreeMap<&[u8], &[u8]> = self.records.iter().map(|(k, v)| (&k[..], &v[..])).collect();
        for entry in self.pending.iter().flat_map(|(_, entries)| entries) {
            match entry {
                Entry::Put(key, value) => drop(found.insert(key, value)),
                Entry::Drop(key) => drop(found.remove(&key[..])),
                Entry::Own(_) | Entry::Release(..) => {}
            }
        }
        found.into_values().collect()
    }

    /// Whether nothing was ever written here, or all of it was lost.
    pub fn is_blank(&self) -> bool {
        self.records.is_empty() && self.own.is_none()
    }

    /// What the node wrote down of itself.
    pub fn own(&self) -> Option<&[u8]> {
        self.own.as_deref()
    }

    /// What a node that starts on this disk is given.
    pub fn restored(&self) -> Restored {
        Restored {
            records: self.records().map(<[u8]>::to_vec).collect(),
            own: self.own.clone(),
            releases: self.releases.values().cloned().collect(),
        }
    }
}

/// How the keys of a kind begin, and of one key if it is named.
fn prefix(kind: RecordKind, key: Option<&str>) -> Vec<u8> {
    let id = RecordId { kind, key: key.unwrap_or_default().to_owned(), author: PublicKey([0; 32]) };
    // In a key follow one another: kind, key, and 34 bytes of author. The empty key is one byte.
    let mut prefix = wire::encode(&id);
    prefix.truncate(prefix.len() - 34 - usize::from(key.is_none()));
    prefix
}

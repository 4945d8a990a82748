//! A disk: batches become durable one after the other, and a crash loses those that
//! were not. A batch is one transaction, as in the store of production: after a crash
//! all of it is there or none.

use crate::shelf::Shelf;
use orbweave_core::Restored;
use orbweave_core::io::{BatchId, Write};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// What a disk is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskModel {
    /// The least and the most that a batch takes until it is durable, drawn evenly.
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

#[derive(Debug, Clone)]
enum Entry {
    Put(Arc<[u8]>, Arc<[u8]>),
    Drop(Vec<u8>),
    Own(Vec<u8>),
}

/// What one host has on disk, and what is on its way there.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    records: BTreeMap<Arc<[u8]>, Arc<[u8]>>,
    own: Option<Vec<u8>>,
    pending: VecDeque<(BatchId, Vec<Entry>)>,
}

impl Disk {
    /// Takes a batch, which is not durable yet.
    pub(crate) fn write(&mut self, shelf: &mut Shelf, batch: BatchId, writes: Vec<Write>) {
        let mut entry = |write| match write {
            Write::PutRecord { key, value } => Entry::Put(shelf.share(&key), shelf.share(&value)),
            Write::DropRecord { key } => Entry::Drop(key),
            Write::PutSelf { value } => Entry::Own(value),
        };
        self.pending.push_back((batch, writes.into_iter().map(&mut entry).collect()));
    }

    /// The oldest batch becomes durable; its records are returned.
    pub(crate) fn sync_one(&mut self) -> Option<(BatchId, Vec<Arc<[u8]>>)> {
        let (batch, entries) = self.pending.pop_front()?;
        let mut put = Vec::new();
        for entry in entries {
            match entry {
                Entry::Put(key, value) => {
                    put.push(value.clone());
                    self.records.insert(key, value);
                }
                Entry::Drop(key) => drop(self.records.remove(&key[..])),
                Entry::Own(value) => self.own = Some(value),
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
    }

    /// A durable record, by its identity's bytes.
    pub fn record(&self, key: &[u8]) -> Option<&[u8]> {
        self.records.get(key).map(|bytes| &bytes[..])
    }

    /// Every durable record.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        self.records.values().map(|bytes| &bytes[..])
    }

    /// What the node wrote down of itself.
    pub fn own(&self) -> Option<&[u8]> {
        self.own.as_deref()
    }

    /// What a node that starts on this disk is given.
    pub fn restored(&self) -> Restored {
        Restored { records: self.records().map(<[u8]>::to_vec).collect(), own: self.own.clone() }
    }
}

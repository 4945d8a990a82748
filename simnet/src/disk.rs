//! A disk: batches become durable one after the other, and a crash loses those that
//! were not.

use orbweave_core::Restored;
use orbweave_core::io::{BatchId, Write};
use std::collections::{BTreeMap, VecDeque};

/// What one host has on disk, and what is on its way there.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    own: Option<Vec<u8>>,
    pending: VecDeque<(BatchId, Vec<Write>)>,
}

impl Disk {
    /// Takes a batch, which is not durable yet.
    pub fn write(&mut self, batch: BatchId, writes: Vec<Write>) {
        self.pending.push_back((batch, writes));
    }

    /// The oldest batch becomes durable; its records are returned.
    pub fn sync_one(&mut self) -> Option<(BatchId, Vec<Vec<u8>>)> {
        let (batch, writes) = self.pending.pop_front()?;
        let mut put = Vec::new();
        for write in writes {
            match write {
                Write::PutRecord { key, value } => {
                    put.push(value.clone());
                    self.records.insert(key, value);
                }
                Write::DropRecord { key } => {
                    self.records.remove(&key);
                }
                Write::PutSelf { value } => self.own = Some(value),
            }
        }
        Some((batch, put))
    }

    /// Makes a record durable that no node of this version wrote.
    pub(crate) fn plant(&mut self, key: Vec<u8>, record: Vec<u8>) {
        self.records.insert(key, record);
    }

    /// Batches that are not durable yet.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The power goes: what was not durable is gone.
    pub fn crash(&mut self) {
        self.pending.clear();
    }

    /// A durable record, by its identity's bytes.
    pub fn record(&self, key: &[u8]) -> Option<&[u8]> {
        self.records.get(key).map(Vec::as_slice)
    }

    /// Every durable record.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        self.records.values().map(Vec::as_slice)
    }

    /// What the node wrote down of itself.
    pub fn own(&self) -> Option<&[u8]> {
        self.own.as_deref()
    }

    /// What a node that starts on this disk is given.
    pub fn restored(&self) -> Restored {
        Restored { records: self.records.values().cloned().collect(), own: self.own.clone() }
    }
}

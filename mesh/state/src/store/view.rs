//! What a store holds at one cutoff, without a copy: the index, less what had expired.

use super::Store;
use super::index::{Entry, Index, Key, Total};
use crate::record::Scope;
use orbweave_model::{Hash, Wall};

/// The live records at one cutoff: what two nodes compare.
pub struct View<'a> {
    store: &'a Store,
    index: &'a Index,
    /// What had expired and is still there: little, since expired records are dropped every second.
    dead: Vec<Key>,
}

impl<'a> View<'a> {
    pub(super) fn new(store: &'a Store, scope: Scope, cutoff: Wall) -> Self {
        let index = store.index_of(scope);
        let last = Key { wall: Wall(u64::MAX), digest: Hash([0xff; 32]) };
        let dead = store.expiring.range(..=(cutoff, last));
        let here = |key: &Key| index.at_or_after(key).is_some_and(|entry| entry.key == *key);
        let mut dead: Vec<Key> = dead.map(|(_, key)| *key).filter(here).collect();
        dead.sort_unstable();
        Self { store, index, dead }
    }

    /// Of all.
    pub fn total(&self) -> Total {
        self.dead.iter().fold(self.index.total(), |sum, key| sum.minus(&Total::of(&key.digest)))
    }

    /// Of the records from `low` on and before `high`, or to the end.
    pub fn between(&self, low: &Key, high: Option<&Key>) -> Total {
        let index = self.index;
        let upto = high.map_or_else(|| index.total(), |high| index.before(high));
        let dead = self.dead_between(low, high);
        let all = if high.is_some_and(|high| high < low) {
            Total::default()
        } else {
            upto.minus(&index.before(low))
        };
        dead.iter().fold(all, |sum, key| sum.minus(&Total::of(&key.digest)))
    }

    /// Visits the records from `low` on and before `high`, for as long as `visit` says so.
    pub fn walk(&self, low: &Key, high: Option<&Key>, visit: &mut dyn FnMut(&'a Entry) -> bool) {
        self.index.walk(low, &mut |entry| {
            if high.is_some_and(|high| entry.key >= *high) {
                return false;
            }
            self.is_dead(&entry.key) || visit(entry)
        });
    }

    /// Keys that part a range into so many pieces of about one size, in order.
    /// Each is paired with the key before it, so that a bound can be told shortly.
    pub fn cuts(&self, low: &Key, high: Option<&Key>, pieces: u64) -> Vec<(Key, Key)> {
        let index = self.index;
        let from = index.before(low).count;
        let upto = high.map_or_else(|| index.total().count, |high| index.before(high).count);
        let count = upto.saturating_sub(from);
        let rank = |piece: u64| from + count / pieces * piece + (count % pieces) * piece / pieces;
        let mut cuts = Vec::new();
        for rank in (1..pieces).map(rank).filter(|rank| *rank > from) {
            if let (Some(before), Some(at)) = (index.nth(rank - 1), index.nth(rank)) {
                cuts.push((before.key, at.key));
            }
        }
        cuts.dedup();
        cuts
    }

    /// The record of this key, if it holds.
    pub fn get(&self, key: &Key) -> Option<&'a Entry> {
        let entry = self.index.at_or_after(key)?;
        (entry.key == *key && !self.is_dead(key)).then_some(entry)
    }

    /// Records that arrived after this number, the earliest first.
    pub fn arrived_after(&self, number: u64) -> impl Iterator<Item = &'a Entry> {
        let from = (std::ops::Bound::Excluded(number), std::ops::Bound::Unbounded);
        self.store.arrivals.range(from).filter_map(|(_, record)| self.get(&super::key_of(record)))
    }

    fn dead_between(&self, low: &Key, high: Option<&Key>) -> &[Key] {
        let from = self.dead.partition_point(|key| key < low);
        let upto = high.map_or(self.dead.len(), |high| self.dead.partition_point(|key| key < high));
        self.dead.get(from..upto).unwrap_or_default()
    }

    fn is_dead(&self, key: &Key) -> bool {
        self.dead.binary_search(key).is_ok()
    }
}

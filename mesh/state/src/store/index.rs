//! Records in order of (wall time, digest), counted and summed: a B-tree whose
//! every branch knows how many entries lie under it and what their digests add
//! up to. So the fingerprint of any range, and the entry at any rank, cost
//! O(log n), and nothing is copied to compare two stores.

use orbweave_model::{Hash, Wall};
use std::sync::Arc;

/// Entries of a leaf, and branches of a node, before it is split.
const FANOUT: usize = 32;

/// Where a record stands: by its author's wall time, then by its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The wall part of the record's HLC.
    pub wall: Wall,
    /// The record's digest.
    pub digest: Hash,
}

impl Key {
    /// Before every key.
    pub const FIRST: Self = Self { wall: Wall(0), digest: Hash([0; 32]) };
}

/// A record as reconciliation sees it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where it stands.
    pub key: Key,
    /// Stands for its identity: of two entries with the same, one supersedes the other.
    pub identity: u64,
    /// Its envelope.
    pub bytes: Arc<[u8]>,
}

/// How many entries, and the sum of their digests modulo 2^256.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total {
    /// How many.
    pub count: u64,
    lanes: [u64; 4],
}

impl Total {
    /// Of one digest.
    pub fn of(digest: &Hash) -> Self {
        let mut lanes = [0; 4];
        for (lane, bytes) in lanes.iter_mut().zip(digest.0.as_chunks::<8>().0) {
            *lane = u64::from_le_bytes(*bytes);
        }
        Self { count: 1, lanes }
    }

    /// With another's entries.
    pub fn plus(mut self, other: &Self) -> Self {
        self.count += other.count;
        let mut carry = false;
        for (lane, add) in self.lanes.iter_mut().zip(other.lanes) {
            let (sum, over) = lane.overflowing_add(add);
            let (sum, over_again) = sum.overflowing_add(u64::from(carry));
            (*lane, carry) = (sum, over | over_again);
        }
        self
    }

    /// Without another's entries, which must be among these.
    pub fn minus(mut self, other: &Self) -> Self {
        self.count -= other.count;
        let mut borrow = false;
        for (lane, sub) in self.lanes.iter_mut().zip(other.lanes) {
            let (rest, under) = lane.overflowing_sub(sub);
            let (rest, under_again) = rest.overflowing_sub(u64::from(borrow));
            (*lane, borrow) = (rest, under | under_again);
        }
        self
    }

    /// The sum as 32 bytes, little-endian.
    pub fn sum(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, lane) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.lanes) {
            *chunk = lane.to_le_bytes();
        }
        bytes
    }
}

#[derive(Debug, Clone)]
enum Node {
    Leaf(Vec<Entry>),
    Inner(Vec<Branch>),
}

#[derive(Debug, Clone)]
struct Branch {
    first: Key,
    total: Total,
    node: Node,
}

/// The entries of a store.
#[derive(Debug, Clone)]
pub struct Index {
    root: Node,
    total: Total,
}

impl Default for Index {
    fn default() -> Self {
        Self { root: Node::Leaf(Vec::new()), total: Total::default() }
    }
}

impl Index {
    /// Of all entries.
    pub fn total(&self) -> Total {
        self.total
    }

    /// Of the entries before this key.
    pub fn before(&self, key: &Key) -> Total {
        let (mut node, mut total) = (&self.root, Total::default());
        loop {
            match node {
                Node::Leaf(entries) => {
                    let earlier = entries.iter().take_while(|e| e.key < *key);
                    return earlier.fold(total, |sum, e| sum.plus(&Total::of(&e.key.digest)));
                }
                Node::Inner(branches) => {
                    let at = branch_of(branches, key);
                    total = branches.iter().take(at).fold(total, |sum, b| sum.plus(&b.total));
                    let Some(branch) = branches.get(at) else { return total };
                    node = &branch.node;
                }
            }
        }
    }

    /// The entry with so many before it.
    pub fn nth(&self, rank: u64) -> Option<&Entry> {
        let (mut node, mut left) = (&self.root, rank);
        loop {
            match node {
                Node::Leaf(entries) => return entries.get(usize::try_from(left).ok()?),
                Node::Inner(branches) => {
                    let mut at = branches.iter();
                    node = loop {
                        let branch = at.next()?;
                        if left < branch.total.count {
                            break &branch.node;
                        }
                        left -= branch.total.count;
                    };
                }
            }
        }
    }

    /// The first entry that is not before this key.
    pub fn at_or_after(&self, key: &Key) -> Option<&Entry> {
        let mut found = None;
        self.walk(key, &mut |entry| {
            found = Some(entry);
            false
        });
        found
    }

    /// The entries from a key on, for as long as `visit` says so.
    pub fn walk<'a>(&'a self, from: &Key, visit: &mut dyn FnMut(&'a Entry) -> bool) {
        walk(&self.root, from, visit);
    }

    /// Adds an entry, unless it is there.
    pub fn insert(&mut self, entry: Entry) {
        let added = Total::of(&entry.key.digest);
        let (inserted, split) = insert(&mut self.root, entry);
        if let Some(right) = split {
            let left = std::mem::replace(&mut self.root, Node::Inner(Vec::new()));
            self.root = Node::Inner([Some(Branch::over(left)), Some(right)].into_iter().flatten().collect());
        }
        if inserted {
            self.total = self.total.plus(&added);
        }
    }

    /// Takes an entry out, if it is there.
    pub fn remove(&mut self, key: &Key) {
        if remove(&mut self.root, key) {
            self.total = self.total.minus(&Total::of(&key.digest));
        }
        while let Node::Inner(branches) = &mut self.root {
            match branches.len() {
                0 => self.root = Node::Leaf(Vec::new()),
                1 => match branches.pop() {
                    Some(only) => self.root = only.node,
                    None => return,
                },
                _ => return,
            }
        }
    }
}

impl Branch {
    fn over(node: Node) -> Self {
        let (first, total) = match &node {
            Node::Leaf(entries) => (
                entries.first().map(|e| e.key),
                entries.iter().fold(Total::default(), |sum, e| sum.plus(&Total::of(&e.key.digest))),
            ),
            Node::Inner(branches) => (
                branches.first().map(|b| b.first),
                branches.iter().fold(Total::default(), |sum, b| sum.plus(&b.total)),
            ),
        };
        Self { first: first.unwrap_or(Key::FIRST), total, node }
    }
}

/// The branch under which a key lies, if it lies anywhere.
fn branch_of(branches: &[Branch], key: &Key) -> usize {
    branches.partition_point(|b| b.first <= *key).saturating_sub(1)
}

fn walk<'a>(node: &'a Node, from: &Key, visit: &mut dyn FnMut(&'a Entry) -> bool) -> bool {
    match node {
        Node::Leaf(entries) => {
            let at = entries.partition_point(|e| e.key < *from);
            entries.iter().skip(at).all(visit)
        }
        Node::Inner(branches) => {
            let at = branch_of(branches, from);
            branches.iter().skip(at).all(|b| walk(&b.node, from, visit))
        }
    }
}

/// Whether the entry is new, and what was split off to the right.
fn insert(node: &mut Node, entry: Entry) -> (bool, Option<Branch>) {
    match node {
        Node::Leaf(entries) => {
            let Err(at) = entries.binary_search_by(|e| e.key.cmp(&entry.key)) else { return (false, None) };
            entries.insert(at, entry);
            let right = (entries.len() > FANOUT).then(|| entries.split_off(cut(at, entries.len())));
            (true, right.map(|entries| Branch::over(Node::Leaf(entries))))
        }
        Node::Inner(branches) => {
            let at = branch_of(branches, &entry.key);
            let Some(branch) = branches.get_mut(at) else { return (false, None) };
            let (key, added) = (entry.key, Total::of(&entry.key.digest));
            let (inserted, split) = insert(&mut branch.node, entry);
            if inserted {
                branch.first = branch.first.min(key);
                branch.total = branch.total.plus(&added);
            }
            if let Some(right) = split {
                branch.total = branch.total.minus(&right.total);
                branches.insert(at + 1, right);
            }
            let right = (branches.len() > FANOUT).then(|| branches.split_off(cut(at, branches.len())));
            (inserted, right.map(|branches| Branch::over(Node::Inner(branches))))
        }
    }
}

/// Where to split what outgrew its bound: records come mostly in the order of
/// time, and what lies before them is then left full.
fn cut(at: usize, len: usize) -> usize {
    if at + 2 >= len { len - 2 } else { len / 2 }
}

/// Whether the key was there. A branch that became empty goes; a thin one may stay thin.
fn remove(node: &mut Node, key: &Key) -> bool {
    match node {
        Node::Leaf(entries) => {
            let found = entries.binary_search_by(|e| e.key.cmp(key));
            found.map(|at| entries.remove(at)).is_ok()
        }
        Node::Inner(branches) => {
            let at = branch_of(branches, key);
            let Some(branch) = branches.get_mut(at) else { return false };
            let removed = remove(&mut branch.node, key);
            if removed {
                branch.total = branch.total.minus(&Total::of(&key.digest));
                if branch.total.count == 0 {
                    branches.remove(at);
                }
            }
            removed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(n: u64) -> Entry {
        let key = Key { wall: Wall(n / 3), digest: Hash::of(&n.to_le_bytes()) };
        Entry { key, identity: n, bytes: Arc::from(&b""[..]) }
    }

    /// The same by the plainest means.
    fn check(index: &Index, model: &std::collections::BTreeMap<Key, u64>) {
        let mut sum = Total::default();
        assert_eq!(index.total().count, model.len() as u64);
        let mut walked = Vec::new();
        index.walk(&Key::FIRST, &mut |e| {
            walked.push(e.key);
            true
        });
        assert!(walked.iter().eq(model.keys()));
        for (rank, key) in model.keys().enumerate() {
            assert_eq!(index.before(key), sum);
            assert_eq!(index.nth(rank as u64).map(|e| e.key), Some(*key));
            assert_eq!(index.at_or_after(key).map(|e| e.key), Some(*key));
            sum = sum.plus(&Total::of(&key.digest));
        }
        assert_eq!(index.total(), sum);
        assert!(index.nth(model.len() as u64).is_none());
    }

    #[test]
    fn the_index_counts_and_sums_as_a_plain_map_does_through_insertions_and_removals() {
        let (mut index, mut model) = (Index::default(), std::collections::BTreeMap::new());
        let mut state = 1_u64;
        for step in 0..6_000_u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let entry = entry((state >> 33) % 1_500);
            // More comes than goes, and then the other way round.
            if (state >> 20) % 3 < u64::from(step < 3_500) + 1 - u64::from(step > 4_500) {
                model.insert(entry.key, entry.identity);
                index.insert(entry);
            } else {
                model.remove(&entry.key);
                index.remove(&entry.key);
            }
            if step % 400 == 0 {
                check(&index, &model);
            }
        }
        for key in model.keys() {
            index.remove(key);
        }
        check(&index, &std::collections::BTreeMap::new());
    }
}

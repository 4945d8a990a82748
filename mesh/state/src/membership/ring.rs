//! Who watches whom: the next three on a ring of hashed ids.

use orbweave_model::{Hash, NodeId};
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

/// Watchers of one node.
pub const WATCHERS: usize = 3;

/// The live nodes, ordered by the BLAKE3 hash of their ids: neighbours on the ring
/// are then no neighbours in any order that an operator or an attacker chose.
#[derive(Debug, Default)]
pub(super) struct Ring(BTreeMap<[u8; 32], NodeId>);

fn place(node: NodeId) -> [u8; 32] {
    Hash::of(node.as_bytes()).0
}

impl Ring {
    pub(super) fn insert(&mut self, node: NodeId) {
        self.0.insert(place(node), node);
    }

    pub(super) fn remove(&mut self, node: NodeId) {
        self.0.remove(&place(node));
    }

    /// The next three behind `node`, whether or not it is itself on the ring.
    pub(super) fn watchers_of(&self, node: NodeId) -> Vec<NodeId> {
        let at = place(node);
        let behind = self.0.range((Excluded(at), Unbounded)).map(|(_, node)| *node);
        behind.chain(self.0.range(..at).map(|(_, node)| *node)).take(WATCHERS).collect()
    }

    /// The three before `node`: those that it watches.
    pub(super) fn watched_by(&self, node: NodeId) -> Vec<NodeId> {
        let at = place(node);
        let before = self.0.range(..at).rev().map(|(_, node)| *node);
        before
            .chain(self.0.range((Excluded(at), Unbounded)).rev().map(|(_, node)| *node))
            .take(WATCHERS)
            .collect()
    }
}

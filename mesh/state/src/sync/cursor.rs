//! What a node remembers of its peers' arrivals.

use crate::store::Mark;
use orbweave_model::{NodeId, limit};
use std::collections::BTreeMap;

/// Peers whose arrivals are remembered.
pub const CURSORS_MAX: usize = limit::MEMBERS_MAX;

/// For each peer, how far this store has taken in what arrived there.
///
/// They live and die with the store in memory, and are not written down: after a
/// crash the store may lack what it had taken, and a node that forgot its cursors is
/// a stranger to whom ranges show just what it lacks.
#[derive(Debug, Default, Clone)]
pub struct Cursors(BTreeMap<NodeId, Mark>);

impl Cursors {
    /// How far the peer's arrivals are known.
    pub fn get(&self, peer: &NodeId) -> Option<Mark> {
        self.0.get(peer).copied()
    }

    /// A session with this peer ended in order. A full table forgets another.
    pub fn advance(&mut self, peer: NodeId, mark: Mark) {
        if self.0.len() >= CURSORS_MAX && !self.0.contains_key(&peer) {
            self.0.pop_first();
        }
        let known = self.0.entry(peer).or_insert(mark);
        // Two sessions at once may end in either order.
        if known.store != mark.store || known.upto < mark.upto {
            *known = mark;
        }
    }
}

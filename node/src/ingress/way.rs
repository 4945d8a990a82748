//! Whom a request may be sent to: replicas of this zone first; where none is left, nodes
//! that pass it on towards a zone that has one.

use super::failure::CallFailure;
use super::mesh::Mesh;
use super::table::{Replica, RouteEntry};
use orbweave_model::NodeId;
use std::collections::BTreeSet;

/// How many nodes may pass one request on: a gateway of the own zone, and one of the other.
pub const RELAYS_MAX: u8 = 2;
/// How many nodes one node asks to pass a request on, one after the other: as each of
/// them may do the same, a request that nobody can answer would otherwise become many.
pub const BEYOND_MAX: usize = 3;

/// Whom one attempt asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A replica in this zone.
    Replica(Replica),
    /// A node that passes the request on to another zone.
    Beyond {
        /// The node.
        node: NodeId,
        /// How many nodes may pass the request on, this one among them.
        relays: u8,
    },
}

impl Target {
    /// The node that is asked.
    pub fn node(self) -> NodeId {
        match self {
            Self::Replica(replica) => replica.node,
            Self::Beyond { node, .. } => node,
        }
    }

    /// What the head of the request says of passing it on.
    pub fn relays(self) -> Option<u8> {
        match self {
            Self::Replica(_) => None,
            Self::Beyond { relays, .. } => Some(relays),
        }
    }

    /// Whether the routes still lead to this node.
    pub fn is_in(self, entry: &RouteEntry) -> bool {
        match self {
            Self::Replica(replica) => entry.runs_on(replica.node),
            Self::Beyond { node, .. } => entry.beyond.contains(&node),
        }
    }

    /// A failure of this attempt, as its caller is told: where another zone was to answer,
    /// it says so.
    pub fn explained(self, failure: CallFailure) -> CallFailure {
        let why = match (self, &failure) {
            (Self::Beyond { .. }, CallFailure::NotHere) => "it knows of none".to_owned(),
            (Self::Beyond { .. }, CallFailure::Unreachable { beyond: false, why, .. }) => {
                format!("it cannot be reached: {why}")
            }
            _ => return failure,
        };
        CallFailure::Unreachable { node: self.node(), beyond: true, why }
    }
}

/// Who was asked already. A node that has no replica may still pass a request on.
#[derive(Debug, Default)]
pub struct Tried {
    replicas: BTreeSet<NodeId>,
    beyond: BTreeSet<NodeId>,
}

impl Tried {
    /// Takes note of an attempt.
    pub fn insert(&mut self, target: Target) {
        match target {
            Target::Replica(replica) => self.replicas.insert(replica.node),
            Target::Beyond { node, .. } => self.beyond.insert(node),
        };
    }
}

impl FromIterator<Target> for Tried {
    fn from_iter<I: IntoIterator<Item = Target>>(targets: I) -> Self {
        let mut tried = Self::default();
        targets.into_iter().for_each(|target| tried.insert(target));
        tried
    }
}

/// Where a request came from, and how far it may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// The peer that wants it passed on: it has no answer itself.
    from: Option<NodeId>,
    /// What a node beyond is told; zero: none is asked.
    relays: u8,
}

impl Way {
    /// A request that came in at this node.
    pub const FROM_HERE: Self = Self { from: None, relays: RELAYS_MAX };

    /// A request that a peer wants passed on, if it may be: each node on the way leaves
    /// one less to the next, so that nothing circulates.
    pub fn passed_on(peer: NodeId, relays: Option<u8>) -> Option<Self> {
        let left = relays?.min(RELAYS_MAX).checked_sub(1)?;
        Some(Self { from: Some(peer), relays: left })
    }

    /// The next to ask: a replica of this zone, or when all of those were tried, a node
    /// through which another zone is reached.
    pub fn choose<M: Mesh>(self, mesh: &M, entry: &RouteEntry, tried: &Tried) -> Option<Target> {
        self.replica(mesh, entry, tried).or_else(|| self.beyond(mesh, entry, tried))
    }

    /// A replica of this zone that was not tried.
    pub fn replica<M: Mesh>(self, mesh: &M, entry: &RouteEntry, tried: &Tried) -> Option<Target> {
        let fits = |node: NodeId| Some(node) != self.from && !tried.replicas.contains(&node);
        mesh.traffic().choose(entry, mesh.id(), fits).map(Target::Replica)
    }

    fn beyond<M: Mesh>(self, mesh: &M, entry: &RouteEntry, tried: &Tried) -> Option<Target> {
        if self.relays == 0 || tried.beyond.len() >= BEYOND_MAX {
            return None;
        }
        let routes = mesh.routes();
        let fits = |node: &NodeId| {
            *node != mesh.id()
                && Some(*node) != self.from
                && !tried.beyond.contains(node)
                && !routes.is_down(*node)
        };
        let nodes: Vec<NodeId> = entry.beyond.iter().copied().filter(fits).collect();
        let node = mesh.traffic().first_trusted(&nodes)?;
        Some(Target::Beyond { node, relays: self.relays })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: NodeId = NodeId([1; 32]);

    #[test]
    fn each_node_on_the_way_leaves_one_less_and_a_peer_cannot_ask_for_more() {
        let left = |relays| Way::passed_on(PEER, relays).map(|way| way.relays);
        assert_eq!([None, Some(0), Some(1), Some(2)].map(left), [None, None, Some(0), Some(1)]);
        assert_eq!(left(Some(u8::MAX)), Some(RELAYS_MAX - 1));
    }

    #[test]
    fn what_failed_beyond_says_so() {
        let beyond = Target::Beyond { node: PEER, relays: 1 };
        let said = |failure| beyond.explained(failure).to_string();
        let head = "no replica of this zone answers, and node 0101010101 leads to none in another: ";
        assert_eq!(said(CallFailure::NotHere), format!("{head}it knows of none"));
        let unreachable = CallFailure::Unreachable { node: PEER, beyond: false, why: "no link".to_owned() };
        assert_eq!(said(unreachable.clone()), format!("{head}it cannot be reached: no link"));
        let replica = Target::Replica(Replica { node: PEER, slot: 0, rtt_us: 0 });
        assert_eq!(replica.explained(unreachable).to_string(), "node 0101010101 cannot be reached: no link");
        assert_eq!(replica.explained(CallFailure::NotHere), CallFailure::NotHere);
    }
}

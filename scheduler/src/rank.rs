//! Who acts first for a slot: rendezvous hashing (Thaler and Ravishankar, 1998)
//! over membership alone, so that nodes need not agree on load to agree on placers.

use orbweave_model::NodeId;

/// How many of `nodes` come before `me` as placers of this slot. 0 acts at once.
pub fn rank_of(me: NodeId, workload: &str, slot: u32, nodes: impl Iterator<Item = NodeId>) -> usize {
    let key = slot_key(workload, slot);
    let mine = (weight(key, me), me);
    nodes.filter(|&node| node != me && (weight(key, node), node) > mine).count()
}

/// The first `n` placers of this slot, in order of rank.
pub fn placers(workload: &str, slot: u32, nodes: impl Iterator<Item = NodeId>, n: usize) -> Vec<NodeId> {
    let key = slot_key(workload, slot);
    let mut order: Vec<_> = nodes.map(|node| (weight(key, node), node)).collect();
    order.sort_unstable_by(|a, b| b.cmp(a));
    order.into_iter().take(n).map(|(_, node)| node).collect()
}

/// Whether `me`, which fits, is among the first `n` placers of those that fit. Only who
/// comes before `me` is asked, and no more of them than it takes: few, on average.
pub fn is_placer(
    me: NodeId,
    workload: &str,
    slot: u32,
    nodes: impl Iterator<Item = NodeId>,
    n: usize,
    fits: impl Fn(NodeId) -> bool,
) -> bool {
    let key = slot_key(workload, slot);
    let mine = (weight(key, me), me);
    let before = nodes.filter(|&node| (weight(key, node), node) > mine && fits(node));
    before.take(n).count() < n
}

/// A slot's own numbers, which every node computes alike.
#[derive(Debug, Clone, Copy)]
pub struct SlotKey(u64);

impl SlotKey {
    /// The key of a slot.
    pub fn new(workload: &str, slot: u32) -> Self {
        Self(slot_key(workload, slot))
    }

    /// A number of this slot and a node; breaks ties between equals.
    pub fn weight(self, node: NodeId) -> u64 {
        weight(self.0, node)
    }
}

fn slot_key(workload: &str, slot: u32) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(workload.as_bytes()).update(&slot.to_le_bytes());
    first_word(hasher.finalize().as_bytes())
}

fn weight(key: u64, node: NodeId) -> u64 {
    mix(key ^ first_word(node.as_bytes()))
}

fn first_word(bytes: &[u8; 32]) -> u64 {
    u64::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]])
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn nodes(n: u8) -> impl Iterator<Item = NodeId> + Clone {
        (0..n).map(|i| NodeId(*blake3::hash(&[i]).as_bytes()))
    }

    #[test]
    fn first_placers_are_spread_evenly_over_the_nodes() {
        let mut first: BTreeMap<NodeId, u32> = BTreeMap::new();
        for slot in 0..4_000 {
            let placer = nodes(20).find(|&n| rank_of(n, "w", slot, nodes(20)) == 0).unwrap();
            *first.entry(placer).or_default() += 1;
        }
        assert_eq!(first.len(), 20);
        assert!(first.values().all(|&n| (120..=280).contains(&n)), "{first:?}");
    }

    #[test]
    fn a_placer_is_who_is_among_the_first_that_fit() {
        let fits = |node: NodeId| !node.0[0].is_multiple_of(3);
        for slot in 0..50 {
            let first = placers("w", slot, nodes(40).filter(|&n| fits(n)), 2);
            let said = nodes(40).filter(|&n| fits(n) && is_placer(n, "w", slot, nodes(40), 2, fits));
            assert_eq!(said.collect::<std::collections::BTreeSet<_>>(), first.into_iter().collect());
        }
    }

    #[test]
    fn a_node_that_leaves_promotes_only_those_behind_it() {
        for slot in 0..200 {
            let gone = nodes(10).find(|&n| rank_of(n, "w", slot, nodes(10)) == 3).unwrap();
            for node in nodes(10).filter(|&n| n != gone) {
                let before = rank_of(node, "w", slot, nodes(10));
                let after = rank_of(node, "w", slot, nodes(10).filter(|&n| n != gone));
                assert_eq!(after, if before > 3 { before - 1 } else { before });
            }
        }
    }
}

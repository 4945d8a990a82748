//! Who keeps a slot that several nodes claim. Claims are never erased: the view
//! picks one, by epoch, score and id, and never by clock.

use minicbor::{Decode, Encode};
use orbweave_model::NodeId;
use serde::{Deserialize, Serialize};

/// How far a holder is with a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
pub enum Phase {
    /// Fetches, compiles or starts.
    #[n(0)]
    Preparing,
    /// Answers.
    #[n(1)]
    Running,
    /// Answers what it has taken on, and nothing new.
    #[n(2)]
    Draining,
}

/// Which of several holders keeps a slot when a partition has healed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "kebab-case")]
pub enum Reconcile {
    /// The one that claimed last: it surely runs where the mesh goes on.
    #[n(0)]
    #[default]
    KeepNewest,
    /// The one that claimed first.
    #[n(1)]
    KeepOriginal,
    /// The one that was the better place when it claimed.
    #[n(2)]
    BestScore,
}

/// One node's claim on a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// The claimant.
    pub holder: NodeId,
    /// Orders claims; one more than the highest that the claimant had seen.
    pub epoch: u64,
    /// How far it is.
    pub phase: Phase,
    /// Its score, frozen in the claim.
    pub score: i64,
    /// Whether the slot should be elsewhere: its node is drained, say.
    pub yields: bool,
}

/// The claim that keeps the slot: one that drains only if all drain, and else one that
/// yields only if all yield.
pub fn keeper<'a>(rule: Reconcile, rivals: impl IntoIterator<Item = &'a Holding>) -> Option<&'a Holding> {
    rivals.into_iter().max_by_key(|h| {
        let stays = (h.phase != Phase::Draining, !h.yields);
        let epoch = i128::from(h.epoch);
        let score = i128::from(h.score);
        match rule {
            Reconcile::KeepNewest => (stays, epoch, score, h.holder),
            Reconcile::KeepOriginal => (stays, -epoch, score, h.holder),
            Reconcile::BestScore => (stays, score, epoch, h.holder),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(node: u8, epoch: u64, score: i64, phase: Phase) -> Holding {
        Holding { holder: NodeId([node; 32]), epoch, phase, score, yields: false }
    }

    #[test]
    fn every_order_of_rivals_has_the_same_keeper() {
        use Phase::*;
        let mut rivals =
            [holding(1, 1, 50, Running), holding(2, 2, 10, Preparing), holding(3, 2, 10, Running)];
        for rule in [Reconcile::KeepNewest, Reconcile::KeepOriginal, Reconcile::BestScore] {
            let first = keeper(rule, &rivals).copied();
            for turn in 0..rivals.len() {
                rivals.rotate_left(1);
                rivals.swap(0, turn);
                assert_eq!(keeper(rule, &rivals).copied(), first);
            }
        }
        assert_eq!(keeper(Reconcile::KeepNewest, &rivals).unwrap().holder, NodeId([3; 32]));
        assert_eq!(keeper(Reconcile::KeepOriginal, &rivals).unwrap().holder, NodeId([1; 32]));
        assert_eq!(keeper(Reconcile::BestScore, &rivals).unwrap().holder, NodeId([1; 32]));
    }

    #[test]
    fn one_that_drains_keeps_a_slot_only_when_all_drain() {
        let rivals = [holding(1, 9, 0, Phase::Draining), holding(2, 1, 0, Phase::Running)];
        assert_eq!(keeper(Reconcile::KeepNewest, &rivals).unwrap().holder, NodeId([2; 32]));
        assert_eq!(keeper(Reconcile::KeepNewest, &rivals[..1]).unwrap().holder, NodeId([1; 32]));
    }

    #[test]
    fn one_that_yields_gives_way_by_every_rule_but_not_to_one_that_drains() {
        let yielding = Holding { yields: true, ..holding(1, 1, 90, Phase::Running) };
        let other = holding(2, 2, 10, Phase::Preparing);
        for rule in [Reconcile::KeepNewest, Reconcile::KeepOriginal, Reconcile::BestScore] {
            assert_eq!(keeper(rule, &[yielding, other]).unwrap().holder, other.holder);
            let draining = Holding { phase: Phase::Draining, ..other };
            assert_eq!(keeper(rule, &[yielding, draining]).unwrap().holder, yielding.holder);
            let both = Holding { yields: true, ..other };
            let keeper = keeper(rule, &[yielding, both]).unwrap().holder;
            assert_eq!(keeper == other.holder, rule == Reconcile::KeepNewest, "{rule:?}");
        }
    }
}

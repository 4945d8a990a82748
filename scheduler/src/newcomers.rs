//! Which node hands one of its slots to a member that came up, and in which order.
//!
//! Everyone holds its share, the whole divided by all, rounded down. A newcomer that
//! holds less is given one slot at a time by those that hold most, each of which decides
//! for itself: from the same loads all compute the same order.

use orbweave_model::NodeId;

/// A giver holds so many slots more than the newcomer, at least: one that has moved then
/// does not come back.
pub const DIFFERENCE: u32 = 2;

/// What a node holds, as another one knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// The node.
    pub node: NodeId,
    /// Its slots of any workload, without those that it gives up.
    pub slots: u32,
    /// It came up a moment ago, and may be given slots.
    pub is_newcomer: bool,
}

/// To whom a node hands a slot, and how many others do so before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The newcomer that holds least.
    pub to: NodeId,
    /// 0 is the first.
    pub rank: u32,
}

/// Whether it may be `me` who hands a slot over. `None` where no newcomer holds less than
/// its share, or `me` holds no more than its own or is not known.
pub fn turn(me: NodeId, loads: &[Load]) -> Option<Turn> {
    let all: u64 = loads.iter().map(|load| u64::from(load.slots)).sum();
    let share = u32::try_from(all / (loads.len() as u64).max(1)).unwrap_or(u32::MAX);
    let newcomers = loads.iter().filter(|load| load.is_newcomer && load.slots < share);
    let to = newcomers.min_by_key(|load| (load.slots, load.node))?;
    let gives = |load: &&Load| load.slots > share && load.slots >= to.slots.saturating_add(DIFFERENCE);
    let mine = loads.iter().filter(gives).find(|load| load.node == me)?;
    let before = |load: &&Load| (load.slots, load.node) > (mine.slots, mine.node);
    let rank = loads.iter().filter(gives).filter(before).count();
    Some(Turn { to: to.node, rank: u32::try_from(rank).unwrap_or(u32::MAX) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes that hold so many slots; the last ones are new.
    fn loads(slots: &[u32], new: usize) -> Vec<Load> {
        let old = slots.len() - new;
        let load = |(n, slots): (usize, &u32)| Load {
            node: NodeId([n as u8; 32]),
            slots: *slots,
            is_newcomer: n >= old,
        };
        slots.iter().enumerate().map(load).collect()
    }

    fn turn_of(n: u8, loads: &[Load]) -> Option<(u8, u32)> {
        turn(NodeId([n; 32]), loads).map(|turn| (turn.to.0[0], turn.rank))
    }

    #[test]
    fn those_that_hold_most_have_the_first_turns() {
        let loads = loads(&[4, 6, 5, 0], 1);
        assert_eq!(
            [0, 1, 2, 3].map(|n| turn_of(n, &loads)),
            [Some((3, 2)), Some((3, 0)), Some((3, 1)), None]
        );
    }

    #[test]
    fn a_newcomer_with_its_share_gets_nothing_more_and_who_is_not_new_nothing_at_all() {
        assert_eq!(turn_of(0, &loads(&[9, 3, 0], 0)), None);
        assert_eq!(turn_of(0, &loads(&[5, 4, 4], 1)), None);
        assert_eq!(turn_of(0, &loads(&[1, 1, 1, 0], 1)), None, "less than one each");
        assert_eq!(turn_of(0, &loads(&[2, 0], 1)), Some((1, 0)));
    }

    #[test]
    fn of_several_newcomers_the_one_that_holds_least_is_first() {
        let loads = loads(&[9, 9, 1, 0], 2);
        assert_eq!(turn_of(0, &loads), Some((3, 1)));
        assert_eq!(turn_of(1, &loads), Some((3, 0)));
        assert_eq!(turn_of(2, &loads), None);
        assert_eq!(turn_of(77, &loads), None, "who is not among them gives nothing");
        assert_eq!(turn(NodeId([0; 32]), &[]), None);
    }

    #[test]
    fn in_turns_everyone_comes_to_its_share_and_nobody_below() {
        let mut all = loads(&[12, 7, 7, 3, 9, 0, 0], 2);
        let share = all.iter().map(|load| load.slots).sum::<u32>() / all.len() as u32;
        let mut moved = 0;
        while let Some((giver, to)) = (0..all.len()).find_map(|n| {
            let turn = turn(all[n].node, &all).filter(|turn| turn.rank == 0)?;
            Some((n, all.iter().position(|load| load.node == turn.to)?))
        }) {
            all[giver].slots -= 1;
            all[to].slots += 1;
            moved += 1;
        }
        assert_eq!((moved, all[5].slots, all[6].slots), (2 * share, share, share));
        assert!(all[..5].iter().all(|load| load.slots >= share.min(3)), "{all:?}");
    }
}

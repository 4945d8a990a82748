//! Which zone takes which slots: zones are judged and scored as nodes are, by the kinds of
//! place in them. A pure function of what the leaders of all zones say, so that each leader
//! knows which slots are its own, and when it is its turn for the others.

use crate::candidate::{Candidate, Choice, Need};
use crate::rank::SlotKey;
use orbweave_model::Resources;
use std::cmp::Reverse;

/// Slots are dealt one by one, or where there are many in so many lots: a zone's share is
/// then few ranges.
const LOTS: usize = 64;

/// A zone that could take slots of a workload.
#[derive(Debug, Clone)]
pub struct Zone<'a> {
    /// The kinds of place in it, each as its best node: what that has free, and of the
    /// workload and of all workloads as many slots as the whole zone holds.
    pub places: Vec<Candidate<'a>>,
    /// Replicas for which there is room.
    pub room: u32,
}

/// How many replicas of such a need fit into what is free in all, at most.
pub fn room(free: &Resources, need: &Resources) -> u32 {
    let times = |free: u64, need: u64| free.checked_div(need).unwrap_or(u64::MAX);
    let all = [
        times(free.cpu_milli.into(), need.cpu_milli.into()),
        times(free.memory_bytes, need.memory_bytes),
        times(free.instances.into(), need.instances.into()),
        times(free.accelerator_milli.into(), need.accelerator_milli.into()),
    ];
    u32::try_from(all.into_iter().min().unwrap_or(0)).unwrap_or(u32::MAX)
}

/// For each of these vacant slots, how many zones come before the one at `me`: 0 takes the
/// slot at once. None where it has no place for it.
///
/// The best zone takes a slot and counts as holding it when the next one is dealt, so that
/// replicas are spread over zones as over nodes; ties go by rendezvous of slot and zone.
pub fn turns(need: &Need<'_>, zones: &[Zone<'_>], me: usize, slots: &[u32]) -> Vec<Option<usize>> {
    let mut dealt = vec![0; zones.len()];
    let mut scores: Vec<Option<i64>> = zones.iter().map(|zone| score(need, zone, 0)).collect();
    let mut turns = Vec::with_capacity(slots.len());
    for lot in slots.chunks(slots.len().div_ceil(LOTS).max(1)) {
        let key = SlotKey::new(need.workload, lot[0]);
        let fits = (0..zones.len()).filter_map(|i| Some((scores[i]?, i)));
        let mut order: Vec<_> = fits
            .map(|(score, i)| (Reverse(score), Reverse(key.weight(zones[i].places[0].node)), i))
            .collect();
        order.sort_unstable();
        let turn = order.iter().position(|(.., i)| *i == me);
        turns.extend(std::iter::repeat_n(turn, lot.len()));
        if let Some((.., first)) = order.first() {
            dealt[*first] += u32::try_from(lot.len()).unwrap_or(u32::MAX);
            scores[*first] = score(need, &zones[*first], dealt[*first]);
        }
    }
    turns
}

/// The best that a zone has to offer once it took so many; none where nothing fits.
fn score(need: &Need<'_>, zone: &Zone<'_>, dealt: u32) -> Option<i64> {
    if dealt >= zone.room {
        return None;
    }
    let more = |place: &Candidate<'_>| (place.held.saturating_add(dealt), place.load.saturating_add(dealt));
    let places: Vec<Candidate<'_>> = zone
        .places
        .iter()
        .map(|place| {
            let (held, load) = more(place);
            Candidate { held, load, ..place.clone() }
        })
        .collect();
    let choice = Choice::new(*need, &places);
    places.iter().filter(|place| choice.fits(place)).map(|place| choice.score(place)).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use orbweave_model::{Labels, NodeId, Selector};
    use proptest::prelude::*;

    const FREE: Resources =
        Resources { cpu_milli: 1_000, memory_bytes: 1 << 30, instances: 10, accelerator_milli: 0 };

    fn zone(name: u8, labels: &Labels, held: u32, room: u32) -> Zone<'_> {
        let node = NodeId(*blake3::hash(&[name]).as_bytes());
        Zone { places: vec![Candidate { held, load: held, ..Candidate::new(node, labels, FREE) }], room }
    }

    fn need<'a>(requires: &'a Selector, policy: &'a Policy) -> Need<'a> {
        let resources = Resources { cpu_milli: 100, memory_bytes: 1, instances: 1, accelerator_milli: 0 };
        Need { workload: "w", slot: 0, requires, resources, policy, imports: &[] }
    }

    fn firsts(zones: &[Zone<'_>], requires: &str, slots: &[u32]) -> Vec<Option<usize>> {
        let (requires, policy) = (requires.parse().unwrap(), Policy::default());
        let need = need(&requires, &policy);
        let all: Vec<_> = (0..zones.len()).map(|me| turns(&need, zones, me, slots)).collect();
        (0..slots.len()).map(|slot| all.iter().position(|turns| turns[slot] == Some(0))).collect()
    }

    #[test]
    fn a_zone_that_has_no_place_has_no_turn() {
        let (edge, cloud): (Labels, Labels) = (
            ["tier=edge".parse().unwrap()].into_iter().collect(),
            ["tier=cloud".parse().unwrap()].into_iter().collect(),
        );
        let zones = [zone(1, &cloud, 0, 100), zone(2, &edge, 5, 100), zone(3, &edge, 0, 0)];
        assert_eq!(firsts(&zones, "tier=edge", &[0, 1, 2]), [Some(1); 3]);
        assert_eq!(firsts(&zones, "tier=none", &[0]), [None]);
    }

    #[test]
    fn many_slots_are_dealt_in_few_ranges() {
        let none = Labels::default();
        let zones: Vec<_> = (0..4).map(|name| zone(name, &none, 0, 10_000)).collect();
        let slots: Vec<u32> = (0..6_400).collect();
        let firsts = firsts(&zones, "", &slots);
        let changes = firsts.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(changes < LOTS, "{changes}");
        for me in 0..4 {
            assert_eq!(firsts.iter().filter(|first| **first == Some(me)).count(), 1_600);
        }
    }

    proptest! {
        #[test]
        fn every_slot_has_one_first_zone_and_zones_get_even_shares(
            held in prop::collection::vec(0..5_u32, 1..8),
            count in 1..60_u32,
        ) {
            let none = Labels::default();
            let zones: Vec<_> =
                (0..).zip(&held).map(|(name, held)| zone(name, &none, *held, 1_000)).collect();
            let slots: Vec<u32> = (0..count).collect();
            let mut after = held.clone();
            for first in firsts(&zones, "", &slots) {
                after[first.unwrap()] += 1;
            }
            // Nobody takes one while another that took any has two fewer.
            let took = (0..held.len()).filter(|i| after[*i] > held[*i]).map(|i| after[i]);
            let most = took.max().unwrap();
            prop_assert!(after.iter().all(|n| n + 1 >= most), "{:?} {:?}", held, after);
        }

        #[test]
        fn the_turns_of_all_zones_are_a_permutation(count in 1..20_u32, zones in 1..8_u8) {
            let none = Labels::default();
            let zones: Vec<_> = (0..zones).map(|name| zone(name, &none, 0, 1_000)).collect();
            let (requires, policy) = (Selector::default(), Policy::default());
            let slots: Vec<u32> = (0..count).collect();
            let all: Vec<_> =
                (0..zones.len()).map(|me| turns(&need(&requires, &policy), &zones, me, &slots)).collect();
            for slot in 0..slots.len() {
                let mut order: Vec<_> = all.iter().map(|turns| turns[slot].unwrap()).collect();
                order.sort_unstable();
                prop_assert_eq!(order, (0..zones.len()).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn room_is_what_is_scarcest() {
        let need = Resources { cpu_milli: 100, memory_bytes: 1 << 29, instances: 1, accelerator_milli: 0 };
        assert_eq!(room(&FREE, &need), 2);
        assert_eq!(room(&Resources::default(), &Resources::default()), u32::MAX);
    }
}

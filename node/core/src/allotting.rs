//! This node as the leader of its zone: which slots the zone takes, and which it gives back.
//!
//! Nobody deals slots out: each leader takes for its own zone what is vacant, in turns that
//! every leader computes alike from what all of them say. Where two took the same slot, the
//! rule between rivals decides. So a zone that is cut off goes on, and takes over what the
//! others held, as one node does among nodes.

use crate::allotment::{Allotment, Seat};
use crate::claim::{Claim, ClaimRange};
use crate::event::{Event, EventKind};
use crate::gateway::Gate;
use crate::node::Node;
use crate::placing::UnderWay;
use crate::summary::{Room, Summary};
use crate::view::Desired;
use crate::workload::WorkloadSpec;
use orbweave_model::{Hash, Mono, NodeId, Resources, Slots, WorkloadName, limit};
use orbweave_scheduler::candidate::{Candidate, Choice, Need};
use orbweave_scheduler::policy::Policy;
use orbweave_scheduler::rivals::{self, Holding, Phase};
use orbweave_scheduler::verdict::Verdict;
use orbweave_scheduler::zones::{self, Zone};
use orbweave_state::record::RecordKind;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A zone whose turn comes n-th takes a vacant slot after n of these: long enough for the
/// one before it to fetch the component and to be heard.
const STEP: Duration = Duration::from_secs(3);
/// A slot that some zone held is not taken before this: its word may be on its way.
const GUARD: Duration = Duration::from_secs(2);
/// A slot that found no node in the zone for so long is given back.
const GIVE_BACK: Duration = Duration::from_secs(15);
/// A zone that gave slots of a workload back takes none of it for this long.
const NO_PLACE: Duration = Duration::from_secs(60);
/// How often allotments are looked at, at most: what changed meanwhile goes along.
const LOOK: Duration = Duration::from_millis(250);
/// How far slots are is said at most this often of one workload.
const STEPS_TOGETHER: Duration = Duration::from_secs(1);
/// A leader that was followed by another goes on for so long, if that one takes not over
/// what it held.
const RELIEF: Duration = Duration::from_secs(10);

/// A slot that this zone took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    epoch: u64,
    score: i64,
    /// Since when no node of the zone is a place for it.
    unplaced: Option<Mono>,
    /// It runs here until another zone runs it.
    given_back: bool,
}

impl Node {
    /// Takes over what the leader before held.
    pub(crate) fn begin_to_lead(&mut self) {
        let before = self.zones.predecessor();
        let Some(mut gate) = self.zones.gate.take() else { return };
        gate.leads = true;
        gate.taken.clear();
        let names: Vec<WorkloadName> = self.desired.keys().cloned().collect();
        if let Some(before) = before {
            let is_apart = gate.apart.contains(&before);
            for name in &names {
                let allotments = self.zones.allotments.get(name);
                let Some(allotment) = allotments.and_then(|all| all.get(&before)) else { continue };
                let here = self.keepers_here(name);
                let runs = |slot: u32| here.get(slot as usize).is_some_and(Option::is_some);
                let mut taken = BTreeMap::new();
                for range in &allotment.claim.ranges {
                    // What runs on another part of a zone that is split is that part's.
                    let mine = (range.slots.start..range.slots.end).filter(|slot| !is_apart || runs(*slot));
                    for slot in mine {
                        let (epoch, given_back) =
                            (range.epoch + u64::from(is_apart), allotment.yields.contains(slot));
                        taken.insert(slot, Taken { epoch, score: range.score, unplaced: None, given_back });
                    }
                }
                gate.taken.insert(name.clone(), taken);
            }
        }
        gate.stale.extend(names);
        gate.next_look = self.now.mono;
        self.zones.gate = Some(gate);
        // Its allotments are said before it says that it leads.
        self.advance_allotments();
    }

    /// Whether the next leader holds all that this one does, or had the time to.
    pub(crate) fn is_relieved_by(&self, next: NodeId) -> bool {
        let (Some(gate), Some(gateway)) = (&self.zones.gate, self.zones.gateways.get(&next)) else {
            return false;
        };
        let Some(since) = gateway.leads_since.filter(|_| self.leads_here(next)) else {
            return false;
        };
        let holds = |(name, taken): (&WorkloadName, &BTreeMap<u32, Taken>)| {
            let allotment = self.zones.allotments.get(name).and_then(|all| all.get(&next));
            let slots = self.desired.get(name).map_or(0, |desired| desired.slots());
            let kept = taken.iter().filter(|(slot, taken)| **slot < slots && !taken.given_back);
            kept.into_iter().all(|(slot, _)| allotment.is_some_and(|a| a.claim.at(*slot).is_some()))
        };
        since + RELIEF <= self.now.mono || gate.taken.iter().all(holds)
    }

    pub(crate) fn cease_to_lead(&mut self) {
        if let Some(gate) = &mut self.zones.gate {
            gate.leads = false;
            gate.taken.clear();
            gate.vacant.clear();
            gate.stale.clear();
        }
    }

    /// Something changed of a workload.
    pub(crate) fn allot_soon(&mut self, name: &WorkloadName) {
        if let Some(gate) = self.zones.gate.as_mut().filter(|gate| gate.leads) {
            gate.stale.insert(name.clone());
        }
    }

    /// Looks at what changed, and once a second at all slots that are vacant.
    pub(crate) fn advance_allotments(&mut self) {
        let now = self.now.mono;
        let Some(mut gate) = self.zones.gate.take() else { return };
        if gate.leads && now >= gate.next_look && !gate.stale.is_empty() {
            gate.next_look = now + LOOK;
            for name in std::mem::take(&mut gate.stale) {
                self.review_allotment(&mut gate, &name);
            }
        }
        self.zones.gate = Some(gate);
    }

    /// What waits for its time is looked at again.
    pub(crate) fn tick_allotments(&mut self) {
        let now = self.now.mono;
        let Some(gate) = self.zones.gate.as_mut().filter(|gate| gate.leads) else { return };
        gate.no_place.retain(|_, until| *until > now);
        gate.said_of.retain(|_, at| *at + STEPS_TOGETHER > now);
        gate.stale.extend(gate.vacant.keys().map(|(name, _)| name.clone()));
        let unplaced = |taken: &BTreeMap<u32, Taken>| taken.values().any(|taken| taken.unplaced.is_some());
        let waiting = gate.taken.iter().filter(|(_, taken)| unplaced(taken));
        gate.stale.extend(waiting.map(|(name, _)| name.clone()));
    }

    fn review_allotment(&mut self, gate: &mut Gate, name: &WorkloadName) {
        let now = self.now.mono;
        let slots = self.desired.get(name).map_or(0, |desired| desired.slots());
        let here = self.keepers_here(name);
        let mut taken = gate.taken.remove(name).unwrap_or_default();
        taken.retain(|slot, _| *slot < slots);
        let mut vacant = Vec::new();
        for slot in 0..slots {
            let held = here.get(slot as usize).copied().flatten();
            let seat = self.seat(name, slot);
            let elsewhere = matches!(seat, Seat::Elsewhere | Seat::RunsElsewhere);
            let Some(mine) = taken.get_mut(&slot) else {
                // What this zone gave up a moment ago may still be said to be its own.
                let elsewhere = elsewhere || (seat == Seat::Here && self.is_allotted_elsewhere(name, slot));
                if held.is_some() && !elsewhere {
                    // It was held before there were zones, or by a part that was apart.
                    let epoch = self.zone_epoch_seen(name, slot) + 1;
                    taken.insert(slot, Taken { epoch, score: 0, unplaced: None, given_back: false });
                } else if seat == Seat::Vacant {
                    vacant.push(slot);
                }
                continue;
            };
            let stays = held.is_some_and(|(holder, _)| !self.yields(name, slot, holder));
            mine.unplaced = if stays { None } else { Some(mine.unplaced.unwrap_or(now)) };
            if mine.unplaced.is_some_and(|since| since + GIVE_BACK <= now) {
                if !mine.given_back {
                    gate.no_place.insert(name.clone(), now + NO_PLACE);
                }
                mine.given_back = true;
            } else if stays {
                mine.given_back = false;
            }
            if held.is_none() && (elsewhere || mine.given_back) {
                taken.remove(&slot);
            }
        }
        gate.vacant.retain(|(of, slot), _| of != name || vacant.binary_search(slot).is_ok());
        for slot in &vacant {
            gate.vacant.entry((name.clone(), *slot)).or_insert(now);
        }
        if !vacant.is_empty() {
            self.take_vacant(gate, name, &vacant, &mut taken);
        }
        self.say_allotment(gate, name, &taken, &here);
        gate.taken.insert(name.clone(), taken);
    }

    /// Takes those of the vacant slots whose turn in this zone has come.
    fn take_vacant(
        &mut self,
        gate: &Gate,
        name: &WorkloadName,
        vacant: &[u32],
        taken: &mut BTreeMap<u32, Taken>,
    ) {
        let now = self.now.mono;
        let turns = self.turns(gate, name, vacant);
        let waited = |slot: u32, turn: usize| {
            let guard = if self.zone_epoch_seen(name, slot) > 0 { GUARD } else { Duration::ZERO };
            let since = gate.vacant.get(&(name.clone(), slot)).copied().unwrap_or(now);
            since + guard + STEP.saturating_mul(u32::try_from(turn).unwrap_or(u32::MAX)) <= now
        };
        let all = vacant.iter().zip(turns).filter_map(|(slot, turn)| Some((*slot, turn?)));
        let (is_next, mine): (Vec<bool>, Vec<u32>) = {
            let all: Vec<(u32, usize)> = all.collect();
            let due = all.iter().filter(|(slot, turn)| waited(*slot, *turn)).map(|(slot, _)| *slot).collect();
            (all.iter().map(|(_, turn)| *turn == 0).collect(), due)
        };
        // Its component is fetched before the slot is taken: whoever starts it finds it here.
        let origin = self.desired.get(name).and_then(|desired| desired.spec.origin);
        let is_ours = origin.is_some_and(|origin| origin == self.me || self.nodes.contains_key(&origin));
        let has = (is_ours || is_next.contains(&true) || !mine.is_empty()) && self.has_ahead(name);
        if mine.is_empty() || !has || gate.no_place.contains_key(name) || !self.has_place(name, mine[0]) {
            return;
        }
        let count = mine.len();
        for slot in mine {
            let epoch = self.zone_epoch_seen(name, slot) + 1;
            taken.insert(slot, Taken { epoch, score: 0, unplaced: Some(now), given_back: false });
        }
        let zone = self.info.zone.clone();
        let text = format!("zone {zone} takes {count} of {} vacant slots of {name}", vacant.len());
        self.notify(Event::new(EventKind::Allotted, text).of(name));
    }

    /// How many zones come before this one for each of these slots: by what all know, so
    /// that all leaders come to the same. What only this one knows of its zone it asks when
    /// its turn has come.
    fn turns(&self, gate: &Gate, name: &WorkloadName, slots: &[u32]) -> Vec<Option<usize>> {
        let nowhere = vec![None; slots.len()];
        let Some(desired) = self.desired.get(name).filter(|desired| desired.release.is_ok()) else {
            return nowhere;
        };
        // Rules between replicas are for the nodes of one zone to keep.
        let policy = Policy { prefers: desired.spec.policy().prefers.clone(), ..Policy::default() };
        let need = Need { policy: &policy, ..desired.need(name, slots[0]) };
        let Some(own) = gate.said() else { return nowhere };
        let leaders = self.zones.gateways.iter().filter(|(leader, gateway)| {
            gateway.leads() && gateway.summary.zone != self.info.zone && self.zones.counts(**leader)
        });
        let foreign = leaders.map(|(leader, gateway)| (Some(*leader), &*gateway.summary));
        let all: Vec<(Option<NodeId>, &Summary)> = [(None, own)].into_iter().chain(foreign).collect();
        let zones: Vec<Zone<'_>> =
            all.iter().map(|(leader, summary)| self.as_zone(name, desired, *leader, summary)).collect();
        zones::turns(&need, &zones, 0, slots)
    }

    fn as_zone<'a>(
        &self,
        name: &WorkloadName,
        desired: &Desired,
        leader: Option<NodeId>,
        summary: &'a Summary,
    ) -> Zone<'a> {
        let leader = leader.or(self.zones.voice());
        let allotment = leader.and_then(|leader| self.zones.allotments.get(name)?.get(&leader));
        let held = allotment.map_or(0, |allotment| allotment.claim.len());
        let need = crate::choosing::per_replica(&desired.spec.need);
        // Known by its name to all: its leader may be another for each of them.
        let node = NodeId(Hash::of(summary.zone.as_bytes()).0);
        let place = |room: &'a Room| Candidate {
            held,
            load: leader.and_then(|leader| self.zones.loads.get(&leader)).copied().unwrap_or(0),
            ..Candidate::new(node, &room.labels, room.most)
        };
        let fits = summary.rooms.iter().filter(|room| desired.spec.requires.matches(&room.labels));
        let room = fits.map(|room| zones::room(&room.total, &need)).fold(0, u32::saturating_add);
        Zone { places: summary.rooms.iter().map(place).collect(), room }
    }

    /// Other zones that have room for a replica, in words.
    pub(crate) fn zones_with_room(&self, spec: &WorkloadSpec) -> Option<String> {
        let need = crate::choosing::per_replica(&spec.need);
        let fits = |room: &Room| {
            spec.requires.matches(&room.labels)
                && zones::room(&room.total, &need) > 0
                && room.most.fits(&need)
        };
        let zones: BTreeSet<&str> = self
            .zones
            .gateways
            .iter()
            .filter(|(leader, gateway)| gateway.summary.zone != self.info.zone && self.zones.counts(**leader))
            .filter(|(_, gateway)| gateway.summary.rooms.iter().any(fits))
            .map(|(_, gateway)| gateway.summary.zone.as_str())
            .collect();
        let zones: Vec<&str> = zones.into_iter().collect();
        (!zones.is_empty()).then(|| format!("in zone {}", zones.join(" or ")))
    }

    /// Whether some node of this zone could take a slot, as far as this node knows.
    fn has_place(&self, name: &WorkloadName, slot: u32) -> bool {
        let Some(desired) = self.desired.get(name) else { return false };
        let nodes = self.who_could_take(&desired.spec);
        let mut candidates = self.candidates(&nodes, name, &desired.spec, &UnderWay::new());
        // Claims know more of all nodes than the loads that this one heard of a few.
        let free: BTreeMap<NodeId, Resources> =
            self.free_places().into_iter().map(|(node, _, free)| (node, free)).collect();
        for candidate in &mut candidates {
            candidate.free = free.get(&candidate.node).copied().unwrap_or(candidate.free);
        }
        let choice = Choice::new(desired.need(name, slot), &candidates);
        candidates.iter().any(|candidate| choice.judge(candidate) == Verdict::Fits)
    }

    /// Who keeps each slot of a workload among the nodes of this zone, and its claim.
    fn keepers_here(&self, name: &WorkloadName) -> Vec<Option<(NodeId, ClaimRange)>> {
        let Some(desired) = self.desired.get(name) else { return Vec::new() };
        let rule = desired.rule();
        let mut keepers: Vec<Option<(Holding, ClaimRange)>> = vec![None; desired.slots() as usize];
        for (&holder, claim) in self.claims.get(name).into_iter().flatten() {
            if !self.counts(holder) {
                continue;
            }
            for range in &claim.ranges {
                let end = keepers.len().min(range.slots.end as usize);
                let slots = range.slots.start..u32::try_from(end).unwrap_or(u32::MAX);
                for slot in slots {
                    let keeper = &mut keepers[slot as usize];
                    let yields = self.yields(name, slot, holder);
                    let (epoch, phase, score) = (range.epoch, range.phase, range.score);
                    let rival = Holding { holder, epoch, phase, score, yields };
                    let both = keeper.iter().map(|(holding, _)| holding).chain([&rival]);
                    if rivals::keeper(rule, both).is_some_and(|keeper| keeper.holder == holder) {
                        *keeper = Some((rival, *range));
                    }
                }
            }
        }
        let keeper = |(holding, range): (Holding, ClaimRange)| {
            (range.phase != Phase::Draining).then_some((holding.holder, range))
        };
        keepers.into_iter().map(|k| k.and_then(keeper)).collect()
    }

    /// Says which slots this zone holds, where that changed.
    fn say_allotment(
        &mut self,
        gate: &mut Gate,
        name: &WorkloadName,
        taken: &BTreeMap<u32, Taken>,
        here: &[Option<(NodeId, ClaimRange)>],
    ) {
        let range = |(slot, taken): (&u32, &Taken)| {
            let held = here.get(*slot as usize).copied().flatten().map(|(_, range)| range);
            let phase = held.map_or(Phase::Preparing, |range| range.phase);
            let generation = held.and_then(|range| range.generation);
            let range = ClaimRange::one(*slot, taken.epoch, phase, taken.score, generation);
            let (settled, failed) = (held.and_then(|r| r.settled), held.and_then(|r| r.failed));
            ClaimRange { settled, failed, ..range }
        };
        let mut claim = Claim::of(taken.iter().map(range));
        claim.ranges.truncate(limit::SLOT_RANGES_MAX);
        let before = self.zones.allotments.get(name).and_then(|all| all.get(&self.me));
        let zone = self.info.zone.clone();
        let allotment = Allotment { zone, claim, yields: given_back(taken) };
        if before.map_or(allotment.claim.is_empty(), |before| **before == allotment) {
            return;
        }
        // Which slots it holds is said at once; how far they are, not with each step of each.
        let now = self.now.mono;
        let same = before.is_some_and(|before| {
            before.yields == allotment.yields && slots_of(&before.claim).eq(slots_of(&allotment.claim))
        });
        if same && gate.said_of.get(name).is_some_and(|at| *at + STEPS_TOGETHER > now) {
            gate.stale.insert(name.clone());
            return;
        }
        gate.said_of.insert(name.clone(), now);
        self.say(RecordKind::ALLOTMENT, name.as_str(), allotment.encode(), Vec::new());
    }
}

/// The slots that are given back.
fn given_back(taken: &BTreeMap<u32, Taken>) -> Slots {
    taken.iter().filter(|(_, taken)| taken.given_back).map(|(slot, _)| *slot).collect()
}

/// The slots of a claim, with the epoch of each.
fn slots_of(claim: &Claim) -> impl Iterator<Item = (u32, u64)> {
    claim.ranges.iter().flat_map(|range| (range.slots.start..range.slots.end).map(|slot| (slot, range.epoch)))
}

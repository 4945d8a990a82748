//! Which slots of one workload a zone holds, as its leader says it to all others: a claim
//! of the zone as a whole. Where two zones hold one slot, one keeps it by the rule that
//! decides between two nodes.

use crate::claim::Claim;
use crate::node::Node;
use minicbor::{Decode, Encode};
use orbweave_model::wire::{self, WireError};
use orbweave_model::{NodeId, Slots, WorkloadName, limit};
use orbweave_scheduler::rivals::{self, Holding, Phase};
use std::sync::Arc;

/// The body of an allotment record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct Allotment {
    /// The zone.
    #[n(0)]
    pub zone: String,
    /// Its slots.
    #[n(1)]
    pub claim: Claim,
    /// Those of them that it gives back: they go on there until another zone runs them.
    #[n(2)]
    pub yields: Slots,
}

impl Allotment {
    /// The bytes of a record's body.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads a record's body and checks its bounds.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let allotment: Self = wire::decode_open("an allotment", body, limit::RECORD_BYTES_MAX)?;
        if allotment.zone.is_empty() || allotment.zone.len() > limit::NAME_BYTES_MAX {
            let why = "a zone without a name, or with one that is too long".to_owned();
            return Err(WireError::Malformed { what: "an allotment", why });
        }
        // The same bounds as a node's claim.
        Claim::decode(&allotment.claim.encode())?;
        Ok(allotment)
    }

    /// Whether it holds a slot, and does not give it back.
    pub fn keeps(&self, slot: u32) -> bool {
        self.claim.at(slot).is_some() && !self.yields.contains(slot)
    }
}

/// Where a slot has its place, among zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seat {
    /// No zone keeps it, or one that gives it back.
    Vacant,
    /// This one.
    Here,
    /// Another one, which does not run it yet.
    Elsewhere,
    /// Another one, which runs it.
    RunsElsewhere,
}

impl Node {
    /// A leader said which slots its zone holds.
    pub(crate) fn on_allotment(&mut self, name: WorkloadName, leader: NodeId, allotment: Arc<Allotment>) {
        let slots = allotment.claim.len();
        let before = self.zones.allotments.entry(name.clone()).or_default().insert(leader, allotment);
        self.count_load(leader, before.as_deref(), slots);
        self.reseat(&name);
    }

    /// What a leader said holds no more.
    pub(crate) fn drop_allotment(&mut self, name: &WorkloadName, leader: NodeId) {
        if let Some(leaders) = self.zones.allotments.get_mut(name) {
            let before = leaders.remove(&leader);
            if leaders.is_empty() {
                self.zones.allotments.remove(name);
            }
            self.count_load(leader, before.as_deref(), 0);
        }
        self.reseat(name);
    }

    /// A leader says of a workload that its zone holds so many slots, in place of what it
    /// said before.
    fn count_load(&mut self, leader: NodeId, before: Option<&Allotment>, slots: u32) {
        let load = self.zones.loads.remove(&leader).unwrap_or(0);
        let load = load.saturating_sub(before.map_or(0, |before| before.claim.len())).saturating_add(slots);
        if load > 0 {
            self.zones.loads.insert(leader, load);
        }
    }

    /// The slots of a workload that leaders hold whose word counts.
    pub(crate) fn allotted<'a>(
        &'a self,
        name: &WorkloadName,
    ) -> impl Iterator<Item = (NodeId, &'a Arc<Allotment>)> {
        let all = self.zones.allotments.get(name).into_iter().flatten();
        all.map(|(leader, allotment)| (*leader, allotment)).filter(|(leader, _)| self.zones.counts(*leader))
    }

    /// The same of other zones, and of other parts of this one.
    pub(crate) fn allotted_elsewhere<'a>(
        &'a self,
        name: &WorkloadName,
    ) -> impl Iterator<Item = (NodeId, &'a Arc<Allotment>)> {
        let voice = self.zones.voice();
        self.allotted(name).filter(move |(leader, _)| Some(*leader) != voice)
    }

    /// Whether another zone holds a slot, and does not give it back.
    pub(crate) fn is_allotted_elsewhere(&self, name: &WorkloadName, slot: u32) -> bool {
        self.allotted_elsewhere(name).any(|(_, allotment)| allotment.keeps(slot))
    }

    /// The zones' claims on one slot, by their leaders.
    pub(crate) fn zone_holdings(&self, name: &WorkloadName, slot: u32) -> Vec<Holding> {
        let holding = |(holder, allotment): (NodeId, &Arc<Allotment>)| {
            let range = allotment.claim.at(slot)?;
            let (epoch, phase, score) = (range.epoch, range.phase, range.score);
            Some(Holding { holder, epoch, phase, score, yields: allotment.yields.contains(slot) })
        };
        self.allotted(name).filter_map(holding).collect()
    }

    /// The leader whose zone keeps a slot.
    pub(crate) fn zone_keeper(&self, name: &WorkloadName, slot: u32) -> Option<Holding> {
        let rule = self.desired.get(name)?.rule();
        rivals::keeper(rule, &self.zone_holdings(name, slot)).copied()
    }

    /// The highest epoch at which any zone held a slot.
    pub(crate) fn zone_epoch_seen(&self, name: &WorkloadName, slot: u32) -> u64 {
        let all = self.zones.allotments.get(name).into_iter().flatten();
        all.filter_map(|(_, allotment)| Some(allotment.claim.at(slot)?.epoch)).max().unwrap_or(0)
    }

    /// Looks anew at which zone keeps each slot of a workload.
    pub(crate) fn reseat(&mut self, name: &WorkloadName) {
        self.dirty.insert(name.clone());
        self.outputs.push_back(crate::io::Output::RoutesChanged);
        if !self.zones.is_many() {
            return drop(self.zones.seats.remove(name));
        }
        let Some(desired) = self.desired.get(name) else { return drop(self.zones.seats.remove(name)) };
        let (rule, voice) = (desired.rule(), self.zones.voice());
        let mut keepers: Vec<Option<Holding>> = vec![None; desired.slots() as usize];
        for (holder, allotment) in self.allotted(name) {
            for range in &allotment.claim.ranges {
                let (epoch, phase, score) = (range.epoch, range.phase, range.score);
                let end = keepers.len().min(range.slots.end as usize);
                let slots =
                    (range.slots.start..).zip(keepers[..end].iter_mut().skip(range.slots.start as usize));
                for (slot, keeper) in slots {
                    let rival =
                        Holding { holder, epoch, phase, score, yields: allotment.yields.contains(slot) };
                    *keeper = rivals::keeper(rule, keeper.iter().chain([&rival])).copied();
                }
            }
        }
        let seat = |keeper: Option<Holding>| match keeper {
            None => Seat::Vacant,
            Some(keeper) if keeper.yields => Seat::Vacant,
            Some(keeper) if Some(keeper.holder) == voice => Seat::Here,
            Some(keeper) if keeper.phase == Phase::Running => Seat::RunsElsewhere,
            Some(_) => Seat::Elsewhere,
        };
        self.zones.seats.insert(name.clone(), keepers.into_iter().map(seat).collect());
    }

    /// Where a slot has its place, among zones: here, if there is one zone alone.
    pub(crate) fn seat(&self, name: &WorkloadName, slot: u32) -> Seat {
        if !self.zones.is_many() {
            return Seat::Here;
        }
        let seats = self.zones.seats.get(name);
        seats.and_then(|seats| seats.get(slot as usize)).copied().unwrap_or(Seat::Vacant)
    }

    /// The slots of a workload that have their place in this zone.
    pub(crate) fn slots_here(&self, name: &WorkloadName) -> Vec<u32> {
        let slots = 0..self.desired.get(name).map_or(0, |desired| desired.slots());
        slots.filter(|slot| self.seat(name, *slot) == Seat::Here).collect()
    }

    /// Another zone that keeps a slot, in words.
    pub(crate) fn who_keeps_elsewhere(&self, name: &WorkloadName, slot: u32) -> Option<String> {
        if !matches!(self.seat(name, slot), Seat::Elsewhere | Seat::RunsElsewhere) {
            return None;
        }
        let keeper = self.zone_keeper(name, slot)?;
        Some(format!("zone {} holds it", self.zones.zone_of(keeper.holder)?))
    }

    /// Another zone that runs a slot, in words, where this one need not any more.
    pub(crate) fn who_runs_elsewhere(&self, name: &WorkloadName, slot: u32) -> Option<String> {
        if self.seat(name, slot) != Seat::RunsElsewhere {
            return None;
        }
        let keeper = self.zone_keeper(name, slot)?;
        let zone = self.zones.zone_of(keeper.holder)?;
        Some(format!("zone {zone} keeps the slot (epoch {})", keeper.epoch))
    }
}

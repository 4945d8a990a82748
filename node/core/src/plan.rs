//! What a new generation of a workload would change: which slots stay, start, begin
//! anew, move or end, where, and what would not fit. By this node's view, and with
//! nothing done: the mesh may decide otherwise a moment later.

use crate::choosing;
use crate::node::Node;
use crate::quota;
use crate::why::nowhere;
use crate::workload::WorkloadSpec;
use orbweave_model::{NodeId, WorkloadName};
use orbweave_scheduler::candidate::{Choice, Need};
use orbweave_scheduler::rivals;
use orbweave_scheduler::verdict::Verdict;
use orbweave_trust::Release;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// New slots of a plan whose place is sought; of more than that only the number is told.
pub const PLACED_MAX: u32 = 1_024;

/// What a new generation would change.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The slots, in order.
    pub slots: Vec<Planned>,
    /// Slots beyond [`PLACED_MAX`] whose place was not sought.
    pub unsought: u32,
    /// Why the release would be refused, if it would.
    pub refused: Option<String>,
}

/// What becomes of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The slot.
    pub slot: u32,
    /// What happens.
    pub fate: Fate,
    /// Who holds it now.
    pub from: Option<NodeId>,
    /// Who would hold it.
    pub to: Option<NodeId>,
    /// The reason, where there is one to tell.
    pub why: Option<String>,
}

/// What happens to a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing.
    Stays,
    /// It starts.
    Starts,
    /// It begins anew where it is, beside the old one until it runs.
    BeginsAnew,
    /// Its node may not hold it any more, and another one would.
    Moves,
    /// It ends.
    Ends,
    /// No node can take it.
    Nowhere,
}

impl Plan {
    /// Whether anything would change.
    pub fn changes(&self) -> bool {
        self.unsought > 0 || self.slots.iter().any(|slot| slot.fate != Fate::Stays)
    }

    /// Whether all that is wanted would run.
    pub fn fits(&self) -> bool {
        self.refused.is_none() && self.slots.iter().all(|slot| slot.fate != Fate::Nowhere)
    }
}

impl Node {
    /// What this specification would change if it were handed in.
    pub fn plan(&self, name: &WorkloadName, spec: &WorkloadSpec) -> Plan {
        let wanted = if spec.deleted { 0 } else { spec.replicas };
        let before = self.desired.get(name);
        let release = Release::verify(&spec.release, &self.authority, &self.guard, self.wall(), &*self.check);
        let (imports, refused) = match &release {
            _ if spec.deleted => (Vec::new(), None),
            Ok(release) => (release.statement().imports.clone(), None),
            Err(why) => (Vec::new(), Some(why.to_string())),
        };
        let anew = before.is_none_or(|before| before.run_key != spec.run_key());
        let mut candidates = self.everybody(name, spec);
        // Every plan of one view is the same.
        let mut rng = ChaCha8Rng::from_seed([0; 32]);
        let mut plan = Plan { slots: Vec::new(), unsought: 0, refused };
        let mut sought = 0;
        let need = choosing::need(name, 0, spec, &imports);
        let covered = self.covered_if(name, spec);
        for slot in 0..wanted.max(before.map_or(0, |before| before.slots())) {
            let holdings = self.holdings(name, slot);
            let keeper = rivals::keeper(spec.reconcile.unwrap_or_default(), &holdings);
            let from = keeper.map(|keeper| keeper.holder);
            let planned = |fate, to, why| Planned { slot, fate, from, to, why };
            let unmet = from.and_then(|holder| self.nodes.get(&holder)).and_then(|info| {
                let term = spec.requires.first_unmet(&info.labels)?;
                Some(Verdict::Label(term).to_string())
            });
            let unmet = unmet.or_else(|| self.why_it_would_yield(name, slot, from?, spec));
            let elsewhere = from.is_none().then(|| self.who_keeps_elsewhere(name, slot)).flatten();
            if slot >= wanted {
                plan.slots.extend(from.map(|_| planned(Fate::Ends, None, None)));
                plan.slots.extend(elsewhere.map(|zone| planned(Fate::Ends, None, Some(zone))));
                continue;
            }
            if let Some(covered) = covered.filter(|covered| slot >= covered.replicas) {
                let fate = if from.is_some() || elsewhere.is_some() { Fate::Ends } else { Fate::Nowhere };
                plan.slots.push(planned(fate, None, Some(quota::short(spec, covered))));
                continue;
            }
            if let Some(zone) = elsewhere {
                let fate = if anew { Fate::BeginsAnew } else { Fate::Stays };
                plan.slots.push(planned(fate, None, Some(zone)));
                continue;
            }
            if let (Some(holder), None) = (from, &unmet) {
                let fate = if anew { Fate::BeginsAnew } else { Fate::Stays };
                plan.slots.push(planned(fate, Some(holder), None));
                continue;
            }
            if let Some(why) = &plan.refused {
                let why = format!("its release is refused: {why}");
                plan.slots.push(planned(Fate::Nowhere, None, Some(why)));
                continue;
            }
            if sought == PLACED_MAX {
                plan.unsought += 1;
                continue;
            }
            sought += 1;
            let choice = Choice::new(Need { slot, ..need }, &candidates);
            let best = choice.best(&mut rng).into_iter().next();
            if let (None, Some(zones)) = (best, self.zones_with_room(spec)) {
                let fate = if from.is_some() { Fate::Moves } else { Fate::Starts };
                plan.slots.push(planned(fate, None, Some(zones)));
                continue;
            }
            let Some((to, _)) = best else {
                let verdicts: Vec<Verdict> = candidates.iter().map(|c| choice.judge(c)).collect();
                plan.slots.push(planned(Fate::Nowhere, None, nowhere(spec, verdicts.iter())));
                continue;
            };
            let fate = if from.is_some() { Fate::Moves } else { Fate::Starts };
            plan.slots.push(planned(fate, Some(to), unmet));
            if let Some(taken) = candidates.iter_mut().find(|c| c.node == to) {
                taken.held = taken.held.saturating_add(1);
                taken.load = taken.load.saturating_add(1);
                taken.free = taken.free.minus(&need.resources);
            }
        }
        plan
    }

    /// The specification of a workload that holds, as its bytes; what it is today is
    /// where a change begins.
    pub fn spec_of(&self, name: &WorkloadName) -> Option<Vec<u8>> {
        Some(self.desired.get(name)?.spec.encode())
    }
}

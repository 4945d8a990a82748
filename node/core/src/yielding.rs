//! Slots that should be elsewhere though nothing is wrong with what runs: their holder
//! goes on, placers look for another place, and only once the slot runs there is it given
//! up. Every node that sees the same says the same of a slot.

use crate::cordon::Service;
use crate::node::Node;
use crate::workload::WorkloadSpec;
use orbweave_model::{NodeId, WorkloadName};
use orbweave_scheduler::policy::{OVER_NODES, Spread};
use orbweave_scheduler::rivals::Phase;

impl Node {
    /// Whether the slot of this holder should be elsewhere.
    pub(crate) fn yields(&self, name: &WorkloadName, slot: u32, holder: NodeId) -> bool {
        self.why_it_yields(name, slot, holder).is_some()
    }

    /// Why the slot of this holder should be elsewhere.
    pub(crate) fn why_it_yields(&self, name: &WorkloadName, slot: u32, holder: NodeId) -> Option<String> {
        self.why_it_would_yield(name, slot, holder, &self.desired.get(name)?.spec)
    }

    /// The same under a specification that may not hold yet.
    pub(crate) fn why_it_would_yield(
        &self,
        name: &WorkloadName,
        slot: u32,
        holder: NodeId,
        spec: &WorkloadSpec,
    ) -> Option<String> {
        if self.service(holder) == Service::Drained {
            return Some("its node is drained".to_owned());
        }
        // Most workloads have no rules that could be broken.
        if self.ruled.is_empty() && spec.policy.is_none() {
            return None;
        }
        if let Some(spread) =
            spec.policy().spread.iter().find(|spread| self.is_one_too_many(spread, name, slot, holder))
        {
            return Some(format!("too many replicas have its `{}`", spread.over));
        }
        // Of two that keep apart the first by name stays.
        let mut apart = self.apart_from(name, spec).filter(|other| *other < name);
        let other = apart.find(|other| self.kept_by(holder, other, u32::MAX) > 0)?;
        Some(format!("{other} is there, which it keeps apart from"))
    }

    /// Whether the holder's value of a label has enough replicas in lower slots already.
    fn is_one_too_many(&self, spread: &Spread, name: &WorkloadName, slot: u32, holder: NodeId) -> bool {
        let Some(most) = spread.at_most else { return false };
        if spread.over == OVER_NODES {
            return self.kept_by(holder, name, slot) >= most;
        }
        let domain = |node: &NodeId| self.nodes.get(node)?.labels.get(&spread.over);
        let Some(here) = domain(&holder) else { return false };
        let holders = self.claims.get(name).into_iter().flatten().map(|(holder, _)| *holder);
        let there = holders.filter(|other| domain(other) == Some(here) && self.counts(*other));
        let lower = there.map(|other| self.kept_by(other, name, slot)).fold(0, u32::saturating_add);
        lower >= most
    }

    /// The slots of a workload below this one that a node holds and does not drain.
    fn kept_by(&self, holder: NodeId, name: &WorkloadName, below: u32) -> u32 {
        if holder == self.me {
            // What it just gave up counts no more, though nobody else knows yet.
            let held = self.held.range((name.clone(), 0)..(name.clone(), below));
            return held.filter(|(_, held)| held.phase != Phase::Draining).count() as u32;
        }
        let claim = self.claims.get(name).and_then(|claims| claims.get(&holder));
        let ranges = claim.into_iter().flat_map(|claim| &claim.ranges);
        let kept = ranges.filter(|range| range.phase != Phase::Draining && range.slots.start < below);
        kept.map(|range| range.slots.end.min(below) - range.slots.start).sum()
    }

    /// Keeps the list of workloads with rules, which a change of others may break.
    pub(crate) fn note_rules(&mut self, name: &WorkloadName, spec: Option<&WorkloadSpec>) {
        let has = |spec: &WorkloadSpec| {
            !spec.deleted && (spec.policy().looks_around() || !spec.policy().apart_from.is_empty())
        };
        if spec.is_some_and(has) {
            self.ruled.insert(name.clone());
        } else {
            self.ruled.remove(name);
        }
    }

    /// What keeps apart from a workload, or it from others, is looked at when it changes.
    pub(crate) fn touch_conflicts_of(&mut self, name: &WorkloadName) {
        for ruled in &self.ruled {
            let Some(desired) = self.desired.get(ruled) else { continue };
            let apart = &desired.spec.policy().apart_from;
            if ruled == name {
                self.dirty.extend(apart.iter().cloned());
            } else if apart.contains(name) {
                self.dirty.insert(ruled.clone());
            }
        }
    }
}

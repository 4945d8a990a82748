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
        if self.service(holder) == Service::Drained {
            return Some("its node is drained".to_owned());
        }
        // Most workloads have no rules that could be broken.
        if self.ruled.is_empty() {
            return None;
        }
        let spec = &self.desired.get(name)?.spec;
        if let Some(spread) =
            spec.policy().spread.iter().find(|spread| self.is_one_too_many(spread, name, slot, holder))
        {
            return Some(format!("too many replicas have its `{}`", spread.over));
        }
        // Of two that keep apart the first by name stays.
        let other = self.conflict(holder, name, spec).filter(|other| *other < name.as_str())?;
        Some(format!("{other} is there, which it keeps apart from"))
    }

    /// Whether the holder's value of a label has enough replicas in lower slots already.
    fn is_one_too_many(&self, spread: &Spread, name: &WorkloadName, slot: u32, holder: NodeId) -> bool {
        let (Some(most), Some(here)) = (spread.at_most, self.domain(&spread.over, holder)) else {
            return false;
        };
        let claims = self.claims.get(name).into_iter().flatten();
        let mut there = claims.filter(|(other, _)| {
            self.domain(&spread.over, **other).as_ref() == Some(&here) && self.counts(**other)
        });
        let mut lower = 0_u32;
        there.any(|(_, claim)| {
            for range in claim.ranges.iter().filter(|r| r.phase != Phase::Draining && r.slots.start < slot) {
                lower = lower.saturating_add(range.slots.end.min(slot) - range.slots.start);
            }
            lower >= most
        })
    }

    fn domain(&self, over: &str, node: NodeId) -> Option<Domain<'_>> {
        if over == OVER_NODES {
            return Some(Domain::Node(node));
        }
        self.nodes.get(&node)?.labels.get(over).map(Domain::Label)
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

/// A value of a label, or a node.
#[derive(PartialEq, Eq)]
enum Domain<'a> {
    Node(NodeId),
    Label(&'a str),
}

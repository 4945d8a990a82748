//! What this node believes of the nodes that could take a slot, as the placer and the
//! candidate itself judge them.

use crate::cordon::Service;
use crate::message::Load;
use crate::node::Node;
use crate::placing::UnderWay;
use crate::view::Desired;
use crate::workload::WorkloadSpec;
use orbweave_model::{NodeId, Resources, WorkloadName};
use orbweave_scheduler::candidate::{Candidate, NO_WAY, Need};
use orbweave_scheduler::policy::Target;
use orbweave_scheduler::rivals::Phase;
use orbweave_scheduler::verdict::Verdict;
use std::time::Duration;

/// What one replica takes: at least a place.
pub(crate) fn per_replica(need: &Resources) -> Resources {
    Resources { instances: need.instances.max(1), ..*need }
}

impl Desired {
    /// What a slot of it asks of its place.
    pub fn need<'a>(&'a self, name: &'a WorkloadName, slot: u32) -> Need<'a> {
        let imports = self.release.as_ref().map_or(&[][..], |release| &release.statement().imports);
        need(name, slot, &self.spec, imports)
    }
}

/// What a slot asks of its place.
pub(crate) fn need<'a>(
    name: &'a WorkloadName,
    slot: u32,
    spec: &'a WorkloadSpec,
    imports: &'a [String],
) -> Need<'a> {
    Need {
        workload: name.as_str(),
        slot,
        requires: &spec.requires,
        resources: per_replica(&spec.need),
        policy: spec.policy(),
        imports,
    }
}

impl Node {
    /// What this node believes of others that could take a slot of a workload. Those
    /// without a node record are left out.
    pub(crate) fn candidates<'a>(
        &'a self,
        nodes: &[NodeId],
        name: &WorkloadName,
        spec: &WorkloadSpec,
        under_way: &UnderWay,
    ) -> Vec<Candidate<'a>> {
        let standbys = self.standbys(name);
        let targets = self.targets(spec);
        let conflicts = self.has_conflicts(name, spec);
        let candidate = |&node| {
            let ready = standbys.contains(&node);
            let mut candidate = Candidate { ready, ..self.candidate(node, name, under_way)? };
            candidate.near_us = targets.iter().map(|near| self.round_trip(node, near)).collect();
            if conflicts {
                candidate.conflict = self.conflict(node, name, spec);
            }
            Some(candidate)
        };
        nodes.iter().filter_map(candidate).collect()
    }

    /// As if a slot were vacant: whoever holds it and shall not keep it is judged without it,
    /// and what it holds there keeps nobody else out.
    pub(crate) fn without_slot(
        &self,
        candidates: &mut [Candidate<'_>],
        key: &(WorkloadName, u32),
        spec: &WorkloadSpec,
    ) {
        for holding in self.holdings(&key.0, key.1) {
            if let Some(holder) = candidates.iter_mut().find(|c| c.node == holding.holder) {
                holder.held = holder.held.saturating_sub(1);
                holder.load = holder.load.saturating_sub(1);
                holder.free = holder.free.plus(&per_replica(&spec.need));
            }
        }
    }

    /// What this node believes of another, whatever the workload's policy.
    fn candidate(&self, node: NodeId, name: &WorkloadName, under_way: &UnderWay) -> Option<Candidate<'_>> {
        let info = self.nodes.get(&node)?;
        let under_way = under_way.get(&(name.clone(), node)).copied().unwrap_or(0);
        if node == self.me {
            return Some(self.myself(name));
        }
        let fresh = self.fresh_of(node);
        let hearsay = self.load_of(node);
        let free = fresh.map(|f| f.free).or(hearsay.map(|l| l.free)).unwrap_or(info.capacity);
        let load = fresh.map(|f| f.load).or(hearsay.map(|l| l.slots)).unwrap_or(0);
        let held_fresh = fresh.and_then(|f| f.held.get(name)).copied().unwrap_or(0);
        let peer = self.peers.get(&node);
        Some(Candidate {
            // Figures of a peer may be anything.
            held: self.held_by(name, node).max(held_fresh).saturating_add(under_way),
            load: load.saturating_add(under_way),
            rtt_us: peer.and_then(|p| p.rtt).map(microseconds),
            denies: info.denies.as_deref().unwrap_or_default(),
            hindrance: if self.service(node) != Service::Open {
                Some(Verdict::Cordoned)
            } else {
                (!peer.is_some_and(|p| p.up)).then_some(Verdict::Unreachable)
            },
            ..Candidate::new(node, &info.labels, free)
        })
    }

    /// This node as a candidate, by its own true figures.
    pub(crate) fn myself(&self, name: &WorkloadName) -> Candidate<'_> {
        let Load { free, slots } = self.load_now();
        let hindrance = if self.leaving {
            Some(Verdict::Leaving)
        } else if self.service(self.me) != Service::Open {
            Some(Verdict::Cordoned)
        } else {
            self.is_backing_off(name).then_some(Verdict::BackingOff)
        };
        Candidate {
            held: self.held_here(name),
            load: slots,
            rtt_us: Some(0),
            denies: self.info.denies.as_deref().unwrap_or_default(),
            hindrance,
            ..Candidate::new(self.me, &self.info.labels, free)
        }
    }

    /// For each place that a workload shall be near, the nodes that are there.
    pub(crate) fn targets(&self, spec: &WorkloadSpec) -> Vec<Vec<NodeId>> {
        let there = |target: &Target| match target {
            Target::Node(node) => vec![*node],
            Target::Labels(labels) => {
                let meets = |node: &NodeId| self.nodes.get(node).is_some_and(|i| labels.matches(&i.labels));
                self.membership.alive().filter(meets).collect()
            }
            Target::Workload(name) => {
                let claims = self.claims.get(name).into_iter().flatten();
                let runs = claims.filter(|(_, c)| c.ranges.iter().any(|r| r.phase == Phase::Running));
                runs.map(|(holder, _)| *holder).filter(|holder| self.counts(*holder)).collect()
            }
        };
        spec.policy().near.iter().map(|near| there(&near.to)).collect()
    }

    /// The round trip between a node and the nearest of others, in microseconds, where this
    /// node measured it; it knows all of its own.
    pub(crate) fn round_trip(&self, node: NodeId, others: &[NodeId]) -> Option<u32> {
        let measured = |peer: NodeId| self.peers.get(&peer).and_then(|p| p.rtt).map(microseconds);
        let between = |other: NodeId| match (node == self.me, other == self.me) {
            _ if node == other => Some(0),
            (true, _) => Some(measured(other).unwrap_or(NO_WAY)),
            (_, true) => measured(node),
            // Nobody but the two of them knows: the candidate says it.
            _ => None,
        };
        let known = others.iter().filter_map(|other| between(*other)).min();
        known.or((node == self.me || others.is_empty()).then_some(NO_WAY))
    }

    /// Whether a workload keeps apart from others, or others from it.
    fn has_conflicts(&self, name: &WorkloadName, spec: &WorkloadSpec) -> bool {
        !spec.policy().apart_from.is_empty() || self.keeps_apart_from(name)
    }

    fn keeps_apart_from(&self, name: &WorkloadName) -> bool {
        let ruled = self.ruled.iter().filter_map(|ruled| self.desired.get(ruled));
        ruled.into_iter().any(|desired| desired.spec.policy().apart_from.contains(name))
    }

    /// A workload that a node holds and that this one keeps apart from, on either's word.
    pub(crate) fn conflict(&self, node: NodeId, name: &WorkloadName, spec: &WorkloadSpec) -> Option<String> {
        let holds = |other: &&WorkloadName| {
            let staged = || self.held.range(((*other).clone(), 0)..=((*other).clone(), u32::MAX)).next();
            let claimed = || self.claims.get(*other).is_some_and(|claims| claims.contains_key(&node));
            (node == self.me && staged().is_some()) || claimed()
        };
        self.apart_from(name, spec).find(holds).map(ToString::to_string)
    }

    /// The workloads that may not share a node with this one, on the word of either. Only
    /// those that say so are looked at, whatever anybody claims.
    pub(crate) fn apart_from<'a>(
        &'a self,
        name: &'a WorkloadName,
        spec: &'a WorkloadSpec,
    ) -> impl Iterator<Item = &'a WorkloadName> {
        let theirs = self.ruled.iter().filter(|other| {
            self.desired.get(*other).is_some_and(|d| d.spec.policy().apart_from.contains(name))
        });
        spec.policy().apart_from.iter().chain(theirs).filter(move |other| *other != name)
    }

    /// Every node that could be asked: the members that are alive, and for a workload that
    /// asks for labels those on scheduled links that are in contact.
    pub(crate) fn who_could_take(&self, spec: &WorkloadSpec) -> Vec<NodeId> {
        let mut nodes: Vec<NodeId> = self.membership.alive().collect();
        if !spec.requires.is_empty() {
            nodes.extend(self.peers.iter().filter(|(id, p)| p.up && self.fleet.has(**id)).map(|(id, _)| *id));
        }
        nodes
    }
}

fn microseconds(rtt: Duration) -> u32 {
    u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX)
}

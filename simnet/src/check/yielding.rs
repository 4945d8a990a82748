//! Which slots should be elsewhere, by what a host knows: the same question that nodes
//! answer, asked of the records alone.
//!
//! A slot yields where its node is drained; where the value that its node has of a label
//! has as many replicas in lower slots as it may; and where its node holds a workload
//! that is kept apart from this one and comes before it by name.

use super::knowledge::Known;
use crate::cluster::Cluster;
use orbweave_core::WorkloadSpec;
use orbweave_core::claim::Claim;
use orbweave_core::cordon::Service;
use orbweave_model::NodeId;
use orbweave_scheduler::policy::OVER_NODES;
use orbweave_scheduler::rivals::Phase;
use orbweave_trust::Authority;

/// What a host goes by.
pub(super) struct View<'a> {
    pub cluster: &'a Cluster,
    pub host: usize,
    pub known: Known,
    pub authority: &'a Authority,
}

impl View<'_> {
    /// Whether the slot of this holder should be elsewhere.
    pub fn yields(&self, name: &str, slot: u32, holder: NodeId, spec: &WorkloadSpec) -> bool {
        self.cluster.service_at(self.host, self.known, holder, self.authority) == Service::Drained
            || self.is_one_too_many(name, slot, holder, spec)
            || self.conflict(name, holder, spec).is_some_and(|other| *other < *name)
    }

    /// A workload that a node holds and that this one keeps apart from, on either's word:
    /// the first by name.
    pub fn conflict(&self, name: &str, holder: NodeId, spec: &WorkloadSpec) -> Option<String> {
        let held = self.cluster.held_at(self.host, self.known, holder).into_iter();
        let apart = |other: &String| {
            let theirs = || self.cluster.desired_at(self.host, self.known, other, self.authority);
            let names = |spec: &WorkloadSpec, name: &str| {
                !spec.deleted && spec.policy().apart_from.iter().any(|n| n.as_str() == name)
            };
            other != name && (names(spec, other) || theirs().is_some_and(|theirs| names(&theirs, name)))
        };
        held.filter(apart).min()
    }

    fn is_one_too_many(&self, name: &str, slot: u32, holder: NodeId, spec: &WorkloadSpec) -> bool {
        let claims = self.claims(name);
        spec.policy().spread.iter().any(|spread| {
            let (Some(most), Some(here)) = (spread.at_most, self.domain(&spread.over, holder)) else {
                return false;
            };
            let there =
                claims.iter().filter(|(other, _)| self.domain(&spread.over, *other) == Some(here.clone()));
            let lower = |claim: &Claim| {
                let stays = |slot: &u32| claim.at(*slot).is_some_and(|range| range.phase != Phase::Draining);
                (0..slot).filter(stays).count()
            };
            there.map(|(_, claim)| lower(claim)).sum::<usize>() >= most as usize
        })
    }

    /// All claims on a workload of holders that count, its own too.
    fn claims(&self, name: &str) -> Vec<(NodeId, Claim)> {
        let node = self.cluster.hosts[self.host].node.as_ref();
        let mut claims = self.cluster.rivals_at(self.host, self.known, name);
        claims.retain(|(holder, _)| node.is_some_and(|node| node.counts(*holder)));
        let own = match self.known {
            Known::Heard => self.cluster.last_claim(self.host, name),
            Known::Durable => self.cluster.durable_claim(self.host, name),
        };
        claims.extend(own.map(|claim| (self.cluster.hosts[self.host].id, claim)));
        claims
    }

    fn domain(&self, over: &str, node: NodeId) -> Option<String> {
        if over == OVER_NODES {
            return Some(node.to_string());
        }
        let host = self.cluster.host_of(&node)?;
        self.cluster.hosts[host].options.labels.get(over).map(str::to_owned)
    }
}

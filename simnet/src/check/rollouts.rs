//! A new revision goes to a few slots at a time, and never again to any once it failed.
//!
//! Judged at each start of what is new: by what the host knew, so many other slots at most
//! may be vacant, or before this one in their order and not settled; and no claim says that
//! this revision failed. A slot in which it has run or settled once has had its turn.

use super::knowledge::Known;
use super::{Checker, Observed};
use crate::cluster::Cluster;
use orbweave_core::claim::Claim;
use orbweave_core::io::Start;
use orbweave_core::rollout::mark;
use orbweave_core::{EventKind, Output, WorkloadSpec};
use orbweave_model::{InstanceId, NodeId};
use orbweave_scheduler::rivals::Phase;
use std::collections::{BTreeMap, BTreeSet};

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Rollouts {
    waiting: Vec<Start>,
    /// What is new and was started: by host and instance, the mark of its revision.
    started: BTreeMap<(usize, InstanceId), u64>,
    /// Where a revision came up: host, workload, slot, mark.
    ran: BTreeSet<(usize, String, u32, u64)>,
}

impl Checker for Rollouts {
    fn name(&self) -> &'static str {
        "rollouts"
    }

    fn observe(&mut self, cluster: &Cluster, host: usize, event: &Observed<'_>) -> Result<(), String> {
        match event {
            Observed::Output(Output::Start(start)) if !cluster.is_controlled(host) => {
                self.waiting.push(Start::clone(start));
            }
            Observed::Output(Output::Notify(event)) if event.kind == EventKind::Started => {
                if let (Some(instance), Some(name), Some(slot)) =
                    (event.instance, &event.workload, event.slot)
                    && let Some(mark) = self.started.remove(&(host, instance))
                {
                    self.ran.insert((host, name.as_str().to_owned(), slot, mark));
                }
            }
            Observed::Killed => {
                self.ran.retain(|(i, ..)| *i != host);
                self.started.retain(|(i, _), _| *i != host);
            }
            Observed::Settled if !self.waiting.is_empty() => {
                for start in std::mem::take(&mut self.waiting) {
                    self.note(cluster, host, &start);
                    let judge = |known| self.judge(cluster, host, &start, known);
                    if let (Err(why), Err(_)) = (judge(Known::Heard), judge(Known::Durable)) {
                        let (name, slot) = (&start.workload, start.slot);
                        return Err(format!("{name}/{slot} was started, and its revision {why}"));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Rollouts {
    fn note(&mut self, cluster: &Cluster, host: usize, start: &Start) {
        for known in [Known::Heard, Known::Durable] {
            if let Some(authority) = cluster.authority_at(host, known)
                && let Some(spec) = cluster.desired_at(host, known, start.workload.as_str(), &authority)
                && is_new(&spec, start)
            {
                self.started.insert((host, start.instance), mark(&spec.run_key()));
            }
        }
    }

    fn judge(&self, cluster: &Cluster, host: usize, start: &Start, known: Known) -> Result<(), String> {
        let (name, slot) = (start.workload.as_str(), start.slot);
        let Some(authority) = cluster.authority_at(host, known) else { return Ok(()) };
        let Some(spec) = cluster.desired_at(host, known, name, &authority) else { return Ok(()) };
        let Some(rollout) = spec.rollout.as_ref().filter(|_| is_new(&spec, start)) else { return Ok(()) };
        let mark = mark(&spec.run_key());
        let all = claims(cluster, host, known, name);
        let says = |has: &dyn Fn(&Claim) -> bool| all.iter().any(|(_, claim)| has(claim));
        if says(&|claim| claim.ranges.iter().any(|range| range.failed == Some(mark))) {
            return Err("was taken back".into());
        }
        let settled_at = |slot: u32| says(&|claim| claim.at(slot).is_some_and(|r| r.settled == Some(mark)));
        if settled_at(slot) || self.ran.contains(&(host, name.to_owned(), slot, mark)) {
            return Ok(());
        }
        let node = cluster.hosts[host].node.as_ref();
        let counts = |holder: &NodeId| node.is_some_and(|node| node.counts(*holder));
        let live: Vec<&Claim> = all.iter().filter(|(h, _)| counts(h)).map(|(_, claim)| claim).collect();
        let is_open = |other: &u32| {
            let mut held = live.iter().filter_map(|claim| claim.at(*other)).peekable();
            let vacant = held.peek().is_none();
            let settled = held.any(|r| r.phase == Phase::Running && r.settled == Some(mark));
            *other != slot && (vacant || (*other < slot && !settled))
        };
        let open = (0..spec.replicas).filter(is_open).count();
        if open < rollout.max_unavailable as usize {
            return Ok(());
        }
        Err(format!(
            "begins before its turn: {open} slots are vacant or not settled, of {}",
            rollout.max_unavailable
        ))
    }
}

/// Whether what starts is the new revision, and not the one before.
fn is_new(spec: &WorkloadSpec, start: &Start) -> bool {
    let Some(previous) = spec.rollout.as_ref().and_then(|rollout| rollout.previous.as_ref()) else {
        return false;
    };
    let env: Vec<(String, String)> = spec.env.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    previous.run_key() != spec.run_key() && start.release.bytes() == spec.release && start.env == env
}

/// All claims on a workload that a host knows, its own too.
fn claims(cluster: &Cluster, host: usize, known: Known, name: &str) -> Vec<(NodeId, Claim)> {
    let mut claims = cluster.rivals_at(host, known, name);
    let own = match known {
        Known::Heard => cluster.last_claim(host, name),
        Known::Durable => cluster.durable_claim(host, name),
    };
    claims.extend(own.map(|claim| (cluster.hosts[host].id, claim)));
    claims
}

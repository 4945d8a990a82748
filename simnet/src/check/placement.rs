//! Nothing is started but what may run there, judged by what the host knew at that
//! moment and by what its executor runs:
//!
//! - its claim on the slot is durable;
//! - an operator asks for that slot, and for that very release;
//! - the labels of the host satisfy what is required;
//! - the publisher is entrusted and not revoked; a release that has expired runs only
//!   where the host held a part of the workload before it did;
//! - all that runs fits into what the host has. An instance that takes the place of
//!   another of its slot is not counted twice, and not refused for needing more;
//! - it is taken on by no host that is cordoned, that holds what is kept apart from it, or
//!   that holds as many replicas as one node may.

use super::knowledge::Known;
use super::yielding::View;
use super::{Checker, Observed};
use crate::cluster::Cluster;
use orbweave_core::claim::Claim;
use orbweave_core::cordon::Service;
use orbweave_core::io::{Start, Write};
use orbweave_core::{Output, WorkloadSpec};
use orbweave_model::{InstanceId, Resources, Wall, WorkloadName};
use orbweave_scheduler::policy::OVER_NODES;
use orbweave_scheduler::rivals::Phase;
use orbweave_state::record::RecordKind;
use orbweave_trust::{Release, RollbackGuard};
use std::collections::{BTreeMap, BTreeSet};

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Placement {
    /// Starts that are judged once the node has put all out.
    waiting: Vec<Start>,
    /// Workloads of which a host takes on more, with what it held of them: judged then too.
    taken_on: Vec<(String, Claim)>,
    /// What each instance takes that an executor runs.
    needs: BTreeMap<(usize, InstanceId), Resources>,
    /// Since when, by its own clock, a host has held a part of a workload.
    held_since: BTreeMap<(usize, String), Wall>,
}

impl Checker for Placement {
    fn name(&self) -> &'static str {
        "placement"
    }

    fn observe(&mut self, cluster: &Cluster, host: usize, event: &Observed<'_>) -> Result<(), String> {
        match event {
            Observed::Output(Output::Start(start)) => self.waiting.push(Start::clone(start)),
            Observed::Output(Output::Stop { instance }) => drop(self.needs.remove(&(host, *instance))),
            Observed::Output(Output::Persist { writes, .. }) => {
                self.note_claims(cluster, host, writes);
                if !cluster.is_controlled(host) {
                    self.taken_on.extend(taken_on(cluster, host, writes));
                }
            }
            Observed::Killed => self.needs.retain(|(i, _), _| *i != host),
            Observed::Settled if !(self.waiting.is_empty() && self.taken_on.is_empty()) => {
                for (name, before) in std::mem::take(&mut self.taken_on) {
                    let refusal = |known| refusal(cluster, host, known, &name, &before);
                    if let (Some(why), Some(_)) = (refusal(Known::Heard), refusal(Known::Durable)) {
                        return Err(format!("it takes a slot of {name} on, and {why}"));
                    }
                }
                for start in std::mem::take(&mut self.waiting) {
                    if !cluster.is_controlled(host) {
                        self.judge(cluster, host, &start).map_err(|why| {
                            format!("{}/{} was started, and {why}", start.workload, start.slot)
                        })?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Placement {
    fn note_claims(&mut self, cluster: &Cluster, host: usize, writes: &[Write]) {
        for write in writes {
            if let Write::PutRecord { value, .. } = write
                && let Some(record) = cluster.read(value)
                && record.id().kind == RecordKind::CLAIM
                && cluster.author_of(&record) == Some(host)
                && let Ok(claim) = Claim::decode(record.body())
            {
                let key = (host, record.id().key.clone());
                if claim.is_empty() {
                    self.held_since.remove(&key);
                } else {
                    self.held_since.entry(key).or_insert_with(|| cluster.corrected(host));
                }
            }
        }
    }

    fn judge(&mut self, cluster: &Cluster, host: usize, start: &Start) -> Result<(), String> {
        let (name, slot) = (start.workload.as_str(), start.slot);
        if cluster.durable_claim(host, name).is_none_or(|claim| claim.at(slot).is_none()) {
            return Err("no claim of this host on it is durable".into());
        }
        let wanted = self.wanted(cluster, host, start, Known::Heard);
        let spec = wanted.or_else(|why| self.wanted(cluster, host, start, Known::Durable).or(Err(why)))?;
        let need = Resources { instances: spec.need.instances.max(1), ..spec.need };
        self.needs.insert((host, start.instance), need);
        self.fits(cluster, host, &start.workload, slot, start.instance)
    }

    /// What is asked for, if it is this release and one that may run here.
    fn wanted(
        &self,
        cluster: &Cluster,
        host: usize,
        start: &Start,
        known: Known,
    ) -> Result<WorkloadSpec, String> {
        let (name, slot) = (start.workload.as_str(), start.slot);
        let authority = cluster.authority_at(host, known).ok_or("the genesis document cannot be read")?;
        let spec = cluster.desired_at(host, known, name, &authority).ok_or("no operator asked for it")?;
        if spec.deleted || slot >= spec.replicas {
            return Err(format!("what holds is {} replicas, deleted: {}", spec.replicas, spec.deleted));
        }
        let previous = spec.rollout.as_ref().and_then(|rollout| rollout.previous.as_ref());
        let releases = [Some(&spec.release), previous.map(|previous| &previous.release)];
        if !releases.into_iter().flatten().any(|release| start.release.bytes() == release) {
            return Err("another release is asked for".into());
        }
        if let Some(unmet) = spec.requires.first_unmet(&cluster.hosts[host].options.labels) {
            return Err(format!("the labels of this host do not satisfy `{unmet}`"));
        }
        let (now, bytes) = (cluster.corrected(host), start.release.bytes());
        Release::verify_for_resume(bytes, &authority, &RollbackGuard::new(), now, &*cluster.check)
            .map_err(|why| why.to_string())?;
        let expires = start.release.statement().expires;
        let held = self.held_since.get(&(host, name.to_owned()));
        if now > expires && held.is_none_or(|since| *since > expires) {
            return Err("its release had expired when this host took it on".into());
        }
        Ok(spec)
    }

    /// Whether all slots that run on a host fit, if this instance is the first of its own.
    fn fits(
        &self,
        cluster: &Cluster,
        host: usize,
        workload: &WorkloadName,
        slot: u32,
        instance: InstanceId,
    ) -> Result<(), String> {
        let Host { capacity, running } = Host::of(cluster, host);
        let same = |(id, other, n): &(InstanceId, &WorkloadName, u32)| {
            *id != instance && *other == workload && *n == slot
        };
        if running.iter().any(same) {
            return Ok(());
        }
        let (mut seen, mut taken) = (BTreeSet::new(), Resources::default());
        for (id, workload, slot) in running.iter().rev() {
            if seen.insert((*workload, *slot))
                && let Some(need) = self.needs.get(&(host, *id))
            {
                taken = taken.plus(need);
            }
        }
        if capacity.fits(&taken) { Ok(()) } else { Err(format!("{taken:?} do not fit into {capacity:?}")) }
    }
}

/// The workloads of which a host claims slots that it did not claim before, with its
/// claims of before.
fn taken_on(cluster: &Cluster, host: usize, writes: &[Write]) -> Vec<(String, Claim)> {
    let mut taken_on = Vec::new();
    let mut last: BTreeMap<String, Claim> = BTreeMap::new();
    for write in writes {
        if let Write::PutRecord { value, .. } = write
            && let Some(record) = cluster.read(value)
            && record.id().kind == RecordKind::CLAIM
            && cluster.author_of(&record) == Some(host)
            && let Ok(claim) = Claim::decode(record.body())
        {
            let name = record.id().key.clone();
            let before = last.insert(name.clone(), claim.clone());
            let before = before.or_else(|| cluster.last_claim(host, &name)).unwrap_or_default();
            let mut slots = claim.ranges.iter().flat_map(|range| range.slots.start..range.slots.end);
            if slots.any(|slot| before.at(slot).is_none()) {
                taken_on.push((name, before));
            }
        }
    }
    taken_on
}

/// Why a host may take nothing more of a workload: it is cordoned, it holds a workload that
/// is kept apart from that one, or as many replicas as one node may.
fn refusal(cluster: &Cluster, host: usize, known: Known, name: &str, before: &Claim) -> Option<String> {
    let authority = cluster.authority_at(host, known)?;
    let me = cluster.hosts[host].id;
    if cluster.service_at(host, known, me, &authority) != Service::Open {
        return Some("it is cordoned".into());
    }
    let spec = cluster.desired_at(host, known, name, &authority)?;
    let view = View { cluster, host, known, authority: &authority };
    if let Some(other) = view.conflict(name, me, &spec) {
        return Some(format!("it holds {other}, which is kept apart from it"));
    }
    let holds = before.ranges.iter().filter(|range| range.phase != Phase::Draining);
    let holds: u32 = holds.map(|range| range.slots.end - range.slots.start).sum();
    let on_a_node = spec.policy().spread.iter().filter(|spread| spread.over == OVER_NODES);
    let most = on_a_node.filter_map(|spread| spread.at_most).min()?;
    (holds >= most).then(|| format!("it holds {holds} of them, where {most} are allowed"))
}

/// What a host has, and the slots that its executor runs.
struct Host<'a> {
    capacity: Resources,
    running: Vec<(InstanceId, &'a WorkloadName, u32)>,
}

impl<'a> Host<'a> {
    fn of(cluster: &'a Cluster, host: usize) -> Self {
        let host = &cluster.hosts[host];
        let running = host.instances.iter().map(|(id, i)| (*id, &i.workload, i.slot)).collect();
        Self { capacity: host.options.capacity, running }
    }
}

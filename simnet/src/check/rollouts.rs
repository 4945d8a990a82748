//! A new revision goes to a few slots at a time, and never again to any once it failed.
//!
//! Judged at each start, by what the host knew. Of what is new: so many other slots at most
//! may be vacant, or before this one in their order and not settled, unless as many have
//! settled; and no claim says that this revision failed. Of what was before: it starts in no
//! slot in which the new one has settled, while that did not fail.

use super::knowledge::Known;
use super::{Checker, Observed};
use crate::cluster::Cluster;
use orbweave_core::claim::{Claim, ClaimRange};
use orbweave_core::io::Start;
use orbweave_core::rollout::mark_of;
use orbweave_core::{Output, WorkloadSpec};
use orbweave_model::NodeId;
use orbweave_scheduler::rivals::Phase;
use orbweave_state::record::RecordKind;
use orbweave_trust::{Release, RollbackGuard};
use std::collections::BTreeMap;
use std::sync::Arc;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Rollouts {
    waiting: Vec<Start>,
    /// What each host itself had settled in a slot, in this life of its: a new claim on the
    /// slot does not say so until it is evaluated, and the host knows.
    had_settled: BTreeMap<(usize, String, u32), u64>,
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
            Observed::Durable { records, .. } => self.note_settled(cluster, host, records),
            Observed::Started => self.had_settled.retain(|(of, ..), _| *of != host),
            Observed::Settled if !self.waiting.is_empty() => {
                for start in std::mem::take(&mut self.waiting) {
                    let slot = (host, start.workload.as_str().to_owned(), start.slot);
                    let settled_here = self.had_settled.get(&slot).copied();
                    let judge = |known| judge(cluster, host, &start, known, settled_here);
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
    fn note_settled(&mut self, cluster: &Cluster, host: usize, records: &[Arc<[u8]>]) {
        let own = records.iter().filter_map(|bytes| cluster.read(bytes)).filter(|record| {
            record.id().kind == RecordKind::CLAIM && record.id().author == cluster.hosts[host].id.into()
        });
        for record in own {
            let Ok(claim) = Claim::decode(record.body()) else { continue };
            let name = &record.id().key;
            // What it holds no more, it knows by others alone.
            self.had_settled.retain(|(of, workload, slot), _| {
                (*of, workload) != (host, name) || claim.at(*slot).is_some()
            });
            for range in &claim.ranges {
                for slot in range.slots.start..range.slots.end {
                    let slot = (host, name.clone(), slot);
                    self.had_settled.extend(range.settled.map(|mark| (slot, mark)));
                }
            }
        }
    }
}

fn judge(
    cluster: &Cluster,
    host: usize,
    start: &Start,
    known: Known,
    settled_here: Option<u64>,
) -> Result<(), String> {
    let (name, slot) = (start.workload.as_str(), start.slot);
    let Some(authority) = cluster.authority_at(host, known) else { return Ok(()) };
    let Some(spec) = cluster.desired_at(host, known, name, &authority) else { return Ok(()) };
    let Some(rollout) = &spec.rollout else { return Ok(()) };
    let Some(is_new) = is_new(&spec, start) else { return Ok(()) };
    let (mark, now) = (mark_of(&spec), cluster.corrected(host));
    let good = |release: &[u8]| {
        let guard = RollbackGuard::new();
        Release::verify_for_resume(release, &authority, &guard, now, &*cluster.check).is_ok()
    };
    // Without something good to go back to, or to go to, there is no choice.
    if !rollout.previous.as_ref().is_some_and(|previous| good(&previous.release)) || !good(&spec.release) {
        return Ok(());
    }
    let all = claims(cluster, host, known, name);
    let elsewhere = cluster.allotted_elsewhere(host, known, name);
    let node = cluster.hosts[host].node.as_ref();
    let live: Vec<&Claim> = all
        .iter()
        .filter(|(holder, _)| node.is_some_and(|node| node.counts(*holder)))
        .map(|(_, claim)| claim)
        .chain(elsewhere.iter().map(|(_, allotment)| &allotment.claim))
        .collect();
    let runs = |range: &ClaimRange| range.phase == Phase::Running;
    // Of its own failures a host knows before it has written them down.
    let own = cluster.last_claim(host, name);
    let said = live.iter().copied().chain(&own);
    let failed = said.flat_map(|claim| &claim.ranges).any(|range| range.failed == Some(mark));
    let settled =
        |slot: u32| live.iter().filter_map(|c| c.at(slot)).any(|r| runs(r) && r.settled == Some(mark));
    let unsettled =
        |slot: u32| live.iter().filter_map(|c| c.at(slot)).any(|r| runs(r) && r.settled != Some(mark));
    let claims = all.iter().map(|(_, claim)| claim);
    let claims = claims.chain(elsewhere.iter().map(|(_, allotment)| &allotment.claim));
    let had_settled = claims.filter_map(|claim| claim.at(slot)).any(|range| range.settled == Some(mark));
    if !is_new {
        return if had_settled && !unsettled(slot) && !failed {
            Err("is the one before, though the new one had settled there".into())
        } else {
            Ok(())
        };
    }
    if failed {
        return Err("was taken back".into());
    }
    let most = rollout.max_unavailable as usize;
    let had_settled = had_settled || settled_here == Some(mark);
    if had_settled || (0..spec.replicas).filter(|slot| settled(*slot)).count() >= most {
        return Ok(());
    }
    let others = || (0..spec.replicas).filter(|other| *other != slot);
    let vacant = |slot: &u32| live.iter().all(|claim| claim.at(*slot).is_none());
    let vacancies = others().filter(vacant).count().min(most - 1);
    let open = others().filter(|other| *other < slot && !vacant(other) && !settled(*other)).count();
    if vacancies + open < most {
        return Ok(());
    }
    Err(format!("begins before its turn: {vacancies} slots are vacant, {open} not settled, of {most}"))
}

/// Whether what starts is the new revision, or the one before; none where both are one, or
/// it is neither.
fn is_new(spec: &WorkloadSpec, start: &Start) -> Option<bool> {
    let previous = spec.rollout.as_ref()?.previous.as_ref()?;
    let is = |release: &[u8], env: &std::collections::BTreeMap<String, String>| {
        let env: Vec<(String, String)> = env.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        start.release.bytes() == release && start.env == env
    };
    if previous.run_key() == spec.run_key() {
        return None;
    }
    match (is(&spec.release, &spec.env), is(&previous.release, &previous.env)) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

/// All claims on a workload that a host knows, its own too: of that the node itself goes by
/// what is durable.
fn claims(cluster: &Cluster, host: usize, known: Known, name: &str) -> Vec<(NodeId, Claim)> {
    let mut claims = cluster.rivals_at(host, known, name);
    let own = cluster.durable_claim(host, name);
    claims.extend(own.map(|claim| (cluster.hosts[host].id, claim)));
    claims
}

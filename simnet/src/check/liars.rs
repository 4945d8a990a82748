//! Nobody takes more than the rules give.
//!
//! A member that lies may claim any slot, and by `reconcile` its claim may win: results
//! that must be right in spite of a lying host need several hosts, as SECURITY.md says.
//! What is promised, and checked here, is that this is its whole share. A host that
//! does not lie gives up a slot that it runs for one of these reasons alone:
//!
//! - it was asked to leave, or its own key was revoked;
//! - an operator deleted the workload, scaled it below the slot, or asked for labels that
//!   the host lacks; or the release is trusted no more;
//! - a claim on that very slot, signed by its holder and on this host's disk, is said to
//!   run and comes before its own: its own should be elsewhere and that one not, or by the
//!   workload's rule; and its holder is not held for dead;
//! - another zone is said to run it, by a leader whose word counts, and keeps it before this
//!   one by the same rule.
//!
//! So one liar is one rival a slot: it cannot speak for others, nor stop what it does
//! not claim to run. That also is what makes a loser wait for its winner, and lets the
//! winner stay.

use super::knowledge::Known;
use super::yielding::View;
use super::{Checker, Observed};
use crate::cluster::Cluster;
use orbweave_core::Output;
use orbweave_core::claim::{Claim, ClaimRange};
use orbweave_core::io::Write;
use orbweave_model::{NodeId, Wall};
use orbweave_scheduler::rivals::{Phase, Reconcile};
use orbweave_state::record::RecordKind;
use orbweave_trust::{Release, RollbackGuard};
use std::collections::BTreeSet;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct WorkKept {
    /// Slots that were given up by what the node is just putting out: with their claim.
    waiting: Vec<(String, u32, ClaimRange)>,
    leaving: BTreeSet<usize>,
}

impl Checker for WorkKept {
    fn name(&self) -> &'static str {
        "work-kept"
    }

    fn observe(&mut self, cluster: &Cluster, host: usize, event: &Observed<'_>) -> Result<(), String> {
        match event {
            Observed::Leaving => drop(self.leaving.insert(host)),
            Observed::Started => drop(self.leaving.remove(&host)),
            Observed::Output(Output::Persist { writes, .. }) => self.note_losses(cluster, host, writes),
            Observed::Settled if !self.waiting.is_empty() => {
                for (name, slot, claim) in std::mem::take(&mut self.waiting) {
                    if !cluster.is_controlled(host) && !self.leaving.contains(&host) {
                        self.judge(cluster, host, &name, slot, &claim)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl WorkKept {
    /// Compares each claim of a host with its last one.
    fn note_losses(&mut self, cluster: &Cluster, host: usize, writes: &[Write]) {
        let mut last: Option<(String, Claim)> = None;
        for write in writes {
            if let Write::PutRecord { value, .. } = write
                && let Some(record) = cluster.read(value)
                && record.id().kind == RecordKind::CLAIM
                && cluster.author_of(&record) == Some(host)
                && let Ok(claim) = Claim::decode(record.body())
            {
                let name = record.id().key.clone();
                let before = match last.take() {
                    Some((of, claim)) if of == name => claim,
                    _ => cluster.last_claim(host, &name).unwrap_or_default(),
                };
                for range in before.ranges.iter().filter(|range| range.phase == Phase::Running) {
                    let lost = |slot: &u32| claim.at(*slot).is_none_or(|now| now.phase == Phase::Draining);
                    let lost = (range.slots.start..range.slots.end).filter(lost);
                    self.waiting.extend(lost.map(|slot| (name.clone(), slot, *range)));
                }
                last = Some((name, claim));
            }
        }
    }

    fn judge(
        &self,
        cluster: &Cluster,
        host: usize,
        name: &str,
        slot: u32,
        mine: &ClaimRange,
    ) -> Result<(), String> {
        let any = |known| has_reason(cluster, host, known, name, (slot, mine));
        if any(Known::Heard) || any(Known::Durable) {
            return Ok(());
        }
        Err(format!("it gives {name}/{slot} up, which it runs at epoch {}, for no reason", mine.epoch))
    }
}

/// Whether what a host knows is a reason to give up a slot that it runs.
fn has_reason(
    cluster: &Cluster,
    host: usize,
    known: Known,
    name: &str,
    (slot, mine): (u32, &ClaimRange),
) -> bool {
    let me = cluster.hosts[host].id;
    let Some(authority) = cluster.authority_at(host, known) else { return true };
    if authority.is_revoked(&me.into()) {
        return true;
    }
    let Some(spec) = cluster.desired_at(host, known, name, &authority) else { return true };
    let labels = &cluster.hosts[host].options.labels;
    if spec.deleted || slot >= spec.replicas || !spec.requires.matches(labels) {
        return true;
    }
    let now: Wall = cluster.corrected(host);
    let guard = RollbackGuard::new();
    // What runs goes on when its release expires.
    if Release::verify_for_resume(&spec.release, &authority, &guard, now, &*cluster.check).is_err() {
        return true;
    }
    let rule = spec.reconcile.unwrap_or_default();
    let view = View { cluster, host, known, authority: &authority };
    let yields = view.yields(name, slot, me, &spec);
    let wins = |(holder, claim): &(NodeId, Claim)| {
        let running = claim.at(slot).filter(|range| range.phase == Phase::Running);
        let trusted = !authority.is_revoked(&(*holder).into());
        // Nobody gives way to the dead.
        let counts = cluster.hosts[host].node.as_ref().is_some_and(|node| node.counts(*holder));
        let comes_before = |theirs| match (yields, view.yields(name, slot, *holder, &spec)) {
            (true, false) => true,
            (false, true) => false,
            _ => comes_before(rule, (*holder, theirs), (me, mine)),
        };
        trusted && counts && running.is_some_and(comes_before)
    };
    cluster.rivals_at(host, Known::Heard, name).iter().any(wins)
        || runs_in_another_zone(cluster, host, known, name, slot, rule)
}

/// Whether another zone runs a slot, by its leader's word, and keeps it before this one.
fn runs_in_another_zone(
    cluster: &Cluster,
    host: usize,
    known: Known,
    name: &str,
    slot: u32,
    rule: Reconcile,
) -> bool {
    let voice = cluster.hosts[host].node.as_ref().and_then(|node| node.voice());
    let all = cluster.allotted(host, known, name);
    let mine = all.iter().find(|(leader, _)| Some(*leader) == voice);
    let kept = mine.filter(|(_, allotment)| allotment.keeps(slot));
    let kept = kept.and_then(|(leader, allotment)| Some((*leader, allotment.claim.at(slot)?)));
    let elsewhere = all.iter().filter(|(leader, allotment)| Some(*leader) != voice && allotment.keeps(slot));
    elsewhere.filter_map(|(leader, allotment)| Some((*leader, allotment.claim.at(slot)?))).any(
        |(leader, theirs)| {
            let wins = |mine| comes_before(rule, (leader, theirs), mine);
            theirs.phase == Phase::Running && kept.is_none_or(wins)
        },
    )
}

/// Whether one claim on a slot keeps it before another, as SCHEDULING.md says.
fn comes_before(rule: Reconcile, one: (NodeId, &ClaimRange), other: (NodeId, &ClaimRange)) -> bool {
    let ((a, one), (b, other)) = (one, other);
    match rule {
        Reconcile::KeepNewest => (one.epoch, one.score, a) > (other.epoch, other.score, b),
        Reconcile::KeepOriginal => {
            one.epoch < other.epoch || (one.epoch == other.epoch && (one.score, a) > (other.score, b))
        }
        Reconcile::BestScore => (one.score, one.epoch, a) > (other.score, other.epoch, b),
    }
}

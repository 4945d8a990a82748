//! Rollouts: which revision of a workload a slot runs. A new one goes to a few slots at a
//! time, in their order; each must have run for a while before the next begins; and where
//! it does not come up, all slots go back to the one before. Every node decides for its
//! own slots, by claims alone: those say which revision has settled, and which failed.

use crate::claim::{Claim, ClaimRange};
use crate::event::{Event, EventKind};
use crate::node::Node;
use crate::view::Desired;
use crate::workload::{Revision, Rollout};
use orbweave_model::plant::{self, Plant};
use orbweave_model::{Hash, NodeId, WorkloadName};
use orbweave_scheduler::rivals::{self, Phase};
use orbweave_trust::Release;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Failures of one slot after which a rollout has failed.
pub(crate) const FAILURES_MAX: u32 = 3;

/// What a slot runs, or is about to.
pub(crate) struct Wanted<'a> {
    pub generation: u64,
    pub run_key: Hash,
    pub release: &'a Result<Release, String>,
    /// What instances depend on.
    pub revision: Cow<'a, Revision>,
}

/// How far a rollout is, by the claims of nodes that are alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Slots that run the new revision.
    pub updated: u32,
    /// Of those, the ones that have settled.
    pub settled: u32,
    /// Who said first, by its id, that it failed.
    pub failed: Option<NodeId>,
}

/// What names a revision in claims: it does not change with a generation that changes
/// nothing for instances.
pub fn mark(run_key: &Hash) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = run_key.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl Desired {
    /// The rollout, if there is something to go back to.
    fn rollout(&self) -> Option<&Rollout> {
        self.spec.rollout.as_ref().filter(|rollout| rollout.previous.is_some())
    }

    fn latest(&self) -> Wanted<'_> {
        let revision = Cow::Owned(self.spec.revision());
        Wanted { generation: self.spec.generation, run_key: self.run_key, release: &self.release, revision }
    }

    fn previous(&self) -> Option<Wanted<'_>> {
        let revision = self.rollout()?.previous.as_ref()?;
        let previous = self.previous.as_ref()?;
        Some(Wanted {
            generation: revision.generation,
            run_key: previous.run_key,
            release: &previous.release,
            revision: Cow::Borrowed(revision),
        })
    }
}

impl Node {
    /// What a slot that this node holds shall run.
    pub(crate) fn wanted(&self, name: &WorkloadName, slot: u32) -> Option<Wanted<'_>> {
        let desired = self.desired.get(name)?;
        let Some(rollout) = desired.rollout() else { return Some(desired.latest()) };
        let held = self.held.get(&(name.clone(), slot));
        let has = held.and_then(|held| held.current.as_ref()).map(|run| run.run_key);
        let mark = mark(&desired.run_key);
        let failed = self.has_failed(name, mark) && !plant::on(Plant::RollbackUndone);
        let begins = has == Some(desired.run_key)
            || held.is_some_and(|held| held.ran == Some(mark))
            || self.has_settled(name, slot, mark)
            || (!rollout.paused && self.may_begin(name, desired, rollout, slot));
        if !failed && begins { Some(desired.latest()) } else { desired.previous().or(Some(desired.latest())) }
    }

    /// Whether the rollout of a revision failed somewhere, as far as this node knows.
    fn has_failed(&self, name: &WorkloadName, mark: u64) -> bool {
        let claims = self.claims.get(name).into_iter().flatten().map(|(_, claim)| claim);
        let said = claims.flat_map(|claim| &claim.ranges).any(|range| range.failed == Some(mark));
        said || self
            .held
            .range((name.clone(), 0)..=(name.clone(), u32::MAX))
            .any(|(_, held)| held.failed == Some(mark))
    }

    /// Whether a revision has settled in a slot once, wherever that was.
    fn has_settled(&self, name: &WorkloadName, slot: u32, mark: u64) -> bool {
        let claims = self.claims.get(name).into_iter().flatten();
        claims.filter_map(|(_, claim)| claim.at(slot)).any(|range| range.settled == Some(mark))
    }

    /// Whether it is a slot's turn: fewer slots than may be unavailable are either vacant,
    /// or before it in their order and not settled.
    fn may_begin(&self, name: &WorkloadName, desired: &Desired, rollout: &Rollout, slot: u32) -> bool {
        if plant::on(Plant::GateIgnored) {
            return true;
        }
        let keepers = self.keepers(name, desired);
        let mark = mark(&desired.run_key);
        let settled = |range: &ClaimRange| range.phase == Phase::Running && range.settled == Some(mark);
        let open =
            (0..desired.slots()).filter(|other| *other != slot).filter(|other| match keepers.get(other) {
                None => true,
                Some(range) => *other < slot && !settled(range),
            });
        open.take(rollout.max_unavailable as usize).count() < rollout.max_unavailable as usize
    }

    /// The claim that keeps each slot.
    fn keepers(&self, name: &WorkloadName, desired: &Desired) -> BTreeMap<u32, ClaimRange> {
        let keeper = |slot| {
            let holdings = self.holdings(name, slot);
            let holder = rivals::keeper(desired.rule(), &holdings)?.holder;
            Some((slot, *self.claims.get(name)?.get(&holder)?.at(slot)?))
        };
        (0..desired.slots()).filter_map(keeper).collect()
    }

    /// How far the rollout of a workload is. `None` where none was asked for.
    pub fn progress(&self, name: &WorkloadName) -> Option<Progress> {
        let desired = self.desired.get(name)?;
        desired.rollout()?;
        let (generation, mark) = (desired.spec.generation, mark(&desired.run_key));
        let keepers = self.keepers(name, desired);
        let count =
            |has: &dyn Fn(&ClaimRange) -> bool| keepers.values().filter(|range| has(range)).count() as u32;
        let claims = self.claims.get(name).into_iter().flatten();
        let failed = |(holder, claim): (&NodeId, &Arc<Claim>)| {
            claim.ranges.iter().any(|range| range.failed == Some(mark)).then_some(*holder)
        };
        Some(Progress {
            updated: count(&|range| range.generation == Some(generation)),
            settled: count(&|range| range.settled == Some(mark)),
            failed: claims.into_iter().find_map(failed),
        })
    }

    /// Takes note of what has run for long enough, and of a failure that others tell of:
    /// it must outlive the node that saw it.
    pub(crate) fn review_rollout(&mut self, name: &WorkloadName) {
        let Some(desired) = self.desired.get(name) else { return };
        let Some(settle) = desired.rollout().map(|rollout| Duration::from_millis(rollout.settle_ms)) else {
            return;
        };
        let (run_key, mark) = (desired.run_key, mark(&desired.run_key));
        let failed = self.has_failed(name, mark).then_some(mark);
        let now = self.now.mono;
        let mut changed = false;
        for (_, held) in self.held.range_mut((name.clone(), 0)..=(name.clone(), u32::MAX)) {
            let run = held.current.as_ref().filter(|run| run.run_key == run_key);
            let settles_at = run.map(|run| run.since + settle);
            let settled = settles_at.is_some_and(|at| at <= now).then_some(mark);
            held.settles_at = settles_at.filter(|at| *at > now);
            changed |= (held.settled, held.failed) != (settled, failed);
            if settled.is_some() {
                held.failures = 0;
            }
            (held.settled, held.failed) = (settled, failed);
        }
        if changed {
            self.publish_claim(name, Vec::new());
        }
    }

    /// A new revision did not come up in a slot for the last time: all go back.
    pub(crate) fn fail_rollout(&mut self, name: &WorkloadName, slot: u32, why: &str) {
        let Some(desired) = self.desired.get(name) else { return };
        let (generation, mark) = (desired.spec.generation, mark(&desired.run_key));
        if let Some(held) = self.held.get_mut(&(name.clone(), slot)) {
            (held.failed, held.failures, held.retry_at) = (Some(mark), 0, None);
        }
        let text = format!("generation {generation} of {name} is rolled back");
        let event = Event::new(EventKind::RolledBack, text).of(name).slot(slot);
        self.notify(event.because(why.to_owned()));
        self.publish_claim(name, Vec::new());
        self.dirty.insert(name.clone());
    }

    /// Whether a workload has a revision that could still be taken back.
    pub(crate) fn is_rolling(&self, name: &WorkloadName) -> bool {
        self.desired.get(name).is_some_and(|desired| desired.rollout().is_some())
    }

    /// Whether a run that failed is of a revision that can still be taken back.
    pub(crate) fn may_roll_back(&self, name: &WorkloadName, run_key: Hash) -> bool {
        let Some(desired) = self.desired.get(name) else { return false };
        desired.rollout().is_some()
            && desired.run_key == run_key
            && !self.has_failed(name, mark(&desired.run_key))
    }
}

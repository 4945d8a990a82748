//! Rollouts: which revision of a workload a slot runs. A new one goes to a few slots at a
//! time, in their order; each must have run for a while before the next begins; and where
//! it does not come up, all slots go back to the one before. Every node decides for its
//! own slots, by claims alone: those say which revision has settled, and which failed.

use crate::event::{Event, EventKind};
use crate::holding::Held;
use crate::node::Node;
use crate::view::Desired;
use crate::workload::{Revision, Rollout, WorkloadSpec};
use orbweave_model::plant::{self, Plant};
use orbweave_model::{Hash, NodeId, Resources, WorkloadName};
use orbweave_scheduler::rivals::Phase;
use orbweave_trust::Release;
use std::time::Duration;

/// Failures of one slot after which a rollout has failed.
const FAILURES_MAX: u32 = 3;

/// What a slot runs, or is about to.
pub(crate) struct Wanted<'a> {
    pub generation: u64,
    pub run_key: Hash,
    pub release: &'a Result<Release, String>,
    /// What one replica needs.
    pub need: Resources,
    spec: &'a WorkloadSpec,
    previous: Option<&'a Revision>,
}

impl Wanted<'_> {
    /// What instances depend on: a copy, for one that starts.
    pub fn revision(&self) -> Revision {
        self.previous.cloned().unwrap_or_else(|| self.spec.revision())
    }
}

/// How far a rollout is, by the claims of nodes that are alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Slots that run the new revision.
    pub updated: u32,
    /// Of those, the ones that have settled.
    pub settled: u32,
    /// Whether every slot has settled once.
    pub is_over: bool,
    /// Who said first, by its id, that it failed.
    pub failed: Option<NodeId>,
}

/// What names a revision in claims: it does not change with a generation that changes
/// nothing for instances, and does where people try once more what was taken back.
pub fn mark(run_key: &Hash, attempt: u64) -> u64 {
    let attempted = Hash::of(&[&run_key.0[..], &attempt.to_be_bytes()].concat());
    let [a, b, c, d, e, f, g, h, ..] = attempted.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The mark of what a specification wants.
pub fn mark_of(spec: &WorkloadSpec) -> u64 {
    mark(&spec.run_key(), attempt(spec))
}

fn attempt(spec: &WorkloadSpec) -> u64 {
    spec.rollout.as_ref().and_then(|rollout| rollout.attempt).unwrap_or(0)
}

impl Desired {
    /// The rollout, if there is something good to go back to.
    fn rollout(&self) -> Option<&Rollout> {
        let good = self.previous.as_ref().is_some_and(|previous| previous.release.is_ok());
        self.spec.rollout.as_ref().filter(|rollout| good && rollout.previous.is_some())
    }

    pub(crate) fn mark(&self) -> u64 {
        mark(&self.run_key, attempt(&self.spec))
    }

    fn latest(&self) -> Wanted<'_> {
        Wanted {
            generation: self.spec.generation,
            run_key: self.run_key,
            release: &self.release,
            need: self.spec.need,
            spec: &self.spec,
            previous: None,
        }
    }

    fn previous(&self) -> Option<Wanted<'_>> {
        let revision = self.rollout()?.previous.as_ref()?;
        let previous = self.previous.as_ref()?;
        Some(Wanted {
            generation: revision.generation,
            run_key: previous.run_key,
            release: &previous.release,
            need: revision.need,
            spec: &self.spec,
            previous: Some(revision),
        })
    }
}

/// What is known of one slot under a rollout.
mod flag {
    /// Somebody who is alive holds it.
    pub const HELD: u8 = 1;
    /// The new revision runs there.
    pub const UPDATED: u8 = 2;
    /// It has settled there, and runs.
    pub const SETTLED: u8 = 4;
    /// It settled there once, by whoever held it.
    pub const HAD_SETTLED: u8 = 8;
    /// Somebody who is alive runs the slot, and says of no such thing.
    pub const UNSETTLED: u8 = 16;
}

/// How far a rollout is in each slot: all claims, read once.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    slots: Vec<u8>,
    /// Who says that it failed.
    failed: Option<NodeId>,
    /// Slots that nobody holds.
    vacant: usize,
    /// Slots in which the new revision has settled.
    settled: usize,
    /// The first slots that are held and have not settled, as many as may be unavailable.
    open: Vec<u32>,
    max_unavailable: usize,
}

impl Turns {
    fn flags(&self, slot: u32) -> u8 {
        self.slots.get(slot as usize).copied().unwrap_or(0)
    }

    fn count(&self, with: u8, without: u8) -> usize {
        self.slots.iter().filter(|flags| **flags & with == with && **flags & without == 0).count()
    }

    /// Whether the new revision has settled in a slot once, and nobody says otherwise.
    fn had_settled(&self, slot: u32) -> bool {
        self.flags(slot) & (flag::HAD_SETTLED | flag::UNSETTLED) == flag::HAD_SETTLED
    }

    /// Whether every slot has settled once.
    fn is_over(&self) -> bool {
        self.count(flag::HAD_SETTLED, flag::UNSETTLED) == self.slots.len()
    }

    /// Whether a failure is not the revision's any more: as many slots as begin at first
    /// have settled.
    fn is_proven(&self) -> bool {
        self.settled >= self.max_unavailable || self.is_over()
    }

    /// Whether it is a slot's turn: fewer slots than may be unavailable are either vacant,
    /// or before it in their order and not settled. What finds no node holds up all others
    /// but one: the new instance starts beside the old, so that nothing is missing for it.
    fn may_begin(&self, slot: u32) -> bool {
        let vacant = self.vacant - usize::from(self.vacant > 0 && self.flags(slot) & flag::HELD == 0);
        let before = self.open.iter().take_while(|other| **other < slot).count();
        vacant.min(self.max_unavailable - 1) + before < self.max_unavailable
    }
}

impl Node {
    /// What a slot that this node holds shall run. `None` where it goes on with what it
    /// runs, or nothing is known.
    pub(crate) fn wanted(&self, name: &WorkloadName, slot: u32) -> Option<Wanted<'_>> {
        let desired = self.desired.get(name)?;
        let (Some(rollout), Some(previous)) = (desired.rollout(), desired.previous()) else {
            return Some(desired.latest());
        };
        if desired.release.is_err() {
            return Some(previous);
        }
        let held = self.held.get(&(name.clone(), slot));
        let runs = held.and_then(|held| held.current.as_ref()).map(|run| run.run_key);
        // Looked at when the workload was evaluated; before that nothing new begins.
        let turns = self.turns.get(name);
        if turns.is_some_and(|turns| turns.failed.is_some()) && !plant::on(Plant::RollbackUndone) {
            return Some(previous);
        }
        let begins = runs == Some(desired.run_key)
            || held.is_some_and(|held| held.settled == Some(desired.mark()))
            || plant::on(Plant::GateIgnored)
            || turns.is_some_and(|turns| {
                // Where nothing runs, what is proven elsewhere is no risk.
                let proven = runs.is_none() && turns.is_proven();
                proven || turns.had_settled(slot) || (!rollout.paused && turns.may_begin(slot))
            });
        match runs {
            _ if begins => Some(desired.latest()),
            // What is neither of both goes on until its turn.
            Some(runs) if runs != previous.run_key => None,
            _ => Some(previous),
        }
    }

    /// Reads how far the rollout of a workload is.
    fn read_turns(&self, name: &WorkloadName, desired: &Desired, rollout: &Rollout) -> Turns {
        let (generation, mark) = (desired.spec.generation, desired.mark());
        let max_unavailable = rollout.max_unavailable.max(1) as usize;
        let slots = vec![0; desired.slots() as usize];
        let mut turns = Turns { slots, max_unavailable, ..Turns::default() };
        let nodes = self.claims.get(name).into_iter().flatten();
        let nodes = nodes.map(|(holder, claim)| (*holder, &**claim, self.counts(*holder)));
        // What other zones hold their leaders say.
        let zones = self.allotted_elsewhere(name).map(|(leader, a)| (leader, &a.claim, true));
        for (holder, claim, counts) in nodes.chain(zones) {
            for range in &claim.ranges {
                let settled = range.settled == Some(mark);
                let mut flags = if settled { flag::HAD_SETTLED } else { 0 };
                if counts {
                    let runs = range.phase == Phase::Running;
                    let updated = runs && range.generation == Some(generation);
                    flags |= flag::HELD;
                    flags |= if updated { flag::UPDATED } else { 0 };
                    flags |= if updated && settled { flag::SETTLED } else { 0 };
                    flags |= if runs && !settled { flag::UNSETTLED } else { 0 };
                }
                let end = turns.slots.len().min(range.slots.end as usize);
                let concerned = turns.slots[..end].iter_mut().skip(range.slots.start as usize);
                for slot in concerned {
                    *slot |= flags;
                }
                // Also of a slot that is wanted no more: that it failed is so.
                if counts && range.failed == Some(mark) {
                    turns.failed.get_or_insert(holder);
                }
            }
        }
        if self.held_of_workload(name).any(|held| held.failed == Some(mark)) {
            turns.failed.get_or_insert(self.me);
        }
        turns.vacant = turns.slots.len() - turns.count(flag::HELD, 0);
        turns.settled = turns.count(flag::SETTLED, flag::UNSETTLED);
        let is_open = |flags: &u8| {
            flags & flag::HELD != 0 && flags & (flag::SETTLED | flag::UNSETTLED) != flag::SETTLED
        };
        let open = (0..).zip(&turns.slots).filter(|(_, flags)| is_open(flags));
        turns.open = open.map(|(slot, _)| slot).take(max_unavailable).collect();
        turns
    }

    fn held_of_workload<'a>(&'a self, name: &'a WorkloadName) -> impl Iterator<Item = &'a Held> {
        self.held.range((name.clone(), 0)..=(name.clone(), u32::MAX)).map(|(_, held)| held)
    }

    /// How far the rollout of a workload is. `None` where there is nothing to go back to.
    pub fn progress(&self, name: &WorkloadName) -> Option<Progress> {
        let desired = self.desired.get(name)?;
        let turns = self.read_turns(name, desired, desired.rollout()?);
        let count = |flags| u32::try_from(turns.count(flags, 0)).unwrap_or(u32::MAX);
        Some(Progress {
            updated: count(flag::UPDATED),
            settled: u32::try_from(turns.settled).unwrap_or(u32::MAX),
            is_over: turns.is_over(),
            failed: turns.failed,
        })
    }

    /// Takes note of what has run for long enough, and of a failure that others tell of:
    /// it must outlive the node that saw it.
    pub(crate) fn review_rollout(&mut self, name: &WorkloadName) {
        let rollout = self.desired.get(name).and_then(|d| Some((d, d.rollout()?)));
        let Some((desired, rollout)) = rollout else {
            self.turns.remove(name);
            return;
        };
        let settle = Duration::from_millis(rollout.settle_ms);
        let (run_key, mark) = (desired.run_key, desired.mark());
        let turns = self.read_turns(name, desired, rollout);
        let failed = turns.failed.map(|_| mark);
        let now = self.now.mono;
        let mut changed = false;
        for ((_, slot), held) in self.held.range_mut((name.clone(), 0)..=(name.clone(), u32::MAX)) {
            let run = held.current.as_ref().filter(|run| run.run_key == run_key);
            let settles_at = run.map(|run| run.since + settle).filter(|_| held.settled != Some(mark));
            held.settles_at = settles_at.filter(|at| *at > now);
            // Once it has settled in a slot it has, whoever holds the slot, until another does.
            let has_settled = settles_at.is_some_and(|at| at <= now)
                || (held.current.is_none() && turns.had_settled(*slot));
            let settled = if has_settled { Some(mark) } else { held.settled };
            changed |= (held.settled, held.failed) != (settled, failed);
            (held.settled, held.failed) = (settled, failed);
        }
        self.turns.insert(name.clone(), turns);
        if changed {
            self.publish_claim(name, Vec::new());
        }
    }

    /// An instance failed. Where it was of the new revision for the last time, all slots go
    /// back: true. One that has settled in this slot, or in as many slots as begin at
    /// first, is not to blame.
    pub(crate) fn fail_rollout(&mut self, name: &WorkloadName, slot: u32, run_key: Hash, why: &str) -> bool {
        let Some(desired) = self.desired.get(name).filter(|d| d.rollout().is_some()) else { return false };
        let (generation, mark) = (desired.spec.generation, desired.mark());
        let is_new = desired.run_key == run_key;
        let Some(held) = self.held.get_mut(&(name.clone(), slot)) else { return false };
        let failures = match held.failures_of {
            Some((of, failures)) if of == run_key => failures.saturating_add(1),
            _ => 1,
        };
        held.failures_of = Some((run_key, failures));
        let turns = self.turns.get(name);
        let blameless = turns.is_none_or(|t| t.failed.is_some() || t.is_proven() || t.had_settled(slot));
        if !is_new || failures < FAILURES_MAX || blameless {
            return false;
        }
        (held.failed, held.failures, held.retry_at) = (Some(mark), 0, None);
        let text = format!("generation {generation} of {name} is rolled back");
        let event = Event::new(EventKind::RolledBack, text).of(name).slot(slot);
        self.notify(event.because(format!("{failures} failures: {why}")));
        self.publish_claim(name, Vec::new());
        self.dirty.insert(name.clone());
        true
    }
}

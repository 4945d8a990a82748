//! Rollouts: which revision of a workload a slot runs. A new one goes to a few slots at a
//! time, in their order; each must have run for a while before the next begins; and where
//! it does not come up, all slots go back to the one before. Every node decides for its
//! own slots, by claims alone: those say which revision has settled, and which failed.

use crate::event::{Event, EventKind};
use crate::holding::Held;
use crate::node::Node;
use crate::view::Desired;
use crate::workload::{Revision, Rollout};
use orbweave_model::plant::{self, Plant};
use orbweave_model::{Hash, NodeId, WorkloadName};
use orbweave_scheduler::rivals::Phase;
use orbweave_trust::Release;
use std::borrow::Cow;
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
    /// Whether every slot has settled once.
    pub is_over: bool,
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

/// What is known of one slot under a rollout.
mod flag {
    /// Somebody who is alive holds it.
    pub const HELD: u8 = 1;
    /// It runs the new revision.
    pub const UPDATED: u8 = 2;
    /// That has settled.
    pub const SETTLED: u8 = 4;
    /// That settled once, wherever it was.
    pub const HAD_SETTLED: u8 = 8;
}

/// How far a rollout is in each slot: all claims, read once.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    slots: Vec<u8>,
    /// Who says that it failed.
    failed: Option<NodeId>,
    /// Slots that nobody holds.
    vacant: usize,
    /// The first slots that are held and have not settled, as many as may be unavailable.
    open: Vec<u32>,
}

impl Turns {
    fn has(&self, slot: u32, flag: u8) -> bool {
        self.slots.get(slot as usize).is_some_and(|flags| flags & flag != 0)
    }

    fn count(&self, flag: u8) -> usize {
        self.slots.iter().filter(|flags| **flags & flag != 0).count()
    }

    /// Whether every slot has settled once: from then on a failure is the slot's own.
    fn is_over(&self) -> bool {
        self.count(flag::HAD_SETTLED) == self.slots.len()
    }

    /// Whether it is a slot's turn: fewer slots than may be unavailable are either vacant,
    /// or before it in their order and not settled.
    fn may_begin(&self, slot: u32, max_unavailable: u32) -> bool {
        let vacant = self.vacant - usize::from(self.vacant > 0 && !self.has(slot, flag::HELD));
        let before = self.open.iter().take_while(|other| **other < slot).count();
        vacant + before < max_unavailable as usize
    }
}

impl Node {
    /// What a slot that this node holds shall run.
    pub(crate) fn wanted(&self, name: &WorkloadName, slot: u32) -> Option<Wanted<'_>> {
        let desired = self.desired.get(name)?;
        let (Some(rollout), Some(previous)) = (desired.rollout(), desired.previous()) else {
            return Some(desired.latest());
        };
        let held = self.held.get(&(name.clone(), slot));
        let mark = mark(&desired.run_key);
        let has = held.and_then(|held| held.current.as_ref()).map(|run| run.run_key);
        // Looked at when the workload was evaluated; before that nothing new begins.
        let turns = self.turns.get(name);
        let failed = turns.is_some_and(|s| s.failed.is_some()) && !plant::on(Plant::RollbackUndone);
        let begins = has == Some(desired.run_key)
            || held.is_some_and(|held| held.ran == Some(mark))
            || plant::on(Plant::GateIgnored)
            || turns.is_some_and(|turns| {
                let turn = || !rollout.paused && turns.may_begin(slot, rollout.max_unavailable);
                turns.has(slot, flag::HAD_SETTLED) || turn()
            });
        Some(if begins && !failed { desired.latest() } else { previous })
    }

    /// Reads how far the rollout of a workload is.
    fn read_turns(&self, name: &WorkloadName, desired: &Desired, rollout: &Rollout) -> Turns {
        let (generation, mark) = (desired.spec.generation, mark(&desired.run_key));
        let mut turns = Turns { slots: vec![0; desired.slots() as usize], ..Turns::default() };
        for (&holder, claim) in self.claims.get(name).into_iter().flatten() {
            let counts = self.counts(holder);
            for range in &claim.ranges {
                let mut flags = if range.settled == Some(mark) { flag::HAD_SETTLED } else { 0 };
                if counts {
                    let runs = range.phase == Phase::Running;
                    flags |= flag::HELD;
                    flags |= if runs && range.generation == Some(generation) { flag::UPDATED } else { 0 };
                    flags |= if runs && range.settled == Some(mark) { flag::SETTLED } else { 0 };
                }
                if range.failed == Some(mark) {
                    turns.failed.get_or_insert(holder);
                }
                let end = turns.slots.len().min(range.slots.end as usize);
                for slot in turns.slots[..end].iter_mut().skip(range.slots.start as usize) {
                    *slot |= flags;
                }
            }
        }
        if self.held_of_workload(name).any(|held| held.failed == Some(mark)) {
            turns.failed.get_or_insert(self.me);
        }
        turns.vacant = turns.slots.len() - turns.count(flag::HELD);
        let open = (0..).zip(&turns.slots);
        let open = open.filter(|(_, flags)| **flags & (flag::HELD | flag::SETTLED) == flag::HELD);
        turns.open = open.map(|(slot, _)| slot).take(rollout.max_unavailable as usize).collect();
        turns
    }

    fn held_of_workload<'a>(&'a self, name: &'a WorkloadName) -> impl Iterator<Item = &'a Held> {
        self.held.range((name.clone(), 0)..=(name.clone(), u32::MAX)).map(|(_, held)| held)
    }

    /// How far the rollout of a workload is. `None` where there is nothing to go back to.
    pub fn progress(&self, name: &WorkloadName) -> Option<Progress> {
        let desired = self.desired.get(name)?;
        let turns = self.read_turns(name, desired, desired.rollout()?);
        let count = |flag| u32::try_from(turns.count(flag)).unwrap_or(u32::MAX);
        Some(Progress {
            updated: count(flag::UPDATED),
            settled: count(flag::SETTLED),
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
        let (run_key, mark) = (desired.run_key, mark(&desired.run_key));
        let turns = self.read_turns(name, desired, rollout);
        let failed = turns.failed.map(|_| mark);
        self.turns.insert(name.clone(), turns);
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

    /// Whether the failure of a run shows that its revision is no good: it is the new one,
    /// it has not settled in this slot, and not yet in all.
    pub(crate) fn may_roll_back(&self, name: &WorkloadName, slot: u32, run_key: Hash) -> bool {
        let is_new = self.desired.get(name).is_some_and(|d| d.rollout().is_some() && d.run_key == run_key);
        is_new
            && self.turns.get(name).is_some_and(|turns| {
                turns.failed.is_none() && !turns.has(slot, flag::HAD_SETTLED) && !turns.is_over()
            })
    }
}

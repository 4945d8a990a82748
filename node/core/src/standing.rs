//! Whether a node on scheduled links is dark, overdue or dead: a pure function of when it
//! was last heard and of when it was in reach since.
//!
//! Nobody probes a satellite. It says that it lives at the first contact after
//! [`NEWS_AFTER`], by a new node record, which everybody holds soon after. Until then it
//! owes nothing. From then on every moment counts in which somebody who lives could have
//! heard it: [`OVERDUE_AFTER`] of such silence makes it overdue, [`LOST_AFTER`] lost.
//! Time in which it was out of reach never counts, so that a planned darkness, however
//! long, replaces nothing.
//!
//! Moments are [`SAMPLE`]s of wall time, the same everywhere: two nodes that hold the same
//! records and see the same stations alive say the same.

use orbweave_contact::{Allocation, REALLOCATION, allocation};
use orbweave_model::Wall;
use std::time::Duration;

/// One moment: the time between two reallocations.
pub const SAMPLE: Duration = REALLOCATION;
/// A node on scheduled links says anew that it lives at its first contact after this.
pub const NEWS_AFTER: Duration = Duration::from_secs(20 * 60);
/// What a contact brought is known everywhere after this: ten rounds of reconciliation.
pub const TRAVEL: Duration = Duration::from_secs(5 * 60);
/// In reach for so long without news: overdue.
pub const OVERDUE_AFTER: Duration = Duration::from_secs(3 * 60);
/// In reach for so long without news: dead. Two to four passes in a low orbit.
pub const LOST_AFTER: Duration = Duration::from_secs(15 * 60);
/// Moments that one look takes in at most: what is older than these no longer counts.
pub const SAMPLES_MAX: u64 = 24 * 240;

/// What the silence of a node on scheduled links means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It owes no news, or its silence is short.
    Well,
    /// It was in reach since, and should have been heard.
    Overdue,
    /// It was in reach so often that it must be lost.
    Lost,
}

/// The silence of one node so far, moment by moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// When it last said something.
    heard: Wall,
    /// The next moment that is looked at.
    next: Wall,
    /// Moments in reach without news.
    samples: u64,
}

impl Silence {
    /// Nothing counts before `since`: what this node did not watch, it does not judge.
    pub fn new(heard: Wall, since: Wall) -> Self {
        let owed = (heard + NEWS_AFTER).max(since);
        let Allocation { begins, ends } = allocation(owed);
        Self { heard, next: if begins == owed { begins } else { ends }, samples: 0 }
    }

    /// When it last said something.
    pub fn heard(&self) -> Wall {
        self.heard
    }

    /// Whether there is anything to look at by now.
    pub fn is_due(&self, now: Wall) -> bool {
        self.next + TRAVEL <= now
    }

    /// Looks at every moment up to now, less what news take to travel.
    pub fn advance(&mut self, now: Wall, mut in_reach: impl FnMut(Wall) -> bool) {
        let horizon = Wall(now.0.saturating_sub(TRAVEL.as_millis() as u64));
        let behind = horizon.0.saturating_sub(self.next.0) / SAMPLE.as_millis() as u64;
        if behind > SAMPLES_MAX {
            self.next = allocation(horizon).begins;
        }
        while self.next <= horizon {
            self.samples += u64::from(in_reach(self.next));
            self.next = self.next + SAMPLE;
        }
    }

    /// Moves on without counting: what happened meanwhile is nobody's silence.
    pub fn skip(&mut self, now: Wall) {
        self.next = self.next.max(allocation(now).ends);
    }

    /// In reach without news for so long.
    pub fn lasted(&self) -> Duration {
        SAMPLE.saturating_mul(u32::try_from(self.samples).unwrap_or(u32::MAX))
    }

    /// What it means.
    pub fn standing(&self) -> Standing {
        match self.lasted() {
            lasted if lasted >= LOST_AFTER => Standing::Lost,
            lasted if lasted >= OVERDUE_AFTER => Standing::Overdue,
            _ => Standing::Well,
        }
    }
}

/// What is to be thought of a node that was heard then, of which all was watched since.
pub fn judge(heard: Wall, now: Wall, in_reach: impl FnMut(Wall) -> bool) -> Standing {
    let mut silence = Silence::new(heard, heard);
    silence.advance(now, in_reach);
    silence.standing()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BEGIN: Wall = Wall(1_800_000_000_000);

    /// In reach in some windows of so many seconds since the beginning.
    fn windows() -> impl Strategy<Value = Vec<(u64, u64)>> {
        prop::collection::vec((0..40_000_u64, 1..900_u64), 0..20)
    }

    fn within(windows: &[(u64, u64)], at: Wall) -> bool {
        let at_s = at.0.saturating_sub(BEGIN.0) / 1_000;
        windows.iter().any(|(begin, length)| (*begin..begin + length).contains(&at_s))
    }

    proptest! {
        #[test]
        fn nobody_is_overdue_who_was_in_no_reach(now_s in 0..10_000_000_u64) {
            let now = BEGIN + Duration::from_secs(now_s);
            prop_assert_eq!(judge(BEGIN, now, |_| false), Standing::Well);
        }

        #[test]
        fn nobody_is_overdue_before_it_owes_news(windows in windows(), now_s in 0..1_660_u64) {
            let now = BEGIN + Duration::from_secs(now_s);
            prop_assert_eq!(judge(BEGIN, now, |at| within(&windows, at)), Standing::Well);
        }

        #[test]
        fn the_time_in_reach_decides_and_nothing_else(windows in windows(), now_s in 0..60_000_u64) {
            let now = BEGIN + Duration::from_secs(now_s);
            let owed = BEGIN.0 + NEWS_AFTER.as_millis() as u64;
            let upto = now.0.saturating_sub(TRAVEL.as_millis() as u64);
            // The instants at which everybody looks, 3 s before each whole quarter of a minute.
            let looks = (owed..=upto).filter(|at| (at + 3_000) % 15_000 == 0);
            let reached = looks.filter(|at| within(&windows, Wall(*at))).count();
            let expected = match reached {
                0..12 => Standing::Well,
                12..60 => Standing::Overdue,
                _ => Standing::Lost,
            };
            prop_assert_eq!(judge(BEGIN, now, |at| within(&windows, at)), expected);
        }

        #[test]
        fn time_makes_it_worse_and_news_make_it_good(windows in windows(), a in 0..50_000_u64, b in 0..50_000_u64) {
            let at = |s| BEGIN + Duration::from_secs(s);
            let reach = |at| within(&windows, at);
            prop_assert!(judge(BEGIN, at(a.min(b)), reach) <= judge(BEGIN, at(a.max(b)), reach));
            prop_assert!(judge(at(a.min(b)), at(b.max(a)), reach) <= judge(BEGIN, at(b.max(a)), reach));
        }

        #[test]
        fn many_looks_see_what_one_look_sees(windows in windows(), looks in prop::collection::vec(1..900_u64, 1..60)) {
            let reach = |at| within(&windows, at);
            let mut silence = Silence::new(BEGIN, BEGIN);
            let mut now = BEGIN;
            for seconds in looks {
                now = now + Duration::from_secs(seconds);
                silence.advance(now, reach);
            }
            prop_assert_eq!(silence.standing(), judge(BEGIN, now, reach));
        }
    }

    #[test]
    fn what_was_not_watched_does_not_count() {
        let now = BEGIN + Duration::from_secs(3 * 3_600);
        assert_eq!(judge(BEGIN, now, |_| true), Standing::Lost);
        let mut silence = Silence::new(BEGIN, now);
        silence.advance(now + OVERDUE_AFTER, |_| true);
        assert_eq!(silence.standing(), Standing::Well);
        silence.skip(now + LOST_AFTER);
        silence.advance(now + LOST_AFTER + TRAVEL, |_| true);
        assert_eq!(silence.standing(), Standing::Well);
    }

    #[test]
    fn a_clock_that_shows_any_time_costs_a_bounded_look() {
        let mut looks = 0;
        let mut silence = Silence::new(Wall(0), Wall(0));
        silence.advance(Wall(u64::MAX), |_| {
            looks += 1;
            looks > 2 * SAMPLES_MAX
        });
        assert!(looks <= SAMPLES_MAX + 1, "{looks}");
    }
}

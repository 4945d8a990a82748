//! Which replica answers a call, and when a second one is asked: decisions, so pure.
//!
//! The driver counts what is outstanding and measures round trips; what follows from
//! them is decided here, by integers alone, and the simulator runs the same code.
//!
//! ```
//! use orbweave_scheduler::balance::{Candidate, pick};
//!
//! let near = Candidate { rtt_us: 300, outstanding: 1, ..Candidate::default() };
//! let far = Candidate { rtt_us: 40_000, outstanding: 0, ..Candidate::default() };
//! assert_eq!(pick(&[far, near], 7), Some(1));
//! ```

use std::time::Duration;

#[cfg(test)]
mod tests;

/// What a call costs beside its round trip, so that microseconds of difference
/// between two near replicas do not decide alone.
pub const SERVICE_FLOOR_US: u64 = 500;
/// One draw in this many takes the first of its two unseen, so that a replica whose
/// round trip was once bad is measured again and not forgotten.
pub const EXPLORE_ONE_IN: u64 = 32;
/// A hedge never starts earlier than this.
pub const HEDGE_AFTER_MIN: Duration = Duration::from_millis(250);
/// A hedge starts after this many times what the route typically takes.
pub const HEDGE_TYPICAL_TIMES: u32 = 3;
/// A hedge never starts later than this, however slow the route is.
pub const HEDGE_AFTER_MAX: Duration = Duration::from_secs(10);

/// A replica that could answer, as the calling node sees it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Candidate {
    /// The measured round trip to its node; zero for the calling node itself.
    pub rtt_us: u32,
    /// Calls of this node that it has not answered yet.
    pub outstanding: u32,
    /// Whether it runs on the calling node.
    pub local: bool,
    /// Whether a call to it failed, or hung, a moment ago.
    pub failed_recently: bool,
    /// Whether the calling node has not asked it yet.
    pub untried: bool,
}

impl Candidate {
    /// What one more call is expected to wait for: lower is better.
    fn cost(&self) -> u64 {
        let latency = u64::from(self.rtt_us) + SERVICE_FLOOR_US;
        let cost = (u64::from(self.outstanding) + 1).saturating_mul(latency);
        if self.local { cost / 2 } else { cost }
    }
}

/// The better of two, by outstanding calls and latency.
///
/// The two are drawn by `random` (64 even bits); a local replica always takes one of
/// the two seats. A replica that was never asked goes first, one call at a time: nobody
/// knows yet how it does. Replicas that failed a moment ago are asked only when there is
/// no other. `None` when there is no candidate.
pub fn pick(candidates: &[Candidate], random: u64) -> Option<usize> {
    let all = || candidates.iter().enumerate();
    let mut eligible: Vec<(usize, &Candidate)> = all().filter(|(_, c)| !c.failed_recently).collect();
    if eligible.is_empty() {
        eligible = all().collect();
    }
    if let Some((i, _)) = eligible.iter().find(|(_, c)| c.untried && c.outstanding == 0) {
        return Some(*i);
    }
    let explore = (random >> 59).is_multiple_of(EXPLORE_ONE_IN);
    let first = match eligible.iter().position(|(_, c)| c.local && !explore) {
        Some(seat) => eligible.swap_remove(seat),
        None => draw(&mut eligible, random & 0x1fff_ffff)?,
    };
    if explore {
        return Some(first.0);
    }
    let Some(second) = draw(&mut eligible, (random >> 29) & 0x1fff_ffff) else { return Some(first.0) };
    // The draw is in random order, so that a tie falls evenly.
    Some(if second.1.cost() < first.1.cost() { second.0 } else { first.0 })
}

fn draw<'a>(from: &mut Vec<(usize, &'a Candidate)>, random: u64) -> Option<(usize, &'a Candidate)> {
    let count = u64::try_from(from.len()).ok().filter(|&n| n > 0)?;
    let seat = usize::try_from(random % count).ok()?;
    Some(from.swap_remove(seat))
}

/// What calls of one route typically take: a smoothed mean and deviation in integers
/// (as RFC 6298 keeps them for round trips).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Typical {
    mean_us: u64,
    deviation_us: u64,
    samples: u32,
}

impl Typical {
    /// Takes note of a call that was answered.
    pub fn observe(&mut self, took: Duration) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).min(u64::MAX / 16);
        if self.samples == 0 {
            self.mean_us = took_us;
            self.deviation_us = took_us / 2;
        } else {
            let error = self.mean_us.abs_diff(took_us);
            self.deviation_us = (3 * self.deviation_us + error) / 4;
            self.mean_us = (7 * self.mean_us + took_us) / 8;
        }
        self.samples = self.samples.saturating_add(1);
    }

    /// The smoothed mean; `None` before the first answer.
    pub fn mean(&self) -> Option<Duration> {
        (self.samples > 0).then(|| Duration::from_micros(self.mean_us))
    }

    /// How long a call that may be repeated waits before a second replica is asked.
    /// Before the first answer nobody knows what is typical: several times the least wait.
    pub fn hedge_after(&self) -> Duration {
        if self.samples == 0 {
            return HEDGE_AFTER_MIN * (HEDGE_TYPICAL_TIMES + 1);
        }
        let typical = Duration::from_micros(self.mean_us + self.deviation_us);
        (typical * HEDGE_TYPICAL_TIMES).clamp(HEDGE_AFTER_MIN, HEDGE_AFTER_MAX)
    }
}

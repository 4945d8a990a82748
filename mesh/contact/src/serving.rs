//! Which satellite serves a station, and what a change of it costs.
//!
//! Starlink allocates satellites to terminals anew every 15 seconds, all over the world at
//! once: at 12, 27, 42 and 57 seconds past each minute of UTC (Mohan et al., "A Multifaceted
//! Look at Starlink Performance", WWW 2024). Round trips jump at that moment, by up to about
//! 140 ms where it was measured, and settle.

use crate::{GroundStation, Moment, Satellite};
use orbweave_model::Wall;
use std::cmp::Reverse;
use std::time::Duration;

/// From one reallocation to the next.
pub const REALLOCATION: Duration = Duration::from_secs(15);
const PERIOD_MS: u64 = 15_000;
/// A reallocation is this long before a whole multiple of the period: 12 s is 3 s before 15 s.
const LEAD_MS: u64 = 3_000;

/// The time between two reallocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocation {
    /// It holds from here,
    pub begins: Wall,
    /// until before here, where the next begins.
    pub ends: Wall,
}

/// The allocation in which a time lies.
pub fn allocation(at: Wall) -> Allocation {
    let into = at.0.saturating_add(LEAD_MS) % PERIOD_MS;
    let begins = Wall(at.0.saturating_sub(into));
    Allocation { begins, ends: Wall(at.0.saturating_add(PERIOD_MS - into)) }
}

/// The index of the satellite that serves a station throughout the allocation in which a
/// time lies: of those that it sees as the allocation begins, the one that stands highest, and
/// of equals the first. It may set before the allocation ends; then there is none until the next.
pub fn serving(station: &GroundStation, satellites: &[Satellite], at: Wall) -> Option<usize> {
    let moment = Moment::at(allocation(at).begins);
    satellites
        .iter()
        .enumerate()
        .filter_map(|(i, s)| Some((station.rank(s.whereabouts(&moment)?)?, Reverse(i))))
        .max()
        .map(|(_, Reverse(i))| i)
}

/// The extra delay after a reallocation, which is highest at once and falls to nothing
/// along a parabola: `peak × (1 − t / settles)²`. The peak is as measured; shape and length of
/// the decay are a choice of ours, in integers so that every machine agrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spike {
    /// At the reallocation.
    pub peak_us: u32,
    /// When nothing of it is left.
    pub settles_us: u32,
}

impl Default for Spike {
    fn default() -> Self {
        Self { peak_us: 140_000, settles_us: 1_000_000 }
    }
}

impl Spike {
    /// The extra delay in microseconds, so long after the last reallocation. Not each spike
    /// reaches the peak: `strength_permille` says how much of it this one has (1,000: all).
    pub fn extra_us(&self, since: Duration, strength_permille: u16) -> u64 {
        let settles = u128::from(self.settles_us);
        let Some(left) = settles.checked_sub(since.as_micros()).filter(|&left| left > 0) else {
            return 0;
        };
        let peak = u128::from(self.peak_us) * u128::from(strength_permille.min(1_000)) / 1_000;
        u64::try_from(peak * left * left / (settles * settles)).unwrap_or(u64::MAX)
    }
}

//! A host's two clocks, and how they are off.

use crate::world::BEGIN;
use orbweave_model::{Mono, Now, Wall};
use serde::{Deserialize, Serialize};
use std::time::Duration;

const MILLION: i128 = 1_000_000;

/// How a host's clocks differ from true time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClockModel {
    /// How far the wall clock is off, in milliseconds. A machine without a battery
    /// boots in 1970: [`ClockModel::epoch`].
    pub skew_ms: i64,
    /// How much faster both clocks run, in millionths. Quartz stays within 100.
    pub drift_ppm: i32,
}

impl ClockModel {
    /// A wall clock that begins at the Unix epoch.
    pub fn epoch() -> Self {
        Self { skew_ms: i64::try_from(BEGIN.0).map_or(i64::MIN, |ms| -ms), drift_ppm: 0 }
    }

    /// Somebody sets the wall clock, which shows this, ahead by so much or back. Not to
    /// before 1970, as no operating system does: it would stand still there.
    pub(crate) fn jump(&mut self, ms: i64, shown: Wall) {
        let back_max = i64::try_from(shown.0).unwrap_or(i64::MAX);
        self.skew_ms = self.skew_ms.saturating_add(ms.max(-back_max));
    }

    /// What both clocks show at a true time, of a process that began at `booted`.
    pub(crate) fn now(&self, booted: Mono, time: Mono) -> Now {
        let wall = BEGIN.0 + self.fast(time.0) / 1_000_000;
        Now {
            mono: Mono(self.fast(time.0.saturating_sub(booted.0))),
            wall: Wall(wall.saturating_add_signed(self.skew_ms)),
        }
    }

    /// The first true time at which the monotonic clock shows this.
    pub(crate) fn when(&self, booted: Mono, mono: Mono) -> Mono {
        let true_nanos = if self.drift_ppm == 0 {
            mono.0
        } else {
            let rate = MILLION + i128::from(self.drift_ppm);
            let nanos = (i128::from(mono.0) * MILLION + rate - 1) / rate;
            u64::try_from(nanos).unwrap_or(u64::MAX)
        };
        booted + Duration::from_nanos(true_nanos)
    }

    fn fast(&self, nanos: u64) -> u64 {
        if self.drift_ppm == 0 {
            return nanos;
        }
        let nanos = i128::from(nanos) * (MILLION + i128::from(self.drift_ppm)) / MILLION;
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_drifts_shows_a_time_no_earlier_than_asked_for_and_hardly_later() {
        for drift_ppm in [-100, -1, 0, 1, 37, 100] {
            let clock = ClockModel { skew_ms: 0, drift_ppm };
            for mono in [0, 1, 999_999, 1_000_000_000, 86_400_000_000_001] {
                let at = clock.when(Mono(5), Mono(mono));
                let shows = clock.now(Mono(5), at).mono.0;
                assert!(shows >= mono && shows <= mono + 2, "{drift_ppm} {mono} {shows}");
            }
        }
        let fast = ClockModel { skew_ms: -500, drift_ppm: 100 };
        let now = fast.now(Mono(0), Mono(10_000_000_000));
        assert_eq!((now.mono.0, now.wall.0), (10_001_000_000, BEGIN.0 + 10_001 - 500));
        assert_eq!(ClockModel::epoch().now(Mono(0), Mono(0)).wall.0, 0);
        let mut set = ClockModel::epoch();
        set.jump(-5, Wall(3));
        assert_eq!(set.now(Mono(0), Mono(7_000_000)).wall.0, 4);
        set.jump(9, Wall(4));
        assert_eq!(set.now(Mono(0), Mono(7_000_000)).wall.0, 13);
    }
}

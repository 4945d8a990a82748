//! Time comes in as an argument. Monotonic and wall time are two types: timeouts
//! use the first, certificates and contact windows the second.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// Monotonic time in nanoseconds since an arbitrary start of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mono(pub u64);

impl Mono {
    /// The time that passed since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Mono) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;

    /// Saturates: a duration that a peer supplied cannot overflow the clock.
    fn add(self, d: Duration) -> Mono {
        Mono(self.0.saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Wall time in milliseconds since the Unix epoch.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode, Serialize, Deserialize,
)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct Wall(#[n(0)] pub u64);

impl Add<Duration> for Wall {
    type Output = Wall;

    /// Saturates.
    fn add(self, d: Duration) -> Wall {
        Wall(self.0.saturating_add(u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Wall {
    type Output = Wall;

    /// Stops at the epoch.
    fn sub(self, d: Duration) -> Wall {
        Wall(self.0.saturating_sub(u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// Date and time in UTC: `2026-11-26 01:20:34`.
impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, seconds) = (self.0 / 86_400_000, self.0 / 1_000 % 86_400);
        // Days since 0000-03-01, in eras of 400 years (Howard Hinnant, "chrono-compatible date algorithms").
        let z = days + 719_468;
        let (era, day_of_era) = (z / 146_097, z % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
        let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Monotonic time.
    pub mono: Mono,
    /// Wall time, as the operating system gives it.
    pub wall: Wall,
}

/// A hybrid logical clock reading (Kulkarni et al., 2014): wall milliseconds and
/// a counter that orders what happened within one of them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode, Serialize, Deserialize,
)]
#[cbor(array)]
pub struct Hlc {
    /// Milliseconds since the Unix epoch.
    #[n(0)]
    pub wall: Wall,
    /// Order within that millisecond.
    #[n(1)]
    pub count: u32,
}

/// Issues readings that never repeat and never go back, whatever the wall clock does.
#[derive(Debug, Clone, Copy, Default)]
pub struct HlcClock {
    last: Hlc,
}

impl HlcClock {
    /// A clock that continues after `last`.
    pub fn after(last: Hlc) -> Self {
        Self { last }
    }

    /// The next reading: after every one issued or observed so far.
    pub fn tick(&mut self, wall: Wall) -> Hlc {
        self.last = if wall > self.last.wall {
            Hlc { wall, count: 0 }
        } else if let Some(count) = self.last.count.checked_add(1) {
            Hlc { wall: self.last.wall, count }
        } else {
            Hlc { wall: self.last.wall + Duration::from_millis(1), count: 0 }
        };
        self.last
    }

    /// Takes note of a reading of another node. The caller bounds how far ahead it may be.
    pub fn observe(&mut self, seen: Hlc) {
        self.last = self.last.max(seen);
    }

    /// The highest reading so far.
    pub fn last(&self) -> Hlc {
        self.last
    }
}

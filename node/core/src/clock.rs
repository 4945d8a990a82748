//! The wall clock that judges certificates and records: the operating system's,
//! never before what this node already saw, and corrected by the median of what
//! three authenticated peers say. A node that boots in 1970 still works.

use orbweave_model::{NodeId, Now, Wall, limit};
use std::collections::BTreeMap;
use std::time::Duration;

/// Peers whose clocks are compared.
pub const PEERS_MIN: usize = 3;
/// Peers whose last word is remembered.
const PEERS_MAX: usize = 16;
/// A smaller difference is left alone.
const TOLERANCE_MS: i64 = 5_000;
/// A wall clock that moved so much more than the monotonic one was set.
const STEP_MS: i64 = 2_000;

/// Wall time as this node believes it.
#[derive(Debug, Default)]
pub struct Clock {
    floor: Wall,
    ahead_ms: BTreeMap<NodeId, i64>,
    offset_ms: i64,
    /// The operating system's time is surely wrong.
    lost: bool,
}

impl Clock {
    /// A clock that never shows a time before `floor`.
    pub fn new(floor: Wall) -> Self {
        Self { floor, ..Self::default() }
    }

    /// The operating system shows a time that lies before what this node already saw:
    /// it is wrong, and goes on from there until a peer knows better.
    pub fn start(&mut self, wall: Wall) {
        // Readings of peers may have been a little ahead.
        if self.read(wall) > wall + limit::CLOCK_AHEAD_MAX * 2 {
            self.offset_ms = i64::try_from(self.floor.0.saturating_sub(wall.0)).unwrap_or(i64::MAX);
            self.lost = true;
        }
    }

    /// The corrected time.
    pub fn read(&self, wall: Wall) -> Wall {
        Wall(wall.0.saturating_add_signed(self.offset_ms)).max(self.floor)
    }

    /// Takes note of what was written down at this time: the clock does not go behind it.
    pub fn raise(&mut self, seen: Wall) {
        self.floor = self.floor.max(seen);
    }

    /// Both clocks went on. Where the wall clock was set meanwhile, what peers said
    /// of it is as much off as it was moved.
    pub fn advanced(&mut self, before: Now, now: Now) {
        let passed = i128::from(now.mono.0.saturating_sub(before.mono.0) / 1_000_000);
        let step = i128::from(now.wall.0) - i128::from(before.wall.0) - passed;
        let step = i64::try_from(step).unwrap_or(0);
        if step.abs() > STEP_MS {
            for ahead in self.ahead_ms.values_mut() {
                *ahead = ahead.saturating_sub(step);
            }
            if self.lost || self.ahead_ms.len() >= PEERS_MIN {
                self.offset_ms = self.offset_ms.saturating_sub(step);
            }
            // A lost clock that was set is believed, if time does not go back by it.
            if self.lost && self.offset_ms <= 0 {
                (self.offset_ms, self.lost) = (0, false);
            }
        }
    }

    /// An authenticated peer told its time.
    pub fn peer_says(&mut self, peer: NodeId, wall: Wall, theirs: Wall) {
        if self.ahead_ms.len() >= PEERS_MAX && !self.ahead_ms.contains_key(&peer) {
            self.ahead_ms.pop_first();
        }
        let cap = Duration::from_secs(200 * 366 * 24 * 3600).as_millis() as i64;
        let ahead = (i128::from(theirs.0) - i128::from(wall.0)).clamp(-i128::from(cap), i128::from(cap));
        self.ahead_ms.insert(peer, ahead as i64);
        // A clock that is surely wrong takes any peer's word; a good one asks three.
        if self.lost || self.ahead_ms.len() >= PEERS_MIN {
            let mut all: Vec<i64> = self.ahead_ms.values().copied().collect();
            all.sort_unstable();
            let median = all[all.len() / 2];
            self.offset_ms = if median.abs() > TOLERANCE_MS { median } else { 0 };
        }
    }
}

//! The wall clock that judges certificates and records: the operating system's,
//! never before what this node already saw, and corrected by the median of what
//! three authenticated peers say. Its own counts as one more where theirs are an even
//! number, so that a majority is needed to move it: one clock that is wrong moves nobody's.
//! A node that boots in 1970 still works.

use orbweave_model::{NodeId, Now, Wall, limit};
use std::collections::BTreeMap;
use std::time::Duration;

/// Peers whose clocks are compared, at least.
const PEERS_MIN: usize = 2;
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
    /// How far ahead each peer was when it last spoke, and when that was among all words.
    ahead_ms: BTreeMap<NodeId, (i64, u64)>,
    words: u64,
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
        if self.floor > self.uncut(wall) + limit::CLOCK_AHEAD_MAX * 2 {
            self.offset_ms = i64::try_from(i128::from(self.floor.0) - i128::from(wall.0)).unwrap_or(i64::MAX);
            self.lost = true;
        }
    }

    /// The corrected time.
    pub fn read(&self, wall: Wall) -> Wall {
        self.uncut(wall).max(self.floor)
    }

    /// What the time would be if nothing had been seen yet.
    fn uncut(&self, wall: Wall) -> Wall {
        Wall(wall.0.saturating_add_signed(self.offset_ms))
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
            for (ahead, _) in self.ahead_ms.values_mut() {
                *ahead = ahead.saturating_sub(step);
            }
            if self.lost || self.ahead_ms.len() >= PEERS_MIN {
                self.offset_ms = self.offset_ms.saturating_sub(step);
            }
            // A lost clock that was set is believed, if time does not go back by it.
            if self.lost && self.offset_ms <= 0 {
                (self.offset_ms, self.lost) = (0, false);
            }
            // Set to before what was seen, it would stand still until true time caught up.
            self.start(now.wall);
        }
    }

    /// A peer is no member any more, and its word counts no longer.
    pub fn forget(&mut self, peer: NodeId) {
        self.ahead_ms.remove(&peer);
    }

    /// An authenticated peer told its time.
    pub fn peer_says(&mut self, peer: NodeId, wall: Wall, theirs: Wall) {
        if self.ahead_ms.len() >= PEERS_MAX
            && !self.ahead_ms.contains_key(&peer)
            && let Some(oldest) = self.ahead_ms.iter().min_by_key(|(_, (_, word))| *word).map(|(id, _)| *id)
        {
            self.ahead_ms.remove(&oldest);
        }
        let cap = Duration::from_secs(200 * 366 * 24 * 3600).as_millis() as i64;
        let ahead = (i128::from(theirs.0) - i128::from(wall.0)).clamp(-i128::from(cap), i128::from(cap));
        self.words += 1;
        self.ahead_ms.insert(peer, (ahead as i64, self.words));
        let mut all: Vec<i64> = self.ahead_ms.values().map(|(ahead, _)| *ahead).collect();
        // A clock that is surely wrong takes any peer's word; another compares three.
        if self.lost || all.len() >= PEERS_MIN {
            if all.len().is_multiple_of(2) && !self.lost {
                all.push(0);
            }
            all.sort_unstable();
            // Of two in the middle the earlier: time that went on too far never comes back.
            let median = all[(all.len() - 1) / 2];
            self.offset_ms = if median.abs() > TOLERANCE_MS { median } else { 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orbweave_model::Mono;

    const WALL: Wall = Wall(1_800_000_000_000);

    /// What a clock shows at [`WALL`] once peers said that they are so far ahead.
    fn told(ahead_s: &[i64]) -> i64 {
        let mut clock = Clock::new(Wall(0));
        clock.start(WALL);
        for (n, ahead) in (1..).zip(ahead_s) {
            clock.peer_says(NodeId([n; 32]), WALL, Wall(WALL.0.saturating_add_signed(ahead * 1_000)));
        }
        (clock.read(WALL).0 as i64 - WALL.0 as i64) / 1_000
    }

    #[test]
    fn one_clock_that_is_wrong_moves_nobodys() {
        assert_eq!(told(&[3_600]), 0, "one peer's word is no majority");
        assert_eq!(told(&[3_600, 0]), 0);
        assert_eq!(told(&[0, -3_600]), 0);
        assert_eq!(told(&[0, 1, 3_600]), 0);
        assert_eq!(told(&[0, 0, 3_600, 3_600]), 0, "two of four are no majority of five");
    }

    #[test]
    fn a_clock_that_boots_in_1970_takes_one_word_and_of_two_the_earlier() {
        let lost = |ahead_s: &[u64]| {
            let mut clock = Clock::new(Wall(1_000_000_000));
            clock.start(Wall(0));
            for (n, ahead) in (1..).zip(ahead_s) {
                clock.peer_says(NodeId([n; 32]), Wall(0), Wall(ahead * 1_000));
            }
            clock.read(Wall(0)).0 / 1_000
        };
        assert_eq!(lost(&[2_000_000]), 2_000_000);
        assert_eq!(lost(&[2_000_000, 9_000_000]), 2_000_000);
        assert_eq!(lost(&[9_000_000, 2_000_000, 2_000_001]), 2_000_001);
    }

    #[test]
    fn a_clock_that_is_set_to_before_what_was_seen_goes_on_from_there() {
        let at = |ms: u64, wall: u64| Now { mono: Mono(ms * 1_000_000), wall: Wall(wall) };
        let mut clock = Clock::new(Wall(0));
        clock.start(WALL);
        clock.raise(WALL);
        clock.advanced(at(0, WALL.0), at(1_000, 5_000));
        assert_eq!(clock.read(Wall(5_000)), WALL);
        assert_eq!(clock.read(Wall(65_000)), WALL + Duration::from_secs(60), "it does not stand still");
        // It is lost: one peer's word counts.
        clock.peer_says(NodeId([1; 32]), Wall(65_000), WALL + Duration::from_secs(600));
        assert_eq!(clock.read(Wall(65_000)), WALL + Duration::from_secs(600));
    }

    #[test]
    fn a_clock_that_is_set_back_a_little_is_believed() {
        let at = |ms: u64, wall: u64| Now { mono: Mono(ms * 1_000_000), wall: Wall(wall) };
        let mut clock = Clock::new(Wall(0));
        clock.raise(WALL);
        clock.advanced(at(0, WALL.0 + 10_000), at(1_000, WALL.0 - 30_000));
        assert_eq!(clock.read(Wall(WALL.0 + 1)), Wall(WALL.0 + 1));
    }

    #[test]
    fn the_oldest_word_makes_room_and_a_node_that_was_evicted_has_none() {
        let mut clock = Clock::new(Wall(0));
        let says = |clock: &mut Clock, n: u8, ahead_s: u64| {
            clock.peer_says(NodeId([n; 32]), WALL, Wall(WALL.0 + ahead_s * 1_000));
        };
        (1..=16).for_each(|n| says(&mut clock, n, 0));
        says(&mut clock, 1, 100);
        (17..=23).for_each(|n| says(&mut clock, n, 100));
        // Nine are at 0 and eight at 100: the first of all spoke again and is not forgotten.
        assert_eq!((clock.ahead_ms.len(), clock.read(WALL)), (16, WALL));
        says(&mut clock, 24, 100);
        assert_eq!(clock.read(WALL).0, WALL.0 + 100_000);
        clock.forget(NodeId([24; 32]));
        clock.forget(NodeId([23; 32]));
        says(&mut clock, 22, 100);
        assert_eq!(clock.read(WALL), WALL);
    }

    #[test]
    fn a_clock_that_two_others_contradict_is_corrected() {
        assert_eq!(told(&[3_600, 3_601]), 3_600);
        assert_eq!(told(&[-3_600, -100]), -100, "no farther than the nearer of both");
        assert_eq!(told(&[3_600, 3_600, 3_601]), 3_600);
        assert_eq!(told(&[2, 3]), 0, "within the tolerance");
    }
}

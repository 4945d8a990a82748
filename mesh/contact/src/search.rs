//! Contact windows, computed ahead for many pairs.
//!
//! A coarse step finds them, bisection their edges. The step is the shortest pass that must not be
//! missed, so that each such pass has a sample inside. A gap shorter than the step, in a window
//! longer than it, is not seen; elevation rises once and falls once in a pass, so that
//! ground passes have none.

use crate::tracker::{Tracker, Window};
use crate::{GroundStation, Moment, Satellite, Vec3, line_of_sight};
use orbweave_model::Wall;
use std::time::Duration;
use thiserror::Error;

/// A longer step would lose precision of the delay range.
pub const STEP_MAX: Duration = Duration::from_secs(60);
/// Steps of one search.
pub const STEPS_MAX: usize = 1_000_000;
/// Windows that one search returns.
pub const WINDOWS_MAX: usize = 4_000_000;

/// A stretch of time, cut into steps.
#[derive(Debug, Clone)]
pub struct Search {
    moments: Vec<Moment>,
}

/// A satellite above a station.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pass {
    /// Index of the satellite.
    pub satellite: usize,
    /// Index of the station.
    pub station: usize,
    /// When.
    pub window: Window,
}

/// Two satellites in sight of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Crosslink {
    /// Index of the one,
    pub first: usize,
    /// and of the other.
    pub second: usize,
    /// When.
    pub window: Window,
}

impl Search {
    /// A search from `begins` for `length`, which misses no pass of `shortest_pass` or longer.
    pub fn new(begins: Wall, length: Duration, shortest_pass: Duration) -> Result<Self, SearchError> {
        if shortest_pass < Duration::from_secs(1) {
            return Err(SearchError::Step { shortest_pass });
        }
        let step = shortest_pass.min(STEP_MAX).as_millis() as usize;
        let ends = begins + length;
        let steps = (ends.0 - begins.0) / step as u64;
        if begins == ends || steps > STEPS_MAX as u64 {
            return Err(SearchError::Length { length, shortest_pass });
        }
        let walls = (begins.0..ends.0).step_by(step).chain([ends.0]);
        Ok(Self { moments: walls.map(|wall| Moment::at(Wall(wall))).collect() })
    }

    /// Every pass of every satellite over every station, by satellite, station and time.
    /// A satellite whose elements lead nowhere at some time is in sight of nobody then.
    pub fn passes(
        &self,
        satellites: &[Satellite],
        stations: &[GroundStation],
    ) -> Result<Vec<Pass>, SearchError> {
        let mut found = Vec::new();
        let mut trackers = vec![Tracker::default(); stations.len()];
        for (i, satellite) in satellites.iter().enumerate() {
            let first = found.len();
            let mut note = |station, window: Option<Window>| {
                found.extend(window.map(|window| Pass { satellite: i, station, window }));
            };
            let mut previous = None;
            for moment in &self.moments {
                let at = moment.wall().0;
                let position = satellite.whereabouts(moment);
                for (j, (station, tracker)) in stations.iter().zip(&mut trackers).enumerate() {
                    let range = position.and_then(|p| station.range_if_seen(p));
                    if range.is_none() && !tracker.is_open() {
                        continue;
                    }
                    let range_at = |wall| station.range_if_seen(satellite.whereabouts(&Moment::at(wall))?);
                    note(j, tracker.sample(previous, at, range, range_at));
                }
                previous = Some(at);
            }
            for (j, tracker) in trackers.iter_mut().enumerate() {
                note(j, tracker.close());
            }
            if found.len() > WINDOWS_MAX {
                return Err(SearchError::TooMany);
            }
            if let Some(of_this) = found.get_mut(first..) {
                of_this.sort_unstable();
            }
        }
        Ok(found)
    }

    /// When the satellites of each pair see each other past the Earth, by pair and time.
    pub fn crosslinks(
        &self,
        satellites: &[Satellite],
        pairs: &[(usize, usize)],
    ) -> Result<Vec<Crosslink>, SearchError> {
        let of = |index: usize| satellites.get(index).ok_or(SearchError::NoSuchSatellite { index });
        let ends: Vec<_> =
            pairs.iter().map(|&(a, b)| Ok((of(a)?, of(b)?))).collect::<Result<_, SearchError>>()?;
        let mut found = Vec::new();
        let mut trackers = vec![Tracker::default(); pairs.len()];
        let mut positions: Vec<Option<Vec3>> = Vec::with_capacity(satellites.len());
        let mut previous = None;
        for moment in &self.moments {
            let at = moment.wall().0;
            positions.clear();
            positions.extend(satellites.iter().map(|s| s.whereabouts(moment)));
            let position = |index: usize| positions.get(index).copied().flatten();
            for ((&(first, second), (a, b)), tracker) in pairs.iter().zip(&ends).zip(&mut trackers) {
                let range = range_if_clear(position(first), position(second));
                let range_at = |wall| {
                    let moment = Moment::at(wall);
                    range_if_clear(a.whereabouts(&moment), b.whereabouts(&moment))
                };
                let closed = tracker.sample(previous, at, range, range_at);
                found.extend(closed.map(|window| Crosslink { first, second, window }));
            }
            if found.len() > WINDOWS_MAX {
                return Err(SearchError::TooMany);
            }
            previous = Some(at);
        }
        let still = pairs.iter().zip(&mut trackers);
        found.extend(still.filter_map(|(&(first, second), tracker)| {
            Some(Crosslink { first, second, window: tracker.close()? })
        }));
        found.sort_unstable();
        Ok(found)
    }
}

fn range_if_clear(a: Option<Vec3>, b: Option<Vec3>) -> Option<f64> {
    let (a, b) = (a?, b?);
    line_of_sight(a, b).then(|| (b - a).norm())
}

/// A search that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SearchError {
    /// Too fine.
    #[error("the shortest pass to be found is {shortest_pass:?}; give a second or more")]
    Step {
        /// As asked.
        shortest_pass: Duration,
    },
    /// Nothing, or too much.
    #[error(
        "{length:?} in steps of {shortest_pass:?} is nothing, or more than 1,000,000 steps; search less at once"
    )]
    Length {
        /// As asked.
        length: Duration,
        /// As asked.
        shortest_pass: Duration,
    },
    /// A pair names a satellite that is not there.
    #[error("a pair names satellite {index}, which is not in the list")]
    NoSuchSatellite {
        /// Its index.
        index: usize,
    },
    /// More than we hold.
    #[error("more than 4,000,000 windows; search a shorter time or fewer pairs at once")]
    TooMany,
}

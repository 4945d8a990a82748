//! From samples of who is in sight to windows with exact edges.

use crate::light::{DelayRange, LIGHT_KM_S};
use orbweave_model::Wall;

/// A window begins and ends at most this much inside the true one.
pub const EDGE_MS: u64 = 500;
/// Covers what three samples do not tell about the range between them.
const DELAY_MARGIN_US: f64 = 1.0;

/// When two see each other, and how far apart in light time they are then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// From here,
    pub begins: Wall,
    /// to here.
    pub ends: Wall,
    /// Any signal within it takes as long as this says.
    pub delay: DelayRange,
}

/// Follows one pair through rising samples, and says when a window closed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tracker(Option<Open>);

#[derive(Debug, Clone)]
struct Open {
    begins: u64,
    /// The last two samples: time, and square of the range.
    before: Option<(u64, f64)>,
    last: (u64, f64),
    min: f64,
    max: f64,
}

impl Tracker {
    /// Whether the pair was in sight at the last sample.
    pub(crate) fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// Takes the sample at `at`: the range if the pair is in sight. `previous` is the time of the
    /// sample before it, `range_at` the range at any time between the two.
    pub(crate) fn sample(
        &mut self,
        previous: Option<u64>,
        at: u64,
        range: Option<f64>,
        mut range_at: impl FnMut(Wall) -> Option<f64>,
    ) -> Option<Window> {
        match (&mut self.0, range) {
            (None, None) => None,
            (None, Some(range)) => {
                let edge = match previous {
                    Some(dark) => edge(dark, (at, range), &mut range_at),
                    None => (at, range),
                };
                let mut open = Open::new(edge);
                open.push((at, range));
                self.0 = Some(open);
                None
            }
            (Some(open), Some(range)) => {
                open.push((at, range));
                None
            }
            (Some(open), None) => {
                let lit = (open.last.0, open.last.1.sqrt());
                open.push(edge(at, lit, &mut range_at));
                self.close()
            }
        }
    }

    /// Ends what is still open where it was last seen.
    pub(crate) fn close(&mut self) -> Option<Window> {
        let open = self.0.take()?;
        let us = |range2: f64| range2.max(0.0).sqrt() / LIGHT_KM_S * 1e6;
        let delay = DelayRange {
            min_us: (us(open.min) - DELAY_MARGIN_US).floor() as u64,
            max_us: (us(open.max) + DELAY_MARGIN_US).ceil() as u64,
        };
        (open.begins < open.last.0).then_some(Window {
            begins: Wall(open.begins),
            ends: Wall(open.last.0),
            delay,
        })
    }
}

impl Open {
    fn new((at, range): (u64, f64)) -> Self {
        let range2 = range * range;
        Self { begins: at, before: None, last: (at, range2), min: range2, max: range2 }
    }

    fn push(&mut self, (at, range): (u64, f64)) {
        if at <= self.last.0 {
            return;
        }
        let next = (at, range * range);
        self.include(next.1);
        if let Some(turn) = self.before.and_then(|before| turning_point(before, self.last, next)) {
            self.include(turn);
        }
        self.before = Some(self.last);
        self.last = next;
    }

    fn include(&mut self, range2: f64) {
        self.min = self.min.min(range2);
        self.max = self.max.max(range2);
    }
}

/// The extreme of the parabola through three samples, if it lies between them. The square of a
/// range is smooth: at the steps we take, it leaves the parabola by metres.
fn turning_point(a: (u64, f64), b: (u64, f64), c: (u64, f64)) -> Option<f64> {
    let (tb, tc) = ((b.0 - a.0) as f64, (c.0 - a.0) as f64);
    let rise_ab = (b.1 - a.1) / tb;
    let rise_bc = (c.1 - b.1) / (tc - tb);
    let bend = (rise_bc - rise_ab) / tc;
    let turn = 0.5 * tb - 0.5 * rise_ab / bend;
    // Without a bend this is no number, and within no bounds.
    (turn > 0.0 && turn < tc).then_some(a.1 + rise_ab * turn + bend * turn * (turn - tb))
}

/// The last time in sight, to `EDGE_MS`, on the way from one in sight to one out of it.
fn edge(mut dark: u64, mut lit: (u64, f64), range_at: &mut impl FnMut(Wall) -> Option<f64>) -> (u64, f64) {
    while dark.abs_diff(lit.0) > EDGE_MS {
        let middle = dark.midpoint(lit.0);
        match range_at(Wall(middle)) {
            Some(range) => lit = (middle, range),
            None => dark = middle,
        }
    }
    lit
}

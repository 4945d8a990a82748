//! Axes: where a time lies, and which values are worth a line.

/// Width of the picture, and what is left of and beside the panels, in pixels.
pub(super) const WIDTH: f64 = 1_180.0;
pub(super) const LEFT: f64 = 130.0;
pub(super) const RIGHT: f64 = 20.0;

/// The axis of time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    pub end_ms: u64,
}

impl Time {
    /// Where a time lies, in pixels.
    pub fn x(self, ms: u64) -> f64 {
        tenths(LEFT + (WIDTH - LEFT - RIGHT) * ms.min(self.end_ms) as f64 / self.end_ms.max(1) as f64)
    }

    /// Times that get a line.
    pub fn ticks(self) -> impl Iterator<Item = u64> {
        let step = step(self.end_ms / 1_000, 12, &[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600]);
        (0..=self.end_ms / 1_000).step_by(step as usize)
    }
}

/// A scale of values, from nothing at the bottom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub bottom: f64,
    pub height: f64,
    pub most: u64,
}

impl Scale {
    /// How high a value lies, in pixels.
    pub fn y(self, value: u64) -> f64 {
        tenths(self.bottom - self.height * value.min(self.most) as f64 / self.most.max(1) as f64)
    }

    /// Values that get a line.
    pub fn ticks(self) -> impl Iterator<Item = u64> {
        const STEPS: [u64; 19] = [
            1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000,
            200_000, 500_000, 1_000_000,
        ];
        (0..=self.most).step_by(step(self.most, 4, &STEPS) as usize)
    }
}

/// The least step that needs no more than so many lines.
fn step(most: u64, lines: u64, of: &[u64]) -> u64 {
    let fits = of.iter().find(|step| most / **step <= lines);
    fits.copied().unwrap_or_else(|| (most / lines).max(1))
}

/// Pixels to a tenth: shorter, and the same text on any machine.
pub(super) fn tenths(pixels: f64) -> f64 {
    (pixels * 10.0 + 0.5) as u32 as f64 / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_few_lines_at_round_values() {
        let time = Time { end_ms: 1_020_000 };
        assert_eq!(time.ticks().collect::<Vec<_>>(), [0, 120, 240, 360, 480, 600, 720, 840, 960]);
        assert_eq!(time.x(0), LEFT);
        assert_eq!(time.x(2_000_000), WIDTH - RIGHT);
        let scale = Scale { bottom: 100.0, height: 80.0, most: 1_700 };
        assert_eq!(scale.ticks().collect::<Vec<_>>(), [0, 500, 1_000, 1_500]);
        assert_eq!((scale.y(0), scale.y(1_700)), (100.0, 20.0));
        assert_eq!(Scale { most: 0, ..scale }.y(0), 100.0);
    }
}

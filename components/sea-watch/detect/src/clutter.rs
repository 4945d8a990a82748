use std::ops::{Range, RangeInclusive};

use crate::mask::Mask;
use crate::{Raster, Settings};

/// The test statistic of every pixel of open water.
pub(crate) struct Scores {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Which pixels were tested: row × width + column, ascending.
    pub(crate) pixels: Vec<u32>,
    /// The statistic of each.
    pub(crate) values: Vec<f32>,
}

impl Scores {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, f32)> {
        self.pixels.iter().zip(&self.values).map(|(&pixel, &score)| (pixel as usize, score))
    }

    /// Where the score of a pixel stands, if it was tested.
    pub(crate) fn position(&self, column: usize, row: usize) -> Option<usize> {
        if column >= self.width || row >= self.height {
            return None;
        }
        let pixel = u32::try_from(row * self.width + column).ok()?;
        self.pixels.binary_search(&pixel).ok()
    }
}

/// Side of a tile, in pixels, whose median is the first guess at the water's brightness.
const TILE: usize = 16;
/// A tile with fewer clear pixels has no say.
const TILE_PIXELS_MIN: usize = 16;
/// Cells further from the median than so many deviations are censored.
const CENSOR_DEVIATIONS: f32 = 4.0;
/// The quarter of a normal distribution lies so many deviations below its median.
const QUARTILE_DEVIATIONS: f32 = 0.6745;
/// The variance that rounding to whole numbers adds to the sum of three bands.
const ROUNDING_VARIANCE: f32 = 3.0 / 12.0;
/// Of this part of the training cells, at least one in so many must be clear water.
const TRAINING_PART_MIN: usize = 2;

pub(crate) fn scores(raster: &Raster, mask: &Mask, settings: &Settings) -> Scores {
    let (width, height) = (raster.width(), raster.height());
    let cells = kept_cells(raster, mask);
    let mut outer = Band::new(&cells, settings.training);
    let mut inner = Band::new(&cells, settings.guard);
    let side = |radius: usize| (2 * radius + 1).pow(2);
    let cells_min = (side(settings.training) - side(settings.guard)) / TRAINING_PART_MIN;
    let mut scores = Scores { width, height, pixels: Vec::new(), values: Vec::new() };
    for (row, barred) in mask.barred.chunks_exact(width).enumerate() {
        outer.centre_on(row);
        inner.centre_on(row);
        let Some(open) = extent(barred, |barred| !barred) else { continue };
        outer.accumulate(&open);
        inner.accumulate(&open);
        for column in open {
            if barred[column] {
                continue;
            }
            let ring = outer.window(column).minus(inner.window(column));
            if ring.cells() as usize >= cells_min {
                let pixel = row * width + column;
                scores.pixels.push(pixel as u32);
                scores.values.push(ring.score(f32::from(raster.brightness()[pixel])));
            }
        }
    }
    scores
}

/// From the first to behind the last that counts.
fn extent<T: Copy>(row: &[T], counts: impl Fn(T) -> bool) -> Option<Range<usize>> {
    let begin = row.iter().position(|&cell| counts(cell))?;
    let end = row.iter().rposition(|&cell| counts(cell))? + 1;
    Some(begin..end)
}

/// The cells that clutter is measured on.
struct Cells {
    width: usize,
    /// The brightness of every clear cell that is not censored, and 0 for the others.
    kept: Vec<u16>,
    /// The columns of each row outside which nothing is kept.
    extents: Vec<Range<usize>>,
}

fn kept_cells(raster: &Raster, mask: &Mask) -> Cells {
    let (width, height) = (raster.width(), raster.height());
    let mut cells =
        Cells { width, kept: vec![0; raster.brightness().len()], extents: vec![width..0; height] };
    let mut tile = Vec::with_capacity(TILE * TILE);
    for top in (0..height).step_by(TILE) {
        for left in (0..width).step_by(TILE) {
            let right = (left + TILE).min(width);
            let rows = top..(top + TILE).min(height);
            tile.clear();
            for row in rows.clone().map(|row| row * width) {
                let bright = raster.brightness()[row + left..row + right].iter();
                let clear = mask.clear[row + left..row + right].iter();
                tile.extend(bright.zip(clear).filter_map(|(&cell, &clear)| clear.then_some(cell)));
            }
            let Some(range) = plausible(&mut tile) else { continue };
            for row in rows {
                let extent = &mut cells.extents[row];
                *extent = extent.start.min(left)..extent.end.max(right);
                let row = row * width + left..row * width + right;
                let bright = raster.brightness()[row.clone()].iter();
                let clear = mask.clear[row.clone()].iter();
                for ((kept, &cell), &clear) in cells.kept[row].iter_mut().zip(bright).zip(clear) {
                    *kept = if clear && range.contains(&cell) { cell } else { 0 };
                }
            }
        }
    }
    cells
}

/// The range outside which a tile's cells are censored: about its median, by its lower quartile,
/// since bright debris has moved the upper one.
fn plausible(tile: &mut [u16]) -> Option<RangeInclusive<u16>> {
    if tile.len() < TILE_PIXELS_MIN {
        return None;
    }
    let middle = tile.len() / 2;
    let (below, &mut median, _) = tile.select_nth_unstable(middle);
    let quarter = below.len() / 2;
    let (_, &mut quartile, _) = below.select_nth_unstable(quarter);
    let median = f32::from(median);
    let deviation = ((median - f32::from(quartile)) / QUARTILE_DEVIATIONS).max(1.0);
    let reach = CENSOR_DEVIATIONS * deviation + 1.0;
    // Casts from a float saturate.
    Some((median - reach) as u16..=(median + reach) as u16)
}

/// Count, sum and sum of squares of cells, in the bits of one number, so that one addition serves
/// all three: sums of at most 31 × 31 cells of at most 765 take 20 bits, the count 10, the squares
/// 30. Running totals wrap; the difference over a window does not.
#[derive(Clone, Copy, Default)]
struct Moments(u64);

const COUNT_SHIFT: u32 = 20;
const SQUARES_SHIFT: u32 = 32;

impl Moments {
    /// Of one cell; 0 is none.
    fn of(cell: u16) -> Self {
        let cell = u64::from(cell);
        Self(((cell * cell) << SQUARES_SHIFT) | (u64::from(cell != 0) << COUNT_SHIFT) | cell)
    }

    fn plus(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    fn minus(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }

    fn cells(self) -> u32 {
        (self.0 as u32) >> COUNT_SHIFT
    }

    fn score(self, brightness: f32) -> f32 {
        let cells = f64::from(self.cells());
        let sum = self.0 as u32 & ((1 << COUNT_SHIFT) - 1);
        let squares = (self.0 >> SQUARES_SHIFT) as u32;
        let mean = f64::from(sum) / cells;
        let variance = (f64::from(squares) / cells - mean * mean).max(0.0) as f32;
        // The mean of n cells errs by a variance of 1/n.
        let variance = (variance + ROUNDING_VARIANCE) * (1.0 + 1.0 / cells as f32);
        (brightness - mean as f32) / variance.sqrt()
    }
}

/// Sliding sums over a square window: of each column over the window's rows, kept while the window
/// moves down, and their running totals along the row it is centred on.
struct Band<'a> {
    cells: &'a Cells,
    radius: usize,
    /// Rows that the column sums hold.
    rows: Range<usize>,
    columns: Vec<Moments>,
    totals: Vec<Moments>,
}

impl<'a> Band<'a> {
    fn new(cells: &'a Cells, radius: usize) -> Self {
        let columns = vec![Moments::default(); cells.width];
        let totals = vec![Moments::default(); cells.width + 1];
        Self { cells, radius, rows: 0..0, columns, totals }
    }

    fn centre_on(&mut self, row: usize) {
        let height = self.cells.extents.len();
        while self.rows.end < (row + self.radius + 1).min(height) {
            self.change(self.rows.end, Moments::plus);
            self.rows.end += 1;
        }
        while self.rows.start < row.saturating_sub(self.radius) {
            self.change(self.rows.start, Moments::minus);
            self.rows.start += 1;
        }
    }

    fn change(&mut self, row: usize, by: impl Fn(Moments, Moments) -> Moments) {
        let extent = self.cells.extents[row].clone();
        if extent.is_empty() {
            return;
        }
        let kept = &self.cells.kept[row * self.cells.width..][extent.clone()];
        for (sum, &cell) in self.columns[extent].iter_mut().zip(kept) {
            *sum = by(*sum, Moments::of(cell));
        }
    }

    /// Makes [`Self::window`] ready for these columns.
    fn accumulate(&mut self, columns: &Range<usize>) {
        let begin = columns.start.saturating_sub(self.radius);
        let end = (columns.end + self.radius).min(self.cells.width);
        let mut total = Moments::default();
        self.totals[begin] = total;
        for (slot, &sum) in self.totals[begin + 1..=end].iter_mut().zip(&self.columns[begin..end]) {
            total = total.plus(sum);
            *slot = total;
        }
    }

    fn window(&self, column: usize) -> Moments {
        let begin = column.saturating_sub(self.radius);
        let end = (column + self.radius + 1).min(self.cells.width);
        self.totals[end].minus(self.totals[begin])
    }
}

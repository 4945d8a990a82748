use crate::{Raster, Settings};

/// Which pixels are open water.
pub(crate) struct Mask {
    /// Land, bank, cloud or outside the scene, with a margin: no target is sought here.
    pub(crate) barred: Vec<bool>,
    /// Water and nothing else: what clutter is measured on.
    pub(crate) clear: Vec<bool>,
}

pub(crate) fn open_water(raster: &Raster, settings: &Settings) -> Mask {
    let width = raster.width();
    let margin = settings.guard;
    let mut runs = Runs::default();
    let mut barred = vec![false; raster.level().len()];
    let rows = raster.level().chunks_exact(width).zip(raster.brightness().chunks_exact(width));
    // One more than a row: its end closes a run as any change does.
    let mut kinds = vec![Kind::Dark; width + 1];
    for ((row, (level, brightness)), barred) in rows.enumerate().zip(barred.chunks_exact_mut(width)) {
        for ((kind, &level), &brightness) in kinds.iter_mut().zip(level).zip(brightness) {
            let lit = if level > settings.water_max { Kind::Bright } else { Kind::Dark };
            *kind = if brightness == 0 { Kind::Outside } else { lit };
        }
        runs.push_row(row, &kinds, barred, margin);
    }
    runs.bar_large(settings.target_pixels_max, width, &mut barred, margin);
    let barred = spread_over_rows(barred, width, margin);
    let clear = (raster.level().iter().zip(&barred))
        .map(|(&level, &barred)| !barred && level <= settings.water_max)
        .collect();
    Mask { barred, clear }
}

/// Sets the columns `begin..end` of a row with a margin on both sides.
fn bar(row: &mut [bool], begin: usize, end: usize, margin: usize) {
    let end = (end + margin).min(row.len());
    row[begin.saturating_sub(margin)..end].fill(true);
}

/// Sets every pixel that lies at most `margin` rows above or below one that is set.
fn spread_over_rows(set: Vec<bool>, width: usize, margin: usize) -> Vec<bool> {
    let mut spread = set.clone();
    for shift in (1..=margin).map(|rows| rows * width).take_while(|&shift| shift < set.len()) {
        or(&mut spread[shift..], &set[..set.len() - shift]);
        or(&mut spread[..set.len() - shift], &set[shift..]);
    }
    spread
}

fn or(to: &mut [bool], from: &[bool]) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to |= from);
}

#[derive(Clone, Copy, PartialEq)]
#[repr(u8)]
enum Kind {
    Dark,
    Bright,
    Outside,
}

struct Run {
    row: u32,
    begin: u32,
    end: u32,
}

/// Connected bright pixels, by runs: a run of a row joins those that it touches in the row above.
#[derive(Default)]
struct Runs {
    runs: Vec<Run>,
    /// Union–find over the runs; a root points to itself.
    parent: Vec<u32>,
    /// First run of the row above, and of this row.
    above: usize,
    current: usize,
}

impl Runs {
    fn push_row(&mut self, row: usize, kinds: &[Kind], barred: &mut [bool], margin: usize) {
        self.above = self.current;
        self.current = self.runs.len();
        let mut begin = 0;
        while let Some(&kind) = kinds.get(begin) {
            let length = kinds[begin..].iter().take_while(|&&next| next == kind).count();
            let end = begin + length;
            match kind {
                Kind::Bright => {
                    self.push(Run { row: row as u32, begin: begin as u32, end: end as u32 });
                }
                Kind::Outside => bar(barred, begin, end, margin),
                Kind::Dark => {}
            }
            begin = end;
        }
    }

    fn push(&mut self, run: Run) {
        let index = self.runs.len();
        self.parent.push(index as u32);
        // Runs above that ended before this one begins touch no later one either.
        while self.above < self.current && self.runs[self.above].end < run.begin {
            self.above += 1;
        }
        let mut above = self.above;
        while above < self.current && self.runs[above].begin <= run.end {
            let (a, b) = (self.root(above), self.root(index));
            let (low, high) = (a.min(b), a.max(b));
            self.parent[high] = low as u32;
            above += 1;
        }
        self.runs.push(run);
    }

    fn root(&mut self, mut index: usize) -> usize {
        while self.parent[index] as usize != index {
            let grand = self.parent[self.parent[index] as usize];
            self.parent[index] = grand;
            index = grand as usize;
        }
        index
    }

    fn bar_large(&mut self, pixels_max: u32, width: usize, barred: &mut [bool], margin: usize) {
        let roots: Vec<usize> = (0..self.runs.len()).map(|index| self.root(index)).collect();
        let mut pixels = vec![0_u32; roots.len()];
        for (run, &root) in self.runs.iter().zip(&roots) {
            pixels[root] += run.end - run.begin;
        }
        for (run, &root) in self.runs.iter().zip(&roots) {
            if pixels[root] > pixels_max {
                let row = &mut barred[run.row as usize * width..][..width];
                bar(row, run.begin as usize, run.end as usize, margin);
            }
        }
    }
}

use crate::Raster;
use crate::clutter::Scores;

/// More targets are not reported; those that stand out most are.
pub const TARGETS_MAX: usize = 10_000;

/// A group of alarms that touch.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// Last column, inclusive.
    pub right: u32,
    /// Last row, inclusive.
    pub bottom: u32,
    /// Column of the centroid, weighted by the test statistic; 0.5 is the middle of the
    /// first pixel.
    pub column: f64,
    /// Row of the centroid.
    pub row: f64,
    /// How many pixels raised the alarm.
    pub pixels: u32,
    /// The highest test statistic: deviations above the water around.
    pub snr: f32,
    /// The brightest pixel: the mean of its bands, 0 to 255.
    pub peak: f32,
}

/// The targets, row by row of their highest pixel.
pub(crate) fn targets(raster: &Raster, scores: &Scores, threshold: f32) -> Vec<Target> {
    // The score of an alarm, until a target has taken it; 0 elsewhere.
    let mut alarm = vec![0.0_f32; raster.brightness().len()];
    let alarms: Vec<(usize, f32)> = scores.iter().filter(|&(_, score)| score > threshold).collect();
    for &(pixel, score) in &alarms {
        alarm[pixel] = score;
    }
    let mut found = Vec::new();
    let mut open = Vec::new();
    for &(first, score) in &alarms {
        if std::mem::take(&mut alarm[first]) == 0.0 {
            continue;
        }
        let mut group = Group::default();
        open.push((first, score));
        while let Some((pixel, score)) = open.pop() {
            group.add(raster, pixel, score);
            for neighbour in neighbours(pixel, raster.width(), raster.height()) {
                let score = std::mem::take(&mut alarm[neighbour]);
                if score > 0.0 {
                    open.push((neighbour, score));
                }
            }
        }
        found.push(group.target());
    }
    if found.len() > TARGETS_MAX {
        found.sort_by(|a, b| b.snr.total_cmp(&a.snr));
        found.truncate(TARGETS_MAX);
        found.sort_by_key(|target| (target.top, target.left));
    }
    found
}

fn neighbours(pixel: usize, width: usize, height: usize) -> impl Iterator<Item = usize> {
    let (column, row) = (pixel % width, pixel / width);
    let rows = row.saturating_sub(1)..=(row + 1).min(height - 1);
    rows.flat_map(move |row| {
        let columns = column.saturating_sub(1)..=(column + 1).min(width - 1);
        columns.map(move |column| row * width + column)
    })
}

#[derive(Default)]
struct Group {
    bounds: Option<[u32; 4]>,
    weight: f64,
    weighted: (f64, f64),
    pixels: u32,
    snr: f32,
    peak: u16,
}

impl Group {
    fn add(&mut self, raster: &Raster, pixel: usize, score: f32) {
        let (column, row) = ((pixel % raster.width()) as u32, (pixel / raster.width()) as u32);
        let [left, top, right, bottom] = self.bounds.unwrap_or([column, row, column, row]);
        self.bounds = Some([left.min(column), top.min(row), right.max(column), bottom.max(row)]);
        let weight = f64::from(score);
        self.weight += weight;
        self.weighted.0 += weight * (f64::from(column) + 0.5);
        self.weighted.1 += weight * (f64::from(row) + 0.5);
        self.pixels += 1;
        self.snr = self.snr.max(score);
        self.peak = self.peak.max(raster.brightness()[pixel]);
    }

    fn target(self) -> Target {
        let [left, top, right, bottom] = self.bounds.unwrap_or_default();
        Target {
            left,
            top,
            right,
            bottom,
            column: self.weighted.0 / self.weight,
            row: self.weighted.1 / self.weight,
            pixels: self.pixels,
            snr: self.snr,
            peak: f32::from(self.peak) / 3.0,
        }
    }
}

//! The threshold for a false-alarm rate, from the tail of the image's own clutter.

use crate::clutter::Scores;
use crate::mask::Mask;

/// Brighter than so many deviations is an object and no clutter.
const CONSPICUOUS: f32 = 8.0;
/// Darker than so many is a cloud's shadow.
const SHADOW: f32 = -5.0;
/// Water this near to either, in pixels, is left out of the sample.
const MARGIN: usize = 5;

/// Of each score, whether its pixel is open water with nothing conspicuous near it.
pub(crate) fn empty_water(scores: &Scores, mask: &Mask) -> Vec<bool> {
    let Scores { width, height, .. } = *scores;
    let mut near = vec![false; mask.clear.len()];
    for (pixel, score) in scores.iter() {
        if !(SHADOW..=CONSPICUOUS).contains(&score) || !mask.clear[pixel] {
            let (column, row) = (pixel % width, pixel / width);
            let begin = column.saturating_sub(MARGIN);
            let end = (column + MARGIN + 1).min(width);
            for row in row.saturating_sub(MARGIN)..(row + MARGIN + 1).min(height) {
                near[row * width + begin..row * width + end].fill(true);
            }
        }
    }
    scores.pixels.iter().map(|&pixel| !near[pixel as usize]).collect()
}

/// Fractions of the sample above the quantiles that the tail is fitted to.
const FRACTIONS: [f64; 9] = [0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002];
/// A quantile with fewer samples above it is too uncertain to fit.
const SAMPLES_MIN: f64 = 20.0;
/// Bins a deviation, and deviations that the histogram reaches.
const BINS: usize = 64;
const REACH: usize = 16;

/// The bright tail of the clutter: the statistic as a quadratic in the normal quantile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tail {
    /// Coefficients of 1, z and z².
    pub coefficients: [f64; 3],
    /// How many pixels of empty water it was measured on.
    pub samples: usize,
}

impl Tail {
    /// What holds where there is too little water to measure on: the normal distribution.
    const NORMAL: [f64; 3] = [0.0, 1.0, 0.0];

    pub(crate) fn measure(scores: &Scores, empty: &[bool]) -> Self {
        let mut histogram = vec![0_u32; BINS * REACH];
        let mut samples = 0_usize;
        for (&score, _) in scores.values.iter().zip(empty).filter(|(_, empty)| **empty) {
            samples += 1;
            if score > 0.0 {
                // A cast from a float saturates.
                let bin = (score * BINS as f32) as usize;
                histogram[bin.min(BINS * REACH - 1)] += 1;
            }
        }
        let points: Vec<(f64, f64)> = FRACTIONS
            .iter()
            .filter(|&&fraction| fraction * samples as f64 >= SAMPLES_MIN)
            .map(|&fraction| (normal_quantile(fraction), quantile(&histogram, fraction * samples as f64)))
            .collect();
        Self { coefficients: fit(&points), samples }
    }

    /// The statistic that empty water exceeds with probability `pfa`.
    pub fn threshold(&self, pfa: f64) -> f64 {
        let z = normal_quantile(pfa);
        let [constant, linear, square] = self.coefficients;
        constant + z * (linear + z * square)
    }
}

/// Where `above` samples of a histogram lie above, interpolated within its bin.
fn quantile(histogram: &[u32], above: f64) -> f64 {
    let mut counted = 0.0;
    for (bin, &count) in histogram.iter().enumerate().rev() {
        let count = f64::from(count);
        if counted + count >= above {
            let within = if count > 0.0 { (above - counted) / count } else { 0.0 };
            return (bin as f64 + 1.0 - within) / BINS as f64;
        }
        counted += count;
    }
    0.0
}

/// Least squares. The square's coefficient is not let below 0: a tail lighter than a Gaussian's is
/// taken for one, as more would be read out of the sample than is in it.
fn fit(points: &[(f64, f64)]) -> [f64; 3] {
    if points.len() < 3 {
        return Tail::NORMAL;
    }
    let quadratic = quadratic_fit(points);
    match quadratic {
        Some(fit) if fit[2] >= 0.0 => fit,
        _ => line_fit(points),
    }
}

fn line_fit(points: &[(f64, f64)]) -> [f64; 3] {
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (z, t) = (mean(|p| p.0), mean(|p| p.1));
    let covariance: f64 = points.iter().map(|p| (p.0 - z) * (p.1 - t)).sum();
    let variance: f64 = points.iter().map(|p| (p.0 - z) * (p.0 - z)).sum();
    let slope = covariance / variance;
    [t - slope * z, slope, 0.0]
}

/// The normal equations of three unknowns, by Cramer's rule.
fn quadratic_fit(points: &[(f64, f64)]) -> Option<[f64; 3]> {
    let sum = |power: i32| points.iter().map(|p| p.0.powi(power)).sum::<f64>();
    let right = |power: i32| points.iter().map(|p| p.1 * p.0.powi(power)).sum::<f64>();
    let columns = [[sum(0), sum(1), sum(2)], [sum(1), sum(2), sum(3)], [sum(2), sum(3), sum(4)]];
    let right = [right(0), right(1), right(2)];
    let whole = determinant(columns);
    if whole.abs() < 1e-9 {
        return None;
    }
    let mut fit = [0.0; 3];
    for (index, coefficient) in fit.iter_mut().enumerate() {
        let mut replaced = columns;
        replaced[index] = right;
        *coefficient = determinant(replaced) / whole;
    }
    Some(fit)
}

fn determinant([a, b, c]: [[f64; 3]; 3]) -> f64 {
    a[0] * (b[1] * c[2] - b[2] * c[1]) - b[0] * (a[1] * c[2] - a[2] * c[1])
        + c[0] * (a[1] * b[2] - a[2] * b[1])
}

/// The normal quantile with probability `above` above it: Abramowitz & Stegun 26.2.23, which errs
/// by less than 4.5 × 10⁻⁴.
fn normal_quantile(above: f64) -> f64 {
    let t = (-2.0 * above.ln()).sqrt();
    let numerator = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let denominator = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    t - numerator / denominator
}

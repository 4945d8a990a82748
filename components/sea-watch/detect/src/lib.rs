//! Bright targets on open water, by a constant-false-alarm-rate (CFAR) detector.
//!
//! [`detect`] takes an encoded image (GeoTIFF or PNG, 8 or 16 bits, grey or RGB) and gives the
//! compact objects that stand out of open water: boxes in pixels, and in longitude and latitude
//! (WGS 84) where the image says where it lies. [`Report::json`] is GeoJSON (RFC 7946) in that
//! case and plain JSON otherwise.
//!
//! ```
//! use sea_watch_detect::{Settings, detect};
//!
//! let error = detect(b"GIF89a", &Settings::default()).unwrap_err();
//! assert_eq!(error.to_string(), "this is neither a TIFF nor a PNG image: send one of these");
//! ```
//!
//! # Method
//!
//! 1. **Open water** ([`Settings::water_max`]): deep water is dark in every band. What is brighter
//!    in any is land, surf, shallow bank or cloud where it covers more than
//!    [`Settings::target_pixels_max`] connected pixels; that, and what lies outside the scene
//!    (all bands 0), is masked with a margin of the guard window. A smaller bright blob stays: it
//!    may be a target. Where less than half of a training window is clear water nothing is tested,
//!    which leaves out cloud fields, coasts and straits.
//! 2. **Clutter** (cell averaging after Finn & Johnson 1968, censored): the mean and the standard
//!    deviation of the brightness, the sum of the bands, in a square ring of training cells around
//!    a guard window. Cells far from the median of their tile of 16 × 16 pixels are censored
//!    before, since neighbouring targets and cloud debris in the ring would hide targets (the
//!    ordered-statistic idea of Rohling 1983). The test statistic is (brightness − mean) divided
//!    by the deviation.
//! 3. **Threshold** ([`threshold`]): sums of optical noise are near to normal, but the deviation
//!    varies within a window, haze skews the bright side and samples are whole numbers: the bright
//!    tail is heavier than a Gaussian, and a factor taken from a normal table gives several times
//!    the configured rate. So the tail is measured on the image itself: quantiles of the
//!    statistic over its empty water are fitted by a quadratic in the normal quantile (the form of
//!    Cornish & Fisher 1938), straight for a Gaussian and bent for skewed or exponential tails,
//!    and read off at the configured rate. Water near anything conspicuous is left out of the
//!    sample, so that targets do not teach the detector what is normal.
//! 4. **Targets**: alarms that touch, also by a corner, are one.
//!
//! What it cannot do: tell a ship from a cloud as small as a ship. It finds what is bright.
//!
//! Sources: H. M. Finn and R. S. Johnson, "Adaptive detection mode with threshold control as a
//! function of spatially sampled clutter-level estimates", RCA Review 29 (1968); H. Rohling,
//! "Radar CFAR thresholding in clutter and multiple target situations", IEEE Trans. AES-19 (1983);
//! E. A. Cornish and R. A. Fisher, "Moments and cumulants in the specification of distributions",
//! Revue de l'Institut International de Statistique 5 (1938).

mod cluster;
mod clutter;
mod decode;
mod geo;
mod mask;
mod raster;
mod report;
mod settings;
pub mod threshold;
mod utm;

pub use cluster::{TARGETS_MAX, Target};
pub use decode::{DecodeError, PIXELS_MAX, SIDE_MAX, decode};
pub use geo::{Georeference, LonLat, Projection};
pub use raster::Raster;
pub use report::{GEOJSON, JSON, Report};
pub use settings::{Settings, SettingsError};
pub use utm::Utm;

use clutter::Scores;
use threshold::Tail;

/// Why there are no targets to report.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The image could not be read.
    #[error(transparent)]
    Image(#[from] DecodeError),
    /// The settings contradict themselves or leave their ranges.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

/// Decodes an image and finds the targets on it.
pub fn detect(image: &[u8], settings: &Settings) -> Result<Report, DetectError> {
    settings.check()?;
    let (raster, georeference) = decode(image)?;
    let analysis = analyse(&raster, settings)?;
    Ok(Report {
        width: raster.width(),
        height: raster.height(),
        georeference,
        pfa: settings.pfa,
        threshold: analysis.threshold,
        tested: analysis.tested,
        targets: cluster::targets(&raster, &analysis.scores, analysis.threshold),
    })
}

/// Everything known of each pixel: what [`detect`] decides from, and what its quality is measured
/// by.
pub struct Analysis {
    scores: Scores,
    empty: Vec<bool>,
    /// The clutter's bright tail, as measured.
    pub tail: Tail,
    /// A pixel whose statistic is above it is an alarm.
    pub threshold: f32,
    /// How many pixels were open water, and tested.
    pub tested: usize,
}

impl Analysis {
    /// The test statistic at a pixel; `None` where it is not open water.
    pub fn score(&self, column: usize, row: usize) -> Option<f32> {
        Some(self.scores.values[self.scores.position(column, row)?])
    }

    /// Whether a pixel is open water with nothing conspicuous near it.
    pub fn is_empty_water(&self, column: usize, row: usize) -> bool {
        self.scores.position(column, row).is_some_and(|position| self.empty[position])
    }
}

/// Scores every pixel of open water and sets the threshold.
pub fn analyse(raster: &Raster, settings: &Settings) -> Result<Analysis, SettingsError> {
    settings.check()?;
    let mask = mask::open_water(raster, settings);
    let scores = clutter::scores(raster, &mask, settings);
    let empty = threshold::empty_water(&scores, &mask);
    let tail = Tail::measure(&scores, &empty);
    Ok(Analysis {
        threshold: tail.threshold(settings.pfa) as f32,
        tested: scores.values.len(),
        scores,
        empty,
        tail,
    })
}

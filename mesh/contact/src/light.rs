//! What distance does to a signal: it delays it, and the Earth may stand in between.

use crate::Vec3;
use crate::earth::RADIUS_KM;

/// The speed of light in vacuum.
pub const LIGHT_KM_S: f64 = 299_792.458;
/// A laser between satellites must pass this high above the Earth.
pub const ATMOSPHERE_KM: f64 = 80.0;

/// One-way light time in microseconds, rounded to the nearest.
pub fn delay_us(range_km: f64) -> u64 {
    // The cast saturates, and makes zero of what is not a number.
    (range_km / LIGHT_KM_S * 1e6 + 0.5).floor() as u64
}

/// The shortest and the longest one-way light time within a window, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DelayRange {
    /// No signal takes less.
    pub min_us: u64,
    /// No signal takes more.
    pub max_us: u64,
}

impl DelayRange {
    /// A delay that does not change.
    pub fn constant(us: u64) -> Self {
        Self { min_us: us, max_us: us }
    }
}

/// Whether two satellites see each other past the Earth and its atmosphere. The Earth is
/// a ball of its equatorial radius here, so that near the poles a link opens a little late.
pub fn line_of_sight(a: Vec3, b: Vec3) -> bool {
    let line = b - a;
    let length2 = line.dot(line);
    if length2 == 0.0 {
        return true;
    }
    // How far along the line it comes closest to the centre.
    let along = (-a.dot(line) / length2).clamp(0.0, 1.0);
    let closest = Vec3 { x: a.x + along * line.x, y: a.y + along * line.y, z: a.z + along * line.z };
    let clearance = RADIUS_KM + ATMOSPHERE_KM;
    closest.dot(closest) >= clearance * clearance
}

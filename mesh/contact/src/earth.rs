//! The Earth: its figure (WGS-84) and its turning (Greenwich mean sidereal time).

use crate::Vec3;
use orbweave_model::Wall;
use std::f64::consts::TAU;

/// Equatorial radius of WGS-84.
pub(crate) const RADIUS_KM: f64 = 6_378.137;
const FLATTENING: f64 = 1.0 / 298.257_223_563;
/// J2000, 1 January 2000 at noon, in milliseconds since the Unix epoch.
const J2000_MS: f64 = 946_728_000_000.0;
const CENTURY_MS: f64 = 36_525.0 * 86_400_000.0;

/// A moment, with the Earth's orientation at it: computed once for all satellites.
///
/// UT1 is taken as UTC and the pole as fixed: an error below 0.9 s of turning, 420 m at
/// the equator, and less than SGP4's own after a day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    wall: Wall,
    sidereal: f64,
    sin: f64,
    cos: f64,
}

impl Moment {
    /// The moment of a wall time.
    pub fn at(wall: Wall) -> Self {
        let sidereal = sidereal_angle(wall);
        Self { wall, sidereal, sin: libm::sin(sidereal), cos: libm::cos(sidereal) }
    }

    /// Its wall time.
    pub fn wall(&self) -> Wall {
        self.wall
    }

    /// Greenwich mean sidereal time as an angle in radians, from 0 to 2π.
    pub fn sidereal(&self) -> f64 {
        self.sidereal
    }

    /// From the inertial frame of SGP4 (true equator, mean equinox) to the Earth's own.
    pub fn to_earth_fixed(&self, inertial: Vec3) -> Vec3 {
        Vec3 {
            x: self.cos * inertial.x + self.sin * inertial.y,
            y: self.cos * inertial.y - self.sin * inertial.x,
            z: inertial.z,
        }
    }
}

/// IAU 1982, as in Vallado, "Fundamentals of Astrodynamics and Applications", eq. 3-47.
fn sidereal_angle(wall: Wall) -> f64 {
    let centuries = (wall.0 as f64 - J2000_MS) / CENTURY_MS;
    let seconds = 67_310.548_41
        + centuries * (3_164_400_184.812_866 + centuries * (0.093_104 - centuries * 0.000_006_2));
    let angle = (seconds % 86_400.0) / 86_400.0 * TAU;
    if angle < 0.0 { angle + TAU } else { angle }
}

/// A place on or above the ellipsoid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Geodetic {
    /// North is positive.
    pub latitude_deg: f64,
    /// East is positive.
    pub longitude_deg: f64,
    /// Above the ellipsoid.
    pub altitude_m: f64,
}

impl Geodetic {
    /// Its position, fixed to the Earth.
    pub fn position(&self) -> Vec3 {
        let up = self.up();
        let e2 = FLATTENING * (2.0 - FLATTENING);
        let normal = RADIUS_KM / (1.0 - e2 * up.z * up.z).sqrt();
        let altitude = self.altitude_m / 1_000.0;
        Vec3 {
            x: (normal + altitude) * up.x,
            y: (normal + altitude) * up.y,
            z: (normal * (1.0 - e2) + altitude) * up.z,
        }
    }

    /// The direction straight up: the normal of the ellipsoid, of length one.
    pub fn up(&self) -> Vec3 {
        let (latitude, longitude) = (self.latitude_deg.to_radians(), self.longitude_deg.to_radians());
        let cos = libm::cos(latitude);
        Vec3 { x: cos * libm::cos(longitude), y: cos * libm::sin(longitude), z: libm::sin(latitude) }
    }
}

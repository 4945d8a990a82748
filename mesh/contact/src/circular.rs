//! A circular orbit that drifts as the Earth's flattening makes it drift (J2, secular).

use crate::{Vec3, earth};
use orbweave_model::Wall;

/// The Earth's gravity, km³/s² (WGS-84).
const MU: f64 = 398_600.441_8;
/// Second zonal harmonic (WGS-84).
const J2: f64 = 0.001_082_629_989_05;

/// A circle around the Earth at constant height. Its plane precesses and its satellite
/// runs at the rates that J2 gives them; nothing else disturbs it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CircularOrbit {
    epoch: Wall,
    radius_km: f64,
    sin_inclination: f64,
    cos_inclination: f64,
    node: f64,
    node_rate: f64,
    latitude: f64,
    latitude_rate: f64,
}

impl CircularOrbit {
    /// The orbit with a node and an argument of latitude (its angle from the node) at the
    /// epoch, both in radians. Their bounds are [`crate::Walker`]'s to check.
    pub(crate) fn new(epoch: Wall, altitude_km: f64, inclination_deg: f64, node: f64, latitude: f64) -> Self {
        let radius_km = earth::RADIUS_KM + altitude_km;
        let inclination = inclination_deg.to_radians();
        let (sin, cos) = (libm::sin(inclination), libm::cos(inclination));
        let motion = (MU / (radius_km * radius_km * radius_km)).sqrt();
        let ratio = earth::RADIUS_KM / radius_km;
        let j2 = 1.5 * J2 * ratio * ratio;
        Self {
            epoch,
            radius_km,
            sin_inclination: sin,
            cos_inclination: cos,
            node,
            node_rate: -motion * j2 * cos,
            latitude,
            // The drifts of the mean anomaly and of the perigee, which on a circle are one angle.
            latitude_rate: motion * (1.0 + j2 * (3.0 - 4.0 * sin * sin)),
        }
    }

    /// When node and latitude were as given.
    pub(crate) fn epoch(&self) -> Wall {
        self.epoch
    }

    /// Its position in the inertial frame.
    pub(crate) fn inertial(&self, wall: Wall) -> Vec3 {
        let seconds = (wall.0 as f64 - self.epoch.0 as f64) / 1_000.0;
        let node = self.node + self.node_rate * seconds;
        let latitude = self.latitude + self.latitude_rate * seconds;
        let (sin_u, cos_u) = (libm::sin(latitude), libm::cos(latitude));
        let (sin_n, cos_n) = (libm::sin(node), libm::cos(node));
        Vec3 {
            x: self.radius_km * (cos_n * cos_u - sin_n * sin_u * self.cos_inclination),
            y: self.radius_km * (sin_n * cos_u + cos_n * sin_u * self.cos_inclination),
            z: self.radius_km * sin_u * self.sin_inclination,
        }
    }
}

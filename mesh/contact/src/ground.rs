//! Ground stations, and what they see.

use crate::{Geodetic, Vec3};
use thiserror::Error;

/// A place on the ground with an antenna.
#[derive(Debug, Clone, PartialEq)]
pub struct GroundStation {
    name: String,
    position: Vec3,
    up: Vec3,
    min_sine: f64,
}

/// How a satellite stands in a station's sky.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// Above the horizon.
    pub elevation_deg: f64,
    /// How far away.
    pub range_km: f64,
}

impl GroundStation {
    /// A station at a geodetic latitude and longitude (WGS-84), which reaches satellites
    /// from `min_elevation_deg` above its horizon on.
    pub fn new(
        name: impl Into<String>,
        latitude_deg: f64,
        longitude_deg: f64,
        altitude_m: f64,
        min_elevation_deg: f64,
    ) -> Result<Self, StationError> {
        let name = name.into();
        let within = |what, value: f64, from: f64, to: f64| {
            if value >= from && value <= to {
                Ok(())
            } else {
                Err(StationError { station: name.clone(), what, value, from, to })
            }
        };
        within("latitude in degrees", latitude_deg, -90.0, 90.0)?;
        within("longitude in degrees", longitude_deg, -180.0, 360.0)?;
        within("altitude in metres", altitude_m, -500.0, 9_000.0)?;
        within("minimum elevation in degrees", min_elevation_deg, 0.0, 89.0)?;
        let place = Geodetic { latitude_deg, longitude_deg, altitude_m };
        Ok(Self {
            position: place.position(),
            up: place.up(),
            min_sine: libm::sin(min_elevation_deg.to_radians()),
            name,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is, fixed to the Earth.
    pub fn position(&self) -> Vec3 {
        self.position
    }

    /// Elevation and range of a satellite at a position fixed to the Earth.
    pub fn look(&self, satellite: Vec3) -> Look {
        let (height, range_km) = self.sight(satellite);
        // Rounding can pass one by a bit at the zenith.
        let sine = (height / range_km).clamp(-1.0, 1.0);
        Look { elevation_deg: libm::asin(sine).to_degrees(), range_km }
    }

    /// The range if the satellite is at or above the minimum elevation.
    pub fn range_if_seen(&self, satellite: Vec3) -> Option<f64> {
        // Below the horizon plane is where most satellites are: three multiplications
        // settle it, without the root.
        let height = (satellite - self.position).dot(self.up);
        if height < 0.0 {
            return None;
        }
        let range = (satellite - self.position).norm();
        (height >= self.min_sine * range).then_some(range)
    }

    /// The sine of the elevation in billionths if the satellite is seen: an integer to rank by.
    pub(crate) fn rank(&self, satellite: Vec3) -> Option<i64> {
        let range = self.range_if_seen(satellite)?;
        let (height, _) = self.sight(satellite);
        Some((height / range * 1e9) as i64)
    }

    /// Height above the horizon plane, and range.
    fn sight(&self, satellite: Vec3) -> (f64, f64) {
        let line = satellite - self.position;
        (line.dot(self.up), line.norm())
    }
}

/// A ground station that cannot be.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("ground station {station:?}: {what} is {value}; give a number from {from} to {to}")]
pub struct StationError {
    station: String,
    what: &'static str,
    value: f64,
    from: f64,
    to: f64,
}

//! A Walker shell: planes evenly turned, satellites evenly spaced in each.
//!
//! Its orbits are exact circles with the drift that J2 gives them, not SGP4 over invented
//! elements. A shell is a design: its satellites keep their stations, so that the grid
//! keeps its shape for as long as a scenario lasts, the altitude is the one asked for
//! (SGP4's mean elements differ from it by kilometres, and breathe), and a position
//! costs a quarter of the time.

use crate::{CircularOrbit, Satellite};
use orbweave_model::Wall;
use std::f64::consts::{PI, TAU};
use thiserror::Error;

/// Satellites of one shell.
pub const SHELL_MAX: usize = 100_000;

/// How the planes are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalkerKind {
    /// Over 360 degrees (Starlink). Every plane has two neighbours.
    Delta,
    /// Over 180 degrees (Iridium, OneWeb). Between the first and the last plane runs a seam,
    /// across which satellites fly against one another.
    Star,
}

/// A shell in Walker's notation *i*: *t*/*p*/*f*.
#[derive(Debug, Clone, PartialEq)]
pub struct Walker {
    /// The first part of the satellites' names.
    pub name: String,
    /// How the planes are spread.
    pub kind: WalkerKind,
    /// From 0 to 180.
    pub inclination_deg: f64,
    /// Above the equatorial radius.
    pub altitude_km: f64,
    /// *p*.
    pub planes: u32,
    /// *t* / *p*.
    pub satellites_per_plane: u32,
    /// *f*, less than the planes: each plane is this many *t*-ths of a turn ahead of the one before.
    pub phasing: u32,
    /// When the first satellite crosses the equator at right ascension zero.
    pub epoch: Wall,
}

impl Walker {
    /// The satellites, plane by plane: number `plane * satellites_per_plane + slot`, named
    /// `name-plane-slot`.
    pub fn satellites(&self) -> Result<Vec<Satellite>, WalkerError> {
        self.check()?;
        let (planes, slots) = (self.planes, self.satellites_per_plane);
        Ok((0..planes)
            .flat_map(|plane| (0..slots).map(move |slot| (plane, slot)))
            .map(|(plane, slot)| self.at(plane, slot))
            .collect())
    }

    /// The one satellite of a plane and slot, both counted from zero.
    pub fn satellite(&self, plane: u32, slot: u32) -> Result<Satellite, WalkerError> {
        self.check()?;
        let fault = |what, is: u32, give| {
            Err(WalkerError { shell: self.name.clone(), what, is: is.to_string(), give })
        };
        if plane >= self.planes {
            return fault("plane of a satellite", plane, "less than the number of planes");
        }
        if slot >= self.satellites_per_plane {
            return fault("slot of a satellite", slot, "less than the satellites of a plane");
        }
        Ok(self.at(plane, slot))
    }

    fn at(&self, plane: u32, slot: u32) -> Satellite {
        let (planes, slots) = (f64::from(self.planes), f64::from(self.satellites_per_plane));
        let spread = match self.kind {
            WalkerKind::Delta => TAU,
            WalkerKind::Star => PI,
        };
        let node = spread * f64::from(plane) / planes;
        let latitude = TAU * f64::from(slot) / slots
            + TAU * f64::from(self.phasing) * f64::from(plane) / (planes * slots);
        let orbit = CircularOrbit::new(self.epoch, self.altitude_km, self.inclination_deg, node, latitude);
        Satellite::circular(format!("{}-{plane:02}-{slot:02}", self.name), orbit)
    }

    pub(crate) fn check(&self) -> Result<(), WalkerError> {
        let fault = |what, is: String, give| Err(WalkerError { shell: self.name.clone(), what, is, give });
        let total = u64::from(self.planes) * u64::from(self.satellites_per_plane);
        if total == 0 || total > SHELL_MAX as u64 {
            return fault("number of satellites", total.to_string(), "from 1 to 100000");
        }
        if self.phasing >= self.planes {
            return fault("phasing", self.phasing.to_string(), "less than the number of planes");
        }
        if !(self.inclination_deg >= 0.0 && self.inclination_deg <= 180.0) {
            return fault("inclination in degrees", self.inclination_deg.to_string(), "from 0 to 180");
        }
        if !(self.altitude_km >= 120.0 && self.altitude_km <= 50_000.0) {
            return fault("altitude in kilometres", self.altitude_km.to_string(), "from 120 to 50000");
        }
        Ok(())
    }
}

/// A shell that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("shell {shell:?}: {what} is {is}; give a number {give}")]
pub struct WalkerError {
    shell: String,
    what: &'static str,
    is: String,
    give: &'static str,
}

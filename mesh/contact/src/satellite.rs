//! A satellite: a name, and an orbit that says where it is.

use crate::sgp4::PropagatorError;
use crate::{CircularOrbit, Elements, Moment, Propagator, Vec3};
use orbweave_model::Wall;
use thiserror::Error;

/// A named satellite, ready to be asked where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Satellite {
    name: String,
    orbit: Orbit,
}

#[derive(Debug, Clone, PartialEq)]
enum Orbit {
    Elements(Box<Propagator>),
    Circular(CircularOrbit),
}

impl Satellite {
    /// A satellite that SGP4 propagates from its elements.
    pub fn from_elements(elements: &Elements) -> Result<Self, OrbitError> {
        let name = elements.name.clone();
        match Propagator::new(elements) {
            Ok(propagator) => Ok(Self { name, orbit: Orbit::Elements(Box::new(propagator)) }),
            Err(why) => Err(OrbitError { satellite: name, why }),
        }
    }

    /// A satellite on a circular orbit.
    pub(crate) fn circular(name: impl Into<String>, orbit: CircularOrbit) -> Self {
        Self { name: name.into(), orbit: Orbit::Circular(orbit) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When its elements were true. SGP4 strays by one to three kilometres a day from there.
    pub fn epoch(&self) -> Wall {
        match &self.orbit {
            Orbit::Elements(propagator) => propagator.epoch(),
            Orbit::Circular(orbit) => orbit.epoch(),
        }
    }

    /// Its position, fixed to the Earth. Fails where the elements lead nowhere any more,
    /// since it has decayed or they are too old.
    pub fn position(&self, moment: &Moment) -> Result<Vec3, OrbitError> {
        self.inertial(moment.wall()).map(|p| moment.to_earth_fixed(p))
    }

    /// Its position in the inertial frame (true equator, mean equinox).
    pub fn inertial(&self, wall: Wall) -> Result<Vec3, OrbitError> {
        match &self.orbit {
            Orbit::Circular(orbit) => Ok(orbit.inertial(wall)),
            Orbit::Elements(propagator) => {
                propagator.inertial(wall).map_err(|why| OrbitError { satellite: self.name.clone(), why })
            }
        }
    }

    /// Its position, fixed to the Earth, or nothing. Makes no error text: for tight loops.
    pub fn whereabouts(&self, moment: &Moment) -> Option<Vec3> {
        let inertial = match &self.orbit {
            Orbit::Circular(orbit) => orbit.inertial(moment.wall()),
            Orbit::Elements(propagator) => propagator.inertial(moment.wall()).ok()?,
        };
        Some(moment.to_earth_fixed(inertial))
    }
}

/// A satellite whose orbit cannot be computed.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("satellite {satellite:?}: {why}")]
pub struct OrbitError {
    /// Which one.
    pub satellite: String,
    /// Why not.
    #[source]
    pub why: PropagatorError,
}

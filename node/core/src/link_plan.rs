//! When a node can be reached, as its record says: an orbit or a table of passes for one
//! on scheduled links, a place for one that satellites pass over.
//!
//! All numbers are integers on the wire, and those of peers: whatever they say, a plan
//! that was read is within bounds, and everybody makes the same orbit of it.

use minicbor::{Decode, Encode};
use orbweave_contact::{Elements, GroundStation, Satellite, Walker, WalkerKind};
use orbweave_model::{NodeId, Wall};

/// The longest line of a two-line element set.
const LINE_BYTES_MAX: usize = 69;
/// Passes in one table.
pub const PASSES_MAX: usize = 64;

/// The contact plan in a node's record. With an orbit or passes the node is on scheduled
/// links; with a site alone it is a ground station.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct LinkPlan {
    /// Around the Earth.
    #[n(0)]
    pub orbit: Option<Orbit>,
    /// On the ground.
    #[n(1)]
    pub site: Option<Site>,
    /// Contacts that nobody computes: in their order, apart from one another.
    #[n(2)]
    pub passes: Option<Vec<PlannedPass>>,
}

/// An orbit that everybody can compute.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Orbit {
    /// Two-line elements, for SGP4.
    #[n(0)]
    #[cbor(map)]
    Elements {
        /// The first line.
        #[n(0)]
        line1: String,
        /// The second.
        #[n(1)]
        line2: String,
    },
    /// One place in a Walker shell.
    #[n(1)]
    Walker(#[n(0)] WalkerSlot),
}

/// One place in a Walker shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct WalkerSlot {
    /// Whether planes are spread over half a turn, and not over all of it.
    #[n(0)]
    pub star: bool,
    /// Millionths of a degree.
    #[n(1)]
    pub inclination_microdeg: u32,
    /// Above the equatorial radius.
    #[n(2)]
    pub altitude_m: u32,
    /// Planes of the shell.
    #[n(3)]
    pub planes: u32,
    /// Satellites of each.
    #[n(4)]
    pub satellites_per_plane: u32,
    /// Walker's *f*.
    #[n(5)]
    pub phasing: u32,
    /// When the first satellite crosses the equator at right ascension zero.
    #[n(6)]
    pub epoch: Wall,
    /// Which plane, from zero.
    #[n(7)]
    pub plane: u32,
    /// Which place in it, from zero.
    #[n(8)]
    pub slot: u32,
}

/// A place on the ground with an antenna.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Site {
    /// Geodetic, millionths of a degree.
    #[n(0)]
    pub latitude_microdeg: i32,
    /// East, millionths of a degree.
    #[n(1)]
    pub longitude_microdeg: i32,
    /// Above the ellipsoid.
    #[n(2)]
    pub altitude_m: i32,
    /// It reaches satellites from here on, in thousandths of a degree above the horizon.
    #[n(3)]
    pub min_elevation_millideg: u32,
}

/// A contact that was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PlannedPass {
    /// From here,
    #[n(0)]
    pub begins: Wall,
    /// until before here.
    #[n(1)]
    pub ends: Wall,
    /// With whom; with anybody, if nothing is said.
    #[n(2)]
    pub host: Option<NodeId>,
}

impl LinkPlan {
    /// Whether the node that says this is on scheduled links.
    pub fn is_scheduled(&self) -> bool {
        self.orbit.is_some() || self.passes.is_some()
    }

    /// Checks every number, and makes of it what computes.
    pub fn chart(&self, name: &str) -> Result<Chart, String> {
        let satellite = self.orbit.as_ref().map(|orbit| orbit.satellite(name)).transpose()?;
        let station = self.site.as_ref().map(|site| site.station(name)).transpose()?;
        let passes = self.passes.clone().unwrap_or_default();
        if passes.len() > PASSES_MAX {
            return Err(format!("{} passes, and at most {PASSES_MAX} may be", passes.len()));
        }
        let apart = passes.windows(2).all(|pair| pair[0].ends <= pair[1].begins);
        if !apart || passes.iter().any(|pass| pass.begins >= pass.ends) {
            return Err("passes out of order".to_owned());
        }
        Ok(Chart { satellite, station, passes })
    }
}

/// A [`LinkPlan`] that was checked.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// Its orbit.
    pub satellite: Option<Satellite>,
    /// Its place.
    pub station: Option<GroundStation>,
    /// Its table.
    pub passes: Vec<PlannedPass>,
}

impl Chart {
    /// The pass of its table in which a time lies.
    pub fn pass_at(&self, at: Wall) -> Option<&PlannedPass> {
        self.passes.iter().find(|pass| pass.begins <= at && at < pass.ends)
    }
}

impl Orbit {
    fn satellite(&self, name: &str) -> Result<Satellite, String> {
        match self {
            Orbit::Elements { line1, line2 } => {
                if line1.len() > LINE_BYTES_MAX || line2.len() > LINE_BYTES_MAX {
                    return Err("a line of elements that is too long".to_owned());
                }
                if [line1, line2].iter().any(|line| line.contains(['\n', '\r'])) {
                    return Err("a line of elements that is two".to_owned());
                }
                let sets = Elements::parse_all(&format!("{line1}\n{line2}\n")).map_err(|e| e.to_string())?;
                let [elements] = sets.as_slice() else { return Err("no elements".to_owned()) };
                Satellite::from_elements(elements).map_err(|e| e.to_string())
            }
            Orbit::Walker(slot) => {
                let shell = slot.shell(name);
                shell.satellite(slot.plane, slot.slot).map_err(|e| e.to_string())
            }
        }
    }
}

impl WalkerSlot {
    /// The shell that it is a place of.
    pub fn shell(&self, name: &str) -> Walker {
        Walker {
            name: name.to_owned(),
            kind: if self.star { WalkerKind::Star } else { WalkerKind::Delta },
            inclination_deg: f64::from(self.inclination_microdeg) / 1e6,
            altitude_km: f64::from(self.altitude_m) / 1e3,
            planes: self.planes,
            satellites_per_plane: self.satellites_per_plane,
            phasing: self.phasing,
            epoch: self.epoch,
        }
    }
}

impl Site {
    /// The station there.
    pub fn station(&self, name: &str) -> Result<GroundStation, String> {
        GroundStation::new(
            name,
            f64::from(self.latitude_microdeg) / 1e6,
            f64::from(self.longitude_microdeg) / 1e6,
            f64::from(self.altitude_m),
            f64::from(self.min_elevation_millideg) / 1e3,
        )
        .map_err(|e| e.to_string())
    }
}

//! +Grid: each satellite is linked to the next and the last in its plane, and to one in
//! the plane on either side.

use crate::{OrbitError, Satellite, Vec3, Walker, WalkerError, WalkerKind};
use orbweave_model::Wall;
use std::collections::BTreeSet;

const MICRODEGREES: f64 = 1e6;
const TURN: i64 = 360_000_000;

impl Walker {
    /// The links of the grid, as pairs of satellite numbers, the smaller first. The neighbour
    /// in the next plane is the one nearest in phase. A star has none across its seam.
    pub fn grid(&self) -> Result<Vec<(usize, usize)>, WalkerError> {
        self.check()?;
        let (planes, slots) = (self.planes as usize, self.satellites_per_plane as usize);
        let phasing = self.phasing as usize;
        let number = |plane: usize, slot: usize| plane * slots + slot % slots;
        // From half a slot ahead on, the satellite behind it in that plane is nearer.
        let behind = usize::from(2 * phasing > planes);
        let mut links = BTreeSet::new();
        for plane in 0..planes {
            for slot in 0..slots {
                let this = number(plane, slot);
                link(&mut links, this, number(plane, slot + 1));
                let across = slot + slots - behind;
                if plane + 1 < planes {
                    link(&mut links, this, number(plane + 1, across));
                } else if self.kind == WalkerKind::Delta {
                    // Once around, the phases have shifted by `phasing` whole slots.
                    link(&mut links, this, number(0, across + phasing));
                }
            }
        }
        Ok(links.into_iter().collect())
    }
}

/// Satellites that follow one another around one orbit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plane {
    /// Right ascension of the node of its first satellite, in millionths of a degree.
    pub node_microdeg: i64,
    /// Indices of its satellites, each with its angle from the node, in that angle's order.
    pub members: Vec<(usize, i64)>,
}

/// Groups satellites of one shell into planes: sorted by the right ascension of their nodes at
/// one time, a gap of more than `gap_deg` begins another plane. (Starlink's 72 planes are
/// 5 degrees apart and scatter by tenths: 2 is a good gap.) Satellites of other inclinations or
/// altitudes drift through: leave them to a call of their own.
pub fn planes(satellites: &[Satellite], at: Wall, gap_deg: f64) -> Result<Vec<Plane>, OrbitError> {
    let mut sorted = Vec::with_capacity(satellites.len());
    for (i, satellite) in satellites.iter().enumerate() {
        let (node, latitude) = angles(satellite, at)?;
        sorted.push((node, latitude, i));
    }
    sorted.sort_unstable();
    let gap = (gap_deg * MICRODEGREES) as i64;
    let begins_plane = |k: usize| {
        let before = (k + sorted.len() - 1) % sorted.len().max(1);
        match (sorted.get(k), sorted.get(before)) {
            (Some(this), Some(last)) => (this.0 - last.0).rem_euclid(TURN) > gap,
            _ => false,
        }
    };
    // A plane may lie on both sides of zero: start at one that begins.
    let first = (0..sorted.len()).find(|&k| begins_plane(k)).unwrap_or(0);
    let mut planes: Vec<Plane> = Vec::new();
    for k in (first..sorted.len()).chain(0..first) {
        let Some(&(node, latitude, satellite)) = sorted.get(k) else { continue };
        if planes.is_empty() || begins_plane(k) {
            planes.push(Plane { node_microdeg: node, members: Vec::new() });
        }
        if let Some(plane) = planes.last_mut() {
            plane.members.push((satellite, latitude));
        }
    }
    for plane in &mut planes {
        plane.members.sort_unstable_by_key(|&(satellite, latitude)| (latitude, satellite));
    }
    Ok(planes)
}

/// The grid over planes: a ring in each, and between neighbours the pairs nearest in phase,
/// each satellite in at most one of them. Nobody has more than four links.
pub fn planes_grid(planes: &[Plane], kind: WalkerKind) -> Vec<(usize, usize)> {
    let mut links = BTreeSet::new();
    for plane in planes {
        let next = plane.members.iter().cycle().skip(1);
        for (&(a, _), &(b, _)) in plane.members.iter().zip(next) {
            link(&mut links, a, b);
        }
    }
    for pair in planes.windows(2) {
        if let [a, b] = pair {
            link_nearest(&mut links, a, b);
        }
    }
    if let ([first, _, .., last], WalkerKind::Delta) = (planes, kind) {
        link_nearest(&mut links, last, first);
    }
    links.into_iter().collect()
}

fn link_nearest(links: &mut BTreeSet<(usize, usize)>, a: &Plane, b: &Plane) {
    let mut pairs: Vec<_> = a
        .members
        .iter()
        .flat_map(|&(i, phase)| {
            b.members.iter().map(move |&(j, other)| {
                let ahead = (phase - other).rem_euclid(TURN);
                (ahead.min(TURN - ahead), i, j)
            })
        })
        .collect();
    pairs.sort_unstable();
    let mut taken = BTreeSet::new();
    for (_, i, j) in pairs {
        if !taken.contains(&i) && !taken.contains(&j) {
            taken.extend([i, j]);
            link(links, i, j);
        }
    }
}

fn link(links: &mut BTreeSet<(usize, usize)>, a: usize, b: usize) {
    if a != b {
        links.insert((a.min(b), a.max(b)));
    }
}

/// Right ascension of the node, and angle from it, in millionths of a degree.
fn angles(satellite: &Satellite, at: Wall) -> Result<(i64, i64), OrbitError> {
    let here = satellite.inertial(at)?;
    let soon = satellite.inertial(Wall(at.0.saturating_add(1_000)))?;
    let normal = here.cross(soon);
    // The node points along the line in which the plane cuts the equator.
    let node = Vec3 { x: -normal.y, y: normal.x, z: 0.0 };
    let ahead = normal.cross(node);
    let latitude = libm::atan2(here.dot(ahead) / ahead.norm(), here.dot(node) / node.norm());
    let microdeg = |radians: f64| ((radians.to_degrees() * MICRODEGREES) as i64).rem_euclid(TURN);
    Ok((microdeg(libm::atan2(node.y, node.x)), microdeg(latitude)))
}

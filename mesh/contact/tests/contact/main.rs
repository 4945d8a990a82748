//! What the crate promises, tested from outside.

mod arrival;
mod determinism;
mod elements;
mod grid;
mod plan;
mod propagation;
mod serving;
mod sky;
mod windows;

use orbweave_contact::{Elements, GroundStation, Satellite, Walker, WalkerKind};
use orbweave_model::Wall;

/// 15 December 2024, midnight UTC.
const EPOCH: Wall = Wall(1_734_220_800_000);
const STARLINK: &str = include_str!("../fixtures/starlink-2024-12-15.tle");

fn starlink() -> Vec<Satellite> {
    Elements::parse_all(STARLINK).unwrap().iter().map(|e| Satellite::from_elements(e).unwrap()).collect()
}

fn shell(kind: WalkerKind, planes: u32, satellites_per_plane: u32, phasing: u32) -> Walker {
    Walker {
        name: "shell".into(),
        kind,
        inclination_deg: 53.0,
        altitude_km: 550.0,
        planes,
        satellites_per_plane,
        phasing,
        epoch: EPOCH,
    }
}

fn station(latitude_deg: f64, longitude_deg: f64, min_elevation_deg: f64) -> GroundStation {
    GroundStation::new("station", latitude_deg, longitude_deg, 100.0, min_elevation_deg).unwrap()
}

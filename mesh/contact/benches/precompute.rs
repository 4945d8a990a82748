//! How long the windows of a Starlink-like shell take: 1,584 satellites, 100 stations, 95 minutes.
//!
//! `cargo bench -p orbweave-contact --bench precompute [-- ELEMENTS.tle]`, the path from `mesh/contact` on.

use orbweave_contact::{
    Contact, ContactPlan, Elements, GroundStation, Satellite, Search, Shipment, Walker, WalkerKind,
};
use orbweave_model::Wall;
use std::error::Error;
use std::time::{Duration, Instant};

const EPOCH: Wall = Wall(1_734_220_800_000);
const RATE: u64 = 12_500_000;

// A bench measures; the rule against clocks is for the library.
#[allow(clippy::disallowed_methods)]
fn timed<T>(what: &str, f: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<T, Box<dyn Error>> {
    let begun = Instant::now();
    let result = f()?;
    println!("{:>8} ms  {what}", begun.elapsed().as_millis());
    Ok(result)
}

fn main() -> Result<(), Box<dyn Error>> {
    let shell = Walker {
        name: "shell".into(),
        kind: WalkerKind::Delta,
        inclination_deg: 53.0,
        altitude_km: 550.0,
        planes: 72,
        satellites_per_plane: 22,
        phasing: 39,
        epoch: EPOCH,
    };
    let stations = stations()?;
    let search = Search::new(EPOCH, Duration::from_secs(95 * 60), Duration::from_secs(10))?;

    let satellites = shell.satellites()?;
    let passes = timed("passes of 1,584 satellites (circular) over 100 stations, 10 s steps", || {
        Ok(search.passes(&satellites, &stations)?)
    })?;
    println!("             {} passes", passes.len());
    let grid = shell.grid()?;
    let links = timed("crosslinks of its +Grid", || Ok(search.crosslinks(&satellites, &grid)?))?;
    println!("             {} windows of {} links", links.len(), grid.len());

    let mut plan = ContactPlan::default();
    timed("a plan of both, in both directions", || {
        for pass in &passes {
            let (from, to) = (pass.satellite, satellites.len() + pass.station);
            plan.add_both(Contact { from, to, window: pass.window }, RATE)?;
        }
        for link in &links {
            plan.add_both(Contact { from: link.first, to: link.second, window: link.window }, RATE)?;
        }
        Ok(())
    })?;
    println!("             {} contacts", plan.len());
    timed("earliest arrivals of 1 MB, from each station to the one across the list", || {
        for i in 0..stations.len() {
            let (from, to) = (satellites.len() + i, satellites.len() + (i + 50) % stations.len());
            let shipment = Shipment {
                from,
                to,
                bytes: 1_000_000,
                ready: EPOCH,
                deadline: EPOCH + Duration::from_secs(5_000),
            };
            plan.earliest_arrival(&shipment).ok_or("no route")?;
        }
        Ok(())
    })?;

    if let Some(path) = std::env::args().skip(1).find(|arg| !arg.starts_with("--")) {
        let elements = Elements::parse_all(&std::fs::read_to_string(path)?)?;
        let satellites: Vec<Satellite> =
            elements.iter().take(1_584).map(Satellite::from_elements).collect::<Result<_, _>>()?;
        let what = format!("passes of {} satellites (SGP4) over 100 stations, 10 s steps", satellites.len());
        let passes = timed(&what, || Ok(search.passes(&satellites, &stations)?))?;
        println!("             {} passes", passes.len());
    }
    Ok(())
}

/// A hundred places, spread by the golden angle between 56° south and 56° north.
fn stations() -> Result<Vec<GroundStation>, Box<dyn Error>> {
    let place = |i: i32| {
        let latitude = f64::from(i) * 1.12 - 55.44;
        let longitude = (f64::from(i) * 137.507_764) % 360.0;
        Ok(GroundStation::new(format!("station-{i}"), latitude, longitude, 0.0, 25.0)?)
    };
    (0..100).map(place).collect()
}

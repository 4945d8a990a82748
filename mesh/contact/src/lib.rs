//! Who is in reach of whom, when, how far away, and how soon something can arrive.
//!
//! # Contract
//!
//! - **The same answer on any machine.** Nothing here reads a clock or performs IO.
//!   Positions are `f64`, made of `+ - * /`, `sqrt`, and sines from the `libm` crate
//!   only: those of the platform differ in the last bit from one machine to the next,
//!   and a contact that begins a millisecond later is another schedule. What leaves
//!   the geometry is an integer: milliseconds of [`Wall`] time, microseconds of delay.
//! - **Windows are safe.** A computed [`Window`] lies inside the true one, and begins and
//!   ends within half a second of it. No pass as long as the stated minimum is missed.
//!   Every delay inside it is within its [`DelayRange`].
//! - **Input of peers is checked**: elements, stations, contacts. Nothing panics, and
//!   everything is bounded by a constant with a name.
//!
//! | module idea | begins with |
//! |---|---|
//! | two-line elements, and SGP4 over them | [`Elements`], [`Propagator`] |
//! | a Walker shell of circular orbits | [`Walker`] |
//! | where a satellite is at a moment, fixed to the Earth | [`Satellite`], [`Moment`] |
//! | where a station is, and what it sees | [`GroundStation`] |
//! | which satellites are linked | [`Walker::grid`], [`planes`] |
//! | which satellite serves a station for fifteen seconds | [`allocation`], [`serving`] |
//! | windows, computed ahead | [`Search`] |
//! | contacts of many pairs, given or computed | [`ContactPlan`] |
//! | earliest arrival over them | [`ContactPlan::earliest_arrival`] |
//!
//! # Example
//!
//! ```
//! use orbweave_contact::{Contact, ContactPlan, GroundStation, Search, Shipment, Walker, WalkerKind};
//! use orbweave_model::Wall;
//! use std::time::Duration;
//!
//! let epoch = Wall(1_734_220_800_000);
//! let shell = Walker {
//!     name: "shell".into(),
//!     kind: WalkerKind::Delta,
//!     inclination_deg: 53.0,
//!     altitude_km: 550.0,
//!     planes: 6,
//!     satellites_per_plane: 8,
//!     phasing: 1,
//!     epoch,
//! };
//! let satellites = shell.satellites()?;
//! let stations = [GroundStation::new("Zürich", 47.37, 8.54, 400.0, 25.0)?];
//!
//! // Every pass of a minute or longer within two hours, and the plan they make.
//! let search = Search::new(epoch, Duration::from_secs(7_200), Duration::from_secs(60))?;
//! let mut plan = ContactPlan::default();
//! for pass in search.passes(&satellites, &stations)? {
//!     let contact = Contact { from: "zurich".to_owned(), to: satellites[pass.satellite].name().to_owned(), window: pass.window };
//!     plan.add(contact, 1_000_000)?;
//! }
//!
//! let first = satellites.iter().find_map(|s| plan.next_contact(&"zurich".to_owned(), &s.name().to_owned(), epoch)).unwrap();
//! let shipment = Shipment {
//!     from: first.from.clone(),
//!     to: first.to.clone(),
//!     bytes: 5_000_000,
//!     ready: epoch,
//!     deadline: first.window.ends,
//! };
//! let route = plan.earliest_arrival(&shipment).unwrap();
//! assert!(route.arrives >= first.window.begins.into());
//! plan.reserve(&shipment, &route)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Wall`]: orbweave_model::Wall

mod arrival;
mod circular;
mod earth;
mod grid;
mod ground;
mod light;
mod plan;
mod satellite;
mod search;
mod serving;
mod sgp4;
mod tle;
mod tracker;
mod vector;
mod walker;

pub use arrival::{Bottleneck, Hop, ReserveError, Route, Shipment};
use circular::CircularOrbit;
pub use earth::{Geodetic, Moment};
pub use grid::{Plane, planes, planes_grid};
pub use ground::{GroundStation, Look, StationError};
pub use light::{ATMOSPHERE_KM, DelayRange, LIGHT_KM_S, delay_us, line_of_sight};
pub use plan::{CONTACTS_MAX, Contact, ContactPlan, DELAY_US_MAX, Micros, PlanError, Reach};
pub use satellite::{OrbitError, Satellite};
pub use search::{Crosslink, Pass, STEP_MAX, STEPS_MAX, Search, SearchError, WINDOWS_MAX};
pub use serving::{Allocation, REALLOCATION, Spike, allocation, serving};
pub use sgp4::{Propagator, PropagatorError};
pub use tle::{Elements, TLE_SETS_MAX, TleError, TleFault};
pub use tracker::{EDGE_MS, Window};
pub use vector::Vec3;
pub use walker::{SHELL_MAX, Walker, WalkerError, WalkerKind};

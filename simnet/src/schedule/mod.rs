//! What a run is made of, as plain data: which hosts there are, how they are linked, and
//! what happens when.
//!
//! A [`Schedule`] is drawn from a seed ([`Schedule::draw`]), read from a scenario file
//! ([`Schedule::parse`]), made shorter by [`shrink`](crate::shrink), and printed as a
//! scenario file again ([`Schedule::to_toml`]). It says everything that happens, but for
//! the luck of packets, disks and nodes, which comes from the seed of the run.
//!
//! ```
//! use orbweave_simnet::{FaultOptions, Schedule};
//!
//! let drawn = Schedule::draw(7, 20, &FaultOptions::default());
//! assert_eq!(Schedule::parse(&drawn.to_toml()).unwrap(), drawn);
//! ```

mod action;
mod bounds;
mod draw;
mod file;
mod kind;
mod matrix;
mod options;
mod orbit;
mod parts;
mod repeat;

pub use action::{Action, Deploy, RolloutLine, ServiceLine, Timed, WeatherLine};
pub use file::ScenarioError;
pub use kind::Kind;
pub use options::FaultOptions;
pub use orbit::{Place, Shell, Sky};
pub use parts::{Expect, Expectation, Hosts, Kills, Medium, Net, Sight, Window};
pub use repeat::Repeat;

use serde::{Deserialize, Serialize};

/// The longest virtual time of a run, in seconds: a year.
pub const TIME_MAX_S: u64 = 365 * 24 * 3_600;

/// A run as plain data; see the [module](self).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Schedule {
    /// Its name, in reports.
    pub name: String,
    /// The seed that is taken where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How long the first phase takes, in seconds, at least until the last event.
    #[serde(default)]
    pub faults_s: u64,
    /// How long the healed mesh may take at most, in seconds;
    /// [`CONVERGE_WITHIN`](crate::run::CONVERGE_WITHIN) if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converge_within_s: Option<u64>,
    /// How long, once all is well, the mesh stays calm before one more node goes, in
    /// seconds; nothing of it happens if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calm_s: Option<u64>,
    /// The links.
    #[serde(default, skip_serializing_if = "Net::is_default")]
    pub links: Net,
    /// Satellites and ground stations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sky: Option<Sky>,
    /// The hosts.
    #[serde(rename = "hosts")]
    pub hosts: Vec<Hosts>,
    /// What happens.
    #[serde(default, rename = "event", skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Timed>,
    /// What happens several times; once read, its times stand among the events.
    #[serde(default, rename = "repeat", skip_serializing_if = "Vec::is_empty")]
    pub repeats: Vec<Repeat>,
    /// Hosts that are killed one after the other, and what their deaths are measured by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kills: Option<Kills>,
    /// Random faults beside the events, drawn from the seed of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<FaultOptions>,
    /// The part of the run of which speed and traffic are told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Window>,
    /// Whether checkers watch, as they do in every run that does not measure speed. What
    /// is expected at the end is looked at all the same.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub watched: bool,
    /// What must hold, and when.
    #[serde(default, rename = "expect", skip_serializing_if = "Vec::is_empty")]
    pub expectations: Vec<Expectation>,
}

impl Schedule {
    /// The names of all hosts in order, spare ones among them.
    pub fn host_names(&self) -> Vec<String> {
        self.hosts.iter().flat_map(Hosts::names).collect()
    }

    /// When the first phase ends, in milliseconds.
    pub fn faults_end_ms(&self) -> u64 {
        let events = self.events.iter().map(|event| event.at_ms);
        let kills = self.kills.as_ref().map(Kills::end_ms);
        let measured = self.measured.map(|window| window.to_ms);
        let expected = self.expectations.iter().filter_map(|e| e.at_ms);
        events
            .chain(kills)
            .chain(measured)
            .chain(expected)
            .max()
            .unwrap_or(0)
            .max(self.faults_s.saturating_mul(1_000))
    }
}

fn yes() -> bool {
    true
}

fn is_true(b: &bool) -> bool {
    *b
}

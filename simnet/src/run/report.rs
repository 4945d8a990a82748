//! What a run showed.

use super::measure::{Coverage, Quantiles, Recovery};
use super::reunion::Reunion;
use super::{Measurement, Stage};
use crate::check::Violation;
use crate::schedule::Schedule;
use serde::Serialize;
use std::time::Duration;

/// Bytes a node and second, with all overhead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Bytes {
    /// Over links on land.
    pub land: u64,
    /// Over links with a satellite at an end: what both ends sent, a satellite and second.
    pub orbit: u64,
    /// The same, a second in which the satellite has a link.
    pub orbit_in_contact: u64,
}

/// What a run showed. Its JSON is one line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The scenario's name.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// How many hosts there were.
    pub nodes: usize,
    /// How much time passed in the run, in seconds.
    pub virtual_s: f64,
    /// How much passed outside, from the making of the hosts to the end, by the clock
    /// that the run was given; 0 if it was given none.
    pub wall_s: f64,
    /// How many times real time all of it was.
    pub speed: f64,
    /// What happened: messages that arrived, timers, ends of writes and the like.
    pub events: u64,
    /// The window that the schedule wants measured, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measurement>,
    /// The hash of every output of every node, with its time.
    pub trace: String,
    /// What was broken that must hold.
    pub violations: Vec<Violation>,
    /// Whether the healed mesh came to rest in time.
    pub converged: bool,
    /// From a death until what ran there ran again.
    pub recovery_ms: Quantiles,
    /// What nodes sent.
    pub bytes_per_node_s: Bytes,
    /// From a death that is measured until the first placer knew.
    #[serde(skip_serializing_if = "Quantiles::is_empty")]
    pub first_placer_ms: Quantiles,
    /// From such a death until 99 of 100 nodes knew.
    #[serde(skip_serializing_if = "Quantiles::is_empty")]
    pub nearly_all_ms: Quantiles,
    /// How often somebody who was up was declared dead by somebody.
    pub false_deaths: usize,
    /// Partitions that ended, and what it took until both sides held the same; only where
    /// the scenario expects something of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reunions: Vec<Reunion>,
    /// The most memory that the process had; whoever may ask the system fills it.
    pub max_rss_mib: u64,
    /// How long the healed mesh took.
    #[serde(skip)]
    pub converged_after: Option<Duration>,
    /// Why it did not come to rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unconverged: Option<String>,
    /// The recovery that took longest.
    #[serde(skip)]
    pub slowest_recovery: Option<Recovery>,
    /// What happened how often.
    #[serde(skip)]
    pub coverage: Coverage,
    /// The last events of all nodes.
    #[serde(skip)]
    pub story: String,
}

/// Events of the story that are kept of a run that failed.
const STORY_LINES: usize = 120;

impl Report {
    /// By what a failing run is known: who noticed it. None if nothing failed.
    pub fn failure(&self) -> Option<&str> {
        match self.violations.first() {
            Some(violation) => Some(violation.checker),
            None if self.converged => None,
            None => Some("unconverged"),
        }
    }

    pub(super) fn of_panic(scenario: String, seed: u64, nodes: usize, words: String) -> Self {
        Self {
            scenario,
            seed,
            nodes,
            virtual_s: 0.0,
            wall_s: 0.0,
            speed: 0.0,
            events: 0,
            measured: None,
            trace: String::new(),
            violations: vec![Violation { at_ms: 0, host: None, checker: "panic", words }],
            converged: false,
            recovery_ms: Quantiles::default(),
            bytes_per_node_s: Bytes::default(),
            first_placer_ms: Quantiles::default(),
            nearly_all_ms: Quantiles::default(),
            false_deaths: 0,
            reunions: Vec::new(),
            max_rss_mib: 0,
            converged_after: None,
            unconverged: Some("a node panicked".into()),
            slowest_recovery: None,
            coverage: Coverage::default(),
            story: String::new(),
        }
    }
}

impl Stage {
    pub(super) fn report(
        self,
        schedule: Schedule,
        seed: u64,
        took: Option<Duration>,
        unconverged: Option<String>,
    ) -> Report {
        let Self { cluster, measured, broken, stopwatch, .. } = self;
        let measured = measured.borrow();
        let hosts = cluster.hosts.len();
        let whole = stopwatch.whole(&cluster, &measured.in_contact);
        let mut violations = cluster.violations().to_vec();
        violations.extend(broken);
        let failed = !violations.is_empty() || unconverged.is_some();
        Report {
            scenario: schedule.name,
            seed,
            nodes: hosts,
            virtual_s: whole.virtual_s,
            wall_s: whole.wall_s,
            speed: whole.speed,
            events: whole.events,
            measured: stopwatch.window(),
            trace: cluster.trace().to_string(),
            violations,
            converged: unconverged.is_none(),
            recovery_ms: measured.recovery(),
            bytes_per_node_s: whole.bytes_per_node_s,
            first_placer_ms: measured.deaths.first_placer(),
            nearly_all_ms: measured.deaths.nearly_all(),
            false_deaths: measured.false_deaths.len(),
            reunions: measured.reunions(),
            max_rss_mib: 0,
            converged_after: took,
            unconverged,
            slowest_recovery: measured.slowest_recovery(),
            coverage: measured.coverage(),
            story: match &measured.told {
                Some(told) => told.clone(),
                None if failed => cluster.story(STORY_LINES),
                None => String::new(),
            },
        }
    }
}

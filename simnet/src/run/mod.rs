//! A run of two phases: first things go wrong while checkers watch, then all is healed
//! and must come to rest.
//!
//! ```
//! use orbweave_simnet::{FaultOptions, Run, RunOptions};
//!
//! let faults = FaultOptions { faults_s: 60, ..FaultOptions::default() };
//! let report = Run::new(3, &RunOptions { nodes: 5, faults }).execute();
//! assert!(report.converged && report.violations.is_empty(), "{report:?}");
//! ```

mod apply;
mod boot;
mod calm;
mod deaths;
mod expect;
mod heal;
mod measure;
mod report;
mod reunion;
mod sky;
mod stopwatch;

pub use measure::{Coverage, Quantiles, Recovery};
pub use report::{Bytes, Report};
pub use reunion::Reunion;
pub use stopwatch::Measurement;

use crate::check::{Checker, Violation};
use crate::cluster::Cluster;
use crate::schedule::{FaultOptions, Schedule};
use apply::Ledger;
use measure::{Measured, Watch};
use orbweave_model::Mono;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;
use stopwatch::Stopwatch;

/// How long a healed mesh may take until all is well.
///
/// The longest honest chain of waits: a link that died unseen is noticed (10 s), the
/// next attempt to dial is as far away as attempts ever are (60 s), what differs is
/// reconciled (30 s), a restart that failed often is tried again (60 s), its component
/// is fetched over a line that others share and compiled (30 s), a slot that was offered
/// in vain is offered again (10 s), and what was superseded drains. Doubled, since two
/// of these may follow one another twice.
pub const CONVERGE_WITHIN: Duration = Duration::from_secs(400);
/// How often it is looked whether all is well, and whether it still is.
const LOOK: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(2));
/// A fleet of more hosts is looked at less often: a look at ten thousand takes seconds.
const LARGE: usize = 1_000;
/// All is well only if it stays so for this long.
const STAYS: Duration = Duration::from_secs(20);

/// What a drawn run is drawn from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOptions {
    /// How many nodes there are.
    pub nodes: u32,
    /// What may go wrong.
    pub faults: FaultOptions,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { nodes: 20, faults: FaultOptions::default() }
    }
}

/// One run that is about to be.
pub struct Run {
    seed: u64,
    schedule: Schedule,
    checkers: Option<Vec<Box<dyn Checker>>>,
    also: Vec<Box<dyn Checker>>,
    tell_all: bool,
    until_broken: bool,
    clock: Option<WallClock>,
}

/// Tells seconds of the world outside, for whoever measures a run; it decides nothing.
pub type WallClock = Box<dyn Fn() -> f64>;

impl Run {
    /// The run that a seed gives.
    pub fn new(seed: u64, options: &RunOptions) -> Self {
        Self::of(Schedule::draw(seed, options.nodes, &options.faults), seed)
    }

    /// The run of a schedule; the seed gives what the schedule leaves open.
    pub fn of(schedule: Schedule, seed: u64) -> Self {
        Self {
            seed,
            schedule: schedule.with_random_faults(seed),
            checkers: None,
            also: Vec::new(),
            tell_all: false,
            until_broken: false,
            clock: None,
        }
    }

    /// Measures by this clock how long the run takes.
    pub fn timed_by(self, clock: WallClock) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Watches with these checkers, in the place of those that always watch.
    pub fn watched_by(self, checkers: Vec<Box<dyn Checker>>) -> Self {
        Self { checkers: Some(checkers), ..self }
    }

    /// Watches with this checker too.
    pub fn watched_also_by(mut self, checker: Box<dyn Checker>) -> Self {
        self.also.push(checker);
        self
    }

    /// Keeps everything that nodes tell for the report's story.
    pub fn telling_all(self) -> Self {
        Self { tell_all: true, ..self }
    }

    /// Ends with the first violation and heals nothing then: enough for whoever asks
    /// again and again whether it fails.
    pub fn until_broken(self) -> Self {
        Self { until_broken: true, ..self }
    }

    /// Its hosts, started, for whoever lets time pass by hand.
    pub fn into_cluster(self) -> Cluster {
        let mut cluster = boot::cluster(&self.schedule, self.seed);
        boot::start_all(&mut cluster, &self.schedule);
        cluster
    }

    /// What will happen.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Runs it all. A node that panics is reported as a violation.
    pub fn execute(self) -> Report {
        let (seed, name) = (self.seed, self.schedule.name.clone());
        let nodes = self.schedule.host_names().len();
        catch_unwind(AssertUnwindSafe(|| self.run())).unwrap_or_else(|panic| {
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            Report::of_panic(name, seed, nodes, words.unwrap_or_else(|| "a node panicked".into()))
        })
    }

    fn run(self) -> Report {
        let Self { seed, schedule, checkers, also, tell_all, until_broken, clock } = self;
        let stopwatch = Stopwatch::new(clock.unwrap_or_else(|| Box::new(|| 0.0)));
        let mut cluster = boot::cluster(&schedule, seed);
        if let Some(checkers) = checkers.or_else(|| (!schedule.watched).then(Vec::new)) {
            cluster = cluster.watched_by(checkers);
        }
        also.into_iter().for_each(|checker| cluster.watched_also_by(checker));
        let measured = Rc::new(RefCell::new(Measured::of(&schedule, tell_all)));
        cluster.watched_also_by(Box::new(Watch(measured.clone())));
        cluster.until_broken = until_broken;
        let mut stage = Stage { cluster, ledger: Ledger::default(), measured, stopwatch, broken: Vec::new() };
        boot::start_all(&mut stage.cluster, &schedule);
        stage.first_phase(&schedule, seed);
        if stage.is_over() {
            return stage.report(schedule, seed, None, None);
        }
        stage.heal(&schedule);
        let limit = schedule.converge_within_s.map_or(CONVERGE_WITHIN, Duration::from_secs);
        let late = |after: &str| {
            let after = after.to_owned();
            move |why: String| format!("{why}, {limit:?} after {after}")
        };
        let mut outcome = stage.converge(limit).map_err(late("all was healed"));
        let took = outcome.as_ref().ok().copied();
        if let (Ok(_), Some(calm_s)) = (&outcome, schedule.calm_s) {
            let calm = stage.stay_calm(Duration::from_secs(calm_s), limit, seed);
            outcome = calm.map_err(late("one more node went and came back"));
        }
        stage.expect_at_end(&schedule, took);
        stage.cluster.conclude();
        stage.report(schedule, seed, took, outcome.err())
    }
}

/// A run in its course.
struct Stage {
    cluster: Cluster,
    ledger: Ledger,
    measured: Rc<RefCell<Measured>>,
    stopwatch: Stopwatch,
    /// What was expected and did not hold.
    broken: Vec<Violation>,
}

impl Stage {
    /// Whether nothing more need be known.
    fn is_over(&self) -> bool {
        self.cluster.until_broken && !(self.cluster.violations().is_empty() && self.broken.is_empty())
    }

    fn at_ms(&self) -> u64 {
        self.cluster.time().as_millis() as u64
    }

    fn run_to(&mut self, at_ms: u64) {
        let end = Mono(0) + Duration::from_millis(at_ms);
        while self.measured.borrow().measuring.is_some() && Mono(0) + self.cluster.time() < end {
            let next = Mono(0) + self.cluster.time() + reunion::LOOK;
            self.cluster.run_until(next.min(end));
            self.measured.borrow_mut().look(&self.cluster);
        }
        self.cluster.run_until(end);
    }

    /// Lets things go wrong.
    fn first_phase(&mut self, schedule: &Schedule, seed: u64) {
        let mut agenda: Vec<(u64, Agenda<'_>)> = Vec::new();
        // What is expected at the moment of an event is expected before it.
        let timed = schedule.expectations.iter().filter_map(|e| Some((e.at_ms?, Agenda::Expect(&e.that))));
        agenda.extend(timed);
        agenda.extend(schedule.events.iter().map(|event| (event.at_ms, Agenda::Event(event))));
        if let Some(kills) = &schedule.kills {
            agenda.extend(
                (0..kills.count).map(|k| {
                    (kills.from_ms + kills.every_ms * u64::from(k), Agenda::Kill(kills.back_after_ms))
                }),
            );
        }
        if let Some(window) = &schedule.measured {
            agenda.extend([(window.from_ms, Agenda::Measure), (window.to_ms, Agenda::Measure)]);
        }
        agenda.sort_by_key(|(at, _)| *at);
        let mut victims = crate::dice::Dice::new(seed).child(KILLS);
        let mut back: std::collections::VecDeque<(u64, usize)> = std::collections::VecDeque::new();
        for (at, item) in agenda {
            if self.is_over() {
                return;
            }
            while let Some(&(when, host)) = back.front().filter(|(when, _)| *when <= at) {
                back.pop_front();
                self.run_to(when);
                self.cluster.boot(host);
            }
            self.run_to(at);
            match item {
                Agenda::Event(event) => self.apply(event),
                Agenda::Measure => self.stopwatch.mark(&self.cluster, &self.measured.borrow().in_contact),
                Agenda::Expect(that) => self.expect_now(that),
                Agenda::Kill(back_after) => {
                    if let Some(host) = self.kill_somebody(&mut victims) {
                        back.push_back((at + back_after, host));
                    }
                }
            }
        }
        for (when, host) in back {
            self.run_to(when);
            self.cluster.boot(host);
        }
        self.run_to(schedule.faults_end_ms());
    }

    /// Waits until all is well and stays so; says how long it took, or what is wrong.
    fn converge(&mut self, limit: Duration) -> Result<Duration, String> {
        let begin = self.cluster.time();
        let mut well_since = None;
        loop {
            let now = self.cluster.time().saturating_sub(begin);
            if self.is_over() {
                return Err("it was broken before".into());
            }
            match self.all_is_well() {
                Ok(()) => {
                    let since = *well_since.get_or_insert(now);
                    if now.saturating_sub(since) >= STAYS {
                        return Ok(since);
                    }
                }
                Err(why) if now >= limit => return Err(why),
                Err(_) => well_since = None,
            }
            let large = self.cluster.hosts.len() > LARGE;
            self.cluster.run(match well_since {
                _ if large => STAYS / 2,
                Some(_) => LOOK.1,
                None => LOOK.0,
            });
        }
    }
}

/// The dice for whom a kill hits.
const KILLS: u64 = 21;

enum Agenda<'a> {
    Event(&'a crate::schedule::Timed),
    Expect(&'a crate::schedule::Expect),
    Kill(u64),
    /// A window of measurement begins or ends.
    Measure,
}

//! `simnet swarm`: many seeds, one run a thread.

use crate::{shrinking, threads, wall};
use indicatif::{ProgressBar, ProgressStyle};
use orbweave_simnet::run::Recovery;
use orbweave_simnet::{Report, Run, RunOptions};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;

/// Failing seeds that are made short, at most.
const SHRUNK_MAX: usize = 3;

/// What to run.
pub struct Swarm {
    pub seeds: Range<u64>,
    pub jobs: Option<usize>,
    pub json: bool,
    pub shrink: bool,
    pub options: RunOptions,
}

/// The last line of `--json`.
#[derive(Serialize)]
struct Line {
    seeds: u64,
    violations: Vec<Broken>,
    converged: bool,
    unconverged: Vec<Unconverged>,
    fault_coverage: BTreeMap<String, f64>,
    wall_s: f64,
}

#[derive(Serialize)]
struct Broken {
    seed: u64,
    checker: String,
    words: String,
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct Unconverged {
    seed: u64,
    why: String,
}

/// What all runs gave.
#[derive(Default)]
struct Found {
    broken: Vec<Broken>,
    unconverged: Vec<Unconverged>,
    /// In how many seeds each thing happened.
    covered: BTreeMap<String, u64>,
    converged_ms: Vec<u64>,
    recovery_p99_ms: Vec<u64>,
    /// The longest recovery, and its seed.
    slowest: Option<(Recovery, u64)>,
    bytes: Vec<u64>,
}

/// Runs the seeds; says whether all that must hold held in each.
pub fn run(swarm: &Swarm) -> Result<bool, String> {
    let begin = wall::now();
    let count = swarm.seeds.end - swarm.seeds.start;
    let bar = ProgressBar::new(count);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {eta} left {msg}") {
        bar.set_style(style);
    }
    let found = Mutex::new(Found::default());
    threads::each(swarm.jobs, swarm.seeds.clone(), |seed| {
        let report = wall::measured(Run::new(seed, &swarm.options));
        if let Some(failure) = report.failure() {
            bar.suspend(|| eprintln!("seed {seed}: {failure}: {}", words(&report)));
        }
        if let Ok(mut found) = found.lock() {
            found.add(&report);
        }
        bar.inc(1);
    });
    bar.finish_and_clear();
    let mut found = found.into_inner().map_err(|_| "a thread of the swarm panicked".to_owned())?;
    found.broken.sort_by_key(|broken| broken.seed);
    found.unconverged.sort();
    let fine = found.broken.is_empty() && found.unconverged.is_empty();
    if swarm.shrink {
        let mut failing: Vec<u64> = found.broken.iter().map(|broken| broken.seed).collect();
        failing.extend(found.unconverged.iter().map(|run| run.seed));
        failing.sort_unstable();
        failing.dedup();
        for seed in failing.into_iter().take(SHRUNK_MAX) {
            shrinking::run(seed, &swarm.options)?;
        }
    }
    let wall_s = wall::seconds_since(begin);
    if swarm.json {
        let share = |(what, seeds): (&String, &u64)| {
            (what.clone(), (*seeds as f64 / count as f64 * 1_000.0).round() / 1_000.0)
        };
        let line = Line {
            seeds: count,
            violations: found.broken,
            converged: found.unconverged.is_empty(),
            unconverged: found.unconverged,
            fault_coverage: found.covered.iter().map(share).collect(),
            wall_s: (wall_s * 10.0).round() / 10.0,
        };
        println!("{}", serde_json::to_string(&line).map_err(|e| e.to_string())?);
    } else {
        found.print(count, wall_s);
    }
    Ok(fine)
}

fn words(report: &Report) -> String {
    match (report.violations.first(), &report.unconverged) {
        (Some(first), _) => format!("{first} ({} in all)", report.violations.len()),
        (None, Some(why)) => why.clone(),
        (None, None) => String::new(),
    }
}

impl Found {
    fn add(&mut self, report: &Report) {
        let seed = report.seed;
        for violation in &report.violations {
            let checker = violation.checker.to_owned();
            self.broken.push(Broken { seed, checker, words: violation.to_string() });
        }
        self.unconverged.extend(report.unconverged.clone().map(|why| Unconverged { seed, why }));
        for what in report.coverage.0.keys() {
            *self.covered.entry(what.clone()).or_default() += 1;
        }
        self.converged_ms.extend(report.converged_after.map(|took| took.as_millis() as u64));
        self.recovery_p99_ms.extend(report.recovery_ms.p99);
        let slowest = report.slowest_recovery.clone().map(|recovery| (recovery, seed));
        self.slowest = self.slowest.take().max(slowest);
        self.bytes.push(report.bytes_per_node_s.land);
    }

    fn print(&mut self, count: u64, wall_s: f64) {
        for (what, seeds) in &self.covered {
            println!("{what:28} in {:5.1} % of the seeds", *seeds as f64 * 100.0 / count as f64);
        }
        let spread = |what: &str, all: &mut Vec<u64>, unit: &str| {
            all.sort_unstable();
            let at = |percent: usize| all.get(all.len() * percent / 100).or(all.last()).copied().unwrap_or(0);
            println!("{what}: {} {unit} in the median, {} at p99, {} at most", at(50), at(99), at(100));
        };
        spread("all was well after healing", &mut self.converged_ms, "ms");
        spread("recovery at p99 of a seed", &mut self.recovery_p99_ms, "ms");
        if let Some((Recovery { ms, slot, at_ms }, seed)) = &self.slowest {
            println!("the slowest recovery: {slot} of seed {seed}, for {ms} ms from {at_ms} ms on");
        }
        spread("sent a node and second", &mut self.bytes, "bytes");
        println!(
            "{count} seeds in {wall_s:.1} s: {} violations, {} seeds did not converge; peak memory {} MiB",
            self.broken.len(),
            self.unconverged.len(),
            wall::peak_mib()
        );
    }
}

//! `simnet run --seeds`: several seeds of one scenario, one run a thread.

use crate::{one, read, threads, wall};
use indicatif::ProgressBar;
use orbweave_simnet::run::Quantiles;
use orbweave_simnet::{Report, Run};
use serde::Serialize;
use std::ops::Range;
use std::path::Path;
use std::sync::Mutex;

/// The last line of `--json`: the worst of all seeds.
#[derive(Serialize)]
struct Line {
    scenario: String,
    seeds: u64,
    failed: Vec<u64>,
    virtual_s: f64,
    wall_s: f64,
    recovery_ms: Quantiles,
    first_placer_ms: Quantiles,
    nearly_all_ms: Quantiles,
    false_deaths: usize,
    max_rss_mib: u64,
}

/// Runs a scenario with each seed; says whether all that must hold held in each. Prints
/// each run as it ends, as a line of JSON if that is wanted, and then the worst figures.
pub fn run(file: &Path, seeds: &Range<u64>, jobs: Option<usize>, json: bool) -> Result<bool, String> {
    let begin = wall::now();
    let schedule = read::scenario(file)?;
    let bar = ProgressBar::new(seeds.end - seeds.start);
    let all = Mutex::new(Vec::new());
    threads::each(jobs, seeds.clone(), |seed| {
        let report = wall::measured(Run::of(schedule.clone(), seed));
        let told = if json { one::line(&report) } else { Ok(one::words(&report)) };
        bar.suspend(|| println!("{}", told.unwrap_or_else(|error| error)));
        if let Ok(mut all) = all.lock() {
            all.push(report);
        }
        bar.inc(1);
    });
    bar.finish_and_clear();
    let all = all.into_inner().map_err(|_| "a thread panicked".to_owned())?;
    let line = worst(schedule.name, &all, wall::seconds_since(begin));
    println!("{}", serde_json::to_string(&line).map_err(|e| e.to_string())?);
    Ok(line.failed.is_empty())
}

fn worst(scenario: String, all: &[Report], wall_s: f64) -> Line {
    let most = |of: fn(&Report) -> Quantiles| Quantiles {
        p50: all.iter().filter_map(|report| of(report).p50).max(),
        p99: all.iter().filter_map(|report| of(report).p99).max(),
    };
    let mut failed: Vec<u64> =
        all.iter().filter(|report| report.failure().is_some()).map(|report| report.seed).collect();
    failed.sort_unstable();
    Line {
        scenario,
        seeds: all.len() as u64,
        failed,
        virtual_s: all.iter().map(|report| report.virtual_s).sum(),
        wall_s: (wall_s * 10.0).round() / 10.0,
        recovery_ms: most(|report| report.recovery_ms),
        first_placer_ms: most(|report| report.first_placer_ms),
        nearly_all_ms: most(|report| report.nearly_all_ms),
        false_deaths: all.iter().map(|report| report.false_deaths).sum(),
        max_rss_mib: wall::peak_mib(),
    }
}

//! `simnet run` and `simnet replay`: one seed of a scenario.

use crate::{read, wall};
use indicatif::{ProgressBar, ProgressStyle};
use orbweave_simnet::run::{Quantiles, Recovery, Reunion};
use orbweave_simnet::{Report, Run};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Runs a scenario; says whether all that must hold held.
pub fn run(file: &Path, seed: Option<u64>, json: bool, trace: Option<&Path>) -> Result<bool, String> {
    let schedule = read::scenario(file)?;
    let seed = seed.or(schedule.seed).unwrap_or(0);
    let bar = ProgressBar::new_spinner().with_message(format!("{} with seed {seed}", schedule.name));
    bar.set_style(ProgressStyle::default_spinner());
    bar.enable_steady_tick(Duration::from_millis(100));
    let run = Run::of(schedule, seed);
    let report = wall::measured(if trace.is_some() { run.telling_all() } else { run });
    bar.finish_and_clear();
    if let Some(path) = trace {
        fs::write(path, &report.story).map_err(|e| format!("{} cannot be written: {e}", path.display()))?;
    }
    if json {
        println!("{}", line(&report)?);
    } else {
        print(&report, trace.is_some());
    }
    Ok(report.failure().is_none())
}

pub fn line(report: &Report) -> Result<String, String> {
    serde_json::to_string(report).map_err(|e| e.to_string())
}

fn print(report: &Report, told: bool) {
    if report.failure().is_some() && !told {
        println!("{}", report.story);
    }
    println!("{}", words(report));
}

/// What a run showed, in words.
pub fn words(report: &Report) -> String {
    let mut lines = vec![format!(
        "{} with seed {}: {} nodes, {:.1} s in {:.2} s ({} times real time), {} events, trace {}",
        report.scenario,
        report.seed,
        report.nodes,
        report.virtual_s,
        report.wall_s,
        report.speed,
        report.events,
        report.trace
    )];
    if let Some(window) = &report.measured {
        lines.push(format!(
            "of these measured: {:.1} s in {:.2} s ({} times real time), {} events, {} bytes a node and second on land",
            window.virtual_s, window.wall_s, window.speed, window.events, window.bytes_per_node_s.land
        ));
    }
    let mut spread = |what: &str, of: Quantiles| {
        if let (Some(p50), Some(p99)) = (of.p50, of.p99) {
            lines.push(format!("{what} {p50} ms in the median, {p99} ms at p99"));
        }
    };
    spread("recovery took", report.recovery_ms);
    spread("the first placer knew of a death after", report.first_placer_ms);
    spread("99 % of nodes knew of a death after", report.nearly_all_ms);
    lines.extend(report.slowest_recovery.iter().map(|Recovery { ms, slot, at_ms }| {
        format!("the slowest recovery was that of {slot}, which ran nowhere for {ms} ms from {at_ms} ms on")
    }));
    lines.push(format!(
        "{} false deaths; {} bytes a node and second on land",
        report.false_deaths, report.bytes_per_node_s.land
    ));
    let bytes = report.bytes_per_node_s;
    if bytes.orbit_in_contact > 0 {
        let (all, contact) = (bytes.orbit, bytes.orbit_in_contact);
        lines.push(format!(
            "satellites' links: {all} bytes a satellite and second, {contact} a second of contact"
        ));
    }
    lines.extend(report.reunions.iter().map(reunion));
    lines.extend(report.violations.iter().map(|violation| format!("VIOLATION {violation}")));
    lines.push(match (&report.unconverged, report.converged_after) {
        (Some(why), _) => format!("NOT CONVERGED: {why}"),
        (None, took) => format!("all was well {:.1} s after healing", took.unwrap_or_default().as_secs_f64()),
    });
    lines.join("\n")
}

fn reunion(reunion: &Reunion) -> String {
    let took = reunion.equal_after_ms.map_or("never".to_owned(), |ms| format!("after {ms} ms"));
    format!(
        "a partition ended at {} ms: {} records of {} bytes differed; equal {took}, by {} reconciliations of at most {} round trips and {} bytes, {} bytes in all",
        reunion.at_ms,
        reunion.differing,
        reunion.differing_bytes,
        reunion.sessions,
        reunion.round_trips,
        reunion.session_bytes,
        reunion.bytes,
    )
}

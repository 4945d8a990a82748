//! `simnet run` and `simnet replay`.

use crate::{read, wall};
use indicatif::{ProgressBar, ProgressStyle};
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
    println!(
        "{} with seed {}: {} nodes, {:.1} s in {:.2} s, {} events",
        report.scenario, report.seed, report.nodes, report.virtual_s, report.wall_s, report.events
    );
    println!("trace {}", report.trace);
    let ms = |value: Option<u64>| value.map_or("never measured".to_owned(), |ms| format!("{ms} ms"));
    println!("recovery: {} in the median, {} at p99", ms(report.recovery_ms.p50), ms(report.recovery_ms.p99));
    if let (Some(p50), p99) = (report.first_placer_ms.p50, report.first_placer_ms.p99) {
        println!("the first placer knew of a death after {p50} ms in the median, {} at p99", ms(p99));
    }
    println!("sent: {} bytes a node and second on land", report.bytes_per_node_s.land);
    for violation in &report.violations {
        println!("VIOLATION {violation}");
    }
    match (&report.unconverged, report.converged_after) {
        (Some(why), _) => println!("NOT CONVERGED: {why}"),
        (None, took) => {
            println!("all was well {:.1} s after healing", took.unwrap_or_default().as_secs_f64())
        }
    }
}

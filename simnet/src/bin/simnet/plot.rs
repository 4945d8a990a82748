//! `simnet plot`: one run as a picture.

use crate::read;
use indicatif::{ProgressBar, ProgressStyle};
use orbweave_simnet::plot;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Runs a scenario and draws it; says whether all that must hold held.
pub fn run(file: &Path, seed: Option<u64>, out: &Path) -> Result<bool, String> {
    let schedule = read::scenario(file)?;
    let seed = seed.or(schedule.seed).unwrap_or(0);
    let bar = ProgressBar::new_spinner().with_message(format!("{} with seed {seed}", schedule.name));
    bar.set_style(ProgressStyle::default_spinner());
    bar.enable_steady_tick(Duration::from_millis(100));
    let story = plot::story(schedule, seed);
    bar.finish_and_clear();
    fs::write(out, &story.svg).map_err(|e| format!("{} cannot be written: {e}", out.display()))?;
    for violation in &story.report.violations {
        println!("VIOLATION {violation}");
    }
    println!("{}: {} with seed {seed}", out.display(), story.report.scenario);
    Ok(story.report.failure().is_none())
}

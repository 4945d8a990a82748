//! `simnet shrink`: a failing seed becomes a short scenario.

use indicatif::ProgressBar;
use orbweave_simnet::{Run, RunOptions, Schedule, shrink};

/// Shrinks a failing seed and prints what is left; says that it did not fail if so.
pub fn run(seed: u64, options: &RunOptions) -> Result<bool, String> {
    let mut schedule = Schedule::draw(seed, options.nodes, &options.faults);
    let first = Run::of(schedule.clone(), seed).execute();
    let Some(failure) = first.failure().map(str::to_owned) else {
        eprintln!("seed {seed} does not fail: there is nothing to shrink");
        return Ok(true);
    };
    // What came after the first violation did not cause it.
    if let Some(at_ms) = first.violations.first().map(|v| v.at_ms).filter(|at| *at > 0) {
        let mut early = schedule.clone();
        early.events.retain(|event| event.at_ms <= at_ms);
        (early.faults_s, early.converge_within_s) = (at_ms.div_ceil(1_000), Some(0));
        if Run::of(early.clone(), seed).until_broken().execute().failure() == Some(&failure) {
            schedule = early;
        }
    }
    let bar = ProgressBar::new_spinner();
    let mut runs = 0_u32;
    let mut small = shrink::shrink(schedule, |candidate| {
        runs += 1;
        bar.set_message(format!(
            "run {runs}: {} events, {} hosts",
            candidate.events.len(),
            candidate.hosts.len()
        ));
        bar.tick();
        Run::of(candidate.clone(), seed).until_broken().execute().failure() == Some(&failure)
    });
    bar.finish_and_clear();
    // Nothing but the search wants it to be well at once.
    small.converge_within_s = None;
    small.name = format!("seed-{seed}-{failure}");
    let report = Run::of(small.clone(), seed).execute();
    small.compact();
    println!("# Shrunk from seed {seed} in {runs} runs; {failure}:");
    for violation in report.violations.iter().take(3) {
        println!("# {}", violation.to_string().replace('\n', " "));
    }
    if let Some(why) = &report.unconverged {
        println!("# {}", why.replace('\n', " "));
    }
    println!("{}", small.to_toml());
    Ok(false)
}

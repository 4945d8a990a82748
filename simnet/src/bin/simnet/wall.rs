//! The clock and the memory of the program itself.

use orbweave_simnet::{Report, Run};
use std::fs;
use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "it measures the program, and decides nothing")]
pub fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "it measures the program, and decides nothing")]
pub fn seconds_since(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64()
}

/// Runs it, and says what it took.
pub fn measured(run: Run) -> Report {
    let begin = now();
    let mut report = run.timed_by(Box::new(move || seconds_since(begin))).execute();
    report.max_rss_mib = peak_mib();
    report
}

/// The most memory that this process had, where the system tells (Linux).
pub fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()).unwrap_or(0) / 1_024
}

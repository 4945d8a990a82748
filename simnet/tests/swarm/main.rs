//! Drawn runs, scenario files, and the traces of ten seeds.

mod faults;
mod pictures;
mod scenarios;

use orbweave_simnet::{FaultOptions, Run, RunOptions, Schedule};
use std::path::PathBuf;

/// Seeds of a slice of the swarm.
const SLICE: std::ops::Range<u64> = 100..112;
/// Seeds whose traces are committed.
const PINNED: std::ops::Range<u64> = 0..10;

fn small(nodes: u32, faults_s: u64) -> RunOptions {
    RunOptions { nodes, faults: FaultOptions { faults_s, ..FaultOptions::default() } }
}

#[test]
fn a_slice_of_the_swarm_breaks_nothing_and_comes_to_rest() {
    for seed in SLICE {
        let report = Run::new(seed, &small(10, 300)).execute();
        assert_eq!(report.failure(), None, "seed {seed}: {report:#?}\n{}", report.story);
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let trace = |seed| Run::new(seed, &small(6, 90)).execute().trace;
    let first = trace(7);
    assert_eq!(first, trace(7));
    assert_ne!(first, trace(8));
}

#[test]
fn a_schedule_that_went_through_a_file_gives_the_same_trace() {
    let options = small(6, 90);
    let drawn = Schedule::draw(9, options.nodes, &options.faults);
    let mut read = Schedule::parse(&drawn.to_toml()).expect("what was written can be read");
    read.compact();
    assert_eq!(Run::of(drawn, 9).execute().trace, Run::of(read, 9).execute().trace);
}

fn traces() -> String {
    let line = |seed| format!("{seed} {}\n", Run::new(seed, &small(8, 120)).execute().trace);
    PINNED.map(line).collect()
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/swarm/traces.txt")
}

/// The same file holds for builds with and without optimisation, and for any machine:
/// `cargo test -p orbweave-simnet --test swarm traces` is the same test in debug (some
/// minutes). Why it can hold is in docs/SIMNET.md.
///
/// Every change of what nodes do changes these, and then they are written anew:
/// `cargo test --release -p orbweave-simnet --test swarm -- --ignored write_traces`
#[test]
fn ten_seeds_give_the_traces_that_are_committed() {
    let committed = std::fs::read_to_string(file()).expect("tests/swarm/traces.txt");
    assert_eq!(traces(), committed, "if nodes are meant to act otherwise now, write the traces anew");
}

#[test]
#[ignore = "it writes the file that another test compares with"]
fn write_traces() {
    std::fs::write(file(), traces()).expect("tests/swarm/traces.txt");
}

//! Features on which the binary alone and the whole workspace disagree: each makes
//! a fresh machine compile a dependency, and all that stand on it, twice.

use crate::Finding;
use crate::metadata::run;
use std::collections::BTreeSet;
use std::process::Command;

/// What `cargo run` builds, a line `name version [features]` a crate.
pub fn of_the_binary() -> String {
    tree(&["--package", "orbweave", "--edges", "normal,build"])
}

/// What `cargo test --workspace` builds.
pub fn of_the_workspace() -> String {
    tree(&["--workspace", "--edges", "normal,build,dev"])
}

/// Crates of the first list that the second has with other features, or not at all.
pub fn compiled_twice(binary: &str, workspace: &str) -> Vec<Finding> {
    let together = crates(workspace);
    let twice = crates(binary).into_iter().filter(|line| !together.contains(line));
    twice
        .map(|line| {
            Finding::new(
                line,
                "has other features with the tests: set them alike in [workspace.dependencies]",
            )
        })
        .collect()
}

/// What the simulator is built of where defects can be planted into it.
pub fn of_the_simulator_with_plants() -> String {
    tree(&["--package", "orbweave-simnet", "--features", "plants", "--edges", "normal,build"])
}

/// Crates into which defects can be planted: see `orbweave_model::plant`.
pub fn sowable(tree: &str) -> Vec<Finding> {
    let features = |line: &str| line.rsplit_once('[').map(|(_, rest)| rest.trim_end_matches(']').to_owned());
    let sowable = |line: &&str| features(line).is_some_and(|all| all.split(',').any(|one| one == "plants"));
    let found = crates(tree).into_iter().filter(sowable);
    found.map(|line| Finding::new(line, "has the feature `plants`, which is the simulator's alone")).collect()
}

fn crates(tree: &str) -> BTreeSet<&str> {
    tree.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| !line.is_empty()).collect()
}

fn tree(of: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let shape = ["tree", "--locked", "--prefix", "none", "--format", "{p} [{f}]"];
    run(Command::new(cargo).current_dir(crate::tree::root()).args(shape).args(of))
}

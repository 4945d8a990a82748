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

fn crates(tree: &str) -> BTreeSet<&str> {
    tree.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| !line.is_empty()).collect()
}

fn tree(of: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let shape = ["tree", "--locked", "--prefix", "none", "--format", "{p} [{f}]"];
    run(Command::new(cargo).current_dir(crate::tree::root()).args(shape).args(of))
}

//! Crates depend on one another in one direction, and those that decide link no driver.

use orbweave_tidy::metadata::Metadata;
use orbweave_tidy::{arrows, assert_clean};
use std::path::Path;

#[test]
fn no_arrow_between_crates_turns_round() {
    assert_clean(&arrows::undrawn(&Metadata::of_repository()));
}

#[test]
fn crates_that_decide_link_no_driver() {
    assert_clean(&arrows::drivers_linked(&Metadata::of_repository()));
}

#[test]
fn every_crate_that_the_rules_name_exists() {
    let metadata = Metadata::of_repository();
    let named = arrows::ALLOWED.iter().map(|(name, _)| *name).chain(arrows::SANS_IO.iter().copied());
    let missing: Vec<_> = named.filter(|name| !metadata.members.contains_key(*name)).collect();
    assert!(missing.is_empty(), "no such crates: {missing:?}");
}

#[test]
fn the_folders_of_the_text_rules_are_those_of_the_crates_that_decide() {
    let metadata = Metadata::of_repository();
    let root = orbweave_tidy::tree::root();
    let folders: Vec<_> = arrows::SANS_IO
        .iter()
        .filter_map(|name| {
            Path::new(&metadata.members.get(*name)?.manifest).parent()?.strip_prefix(&root).ok()
        })
        .map(|folder| folder.to_string_lossy().into_owned())
        .collect();
    assert_eq!(folders.len(), arrows::SANS_IO.len());
    assert!(folders.iter().all(|f| orbweave_tidy::calls::SANS_IO.contains(&&**f)), "{folders:?}");
}

/// The scheduler reaches for the state, and the simulator links tokio through another crate;
/// `mio` is only there for tests.
const BAD: &str = r#"{
  "workspace_members": ["s", "t", "sim"],
  "packages": [
    { "id": "s", "name": "orbweave-scheduler", "version": "0.1.0", "manifest_path": "scheduler/Cargo.toml" },
    { "id": "t", "name": "orbweave-state", "version": "0.1.0", "manifest_path": "mesh/state/Cargo.toml" },
    { "id": "sim", "name": "orbweave-simnet", "version": "0.1.0", "manifest_path": "simnet/Cargo.toml" },
    { "id": "h", "name": "helper", "version": "1.0.0", "manifest_path": "helper/Cargo.toml" },
    { "id": "k", "name": "tokio", "version": "1.0.0", "manifest_path": "tokio/Cargo.toml" },
    { "id": "m", "name": "mio", "version": "1.0.0", "manifest_path": "mio/Cargo.toml" }
  ],
  "resolve": { "nodes": [
    { "id": "s", "deps": [{ "pkg": "t", "dep_kinds": [{ "kind": null }] }] },
    { "id": "t", "deps": [] },
    { "id": "sim", "deps": [
      { "pkg": "h", "dep_kinds": [{ "kind": null }] },
      { "pkg": "m", "dep_kinds": [{ "kind": "dev" }] }
    ] },
    { "id": "h", "deps": [{ "pkg": "k", "dep_kinds": [{ "kind": null }] }] },
    { "id": "k", "deps": [] },
    { "id": "m", "deps": [] }
  ] }
}"#;

#[test]
fn an_arrow_that_turns_round_is_found() {
    let metadata = Metadata::parse(BAD).unwrap();
    let findings: Vec<_> = arrows::undrawn(&metadata).iter().map(ToString::to_string).collect();
    assert_eq!(findings, ["orbweave-scheduler: must not depend on orbweave-state"]);
}

#[test]
fn a_driver_linked_through_another_crate_is_found_and_one_for_tests_is_not() {
    let metadata = Metadata::parse(BAD).unwrap();
    let findings: Vec<_> = arrows::drivers_linked(&metadata).iter().map(ToString::to_string).collect();
    assert_eq!(findings, ["orbweave-simnet: decides, and yet links tokio"]);
}

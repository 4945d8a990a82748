//! Demo and tests share what is compiled.

use orbweave_tidy::{assert_clean, features};

#[test]
fn the_demo_and_the_tests_compile_every_dependency_once() {
    assert_clean(&features::compiled_twice(&features::of_the_binary(), &features::of_the_workspace()));
}

#[test]
fn no_defect_can_be_planted_into_what_is_shipped_nor_by_a_build_of_the_workspace() {
    assert_clean(&features::sowable(&features::of_the_binary()));
    assert_clean(&features::sowable(&features::of_the_workspace()));
}

#[test]
fn the_simulator_into_which_defects_can_be_planted_is_found_out() {
    let tree = features::of_the_simulator_with_plants();
    let found: Vec<String> = features::sowable(&tree).into_iter().map(|finding| finding.place).collect();
    for name in ["orbweave-model ", "orbweave-state ", "orbweave-core ", "orbweave-simnet "] {
        assert!(found.iter().any(|place| place.starts_with(name)), "{name}: {found:?}");
    }
}

#[test]
fn a_feature_that_only_the_tests_turn_on_is_found() {
    let binary = "orbweave v1 []\ntokio v1 [net]\nbytes v1 [std] (*)\n\n";
    let workspace = "orbweave v1 []\ntokio v1 [net,time]\nbytes v1 [std]\nproptest v1 []\n";
    let findings = features::compiled_twice(binary, workspace);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].place, "tokio v1 [net]");
}

//! Demo and tests share what is compiled.

use orbweave_tidy::{assert_clean, features};

#[test]
fn the_demo_and_the_tests_compile_every_dependency_once() {
    assert_clean(&features::compiled_twice(&features::of_the_binary(), &features::of_the_workspace()));
}

#[test]
fn a_feature_that_only_the_tests_turn_on_is_found() {
    let binary = "orbweave v1 []\ntokio v1 [net]\nbytes v1 [std] (*)\n\n";
    let workspace = "orbweave v1 []\ntokio v1 [net,time]\nbytes v1 [std]\nproptest v1 []\n";
    let findings = features::compiled_twice(binary, workspace);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].place, "tokio v1 [net]");
}

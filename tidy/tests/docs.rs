//! Every page can be found, every link leads somewhere, and the commands that the
//! README promises are the ones that are run.

use orbweave_tidy::{assert_clean, docs, tree};
use std::collections::BTreeMap;

const TEST: &str = "cargo test --release --workspace";
const DEMO: &str = "cargo run --release -- demo";

fn pages() -> BTreeMap<String, String> {
    let all = tree::files().into_iter().filter(|f| f.is(".md"));
    all.filter_map(|f| f.text().map(str::to_owned).map(|text| (f.path, text))).collect()
}

fn sample(pages: &[(&str, &str)]) -> BTreeMap<String, String> {
    pages.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect()
}

#[test]
fn every_page_is_linked_and_every_decision_is_indexed() {
    assert_clean(&docs::unlinked(&pages()));
}

#[test]
fn every_link_within_the_repository_leads_somewhere() {
    let root = tree::root();
    assert_clean(&docs::dead_links(&pages(), |target| root.join(target).exists()));
}

#[test]
fn the_commands_of_the_readme_are_the_ones_that_are_checked() {
    let (readme, ci) = (tree::read("README.md"), tree::read(".ci/run"));
    assert_clean(&docs::differing_command(TEST, &readme, &ci));
    assert_clean(&docs::differing_command(DEMO, &readme, &ci));
}

#[test]
fn a_page_without_a_link_and_a_decision_without_an_entry_are_found() {
    let pages = sample(&[
        ("README.md", "[a](docs/ARCHITECTURE.md) [c](docs/C.md#top) [](https://example.org/docs/B.md)"),
        ("docs/ARCHITECTURE.md", "[decisions](DECISIONS/README.md)"),
        ("docs/B.md", ""),
        ("docs/C.md", "[b](B.md)"),
        ("docs/DECISIONS/README.md", "[one](0001-one.md)"),
        ("docs/DECISIONS/0001-one.md", ""),
        ("docs/DECISIONS/0002-two.md", ""),
    ]);
    let places: Vec<_> = docs::unlinked(&pages).into_iter().map(|f| f.place).collect();
    assert_eq!(places, ["docs/B.md", "docs/DECISIONS/0002-two.md"]);
}

#[test]
fn a_dead_link_is_found() {
    let pages =
        sample(&[("docs/A.md", "[x](../LICENSE) [y](./gone.md) [z](https://example.org/) [w](#here)")]);
    let findings = docs::dead_links(&pages, |target| target == "LICENSE");
    assert_eq!(findings.len(), 1);
    assert!(findings[0].what.contains("docs/gone.md"));
}

#[test]
fn a_command_that_only_one_of_them_says_is_found() {
    assert_clean(&docs::differing_command(TEST, "run `cargo test --release --workspace`", TEST));
    assert_eq!(docs::differing_command(TEST, TEST, "cargo test --workspace")[0].place, ".ci/run");
    assert_eq!(docs::differing_command(TEST, "cargo test", TEST)[0].place, "README.md");
}

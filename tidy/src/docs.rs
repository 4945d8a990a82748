//! Pages that nobody can find, links that lead nowhere, commands that differ.

use crate::Finding;
use std::collections::{BTreeMap, BTreeSet};

/// The index of the decisions, which need no link from elsewhere.
pub const DECISIONS_INDEX: &str = "docs/DECISIONS/README.md";

/// The pages from which every other must be reachable in one step.
pub const ENTRANCES: &[&str] = &["README.md", "docs/ARCHITECTURE.md"];

/// Pages under `docs/` that no entrance links, and decisions that are not indexed.
/// `pages` are Markdown texts by path.
pub fn unlinked(pages: &BTreeMap<String, String>) -> Vec<Finding> {
    let linked_from = |entrances: &[&str]| -> BTreeSet<String> {
        entrances
            .iter()
            .filter_map(|e| pages.get_key_value(*e))
            .flat_map(|(p, text)| links(p, text))
            .collect()
    };
    let from_entrances = linked_from(ENTRANCES);
    let from_index = linked_from(&[DECISIONS_INDEX]);
    let mut findings = Vec::new();
    for page in pages.keys().filter(|p| p.starts_with("docs/") && !ENTRANCES.contains(&p.as_str())) {
        let is_decision = page.starts_with("docs/DECISIONS/") && page != DECISIONS_INDEX;
        let (known, where_to) = if is_decision {
            (&from_index, DECISIONS_INDEX)
        } else {
            (&from_entrances, "README.md or docs/ARCHITECTURE.md")
        };
        if !known.contains(page) {
            findings.push(Finding::new(page, format!("link it from {where_to}")));
        }
    }
    findings
}

/// Links to files of the repository that are not there.
pub fn dead_links(pages: &BTreeMap<String, String>, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (page, text) in pages {
        for target in links(page, text).into_iter().filter(|t| !exists(t)) {
            findings.push(Finding::new(page, format!("links to {target}, which is not there")));
        }
    }
    findings
}

/// A command that the README promises and the checks do not run, or the reverse.
pub fn differing_command(command: &str, readme: &str, ci: &str) -> Vec<Finding> {
    [("README.md", readme), (".ci/run", ci)]
        .into_iter()
        .filter(|(_, text)| !text.lines().any(|line| line.contains(command)))
        .map(|(path, _)| Finding::new(path, format!("does not say `{command}`")))
        .collect()
}

/// What a page links to inside the repository, as paths from the root.
fn links(page: &str, text: &str) -> Vec<String> {
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    text.match_indices("](")
        .filter_map(|(at, open)| text[at + open.len()..].split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
        .map(|target| resolve(folder, target))
        .collect()
}

fn resolve(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|p| !p.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

//! Interfaces that a component asks of its host, and that a node does not grant.

use super::{Term, rule};
use crate::candidate::{Candidate, Choice};
use crate::verdict::Verdict;

pub(super) const TERM: Term = rule(
    "capability",
    "it must grant the interfaces that the component imports",
    |choice, candidate| denied(choice, candidate).is_none(),
    |choice, candidate| {
        denied(choice, candidate).map_or(Verdict::Fits, |import| Verdict::Capability(import.to_owned()))
    },
);

/// The first interface that the component imports and the node denies.
fn denied<'c>(choice: &'c Choice, candidate: &Candidate) -> Option<&'c str> {
    let denies = candidate.denies;
    if denies.is_empty() {
        return None;
    }
    let imports = choice.need.imports.iter().map(String::as_str);
    imports.into_iter().find(|import| denies.iter().any(|denied| covers(denied, import)))
}

/// Whether what is denied is this interface, or its package, in any version:
/// `wasi:sockets` covers `wasi:sockets/tcp@0.2.3`.
fn covers(denied: &str, import: &str) -> bool {
    let rest = import.strip_prefix(denied);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '@']))
}

#[cfg(test)]
mod tests {
    use super::super::sample::*;
    use super::*;

    #[test]
    fn a_denied_package_denies_its_interfaces_in_every_version_and_no_other() {
        let import = "wasi:sockets/tcp@0.2.3";
        let sample =
            Sample { imports: vec!["wasi:cli/run@0.2.3".into(), import.into()], ..Sample::default() };
        let none = labels(&[]);
        for (denied, fits) in [
            ("wasi:sockets", false),
            ("wasi:sockets/tcp", false),
            (import, false),
            ("wasi:sock", true),
            ("wasi:sockets/udp", true),
            ("wasi:http", true),
        ] {
            let denies = [denied.to_owned()];
            let verdict = &sample.judge(&[Candidate { denies: &denies, ..candidate(1, &none) }])[0];
            let expected = if fits { Verdict::Fits } else { Verdict::Capability(import.into()) };
            assert_eq!(*verdict, expected, "{denied}");
        }
    }
}

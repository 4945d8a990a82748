//! Workloads that do not share a node.

use super::{Term, rule};
use crate::verdict::Verdict;

pub(super) const TERM: Term = rule(
    "apart",
    "it must hold no workload that keeps apart from this one, on either's word",
    |_, candidate| candidate.conflict.is_none(),
    |_, candidate| Verdict::Apart(candidate.conflict.clone().unwrap_or_default()),
);

#[cfg(test)]
mod tests {
    use super::super::sample::*;
    use super::*;
    use crate::candidate::Candidate;

    #[test]
    fn a_node_with_a_workload_to_keep_apart_from_is_refused() {
        let none = labels(&[]);
        let candidates =
            [candidate(1, &none), Candidate { conflict: Some("db".into()), ..candidate(2, &none) }];
        assert_eq!(Sample::default().judge(&candidates), [Verdict::Fits, Verdict::Apart("db".into())]);
    }
}

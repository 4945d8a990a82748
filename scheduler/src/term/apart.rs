//! Workloads that do not share a node.

use super::{Term, nothing};
use crate::candidate::{Candidate, Choice};
use crate::verdict::Verdict;

pub(super) const TERM: Term = Term {
    name: "apart",
    about: "it must hold no workload that keeps apart from this one, on either's word",
    judge,
    weigh: nothing,
};

fn judge(_: &Choice, candidate: &Candidate) -> Verdict {
    candidate.conflict.map_or(Verdict::Fits, |workload| Verdict::Apart(workload.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::sample::*;
    use super::*;

    #[test]
    fn a_node_with_a_workload_to_keep_apart_from_is_refused() {
        let none = labels(&[]);
        let candidates = [candidate(1, &none), Candidate { conflict: Some("db"), ..candidate(2, &none) }];
        assert_eq!(Sample::default().judge(&candidates), [Verdict::Fits, Verdict::Apart("db".into())]);
    }
}

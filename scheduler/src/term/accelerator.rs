//! Accelerators, of which most nodes have none.

use super::Term;
use crate::candidate::{Candidate, Choice};
use crate::verdict::Verdict;

/// What a thousandth of an accelerator counts that lies idle because of this replica.
const IDLE: i64 = -500;

pub(super) const TERM: Term = Term {
    name: "accelerator",
    about: "it must have as much free as is needed; -500 for each thousandth that a replica without need of it leaves idle",
    fits: Some(|choice, candidate| need(choice) <= free(candidate)),
    verdict: |choice, candidate| Verdict::Accelerator(need(choice), free(candidate)),
    weigh: |choice, candidate| if need(choice) == 0 { IDLE * i64::from(free(candidate)) } else { 0 },
};

fn need(choice: &Choice) -> u32 {
    choice.need.resources.accelerator_milli
}

fn free(candidate: &Candidate) -> u32 {
    candidate.free.accelerator_milli
}

#[cfg(test)]
mod tests {
    use super::super::sample::*;
    use super::*;
    use orbweave_model::Resources;

    #[test]
    fn what_needs_one_goes_where_one_is_and_what_needs_none_elsewhere() {
        let none = labels(&[]);
        let with = Resources { accelerator_milli: 1_000, ..FREE };
        let candidates = [candidate(1, &none), Candidate { free: with, ..candidate(2, &none) }];
        let need = |milli| Some(Resources { accelerator_milli: milli, ..SMALL });
        let hungry = Sample { resources: need(500), ..Sample::default() };
        assert_eq!(hungry.judge(&candidates), [Verdict::Accelerator(500, 0), Verdict::Fits]);
        assert_eq!(hungry.shares("accelerator", &candidates), [0, 0]);
        let greedy = Sample { resources: need(1_500), ..Sample::default() };
        assert_eq!(greedy.judge(&candidates)[1], Verdict::Accelerator(1_500, 1_000));
        assert_eq!(Sample::default().shares("accelerator", &candidates), [0, -500_000]);
    }
}

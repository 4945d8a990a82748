//! Conditions over labels, which all must hold.

use super::{Term, rule};
use crate::candidate::{Candidate, Choice};
use crate::verdict::Verdict;

pub(super) const TERM: Term = rule(
    "label",
    "its labels must satisfy what is required",
    |choice, candidate| choice.need.requires.matches(candidate.labels),
    verdict,
);

fn verdict(choice: &Choice, candidate: &Candidate) -> Verdict {
    choice.need.requires.first_unmet(candidate.labels).map_or(Verdict::Fits, Verdict::Label)
}

#[cfg(test)]
mod tests {
    use super::super::sample::*;
    use super::*;

    #[test]
    fn the_first_condition_that_does_not_hold_is_named() {
        let sample = Sample { requires: "tier=edge, !spot".parse().unwrap(), ..Sample::default() };
        let (edge, cloud, spot) =
            (labels(&["tier=edge"]), labels(&["tier=cloud"]), labels(&["tier=edge", "spot=yes"]));
        let verdicts = sample.judge(&[candidate(1, &edge), candidate(2, &cloud), candidate(3, &spot)]);
        let unmet = |term: &str| Verdict::Label(term.to_owned());
        assert_eq!(verdicts, [Verdict::Fits, unmet("tier=edge"), unmet("!spot")]);
    }
}

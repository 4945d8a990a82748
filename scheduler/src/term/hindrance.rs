//! What the placer knows of a node beyond its figures: it refused or failed a moment
//! ago, leaves, or is out of reach.

use super::{Term, rule};
use crate::verdict::Verdict;

pub(super) const TERM: Term = rule(
    "hindrance",
    "it must be in reach, stay, and not have refused or failed the workload a moment ago",
    |_, candidate| candidate.hindrance.is_none(),
    |_, candidate| candidate.hindrance.clone().unwrap_or(Verdict::Fits),
);

#[cfg(test)]
mod tests {
    use super::super::sample::*;
    use super::*;
    use crate::candidate::Candidate;

    #[test]
    fn a_lasting_reason_is_named_before_a_passing_one() {
        let none = labels(&[]);
        let failed = || Candidate { hindrance: Some(Verdict::BackingOff), ..candidate(1, &none) };
        assert_eq!(Sample::default().judge(&[failed()]), [Verdict::BackingOff]);
        let sample = Sample { requires: "tier=edge".parse().unwrap(), ..Sample::default() };
        assert_eq!(sample.judge(&[failed()]), [Verdict::Label("tier=edge".into())]);
    }
}

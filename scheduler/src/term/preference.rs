//! Conditions that a place should meet.

use super::{Term, wish};
use crate::candidate::{Candidate, Choice};

/// For each unit of weight: the heaviest preference weighs as much as one replica less.
const UNIT: i64 = 10_000;

pub(super) const TERM: Term =
    wish("preference", "+10,000 for each unit of weight of a preference that it meets", weigh);

fn weigh(choice: &Choice, candidate: &Candidate) -> i64 {
    let met = choice.need.policy.prefers.iter().filter(|p| p.wants.matches(candidate.labels));
    met.map(|preference| UNIT * i64::from(preference.weight)).sum()
}

#[cfg(test)]
mod tests {
    use super::super::sample::*;
    use crate::policy::{Policy, Preference};
    use crate::verdict::Verdict;

    #[test]
    fn what_is_preferred_counts_by_its_weight_and_refuses_nobody() {
        let prefers = |wants: &str, weight| Preference { wants: wants.parse().unwrap(), weight };
        let policy =
            Policy { prefers: vec![prefers("tier=edge", 100), prefers("!spot", 1)], ..Policy::default() };
        let sample = Sample { policy, ..Sample::default() };
        let (edge, spot) = (labels(&["tier=edge"]), labels(&["spot=yes"]));
        let candidates = [candidate(1, &edge), candidate(2, &spot)];
        assert_eq!(sample.shares("preference", &candidates), [1_010_000, 0]);
        assert!(sample.judge(&candidates).iter().all(|v| *v == Verdict::Fits));
    }
}

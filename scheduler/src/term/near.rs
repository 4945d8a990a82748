//! Near something, by round trip: nearer is better, and a bound may be set.

use super::Term;
use crate::candidate::{Candidate, Choice, NO_WAY};
use crate::policy::Near;
use crate::verdict::Verdict;

/// Farther than this counts no more, in microseconds; what is not known counts as that.
const FAR_US: u32 = 900_000;

pub(super) const TERM: Term = Term {
    name: "near",
    about: "it must be as near as is demanded; -1 for each microsecond of round trip, at most -900,000 for each target",
    fits: Some(|choice, candidate| too_far(choice, candidate).is_none()),
    verdict,
    weigh,
};

/// The first target that is too far, and how far. One whose way nobody has measured is
/// asked: it knows.
fn too_far<'c>(choice: &'c Choice, candidate: &Candidate) -> Option<(&'c Near, u32)> {
    let targets = choice.need.policy.near.iter().zip(&candidate.near_us);
    let known = targets.into_iter().filter_map(|(near, rtt)| Some((near, (*rtt)?)));
    known
        .into_iter()
        .find(|(near, rtt)| near.within_ms.is_some_and(|most| u64::from(*rtt) > u64::from(most) * 1_000))
}

fn verdict(choice: &Choice, candidate: &Candidate) -> Verdict {
    let Some((near, rtt)) = too_far(choice, candidate) else { return Verdict::Fits };
    Verdict::TooFar(near.to.to_string(), (rtt != NO_WAY).then_some(rtt), near.within_ms.unwrap_or(0))
}

fn weigh(choice: &Choice, candidate: &Candidate) -> i64 {
    let targets = 0..choice.need.policy.near.len();
    let rtt = |i: usize| candidate.near_us.get(i).copied().flatten().unwrap_or(FAR_US).min(FAR_US);
    targets.map(|i| -i64::from(rtt(i))).sum()
}

#[cfg(test)]
mod tests {
    use super::super::sample::*;
    use super::*;
    use crate::policy::{Near, Policy, Target};

    #[test]
    fn nearer_is_better_what_is_too_far_is_refused_and_what_nobody_measured_is_asked() {
        let to = Target::Workload("db".parse().unwrap());
        let near = vec![Near { to, within_ms: Some(20) }];
        let sample = Sample { policy: Policy { near, ..Policy::default() }, ..Sample::default() };
        let none = labels(&[]);
        let at = |node, us| Candidate { near_us: vec![us], ..candidate(node, &none) };
        let candidates = [at(1, Some(5_000)), at(2, Some(20_001)), at(3, None), at(4, Some(NO_WAY))];
        let far = |rtt| Verdict::TooFar("workload db".into(), rtt, 20);
        assert_eq!(sample.judge(&candidates), [Verdict::Fits, far(Some(20_001)), Verdict::Fits, far(None)]);
        assert_eq!(sample.shares("near", &candidates), [-5_000, -20_001, -900_000, -900_000]);
    }
}

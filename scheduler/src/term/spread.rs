//! Replicas of one workload apart from one another: over nodes always, and over the
//! values of labels where the policy says so.

use super::Term;
use crate::candidate::{Candidate, Choice};
use crate::policy::OVER_NODES;
use crate::verdict::Verdict;
use std::borrow::Cow;

/// For each replica that the node holds.
const ON_NODE: i64 = -1_000_000;
/// For each replica that the node's value of the first label has; a fifth of it for the next.
const IN_DOMAIN: i64 = -1_000_000_000;

pub(super) const TERM: Term = Term {
    name: "spread",
    about: "-1,000,000 for each replica that it holds; a thousand times that for each replica of its value of the first label to spread over, a fifth of that for the next, and so on",
    judge,
    weigh,
};

fn judge(choice: &Choice, candidate: &Candidate) -> Verdict {
    for (spread, domains) in choice.need.policy.spread.iter().zip(&choice.domains) {
        if spread.at_most.is_none() && spread.max_skew.is_none() {
            continue;
        }
        let over = &spread.over;
        let Some(value) = candidate.domain(over) else { return Verdict::NoDomain(over.clone()) };
        let here = domains.at(&value);
        if let Some(most) = spread.at_most.filter(|most| here >= *most) {
            return Verdict::Crowded(over.clone(), name(over, value, candidate), most);
        }
        if let Some(skew) = spread.max_skew.filter(|skew| here.saturating_sub(domains.fewest()) >= *skew) {
            return Verdict::Skewed(over.clone(), name(over, value, candidate), skew);
        }
    }
    Verdict::Fits
}

fn name(over: &str, value: Cow<'_, str>, candidate: &Candidate) -> String {
    if over == OVER_NODES { candidate.node.short() } else { value.into_owned() }
}

fn weigh(choice: &Choice, candidate: &Candidate) -> i64 {
    let mut weight = IN_DOMAIN;
    let mut sum = ON_NODE * i64::from(candidate.held);
    for (spread, domains) in choice.need.policy.spread.iter().zip(&choice.domains) {
        // One without the label is as good as a full one.
        let here = candidate.domain(&spread.over).map_or(1_000, |value| domains.at(&value).min(1_000));
        sum = sum.saturating_add(weight * i64::from(here));
        weight /= 5;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::super::sample::*;
    use super::*;
    use crate::policy::{Policy, Spread};

    fn sample(over: &str, at_most: Option<u32>, max_skew: Option<u32>) -> Sample {
        let spread = vec![Spread { over: over.into(), at_most, max_skew }];
        Sample { policy: Policy { spread, ..Policy::default() }, ..Sample::default() }
    }

    #[test]
    fn a_value_has_as_many_as_it_may_and_no_more() {
        let (north, south, none) = (labels(&["site=north"]), labels(&["site=south"]), labels(&[]));
        let candidates = [
            Candidate { held: 1, ..candidate(1, &north) },
            candidate(2, &north),
            candidate(3, &south),
            candidate(4, &none),
        ];
        let crowded = |most| Verdict::Crowded("site".into(), "north".into(), most);
        let no_site = || Verdict::NoDomain("site".into());
        let one = sample("site", Some(1), None).judge(&candidates);
        assert_eq!(one, [crowded(1), crowded(1), Verdict::Fits, no_site()]);
        let two = sample("site", Some(2), None).judge(&candidates);
        assert_eq!(two, [Verdict::Fits, Verdict::Fits, Verdict::Fits, no_site()]);
        let skewed = sample("site", None, Some(1)).judge(&candidates);
        assert_eq!(skewed[0], Verdict::Skewed("site".into(), "north".into(), 1));
        assert_eq!(skewed[2], Verdict::Fits);
        // As a wish alone it refuses nobody, and prefers who has none.
        let wish = sample("site", None, None);
        assert!(wish.judge(&candidates).iter().all(|v| *v == Verdict::Fits));
        let shares = wish.shares("spread", &candidates);
        assert!(shares[2] > shares[1] && shares[1] > shares[0] && shares[0] > shares[3], "{shares:?}");
    }

    #[test]
    fn over_nodes_each_is_a_value_of_its_own() {
        let none = labels(&[]);
        let candidates = [Candidate { held: 1, ..candidate(1, &none) }, candidate(2, &none)];
        let verdicts = sample(OVER_NODES, Some(1), None).judge(&candidates);
        let short = candidates[0].node.short();
        assert_eq!(verdicts, [Verdict::Crowded("node".into(), short, 1), Verdict::Fits]);
        assert_eq!(Sample::default().shares("spread", &candidates), [-1_000_000, 0]);
    }

    #[test]
    fn a_value_that_cannot_take_any_does_not_hold_the_others_back() {
        let (north, far) = (labels(&["site=north"]), labels(&["site=far", "spot=yes"]));
        let candidates = [Candidate { held: 1, ..candidate(1, &north) }, candidate(2, &far)];
        let mut sample = sample("site", None, Some(1));
        sample.requires = "!spot".parse().unwrap();
        assert_eq!(sample.judge(&candidates)[0], Verdict::Fits, "nothing may run at the other");
    }
}

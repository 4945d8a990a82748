//! Replicas of one workload apart from one another: over nodes always, and over the
//! values of labels where the policy says so.

use super::Term;
use crate::candidate::{Candidate, Choice, Domains};
use crate::policy::{OVER_NODES, Spread};
use crate::verdict::Verdict;

/// For each replica that the node holds.
const ON_NODE: i64 = -1_000_000;
/// For each replica that the node's value of the first label has; a fifth of it for the next.
const IN_DOMAIN: i64 = -1_000_000_000;
/// More replicas than that at one value count no more.
const COUNTED_MAX: u32 = 1_000;

pub(super) const TERM: Term = Term {
    name: "spread",
    about: "-1,000,000 for each replica that it holds; a thousand times that for each replica of its value of the first label to spread over, a fifth of that for the next, and so on",
    fits: Some(|choice, candidate| broken(choice, candidate).is_none()),
    verdict,
    weigh,
};

/// The first rule that one more replica would break.
fn broken<'c>(choice: &'c Choice, candidate: &Candidate) -> Option<&'c Spread> {
    let rules = choice.need.policy.spread.iter().zip(&choice.domains);
    let broken =
        |(spread, domains): &(&Spread, &Domains)| breaks(spread, domains.at(candidate), domains.fewest);
    rules.into_iter().find(broken).map(|(spread, _)| spread)
}

fn breaks(spread: &Spread, here: Option<u32>, fewest: u32) -> bool {
    let Some(here) = here else { return spread.at_most.is_some() || spread.max_skew.is_some() };
    is_crowded(spread, here) || spread.max_skew.is_some_and(|skew| here.saturating_sub(fewest) >= skew)
}

fn is_crowded(spread: &Spread, here: u32) -> bool {
    spread.at_most.is_some_and(|most| here >= most)
}

fn verdict(choice: &Choice, candidate: &Candidate) -> Verdict {
    let Some(spread) = broken(choice, candidate) else { return Verdict::Fits };
    let over = spread.over.clone();
    let Some(value) = value(&over, candidate) else { return Verdict::NoDomain(over) };
    let at = choice.need.policy.spread.iter().position(|other| other == spread);
    let here = at.and_then(|at| choice.domains[at].at(candidate)).unwrap_or(0);
    match (spread.at_most, spread.max_skew) {
        (Some(most), _) if is_crowded(spread, here) => Verdict::Crowded(over, value, most),
        (_, skew) => Verdict::Skewed(over, value, skew.unwrap_or(0)),
    }
}

fn value(over: &str, candidate: &Candidate) -> Option<String> {
    match over {
        OVER_NODES => Some(candidate.node.short()),
        _ => candidate.labels.get(over).map(str::to_owned),
    }
}

fn weigh(choice: &Choice, candidate: &Candidate) -> i64 {
    let mut weight = IN_DOMAIN;
    let mut sum = ON_NODE * i64::from(candidate.held);
    for domains in &choice.domains {
        // One without the label is as good as a full one.
        sum += weight * i64::from(domains.at(candidate).map_or(COUNTED_MAX, |here| here.min(COUNTED_MAX)));
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

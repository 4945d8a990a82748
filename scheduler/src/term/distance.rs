//! Near the placer, where nothing else was asked to be near.

use super::{Term, wish};

pub(super) const TERM: Term = wish(
    "distance",
    "-1 for each millisecond of round trip from the placer, at most -900; -500 where none was measured",
    |_, candidate| -i64::from(candidate.rtt_us.unwrap_or(500_000) / 1_000).min(900),
);

#[cfg(test)]
mod tests {
    use super::super::sample::*;
    use crate::candidate::{Candidate, Choice};
    use orbweave_model::NodeId;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn order(candidates: &[Candidate]) -> Vec<NodeId> {
        let sample = Sample::default();
        let choice = Choice::new(sample.need(), candidates);
        choice.best(&mut ChaCha8Rng::from_seed([3; 32])).into_iter().map(|(node, _)| node).collect()
    }

    #[test]
    fn an_empty_place_comes_first_then_an_idle_then_a_ready_then_a_near_one() {
        let none = labels(&[]);
        let plain = |node| candidate(node, &none);
        let candidates = [
            Candidate { held: 1, ready: true, ..plain(1) },
            Candidate { load: 1, ..plain(2) },
            Candidate { rtt_us: Some(700_000), ..plain(3) },
            plain(4),
            Candidate { ready: true, ..plain(5) },
        ];
        let nodes = [5, 4, 3, 2, 1].map(|n| NodeId([n; 32]));
        assert_eq!(order(&candidates), nodes);
    }
}

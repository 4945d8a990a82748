//! What came of it: the figures, and whether the behaviour held.

use super::load::Exchange;
use serde::Serialize;
use std::time::Duration;

/// A recovery that takes longer is a failure.
pub const RECOVERY_MAX: Duration = Duration::from_secs(30);

/// The figures of one run, as the last line of `--json` has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Node processes.
    pub nodes: usize,
    /// Replicas wanted.
    pub replicas: u32,
    /// Requests that were counted.
    pub requests: usize,
    /// Requests without a right answer.
    pub failed: usize,
    /// Answers that came from another replica than the first that was asked.
    pub retried: usize,
    /// From the kill until the first node held the killed one for dead.
    pub detect_ms: Option<u64>,
    /// From the kill until the replacement itself answered.
    pub failover_ms: Option<u64>,
    /// From the freeze until the replacement itself answered.
    pub failover_stop_ms: Option<u64>,
    /// Replicas that run once all has settled after the thaw.
    pub after_thaw_replicas: u32,
    /// Instances that were started again on nodes to which nothing happened.
    pub healthy_restarts: u64,
    /// Whether the altered component was refused.
    pub tampered_refused: bool,
    /// Whether the unsigned component was refused.
    pub unsigned_refused: bool,
    /// Targets in the image, the same in every answer.
    pub targets: usize,
}

impl Outcome {
    /// What was not as it must be.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut must = |holds: bool, fault: String| {
            if !holds {
                faults.push(fault);
            }
        };
        must(self.failed == 0, format!("{} of the requests failed", self.failed));
        for (what, took) in [("the kill", self.failover_ms), ("the freeze", self.failover_stop_ms)] {
            let in_time = took.is_some_and(|ms| Duration::from_millis(ms) <= RECOVERY_MAX);
            must(in_time, format!("after {what} no replacement answered within {RECOVERY_MAX:?}"));
        }
        must(self.detect_ms.is_some(), "no node noticed the kill".to_owned());
        must(
            self.after_thaw_replicas == self.replicas,
            format!("{} replicas ran after the thaw, not {}", self.after_thaw_replicas, self.replicas),
        );
        must(
            self.healthy_restarts == 0,
            format!("{} instances were restarted on healthy nodes", self.healthy_restarts),
        );
        must(self.tampered_refused, "the tampered component was not refused".to_owned());
        must(self.unsigned_refused, "the unsigned component was not refused".to_owned());
        must(self.targets > 0, "no target was found in the image".to_owned());
        faults
    }
}

/// Requests without a right answer: each answer must name the same targets.
pub fn failures(exchanges: &[Exchange], targets: usize) -> Vec<(u64, String)> {
    exchanges
        .iter()
        .filter_map(|e| match &e.outcome {
            Ok(answer) if answer.targets == targets => None,
            Ok(answer) => Some((e.sent_ms, format!("{} targets instead of {targets}", answer.targets))),
            Err(why) => Some((e.sent_ms, why.clone())),
        })
        .collect()
}

/// The first complete answer since `since_ms` from this slot by another node than
/// `before`: that of the replacement itself.
pub fn first_of_replacement(
    exchanges: &[Exchange],
    slot: u32,
    before: &str,
    since_ms: u64,
) -> Option<(u64, String)> {
    exchanges
        .iter()
        .filter(|e| e.answered_ms >= since_ms)
        .filter_map(|e| {
            let answer = e.outcome.as_ref().ok()?;
            (answer.slot == slot && answer.node != before).then(|| (e.answered_ms, answer.node.clone()))
        })
        .min()
}

/// The time within which this share (in percent) of the answers came.
pub fn percentile(exchanges: &[Exchange], percent: usize) -> u64 {
    let mut took: Vec<u64> = exchanges.iter().map(|e| e.answered_ms.saturating_sub(e.sent_ms)).collect();
    took.sort_unstable();
    let last = took.len().saturating_sub(1);
    took.get((took.len() * percent / 100).min(last)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::load::Answer;

    fn exchange(answered_ms: u64, node: &str, slot: u32) -> Exchange {
        let answer = Answer { node: node.to_owned(), slot, attempt: 1, targets: 4 };
        Exchange { sent_ms: answered_ms - 50, answered_ms, outcome: Ok(answer) }
    }

    fn outcome() -> Outcome {
        Outcome {
            nodes: 5,
            replicas: 3,
            requests: 600,
            failed: 0,
            retried: 2,
            detect_ms: Some(1_200),
            failover_ms: Some(1_500),
            failover_stop_ms: Some(1_600),
            after_thaw_replicas: 3,
            healthy_restarts: 0,
            tampered_refused: true,
            unsigned_refused: true,
            targets: 4,
        }
    }

    #[test]
    fn the_last_line_has_the_names_and_the_order_that_scripts_rely_on() {
        assert_eq!(
            serde_json::to_string(&outcome()).unwrap(),
            "{\"nodes\":5,\"replicas\":3,\"requests\":600,\"failed\":0,\"retried\":2,\"detect_ms\":1200,\
             \"failover_ms\":1500,\"failover_stop_ms\":1600,\"after_thaw_replicas\":3,\"healthy_restarts\":0,\
             \"tampered_refused\":true,\"unsigned_refused\":true,\"targets\":4}"
        );
    }

    #[test]
    fn each_thing_that_did_not_hold_is_named() {
        assert_eq!(outcome().faults(), Vec::<String>::new());
        let broken = Outcome {
            failed: 1,
            detect_ms: None,
            failover_ms: None,
            failover_stop_ms: Some(30_001),
            after_thaw_replicas: 4,
            healthy_restarts: 1,
            tampered_refused: false,
            unsigned_refused: false,
            targets: 0,
            ..outcome()
        };
        assert_eq!(broken.faults().len(), 9);
    }

    #[test]
    fn only_another_node_in_the_same_slot_and_after_the_fault_is_the_replacement() {
        let exchanges = [
            exchange(100, "b", 1),
            exchange(900, "a", 1),
            exchange(950, "c", 2),
            exchange(1_300, "b", 1),
            exchange(1_200, "b", 1),
        ];
        assert_eq!(first_of_replacement(&exchanges, 1, "a", 800), Some((1_200, "b".to_owned())));
        assert_eq!(first_of_replacement(&exchanges, 0, "a", 800), None);
    }

    #[test]
    fn an_answer_with_other_targets_is_a_failure() {
        let mut exchanges = vec![exchange(100, "a", 0), exchange(200, "b", 1)];
        assert_eq!(failures(&exchanges, 4), vec![]);
        exchanges.push(Exchange { outcome: Err("503".to_owned()), ..exchange(300, "a", 0) });
        assert_eq!(failures(&exchanges, 5).len(), 3);
    }

    #[test]
    fn percentiles_of_nothing_and_of_little_do_no_harm() {
        assert_eq!(percentile(&[], 99), 0);
        assert_eq!(percentile(&[exchange(100, "a", 0)], 99), 50);
    }
}

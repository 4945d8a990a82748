//! A need and nodes to judge, for the tests of the terms.

use crate::candidate::{Candidate, Choice, Need};
use crate::policy::Policy;
use crate::verdict::Verdict;
use orbweave_model::{Label, Labels, NodeId, Resources, Selector};

pub const FREE: Resources =
    Resources { cpu_milli: 1_000, memory_bytes: 512 << 20, instances: 10, accelerator_milli: 0 };
pub const SMALL: Resources =
    Resources { cpu_milli: 100, memory_bytes: 64 << 20, instances: 1, accelerator_milli: 0 };

/// What a test changes of a need.
#[derive(Default)]
pub struct Sample {
    pub requires: Selector,
    pub resources: Option<Resources>,
    pub policy: Policy,
    pub imports: Vec<String>,
}

impl Sample {
    pub fn need(&self) -> Need<'_> {
        Need {
            workload: "w",
            slot: 0,
            requires: &self.requires,
            resources: self.resources.unwrap_or(SMALL),
            policy: &self.policy,
            imports: &self.imports,
        }
    }

    /// The verdicts on these candidates.
    pub fn judge(&self, candidates: &[Candidate]) -> Vec<Verdict> {
        let choice = Choice::new(self.need(), candidates);
        candidates.iter().map(|c| choice.judge(c)).collect()
    }

    /// What one term counts for each candidate.
    pub fn shares(&self, term: &str, candidates: &[Candidate]) -> Vec<i64> {
        let choice = Choice::new(self.need(), candidates);
        let of =
            |at| choice.shares(at).iter().find(|share| share.name == term).map_or(0, |share| share.value);
        candidates.iter().map(of).collect()
    }
}

pub fn labels(text: &[&str]) -> Labels {
    text.iter().map(|label| label.parse::<Label>().unwrap()).collect()
}

pub fn candidate(node: u8, labels: &Labels) -> Candidate<'_> {
    Candidate { rtt_us: Some(1_000), ..Candidate::new(NodeId([node; 32]), labels, FREE) }
}

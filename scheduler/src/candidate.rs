//! Where a slot could go: each candidate is judged, then scored by small terms
//! of which each explains itself.

use crate::rank::affinity;
use minicbor::{Decode, Encode};
use orbweave_model::{Labels, NodeId, Resources, Selector};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Candidates that a placer scores at most, drawn at random from those that fit:
/// with sixteen the best of them is among the best tenth of all with 81 %.
pub const SCORED_MAX: usize = 16;

/// What a slot asks of its place.
#[derive(Debug, Clone, Copy)]
pub struct Need<'a> {
    /// The workload, for ties.
    pub workload: &'a str,
    /// The slot, for ties.
    pub slot: u32,
    /// Conditions over the node's labels.
    pub requires: &'a Selector,
    /// What one replica takes.
    pub resources: Resources,
}

/// What the placer knows of one node; it may be stale.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The node.
    pub node: NodeId,
    /// It stands by for this workload: the component is there, compiled.
    pub ready: bool,
    /// Its labels.
    pub labels: &'a Labels,
    /// What it had free when it last said so.
    pub free: Resources,
    /// Slots of this workload that it holds.
    pub held: u32,
    /// Slots of any workload that it holds.
    pub load: u32,
    /// Round-trip time to it, where measured.
    pub rtt_us: Option<u32>,
    /// It refused or failed this workload a moment ago.
    pub avoid: bool,
}

/// Whether a node can take a slot, and why not.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It can.
    #[n(0)]
    Fits,
    /// A condition over its labels does not hold.
    #[n(1)]
    Label(#[n(0)] String),
    /// Not enough processor time, in thousandths of a core.
    #[n(2)]
    Cpu(#[n(0)] u32, #[n(1)] u32),
    /// Not enough memory, in bytes.
    #[n(3)]
    Memory(#[n(0)] u64, #[n(1)] u64),
    /// No instance left.
    #[n(4)]
    Instances,
    /// The workload failed there and backs off.
    #[n(5)]
    BackingOff,
    /// The node holds more of this workload than the placer knew: its view is stale.
    #[n(6)]
    StaleView,
    /// The node does not know this generation of the workload yet.
    #[n(7)]
    Unknown,
    /// The release does not pass the node's own verification.
    #[n(8)]
    Release(#[n(0)] String),
    /// The node leaves or drains.
    #[n(9)]
    Leaving,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Fits => f.write_str("fits"),
            Verdict::Label(term) => write!(f, "its labels do not satisfy `{term}`"),
            Verdict::Cpu(need, free) => write!(f, "needs {need}m of cpu, {free}m are free"),
            Verdict::Memory(need, free) => {
                write!(f, "needs {} MiB of memory, {} MiB are free", need >> 20, free >> 20)
            }
            Verdict::Instances => f.write_str("has no instance left"),
            Verdict::BackingOff => f.write_str("backs off after a failure of this workload"),
            Verdict::StaleView => f.write_str("holds more of this workload than the placer knew"),
            Verdict::Unknown => f.write_str("does not know this generation yet"),
            Verdict::Release(why) => write!(f, "refuses the release: {why}"),
            Verdict::Leaving => f.write_str("is leaving"),
        }
    }
}

/// Whether this candidate can take one slot of this need.
pub fn judge(need: &Need, candidate: &Candidate) -> Verdict {
    if let Some(term) = need.requires.first_unmet(candidate.labels) {
        return Verdict::Label(term);
    }
    let (want, free) = (&need.resources, &candidate.free);
    if want.cpu_milli > free.cpu_milli {
        Verdict::Cpu(want.cpu_milli, free.cpu_milli)
    } else if want.memory_bytes > free.memory_bytes {
        Verdict::Memory(want.memory_bytes, free.memory_bytes)
    } else if want.instances > free.instances {
        Verdict::Instances
    } else if candidate.avoid {
        Verdict::BackingOff
    } else {
        Verdict::Fits
    }
}

/// One reason for or against a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Term {
    /// What it weighs.
    pub name: &'static str,
    /// Its share of the score.
    pub value: i64,
}

/// The terms of a candidate's score; their sum is the score. Higher is better.
pub fn terms(candidate: &Candidate) -> [Term; 4] {
    [
        // Replicas of one workload apart from one another come before all else.
        Term { name: "spread", value: -1_000_000 * i64::from(candidate.held) },
        Term { name: "load", value: -1_000 * i64::from(candidate.load) },
        // A place that need not fetch and compile starts at once.
        Term { name: "ready", value: if candidate.ready { 950 } else { 0 } },
        Term { name: "distance", value: -i64::from(candidate.rtt_us.unwrap_or(500_000) / 1_000).min(900) },
    ]
}

/// The sum of the terms.
pub fn score(candidate: &Candidate) -> i64 {
    terms(candidate).iter().map(|t| t.value).sum()
}

/// The places for a slot, the best first: of those that fit, at most
/// [`SCORED_MAX`] drawn by `rng` are scored; ties go by rendezvous.
pub fn choose<'a>(need: &Need, candidates: &[Candidate<'a>], rng: &mut impl Rng) -> Vec<(NodeId, i64)> {
    let mut fitting: Vec<&Candidate<'a>> =
        candidates.iter().filter(|c| judge(need, c) == Verdict::Fits).collect();
    for i in 0..fitting.len().min(SCORED_MAX) {
        let j = rng.random_range(i..fitting.len());
        fitting.swap(i, j);
    }
    fitting.truncate(SCORED_MAX);
    let mut scored: Vec<_> =
        fitting.into_iter().map(|c| (score(c), affinity(need.workload, need.slot, c.node), c.node)).collect();
    scored.sort_unstable_by(|a, b| b.cmp(a));
    scored.into_iter().map(|(score, _, node)| (node, score)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    const MIB: u64 = 1 << 20;

    fn candidate(labels: &Labels, node: u8, held: u32) -> Candidate<'_> {
        Candidate {
            node: NodeId([node; 32]),
            ready: false,
            labels,
            free: Resources { cpu_milli: 1_000, memory_bytes: 512 * MIB, instances: 10 },
            held,
            load: 0,
            rtt_us: Some(1_000),
            avoid: false,
        }
    }

    #[test]
    fn each_shortage_has_its_own_verdict() {
        let labels: Labels = ["tier=edge".parse().unwrap()].into_iter().collect();
        let requires: Selector = "tier=edge".parse().unwrap();
        let resources = Resources { cpu_milli: 100, memory_bytes: 64 * MIB, instances: 1 };
        let need = Need { workload: "w", slot: 0, requires: &requires, resources };
        let fine = candidate(&labels, 1, 0);
        assert_eq!(judge(&need, &fine), Verdict::Fits);
        let cloud: Selector = "tier=cloud".parse().unwrap();
        assert_eq!(judge(&Need { requires: &cloud, ..need }, &fine), Verdict::Label("tier=cloud".into()));
        let big = |r| Need { resources: r, ..need };
        assert!(matches!(judge(&big(Resources { cpu_milli: 2_000, ..resources }), &fine), Verdict::Cpu(..)));
        let hungry = Resources { memory_bytes: 1024 * MIB, ..resources };
        assert!(matches!(judge(&big(hungry), &fine), Verdict::Memory(..)));
        assert_eq!(judge(&big(Resources { instances: 11, ..resources }), &fine), Verdict::Instances);
        assert_eq!(judge(&need, &Candidate { avoid: true, ..fine }), Verdict::BackingOff);
    }

    #[test]
    fn a_node_without_a_replica_comes_before_one_with() {
        let labels = Labels::default();
        let requires = Selector::default();
        let need = Need { workload: "w", slot: 1, requires: &requires, resources: Resources::default() };
        let candidates = [candidate(&labels, 1, 1), candidate(&labels, 2, 0), candidate(&labels, 3, 2)];
        let order: Vec<_> = choose(&need, &candidates, &mut ChaCha8Rng::from_seed([3; 32]))
            .into_iter()
            .map(|c| c.0.0[0])
            .collect();
        assert_eq!(order, [2, 1, 3]);
    }
}

//! Where a slot could go: each candidate is judged, then scored by small terms
//! of which each explains itself.

use crate::policy::{OVER_NODES, Policy};
use crate::rank::SlotKey;
use crate::term::{self, Share};
use crate::verdict::Verdict;
use orbweave_model::{Labels, NodeId, Resources, Selector};
use rand::{Rng, RngExt};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Candidates that a placer scores at most, drawn at random from those that fit:
/// with sixteen the best of them is among the best tenth of all with 81 %.
pub const SCORED_MAX: usize = 16;

/// The round trip to what cannot be reached.
pub const NO_WAY: u32 = u32::MAX;

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
    /// Wishes and rules beyond these.
    pub policy: &'a Policy,
    /// Interfaces that the component asks of its host.
    pub imports: &'a [String],
}

/// What the placer knows of one node; it may be stale.
#[derive(Debug, Clone)]
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
    /// Round-trip times from it to what the policy wants to be near, in that order, where
    /// known, and [`NO_WAY`] where it is known that there is no way.
    pub near_us: Vec<Option<u32>>,
    /// Interfaces that it grants no guest.
    pub denies: &'a [String],
    /// A workload that it holds and that must not share a node with this one.
    pub conflict: Option<&'a str>,
    /// Why else it is passed over: it refused or failed this workload a moment ago, say.
    pub hindrance: Option<Verdict>,
}

impl<'a> Candidate<'a> {
    /// A node with these labels and this much free, of which nothing else is known.
    pub fn new(node: NodeId, labels: &'a Labels, free: Resources) -> Self {
        Self {
            node,
            ready: false,
            labels,
            free,
            held: 0,
            load: 0,
            rtt_us: None,
            near_us: Vec::new(),
            denies: &[],
            conflict: None,
            hindrance: None,
        }
    }

    /// Its value of a label over which replicas are spread.
    pub(crate) fn domain(&self, over: &str) -> Option<Cow<'a, str>> {
        if over == OVER_NODES {
            return Some(self.node.to_string().into());
        }
        self.labels.get(over).map(Cow::Borrowed)
    }
}

/// How many replicas each value of one label has.
#[derive(Debug)]
pub(crate) struct Domains<'a> {
    /// Its values among nodes that satisfy the conditions, with the replicas there.
    replicas: BTreeMap<Cow<'a, str>, u32>,
    fewest: u32,
}

impl Domains<'_> {
    /// The replicas at a value.
    pub fn at(&self, value: &str) -> u32 {
        self.replicas.get(value).copied().unwrap_or(0)
    }

    /// The replicas at the value that has fewest.
    pub fn fewest(&self) -> u32 {
        self.fewest
    }
}

/// One choice: a slot, and all nodes that could take it.
#[derive(Debug)]
pub struct Choice<'a> {
    pub(crate) need: Need<'a>,
    candidates: &'a [Candidate<'a>],
    /// For each label of the policy's `spread`.
    pub(crate) domains: Vec<Domains<'a>>,
}

impl<'a> Choice<'a> {
    /// Among these candidates. Where replicas are is taken from what they hold, so that
    /// nodes which cannot take the slot belong among them too.
    pub fn new(need: Need<'a>, candidates: &'a [Candidate<'a>]) -> Self {
        let domains = need.policy.spread.iter().map(|spread| {
            let mut replicas = BTreeMap::<Cow<'a, str>, u32>::new();
            for candidate in candidates.iter().filter(|c| c.held > 0 || need.requires.matches(c.labels)) {
                if let Some(value) = candidate.domain(&spread.over) {
                    let at = replicas.entry(value).or_default();
                    *at = at.saturating_add(candidate.held);
                }
            }
            let fewest = replicas.values().min().copied().unwrap_or(0);
            Domains { replicas, fewest }
        });
        Self { need, candidates, domains: domains.collect() }
    }

    /// Whether this candidate can take the slot, and if not, the first reason.
    pub fn judge(&self, candidate: &Candidate<'a>) -> Verdict {
        let verdicts = term::ALL.iter().map(|term| (term.judge)(self, candidate));
        verdicts.into_iter().find(|verdict| *verdict != Verdict::Fits).unwrap_or(Verdict::Fits)
    }

    /// What counts for and against a candidate; the sum is its score.
    pub fn shares(&self, candidate: &Candidate<'a>) -> Vec<Share> {
        let share = |term: &term::Term| Share { name: term.name, value: (term.weigh)(self, candidate) };
        term::ALL.iter().map(share).filter(|share| share.value != 0).collect()
    }

    /// The sum of the terms. Higher is better.
    pub fn score(&self, candidate: &Candidate<'a>) -> i64 {
        term::ALL.iter().map(|term| (term.weigh)(self, candidate)).fold(0, i64::saturating_add)
    }

    /// The places for the slot, the best first: of those that fit, at most [`SCORED_MAX`]
    /// drawn by `rng` are scored; ties go by rendezvous.
    pub fn best(&self, rng: &mut impl Rng) -> Vec<(NodeId, i64)> {
        let mut fitting: Vec<&Candidate<'a>> =
            self.candidates.iter().filter(|c| self.judge(c) == Verdict::Fits).collect();
        for i in 0..fitting.len().min(SCORED_MAX) {
            let j = rng.random_range(i..fitting.len());
            fitting.swap(i, j);
        }
        fitting.truncate(SCORED_MAX);
        let key = SlotKey::new(self.need.workload, self.need.slot);
        let mut scored: Vec<_> =
            fitting.into_iter().map(|c| (self.score(c), key.weight(c.node), c.node)).collect();
        scored.sort_unstable_by(|a, b| b.cmp(a));
        scored.into_iter().map(|(score, _, node)| (node, score)).collect()
    }
}

//! Where a slot could go: each candidate is judged, then scored by small terms
//! of which each explains itself.

use crate::policy::{OVER_NODES, Policy, Spread};
use crate::rank::SlotKey;
use crate::term::{self, Share, Term};
use crate::verdict::Verdict;
use orbweave_model::{Labels, NodeId, Resources, Selector};
use rand::{Rng, RngExt};
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
    pub conflict: Option<String>,
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
}

/// One choice: a slot, and all nodes that could take it.
#[derive(Debug)]
pub struct Choice<'a> {
    pub(crate) need: Need<'a>,
    candidates: &'a [Candidate<'a>],
    /// For each label of the policy's `spread`.
    pub(crate) domains: Vec<Domains<'a>>,
}

/// Where replicas are, by the values of one label, or by nodes.
#[derive(Debug)]
pub(crate) struct Domains<'a> {
    over: &'a str,
    /// Of each value that has any or, where that matters, may have.
    replicas: BTreeMap<&'a str, u32>,
    /// At the value that has fewest.
    pub fewest: u32,
}

impl<'a> Domains<'a> {
    fn of(spread: &'a Spread, need: &Need<'a>, candidates: &'a [Candidate<'a>]) -> Self {
        // Where nothing may run, nothing holds the others back.
        let counts =
            |c: &&Candidate| c.held > 0 || spread.max_skew.is_some() && need.requires.matches(c.labels);
        let counted = candidates.iter().filter(counts);
        let mut replicas = BTreeMap::new();
        if spread.over == OVER_NODES {
            let fewest = counted.map(|candidate| candidate.held).min().unwrap_or(0);
            return Self { over: &spread.over, replicas, fewest };
        }
        for candidate in counted {
            if let Some(value) = candidate.labels.get(&spread.over) {
                let at: &mut u32 = replicas.entry(value).or_default();
                *at = at.saturating_add(candidate.held);
            }
        }
        let fewest = replicas.values().min().copied().unwrap_or(0);
        Self { over: &spread.over, replicas, fewest }
    }

    /// The replicas at a candidate's value. `None` where it does not have the label.
    pub fn at(&self, candidate: &Candidate) -> Option<u32> {
        if self.over == OVER_NODES {
            return Some(candidate.held);
        }
        Some(self.replicas.get(candidate.labels.get(self.over)?).copied().unwrap_or(0))
    }
}

impl<'a> Choice<'a> {
    /// Among these candidates. Where replicas are is taken from what they hold, so that
    /// nodes which cannot take the slot belong among them too.
    pub fn new(need: Need<'a>, candidates: &'a [Candidate<'a>]) -> Self {
        let domains = need.policy.spread.iter().map(|spread| Domains::of(spread, &need, candidates));
        Self { need, candidates, domains: domains.collect() }
    }

    /// Whether a candidate can take the slot, and if not, the first reason.
    pub fn judge(&self, candidate: &Candidate) -> Verdict {
        let refuses = |term: &&Term| term.fits.is_some_and(|fits| !fits(self, candidate));
        term::ALL.iter().find(refuses).map_or(Verdict::Fits, |term| (term.verdict)(self, candidate))
    }

    pub(crate) fn fits(&self, candidate: &Candidate) -> bool {
        term::ALL.iter().all(|term| term.fits.is_none_or(|fits| fits(self, candidate)))
    }

    /// What counts for and against a candidate; the sum is its score.
    pub fn shares(&self, candidate: &Candidate) -> Vec<Share> {
        let share = |term: &Term| Share { name: term.name, value: (term.weigh)(self, candidate) };
        term::ALL.iter().map(share).filter(|share| share.value != 0).collect()
    }

    /// How good a place a candidate is, whether or not it can take the slot.
    pub fn score(&self, candidate: &Candidate) -> i64 {
        term::ALL.iter().map(|term| (term.weigh)(self, candidate)).fold(0, i64::saturating_add)
    }

    /// The places for the slot, the best first: candidates are drawn by `rng` until
    /// [`SCORED_MAX`] of them fit, and these are scored; ties go by rendezvous.
    pub fn best(&self, rng: &mut impl Rng) -> Vec<(NodeId, i64)> {
        let mut order: Vec<&Candidate<'a>> = self.candidates.iter().collect();
        let mut fitting = Vec::new();
        for i in 0..order.len() {
            let j = rng.random_range(i..order.len());
            order.swap(i, j);
            if self.fits(order[i]) {
                fitting.push(order[i]);
            }
            if fitting.len() == SCORED_MAX {
                break;
            }
        }
        let key = SlotKey::new(self.need.workload, self.need.slot);
        let scored = fitting.into_iter().map(|c| (self.score(c), key.weight(c.node), c.node));
        let mut scored: Vec<_> = scored.collect();
        scored.sort_unstable_by(|a, b| b.cmp(a));
        scored.into_iter().map(|(score, _, node)| (node, score)).collect()
    }
}

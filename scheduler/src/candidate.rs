//! Where a slot could go: each candidate is judged, then scored by small terms
//! of which each explains itself.

use crate::policy::{OVER_NODES, Policy};
use crate::rank::SlotKey;
use crate::term::{self, Share};
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

/// A candidate with what was counted for it once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seat<'c, 'a> {
    pub candidate: &'c Candidate<'a>,
    /// Whether its labels satisfy the conditions.
    pub matches: bool,
    /// For each label of the policy's `spread` the replicas at its value, where it has one.
    pub replicas: &'c [Option<u32>],
}

/// One choice: a slot, and all nodes that could take it.
#[derive(Debug)]
pub struct Choice<'a> {
    pub(crate) need: Need<'a>,
    candidates: &'a [Candidate<'a>],
    matches: Vec<bool>,
    /// For each candidate in turn, for each label of the policy's `spread`.
    replicas: Vec<Option<u32>>,
    /// For each of these labels the replicas at the value that has fewest.
    pub(crate) fewest: Vec<u32>,
}

impl<'a> Choice<'a> {
    /// Among these candidates. Where replicas are is taken from what they hold, so that
    /// nodes which cannot take the slot belong among them too.
    pub fn new(need: Need<'a>, candidates: &'a [Candidate<'a>]) -> Self {
        let matches: Vec<bool> = candidates.iter().map(|c| need.requires.matches(c.labels)).collect();
        let spread = &need.policy.spread;
        let mut replicas = vec![None; candidates.len() * spread.len()];
        let mut fewest = Vec::new();
        for (k, over) in spread.iter().map(|spread| spread.over.as_str()).enumerate() {
            // A value counts if anything may run there, or does.
            let counts = |c: &Candidate, matches: bool| matches || c.held > 0;
            let here = replicas.iter_mut().skip(k).step_by(spread.len());
            let all = candidates.iter().zip(&matches);
            fewest.push(if over == OVER_NODES {
                here.zip(candidates).for_each(|(here, candidate)| *here = Some(candidate.held));
                all.filter(|(c, matches)| counts(c, **matches)).map(|(c, _)| c.held).min().unwrap_or(0)
            } else {
                // Each value has a number, so that labels are looked up once.
                let (mut numbers, mut values) = (BTreeMap::<&str, usize>::new(), Vec::<u32>::new());
                let mut number = |candidate: &'a Candidate<'a>, matches: bool| {
                    let value = candidate.labels.get(over).filter(|_| counts(candidate, matches))?;
                    let number = *numbers.entry(value).or_insert(values.len());
                    match values.get_mut(number) {
                        Some(at) => *at = at.saturating_add(candidate.held),
                        None => values.push(candidate.held),
                    }
                    Some(number)
                };
                let numbered: Vec<Option<usize>> = all.map(|(c, matches)| number(c, *matches)).collect();
                for ((here, number), candidate) in here.zip(numbered).zip(candidates) {
                    let elsewhere = || candidate.labels.get(over).map(|_| 0);
                    *here = number.map(|number| values[number]).or_else(elsewhere);
                }
                values.iter().min().copied().unwrap_or(0)
            });
        }
        Self { need, candidates, matches, replicas, fewest }
    }

    fn seat(&self, at: usize) -> Seat<'_, 'a> {
        let labels = self.fewest.len();
        let replicas = &self.replicas[at * labels..(at + 1) * labels];
        Seat { candidate: &self.candidates[at], matches: self.matches[at], replicas }
    }

    /// Whether the candidate at this place in the list can take the slot, and if not, the
    /// first reason.
    ///
    /// # Panics
    ///
    /// Where the list is shorter.
    pub fn judge(&self, at: usize) -> Verdict {
        let seat = self.seat(at);
        let refuses = |term: &&term::Term| term.fits.is_some_and(|fits| !fits(self, &seat));
        term::ALL.iter().find(refuses).map_or(Verdict::Fits, |term| (term.verdict)(self, &seat))
    }

    fn fits(&self, at: usize) -> bool {
        let seat = self.seat(at);
        term::ALL.iter().all(|term| term.fits.is_none_or(|fits| fits(self, &seat)))
    }

    /// What counts for and against a candidate; the sum is its score.
    ///
    /// # Panics
    ///
    /// Where the list is shorter.
    pub fn shares(&self, at: usize) -> Vec<Share> {
        let seat = self.seat(at);
        let share = |term: &term::Term| Share { name: term.name, value: (term.weigh)(self, &seat) };
        term::ALL.iter().map(share).filter(|share| share.value != 0).collect()
    }

    fn score(&self, at: usize) -> i64 {
        let seat = self.seat(at);
        term::ALL.iter().map(|term| (term.weigh)(self, &seat)).fold(0, i64::saturating_add)
    }

    /// The places for the slot, the best first: of those that fit, at most [`SCORED_MAX`]
    /// drawn by `rng` are scored; ties go by rendezvous.
    pub fn best(&self, rng: &mut impl Rng) -> Vec<(NodeId, i64)> {
        let mut fitting: Vec<usize> = (0..self.candidates.len()).filter(|at| self.fits(*at)).collect();
        for i in 0..fitting.len().min(SCORED_MAX) {
            let j = rng.random_range(i..fitting.len());
            fitting.swap(i, j);
        }
        fitting.truncate(SCORED_MAX);
        let key = SlotKey::new(self.need.workload, self.need.slot);
        let scored = fitting.into_iter().map(|at| (self.score(at), self.candidates[at].node));
        let mut scored: Vec<_> = scored.map(|(score, node)| (score, key.weight(node), node)).collect();
        scored.sort_unstable_by(|a, b| b.cmp(a));
        scored.into_iter().map(|(score, _, node)| (node, score)).collect()
    }
}

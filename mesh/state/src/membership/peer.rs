//! What this node knows of one other.

use orbweave_model::{Mono, NodeId};
use std::collections::BTreeMap;
use std::time::Duration;

/// Verdicts, and claims of others, that are kept about one node.
const VOICES_MAX: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// Known by a record or an announce; never heard in this generation.
    Candidate,
    Alive,
    Down,
    Left,
}

/// One probe and its repetitions.
#[derive(Debug, Clone)]
pub(super) struct Round {
    /// The nonce of the first; the others count up from it.
    pub nonce: u32,
    /// When each was sent.
    pub sent: Vec<Mono>,
    pub deadline: Mono,
}

impl Round {
    /// When the probe with this nonce was sent, and whether it was the last.
    pub(super) fn sent_with(&self, nonce: u32) -> Option<(Mono, bool)> {
        let index = usize::try_from(nonce.wrapping_sub(self.nonce)).ok()?;
        Some((*self.sent.get(index)?, index + 1 == self.sent.len()))
    }
}

/// Who said something, and when last. Of most nodes nobody says anything.
#[derive(Debug, Clone, Default)]
#[expect(clippy::box_collection, reason = "an empty map takes three times as much, twice for each peer")]
pub(super) struct Voices(Option<Box<BTreeMap<NodeId, Mono>>>);

impl Voices {
    pub(super) fn note(&mut self, from: NodeId, now: Mono) {
        let voices = self.0.get_or_insert_default();
        if voices.len() >= VOICES_MAX
            && !voices.contains_key(&from)
            && let Some(oldest) = voices.iter().min_by_key(|(_, at)| **at).map(|(node, _)| *node)
        {
            voices.remove(&oldest);
        }
        voices.insert(from, now);
    }

    pub(super) fn spoke(&self, from: NodeId, now: Mono, window: Duration) -> bool {
        self.0.as_ref().and_then(|voices| voices.get(&from)).is_some_and(|at| now.since(*at) <= window)
    }

    pub(super) fn fresh(&self, now: Mono, window: Duration) -> impl Iterator<Item = NodeId> {
        let voices = self.0.iter().flat_map(|voices| voices.iter());
        voices.filter(move |(_, at)| now.since(**at) <= window).map(|(node, _)| *node)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }
}

#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub status: Status,
    /// The generation in which we met it, or expect it.
    pub generation: u64,
    /// The highest that its signed record names.
    pub signed: u64,
    /// Announce to it until it is a member.
    pub announce: bool,
    pub backoff: Duration,
    pub watched: bool,
    pub heard_at: Option<Mono>,
    pub rtt: Option<Duration>,
    pub next_probe: Option<Mono>,
    pub round: Option<Round>,
    /// It answered none of a whole round.
    pub missing_since: Option<Mono>,
    /// The owner was told that it is suspect.
    pub told_suspect: bool,
    /// SWIM suspects it, at this incarnation.
    pub suspected: Option<u16>,
    pub verdicts: Voices,
    /// Members that say they hold it for dead.
    pub claims: Voices,
    pub down_at: Option<Mono>,
    pub buried_at: Option<Mono>,
    /// When its word made us renew ourselves.
    pub accused_at: Option<Mono>,
    pub load: Option<(Vec<u8>, Mono)>,
    /// Which of our load figures it was told last, and when.
    pub load_told: Option<(u64, Mono)>,
    pub wake: Option<Mono>,
}

impl Peer {
    pub(super) fn candidate(generation: u64, backoff: Duration) -> Self {
        Self {
            status: Status::Candidate,
            generation,
            signed: generation,
            announce: false,
            backoff,
            watched: false,
            heard_at: None,
            rtt: None,
            next_probe: None,
            round: None,
            missing_since: None,
            told_suspect: false,
            suspected: None,
            verdicts: Voices::default(),
            claims: Voices::default(),
            down_at: None,
            buried_at: None,
            accused_at: None,
            load: None,
            load_told: None,
            wake: None,
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.status == Status::Alive
    }

    pub(super) fn is_suspect(&self) -> bool {
        self.missing_since.is_some() || self.suspected.is_some()
    }

    /// Ends every doubt about it, one way or the other.
    pub(super) fn clear_doubts(&mut self) {
        self.round = None;
        self.missing_since = None;
        self.told_suspect = false;
        self.suspected = None;
        self.verdicts.clear();
        self.claims.clear();
    }

    /// The next moment at which something is due for it.
    pub(super) fn due(&self) -> Option<Mono> {
        match &self.round {
            Some(round) => Some(round.deadline),
            None => self.next_probe,
        }
    }
}

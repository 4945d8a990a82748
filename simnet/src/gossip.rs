//! Gossip as a lossy epidemic over a mesh of bounded degree.
//!
//! As gossipsub does, each host passes a message that it sees for the first time on to
//! the few peers of its mesh, but not to the one that it came from; a message is known
//! by its id. What gossipsub does beyond that (announcing ids to others, scores) is
//! left out: the truth travels by reconciliation.

use crate::dice::Dice;
use orbweave_model::Mono;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How long a message is known to have been seen: gossipsub's duplicate cache.
const SEEN_FOR: Duration = Duration::from_secs(120);
/// Partners that are tried at once to fill a mesh.
const TRIES: usize = 16;

/// How gossip spreads. The numbers are gossipsub's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GossipModel {
    /// Partners that each host wants.
    pub degree: usize,
    /// Partners beyond which it takes no more.
    pub degree_max: usize,
}

impl Default for GossipModel {
    fn default() -> Self {
        Self { degree: 6, degree_max: 12 }
    }
}

#[derive(Debug)]
struct Message {
    bytes: Arc<[u8]>,
    /// A bit a host.
    seen: Vec<u64>,
}

/// The meshes of all hosts, and the messages that go round.
#[derive(Debug, Default)]
pub(crate) struct Gossip {
    mesh: Vec<Vec<u32>>,
    messages: BTreeMap<u64, Message>,
    by_age: VecDeque<(Mono, u64)>,
    published: u64,
}

impl Gossip {
    pub fn new(hosts: usize) -> Self {
        Self { mesh: vec![Vec::new(); hosts], ..Self::default() }
    }

    /// A new message of a host, which has seen it.
    pub fn publish(&mut self, now: Mono, host: u32, bytes: Vec<u8>) -> u64 {
        while self.by_age.front().is_some_and(|(until, _)| *until < now) {
            if let Some((_, id)) = self.by_age.pop_front() {
                self.messages.remove(&id);
            }
        }
        self.published += 1;
        let seen = vec![0; self.mesh.len().div_ceil(64)];
        self.messages.insert(self.published, Message { bytes: bytes.into(), seen });
        self.by_age.push_back((now + SEEN_FOR, self.published));
        self.see(self.published, host);
        self.published
    }

    /// The bytes of a message, if this host sees it for the first time.
    pub fn see(&mut self, id: u64, host: u32) -> Option<Arc<[u8]>> {
        let message = self.messages.get_mut(&id)?;
        let word = message.seen.get_mut(host as usize / 64)?;
        let bit = 1 << (host % 64);
        let first = *word & bit == 0;
        *word |= bit;
        first.then(|| message.bytes.clone())
    }

    /// Whether a host has seen a message; one that is forgotten, nobody takes any more.
    pub fn has_seen(&self, id: u64, host: u32) -> bool {
        let word = |message: &Message| message.seen.get(host as usize / 64).copied();
        self.messages.get(&id).and_then(word).is_none_or(|word| word & (1 << (host % 64)) != 0)
    }

    /// How many bytes a message has.
    pub fn size(&self, id: u64) -> u32 {
        self.messages.get(&id).map_or(0, |m| u32::try_from(m.bytes.len()).unwrap_or(u32::MAX))
    }

    /// To whom a host passes messages on.
    pub fn mesh(&self, host: u32) -> &[u32] {
        &self.mesh[host as usize]
    }

    /// Two hosts were linked.
    pub fn linked(&mut self, model: GossipModel, a: u32, b: u32) {
        let (has_a, has_b) = (self.mesh(a).len(), self.mesh(b).len());
        let wanted = has_a < model.degree || has_b < model.degree;
        if wanted && has_a.max(has_b) < model.degree_max && !self.mesh(a).contains(&b) {
            self.mesh[a as usize].push(b);
            self.mesh[b as usize].push(a);
        }
    }

    /// Two hosts are linked no more. Each looks for another partner among its peers.
    pub fn unlinked(&mut self, a: u32, b: u32) {
        self.mesh[a as usize].retain(|peer| *peer != b);
        self.mesh[b as usize].retain(|peer| *peer != a);
    }

    /// Fills a host's mesh up from its peers.
    pub fn fill(&mut self, model: GossipModel, dice: &mut Dice, host: u32, peers: &[u32]) {
        for _ in 0..TRIES {
            if self.mesh(host).len() >= model.degree {
                return;
            }
            if let Some(&peer) = dice.pick(peers) {
                self.linked(model, host, peer);
            }
        }
    }
}

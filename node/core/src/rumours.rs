//! What is new is told at once to a few linked peers, where gossip does not carry it:
//! rumour mongering after Demers et al., "Epidemic algorithms for replicated database
//! maintenance" (1987). A rumour is digests alone; whoever lacks one asks, so that a
//! record travels once to each. A node tells what it learnt in a fixed number of
//! rounds and then is silent; whom no rumour reached, reconciliation does.

use crate::io::Output;
use crate::message::Message;
use crate::node::Node;
use crate::zone::GATEWAYS;
use orbweave_model::{Hash, Mono, NodeId, Wall, limit};
use orbweave_state::record::{Record, Scope};
use orbweave_state::store::index::{Entry, Key};
use orbweave_state::sync::{self, WireVersion};
use rand::RngExt;
use std::collections::BTreeMap;
use std::time::Duration;

/// Peers that are told in one round.
const FANOUT: usize = 3;
/// Rounds in which one record is told.
const ROUNDS: u8 = 2;
/// Between two datagrams to the same end: what comes meanwhile goes along.
const GAP: Duration = Duration::from_millis(50);
/// Between two rounds of one record.
const ROUND: (Duration, Duration) = (Duration::from_millis(300), Duration::from_millis(500));
/// Digests of one datagram.
const TOLD_MAX: usize = 32;
/// Records that are rumours at once; more than that is told by a reconciliation.
const HOT_MAX: usize = 128;
/// After more news than rumours carry, a peer is reconciled with.
const AFTER_MANY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_millis(1_500));
/// A record that was asked for is not asked for again before this.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// Records that are asked for at once.
const ASKED_MAX: usize = 1_024;
/// A gateway waits so long for each one before it to publish what came from another zone.
const RELAY: Duration = Duration::from_millis(150);
/// What an answered rumour counts for in a peer's allowance, beside its bytes.
const ASK_COST: usize = 64;

/// What is told, and what was asked for.
#[derive(Debug, Default)]
pub(crate) struct Rumours {
    /// Within the zone.
    here: News,
    /// To other zones.
    beyond: News,
    /// What came from other zones, and when this node publishes it in its own, if no other
    /// gateway did.
    relays: BTreeMap<Key, Mono>,
    asked: BTreeMap<(Wall, Vec<u8>), Mono>,
}

/// What is told to one kind of peers.
#[derive(Debug, Default)]
struct News {
    hot: BTreeMap<Key, Hot>,
    told_at: Option<Mono>,
}

/// One record that is told.
#[derive(Debug)]
struct Hot {
    rounds: u8,
    due: Mono,
}

impl Rumours {
    /// When something is to be told.
    pub fn due(&self) -> Option<Mono> {
        let due = |news: &News| news.hot.values().map(|hot| hot.due).min();
        let relay = self.relays.values().copied().min();
        [due(&self.here), due(&self.beyond), relay].into_iter().flatten().min()
    }
}

impl News {
    /// Takes a record up to be told, if there is room.
    fn take(&mut self, key: Key, now: Mono) -> bool {
        if self.hot.len() >= HOT_MAX {
            return false;
        }
        let due = self.told_at.map_or(now, |at| (at + GAP).max(now));
        self.hot.insert(key, Hot { rounds: 0, due });
        true
    }

    /// What is told now; what one datagram does not carry waits for the next.
    fn round(&mut self, now: Mono, again: Mono) -> Vec<Key> {
        let due = self.hot.iter().filter(|(_, hot)| hot.due <= now);
        let round: Vec<Key> = due.map(|(key, _)| *key).take(TOLD_MAX).collect();
        if round.is_empty() {
            return round;
        }
        self.told_at = Some(now);
        for hot in self.hot.values_mut().filter(|hot| hot.due <= now) {
            hot.due = now + GAP;
        }
        for key in &round {
            match self.hot.get_mut(key) {
                Some(hot) if hot.rounds + 1 < ROUNDS => *hot = Hot { rounds: hot.rounds + 1, due: again },
                _ => drop(self.hot.remove(key)),
            }
        }
        round
    }
}

impl Node {
    /// A record is new here, and gossip did not bring it.
    pub(crate) fn spread(&mut self, record: &Record) {
        if self.gossip || self.speaks == WireVersion::Previous {
            return;
        }
        if !self.rumours.here.take(key_of(record), self.now.mono) {
            let soon = self.now.mono + self.jitter(AFTER_MANY.0, AFTER_MANY.1);
            self.next_sync = self.next_sync.min(soon);
        }
    }

    /// A record is new here: whoever is linked to other zones tells them, if it is for all.
    pub(crate) fn spread_beyond(&mut self, record: &Record) {
        let concerns = record.id().kind.scope() == Scope::Mesh && self.speaks == WireVersion::Current;
        if !concerns || !self.speaks_beyond() || self.linked_beyond().next().is_none() {
            return;
        }
        if !self.rumours.beyond.take(key_of(record), self.now.mono) {
            let soon = self.now.mono + self.jitter(AFTER_MANY.0, AFTER_MANY.1);
            self.next_sync_beyond = self.next_sync_beyond.min(soon);
        }
    }

    /// A record came from another zone: the first gateway publishes it at once, each other
    /// one if none before it did. What is news to a node that is new itself, its zone knows.
    pub(crate) fn relay(&mut self, record: &Record) {
        if !self.settled {
            return;
        }
        let rank = self.zones.ranks.iter().position(|node| *node == self.me).unwrap_or(GATEWAYS);
        let wait = RELAY.saturating_mul(u32::try_from(rank).unwrap_or(u32::MAX));
        if wait.is_zero() || self.rumours.relays.len() >= HOT_MAX {
            self.outputs.push_back(Output::Publish { bytes: record.bytes().to_vec() });
        } else {
            self.rumours.relays.insert(key_of(record), self.now.mono + wait);
        }
    }

    /// Gossip brought this: whatever it is, somebody published it.
    pub(crate) fn relayed(&mut self, bytes: &[u8]) {
        if !self.rumours.relays.is_empty() {
            let digest = Hash::of(bytes);
            self.rumours.relays.retain(|key, _| key.digest != digest);
        }
    }

    /// Tells what is due to a few peers, drawn anew each time.
    pub(crate) fn tell_rumours(&mut self) {
        let now = self.now.mono;
        if self.rumours.due().is_none_or(|due| due > now) {
            return;
        }
        for (key, _) in self.rumours.relays.extract_if(.., |_, due| *due <= now) {
            // What was superseded meanwhile is no news.
            if let Some(entry) = self.store.entry(&key) {
                self.outputs.push_back(Output::Publish { bytes: entry.bytes.to_vec() });
            }
        }
        let again = now + self.jitter(ROUND.0, ROUND.1);
        let (here, beyond) = (self.rumours.here.round(now, again), self.rumours.beyond.round(now, again));
        let up: Vec<NodeId> = self.linked().collect();
        self.tell(&here, up);
        let up: Vec<NodeId> = self.linked_beyond().collect();
        self.tell(&beyond, up);
    }

    fn tell(&mut self, round: &[Key], mut up: Vec<NodeId>) {
        // What was superseded meanwhile is no news.
        let entries: Vec<&Entry> = round.iter().filter_map(|key| self.store.entry(key)).collect();
        if entries.is_empty() {
            return;
        }
        let bytes = Message::Rumour(&sync::write_offer(&entries)).encode();
        for _ in 0..FANOUT.min(up.len()) {
            let to = up.swap_remove(self.rng.random_range(0..up.len()));
            self.outputs.push_back(Output::Datagram { to, bytes: bytes.clone() });
        }
    }

    /// A peer has something new: what this node lacks, it asks for.
    pub(crate) fn on_rumour(&mut self, from: NodeId, bytes: &[u8]) {
        let Ok(offers) = sync::read_offer(bytes, TOLD_MAX) else { return };
        let now = self.now.mono;
        self.rumours.asked.retain(|_, at| *at + ASK_AGAIN > now);
        let mut lacking = Vec::new();
        for offer in offers {
            let key = (offer.wall, offer.prefix.to_vec());
            let asked = self.rumours.asked.contains_key(&key) || self.rumours.asked.len() >= ASKED_MAX;
            if !asked && self.store.find(offer.wall, &offer.prefix).is_none() {
                self.rumours.asked.insert(key, now);
                lacking.push(offer);
            }
        }
        if !lacking.is_empty() {
            let bytes = Message::Ask(&sync::repeat_offer(&lacking)).encode();
            self.outputs.push_back(Output::Datagram { to: from, bytes });
        }
    }

    /// A peer lacks what this node told it.
    pub(crate) fn on_ask(&mut self, from: NodeId, bytes: &[u8]) {
        let Ok(offers) = sync::read_offer(bytes, TOLD_MAX) else { return };
        let scope = if self.is_beyond(from) { Scope::Mesh } else { Scope::Zone };
        for offer in offers {
            let Some(entry) = self.store.find_in(scope, offer.wall, &offer.prefix) else { continue };
            let bytes = Message::Record(&entry.bytes).encode();
            if !self.allow(from, bytes.len() + ASK_COST) {
                return;
            }
            if bytes.len() <= limit::DATAGRAM_BYTES_MAX {
                self.outputs.push_back(Output::Datagram { to: from, bytes });
            } else {
                // Too large for a datagram: a stream carries it, and whatever else is new.
                self.sync_with(from);
            }
        }
    }
}

fn key_of(record: &Record) -> Key {
    Key { wall: record.hlc().wall, digest: record.digest() }
}

//! This node on scheduled links: at each contact it says that it lives and exchanges what
//! concerns it with one of its hosts, and between contacts it says nothing.
//!
//! And a host's side of it: what concerns such a node.

use crate::io::SyncId;
use crate::node::Node;
use crate::peers::Peer;
use crate::standing::NEWS_AFTER;
use orbweave_model::{Mono, NodeId, Wall, WorkloadName};
use orbweave_state::record::{Record, RecordId, RecordKind};
use orbweave_state::store::index::Key;
use orbweave_state::sync::Session;
use std::collections::BTreeSet;
use std::time::Duration;

/// Between two looks of a node on scheduled links, while nothing happens.
pub(crate) const TICK: Duration = Duration::from_secs(15);
/// From the beginning of a contact, or from news, to the exchange.
const SOON: Duration = Duration::from_millis(500);
/// An exchange that did not succeed is tried again after this, with the next host.
const AGAIN: Duration = Duration::from_secs(10);
/// Never: while there is nothing to exchange, or nobody to exchange it with.
const NEVER: Mono = Mono(u64::MAX);

/// What a node on scheduled links knows of its contact.
#[derive(Debug, Default)]
pub(crate) struct Contact {
    /// At most [`crate::fleet::HOSTS`], in the order in which they came.
    hosts: Vec<NodeId>,
    /// Whether something is to be exchanged.
    owes: bool,
    /// Exchanges begun in this contact.
    tries: usize,
    /// When it last said that it lives.
    said: Wall,
}

impl Contact {
    pub fn is_on(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// Those that it is attached to.
    pub fn hosts(&self) -> &[NodeId] {
        &self.hosts
    }
}

impl Node {
    /// A link to a host is up. Whether it is told who this node is.
    pub(crate) fn host_up(&mut self, host: NodeId) -> bool {
        let begins = self.contact.hosts.is_empty();
        if self.contact.hosts.len() < crate::fleet::HOSTS && !self.contact.hosts.contains(&host) {
            self.contact.hosts.push(host);
        }
        if begins {
            self.contact.tries = 0;
            self.exchange_soon();
            return !self.say_that_it_lives();
        }
        true
    }

    /// A link to a host is down. One that linked when there were enough takes its place.
    pub(crate) fn host_down(&mut self, host: NodeId) {
        self.contact.hosts.retain(|other| *other != host);
        self.peers.remove(&host);
        self.unlinked.remove(&host);
        let waits =
            |(id, peer): (&NodeId, &Peer)| (peer.up && !self.contact.hosts.contains(id)).then_some(*id);
        let next = self.peers.iter().filter_map(waits).next();
        self.contact.hosts.extend(next.filter(|_| self.contact.hosts.len() < crate::fleet::HOSTS));
        if self.contact.hosts.is_empty() {
            self.next_sync = NEVER;
        }
    }

    /// Says anew that this node lives, where that is due and somebody hears it.
    pub(crate) fn say_that_it_lives(&mut self) -> bool {
        let due = self.wall() >= self.contact.said + NEWS_AFTER;
        if due && self.contact.is_on() {
            self.publish_node_record();
        }
        due
    }

    /// This node's record says so at this time.
    pub(crate) fn said_that_it_lives(&mut self, at: Wall) {
        self.contact.said = self.contact.said.max(at);
    }

    /// Something is to be exchanged: at once in a contact, else at the next.
    pub(crate) fn exchange_soon(&mut self) {
        self.contact.owes = true;
        if self.contact.is_on() {
            self.next_sync = self.next_sync.min(self.now.mono + SOON);
        }
    }

    /// Exchanges with one host after the other, until one has it.
    pub(crate) fn exchange_if_due(&mut self) {
        if self.now.mono < self.next_sync {
            return;
        }
        self.next_sync = NEVER;
        if !self.contact.owes || self.contact.hosts.is_empty() {
            return;
        }
        self.next_sync = self.now.mono + AGAIN;
        let host = self.contact.hosts[self.contact.tries % self.contact.hosts.len()];
        self.contact.tries = self.contact.tries.wrapping_add(1);
        if self.sessions.keys().any(|id| id.ours) {
            return;
        }
        // News from now on are the next exchange's.
        self.contact.owes = self.staged_or_pending();
        if self.contact.tries > 1 {
            // It may not know who asks, if that word was lost.
            self.introduce_to(host);
        }
        let (session, frame) = Session::carry(&self.store, self.wall());
        self.begin_session(host, session, frame);
    }

    fn staged_or_pending(&self) -> bool {
        !self.staged.is_empty() || !self.pending.is_empty()
    }

    /// An exchange of ours ended, in order or not.
    pub(crate) fn exchanged(&mut self, id: SyncId, in_order: bool) {
        if !self.is_carried() || !id.ours {
            return;
        }
        if !in_order {
            self.contact.owes = true;
        } else if !self.contact.owes {
            self.next_sync = NEVER;
        }
    }

    /// What concerns a node on scheduled links: trust, its own records, the workloads that
    /// it holds or is offered, and who else claims the same slots.
    pub(crate) fn concerns_of(&self, peer: NodeId) -> Vec<Key> {
        let claimed = self.claimed_by.get(&peer).into_iter().flatten();
        // Anybody may claim names that do not exist.
        let mut names: BTreeSet<&WorkloadName> =
            claimed.filter(|name| self.desired.contains_key(*name)).collect();
        let offered = self.vacancies.iter().filter(|(_, v)| v.asks(peer));
        names.extend(offered.map(|((name, _), _)| name));
        let key = peer.to_string();
        let of =
            |kind, key: &str, author: NodeId| RecordId { kind, key: key.to_owned(), author: author.into() };
        let mut records: Vec<&Record> = self.store.of_kind(RecordKind::TRUST).collect();
        records.extend(self.store.rivals(RecordKind::CERTIFICATE, &key));
        records.extend(self.store.rivals(RecordKind::CORDON, &key));
        records.extend(self.store.get(&of(RecordKind::NODE, &key, peer)));
        records.extend(self.store.of_kind(RecordKind::SUMMARY));
        for name in names {
            records.extend(self.store.rivals(RecordKind::WORKLOAD, name.as_str()));
            records.extend(self.store.rivals(RecordKind::ALLOTMENT, name.as_str()));
            let claims = self.claims.get(name).into_iter().flatten();
            let Some(own) = self.claims.get(name).and_then(|claims| claims.get(&peer)) else { continue };
            records.extend(self.store.get(&of(RecordKind::CLAIM, name.as_str(), peer)));
            let rivals = claims.filter(|(holder, claim)| **holder != peer && claim.overlaps(own));
            for (holder, _) in rivals.filter(|(holder, _)| self.counts(**holder)) {
                records.extend(self.store.get(&of(RecordKind::NODE, &holder.to_string(), *holder)));
                records.extend(self.store.get(&of(RecordKind::CLAIM, name.as_str(), *holder)));
            }
        }
        records.into_iter().map(|r| Key { wall: r.hlc().wall, digest: r.digest() }).collect()
    }
}

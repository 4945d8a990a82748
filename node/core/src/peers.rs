//! Links and members: whom to dial, whom to greet, and what a change of
//! membership means for the rest of the node.

use crate::attention::{SETTLE, SETTLE_RENEWED};
use crate::body::NodeBody;
use crate::event::{Event, EventKind};
use crate::io::Output;
use crate::message::{Load, Message};
use crate::node::Node;
use crate::records::{Way, in_a_datagram};
use orbweave_model::{Mono, NodeId, Wall, limit, wire};
use orbweave_state::membership::{self, DownCause};
use orbweave_state::record::{RecordId, RecordKind};
use orbweave_state::sync::WireVersion;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Between two attempts to reach a node, doubling.
const DIAL_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// The node with the higher id leaves the other this head start, so that most
/// pairs are dialled once.
const DIAL_SECOND: Duration = Duration::from_secs(2);

/// Reconciliations that a node begins with the first peers that it links to.
pub(crate) const FIRST_SYNCS: u32 = 3;
/// What a member said of its load is repeated every ten seconds; after three of these it is
/// as good as unknown.
const LOAD_HOLDS: Duration = Duration::from_secs(30);
/// A peer that did not say who it is within this time counts as one of the zone.
const INTRODUCED: Duration = Duration::from_secs(1);
/// Links that come back within this time share a reconciliation.
const RELINKED: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(500));

/// What this node knows of the way to another.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    pub up: bool,
    /// Its zone, where that is another than this node's.
    pub zone: Option<String>,
    /// Whether it was ever up.
    linked: bool,
    pub rtt: Option<Duration>,
    pub heard: Option<Mono>,
    found: BTreeSet<SocketAddr>,
    /// What its last record said, also after that expired.
    pub published: Arc<[SocketAddr]>,
    attempts: u32,
    pub next_dial: Option<Mono>,
}

impl Node {
    /// Linked peers of this zone, and those whose zone is not known yet.
    pub(crate) fn linked(&self) -> impl Iterator<Item = NodeId> {
        let here = |(id, p): &(&NodeId, &Peer)| p.up && p.zone.is_none() && !self.fleet.has(**id);
        self.peers.iter().filter(here).map(|(id, _)| *id)
    }

    pub(crate) fn on_link_up(&mut self, peer: NodeId, rtt: Duration) {
        let entry = self.peers.entry(peer).or_default();
        let again = std::mem::replace(&mut entry.linked, true);
        entry.up = true;
        self.unlinked.remove(&peer);
        entry.rtt = Some(rtt);
        entry.attempts = 0;
        entry.next_dial = None;
        entry.heard = Some(self.now.mono);
        self.membership.set_rtt(peer, rtt);
        self.notify(
            Event::new(EventKind::LinkUp, format!("a link to {} is up", self.name(peer))).about(peer),
        );
        if self.is_carried() {
            if self.host_up(peer) {
                self.introduce_to(peer);
            }
            return;
        }
        if self.fleet.has(peer) {
            return self.introduce_to(peer);
        }
        if self.nodes.contains_key(&peer) {
            self.introduce_to(peer);
            self.greet(peer, again);
            self.membership.announce(self.now.mono, peer);
        } else if self.is_beyond(peer) {
            self.introduce_to(peer);
            self.greet_beyond(peer, again);
        } else {
            // What there is to compare depends on its zone, which it says.
            self.introduce_to(peer);
            self.zones.strangers.insert(peer, (self.now.mono, again));
        }
    }

    /// Whoever did not say of what zone it is counts as one of this zone.
    pub(crate) fn greet_strangers(&mut self) {
        let now = self.now.mono;
        let due = self.zones.strangers.iter().filter(|(_, (since, _))| *since + INTRODUCED <= now);
        for (peer, again) in due.map(|(peer, (_, again))| (*peer, *again)).collect::<Vec<_>>() {
            self.zones.strangers.remove(&peer);
            self.greet(peer, again);
        }
    }

    /// A new link to another zone: what is for the whole mesh is compared at once.
    pub(crate) fn greet_beyond(&mut self, peer: NodeId, again: bool) {
        self.zones.changed = true;
        if let (Some(gate), true) = (&mut self.zones.gate, self.zones.gateways.contains_key(&peer)) {
            gate.between.announce(self.now.mono, peer);
        }
        if !again || self.me < peer {
            self.sync_with(peer);
        }
    }

    /// A new link within the zone, on which each side said who it is. Where one of them may
    /// lack more than that, one begins a reconciliation. Few of them suffice: a node that links to all
    /// of a zone at once learns the same from each.
    fn greet(&mut self, peer: NodeId, again: bool) {
        if !again && self.first_syncs > 0 {
            self.first_syncs -= 1;
            self.sync_with(peer);
        } else if again && self.me < peer {
            // A partition may have healed: one of those that are back is asked soon.
            self.relinked.insert(peer);
            let soon = self.now.mono + self.jitter(RELINKED.0, RELINKED.1);
            self.next_sync = self.next_sync.min(soon);
        }
    }

    /// Says who this node is.
    pub(crate) fn introduce_to(&mut self, peer: NodeId) {
        let own = RecordId { kind: RecordKind::NODE, key: self.me.to_string(), author: self.me.into() };
        if let Some(record) = self.store.get(&own) {
            let message = in_a_datagram(record).map(|bytes| Output::Datagram { to: peer, bytes });
            self.outputs.extend(message);
        }
    }

    pub(crate) fn on_link_down(&mut self, peer: NodeId) {
        self.zones.strangers.remove(&peer);
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.up = false;
            self.zones.changed |= entry.zone.is_some();
            self.unlinked.insert(peer);
            entry.next_dial = Some(self.now.mono + DIAL_AGAIN.0);
            let event = Event::new(EventKind::LinkDown, format!("the link to {} is down", self.name(peer)));
            self.notify(event.about(peer));
        }
        for id in self.sessions.keys().filter(|id| id.peer == peer).copied().collect::<Vec<_>>() {
            self.sessions.remove(&id);
            self.exchanged(id, false);
        }
        if self.is_carried() {
            self.host_down(peer);
        } else if self.fleet.has(peer) {
            self.peers.remove(&peer);
            self.unlinked.remove(&peer);
        }
    }

    pub(crate) fn on_rtt(&mut self, peer: NodeId, rtt: Duration) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.rtt = Some(rtt);
            self.membership.set_rtt(peer, rtt);
            if let Some(gate) = &mut self.zones.gate {
                gate.between.set_rtt(peer, rtt);
            }
        }
    }

    pub(crate) fn on_found(&mut self, peer: NodeId, addresses: Vec<SocketAddr>) {
        if peer == self.me || self.authority.is_revoked(&peer.into()) {
            return;
        }
        if !self.peers.contains_key(&peer) && self.peers.len() >= limit::MEMBERS_MAX {
            // Hearsay makes room: a name that never linked and has no record goes first.
            let hearsay = self.peers.iter().find(|(id, p)| !p.up && !self.nodes.contains_key(id));
            let Some((&gone, _)) = hearsay else { return };
            self.peers.remove(&gone);
            self.unlinked.remove(&gone);
        }
        let entry = self.peers.entry(peer).or_default();
        if !entry.up {
            self.unlinked.insert(peer);
        }
        for address in addresses {
            if entry.found.len() < limit::ADDRESSES_MAX {
                entry.found.insert(address);
            }
        }
        if !entry.up && entry.next_dial.is_none() {
            entry.next_dial = Some(self.now.mono);
            self.tick_peers();
        }
    }

    /// Dials whoever should be linked and is not.
    pub(crate) fn tick_peers(&mut self) {
        let now = self.now.mono;
        if self.is_carried() {
            // It waits for a host to call.
            return;
        }
        let may_only_renew = self.may_only_renew();
        let speaks_beyond = self.speaks_beyond();
        for &node in &self.unlinked {
            let Some(peer) = self.peers.get_mut(&node) else { continue };
            // Between zones gateways talk, once a zone has any.
            if peer.next_dial.is_none_or(|at| at > now) || (peer.zone.is_some() && !speaks_beyond) {
                continue;
            }
            let mut addresses = peer.found.clone();
            addresses.extend(&*peer.published);
            if addresses.is_empty() {
                continue;
            }
            peer.attempts = peer.attempts.saturating_add(1);
            let wait = DIAL_AGAIN.0.saturating_mul(1 << peer.attempts.min(6)).min(DIAL_AGAIN.1);
            peer.next_dial = Some(now + wait);
            let addresses = addresses.into_iter().collect();
            self.outputs.push_back(if may_only_renew {
                Output::AskRenewal { peer: node, addresses }
            } else {
                Output::Dial { peer: node, addresses }
            });
        }
    }

    /// What made dials fail is mended: nobody waits for the next attempt.
    pub(crate) fn dial_all_again(&mut self) {
        for peer in self.peers.values_mut().filter(|peer| !peer.up && peer.next_dial.is_some()) {
            (peer.next_dial, peer.attempts) = (Some(self.now.mono), 0);
        }
        self.tick_peers();
    }

    pub(crate) fn on_node_info(&mut self, node: NodeId, body: &NodeBody, heard: Wall) {
        let info = &body.info;
        let swims = !info.is_scheduled() && !self.is_carried();
        if swims {
            self.membership.set_known_generation(node, info.generation);
        }
        self.chart(node, info, heard);
        // Our own is the one that we show at the door, whatever we published before.
        if node != self.me
            && let Ok(certificate) = orbweave_trust::Certificate::verify(
                &info.certificate,
                &self.authority,
                self.wall(),
                &*self.check,
            )
        {
            self.certificates.insert(node, body.share(certificate));
        }
        let previous =
            info.lives_ms.is_none() && self.nodes.get(&node).is_none_or(|old| old.lives_ms.is_some());
        let before = self.nodes.get(&node).map(|old| &old.labels);
        let (known, labels_changed) = (before.is_some(), before.is_none_or(|old| *old != info.labels));
        if node != self.me && !self.nodes.keys().any(|other| *other != self.me) {
            // The first word of others: their claims may be here before they are heard.
            self.look_around(SETTLE);
        }
        self.nodes.insert(node, info.clone());
        if previous {
            // It forgets sooner than this node meant to say again what it is.
            self.next_refresh = self.next_refresh.min(self.refresh_due());
        }
        if node == self.me {
            if labels_changed {
                self.touch_all();
            }
            return;
        }
        if !known {
            self.touch_claims_of(node);
        }
        if !swims {
            return;
        }
        let at = self.dial_turn(node);
        let peer = self.peers.entry(node).or_default();
        peer.published = body.addresses.clone();
        peer.zone = None;
        if peer.up {
            self.membership.announce(self.now.mono, node);
            if let Some((_, again)) = self.zones.strangers.remove(&node) {
                self.greet(node, again);
            }
        } else {
            peer.next_dial.get_or_insert(at);
            self.unlinked.insert(node);
        }
    }

    pub(crate) fn on_datagram(&mut self, from: NodeId, bytes: &[u8]) {
        let Ok(message) = Message::decode(bytes) else { return };
        // Nine of ten are this. The link vouches for who sent it, and membership refuses
        // whoever was evicted.
        if let Message::Membership(bytes) = message {
            if !self.is_carried() && !self.fleet.has(from) && !self.is_beyond(from) {
                // A peer that sends nonsense harms nobody but itself.
                let _ = self.membership.handle_datagram(self.now.mono, from, bytes);
            }
            return;
        }
        if let Message::Between(bytes) = message {
            return self.on_between(from, bytes);
        }
        let Some(peer) = self.peers.get_mut(&from) else { return };
        peer.heard = Some(self.now.mono);
        match message {
            Message::Membership(_) | Message::Between(_) => {}
            // Slots are placed within a zone.
            Message::Offer(_) | Message::Answer(_) if self.is_beyond(from) => {}
            Message::Offer(offer) => self.on_offer(from, offer),
            Message::Answer(answer) => self.on_answer(from, answer),
            Message::Record(bytes) => self.take_all(vec![bytes.to_vec()], self.way_of(from)),
            // The version before knows no rumours, and reads over them.
            Message::Rumour(_) | Message::Ask(_) if self.speaks == WireVersion::Previous => {}
            Message::Rumour(bytes) => self.on_rumour(from, bytes),
            Message::Ask(bytes) => self.on_ask(from, bytes),
        }
    }

    /// How records come that a peer sends to this node alone.
    pub(crate) fn way_of(&self, peer: NodeId) -> Way {
        if self.fleet.has(peer) {
            Way::Carried
        } else if self.is_beyond(peer) {
            Way::Beyond
        } else {
            Way::Direct
        }
    }

    /// Carries out what membership wants, and reacts to what it found.
    pub(crate) fn drain_membership(&mut self) {
        while let Some(output) = self.membership.poll_output() {
            match output {
                membership::Output::Send { to, bytes } => {
                    let bytes = Message::Membership(&bytes).encode();
                    self.outputs.push_back(Output::Datagram { to, bytes });
                }
                membership::Output::Event(event) => self.on_member(event),
            }
        }
    }

    /// When this node dials another of which it heard.
    pub(crate) fn dial_turn(&self, node: NodeId) -> Mono {
        let head_start = if self.me < node { Duration::ZERO } else { DIAL_SECOND };
        self.now.mono + head_start
    }

    fn on_member(&mut self, event: membership::Event) {
        use membership::Event as E;
        self.zones.changed = true;
        match &event {
            E::Up { node, came, .. } => {
                self.touch_claims_of(*node);
                // Who was missed for a moment, or accused, still has what it had.
                if *came {
                    self.on_newcomer(*node);
                }
            }
            E::Down { node, .. } | E::Left { node } => self.touch_claims_of(*node),
            E::SelfDoubt { .. } => self.touch_all(),
            // It still counts as alive; and of a renewal only the others think anew.
            E::Suspect { .. } | E::Renewed { .. } => {}
        }
        let event = match event {
            E::Up { node, .. } => {
                Event::new(EventKind::MemberUp, format!("{} is alive", self.name(node))).about(node)
            }
            E::Suspect { node } => {
                Event::new(EventKind::MemberSuspect, format!("{} missed its probes", self.name(node)))
                    .about(node)
            }
            E::Down { node, cause, .. } => {
                let cause = match cause {
                    DownCause::Watchers { verdicts } => {
                        let names: Vec<_> = verdicts.iter().map(|n| self.name(*n)).collect();
                        format!("its watchers {} agree", names.join(", "))
                    }
                    DownCause::Swim => "nobody reached it in time".to_owned(),
                };
                let text = format!("{} is down", self.name(node));
                Event::new(EventKind::MemberDown, text).about(node).because(cause)
            }
            E::Left { node } => {
                let text = format!("{} left", self.name(node));
                Event::new(EventKind::MemberDown, text).about(node).because("it said goodbye")
            }
            E::Renewed { generation } => {
                // The mesh held this node for dead: look around before placing anything.
                self.info.generation = generation;
                self.look_around(SETTLE_RENEWED);
                self.publish_node_record();
                let peer = self.linked().next();
                if let Some(peer) = peer {
                    self.sync_with(peer);
                }
                return;
            }
            E::SelfDoubt { on } => Event::new(
                if on { EventKind::SelfDoubt } else { EventKind::SelfDoubtOver },
                if on { "lost sight of most others, and suspects itself" } else { "sees most others again" },
            ),
        };
        self.notify(event);
        self.outputs.push_back(Output::RoutesChanged);
    }

    /// A node's name for people: its certificate's, or the beginning of its id.
    pub fn name(&self, node: NodeId) -> String {
        self.certificates.get(&node).map_or_else(|| node.short(), |c| c.name.clone())
    }

    /// What a member said of its load a while ago: those that watch one another tell it.
    pub(crate) fn load_of(&self, node: NodeId) -> Option<Load> {
        let (bytes, at) = self.membership.load_of(node)?;
        if at + LOAD_HOLDS <= self.now.mono {
            return None;
        }
        wire::decode_open("a load", bytes, limit::DATAGRAM_BYTES_MAX).ok()
    }
}

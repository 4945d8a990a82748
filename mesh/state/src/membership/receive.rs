//! What arrives, and what it proves.

use super::identity::{Identity, Rumour, read};
use super::peer::{Peer, Status};
use super::wire::{Frame, Verdict};
use super::{DatagramError, Event, Membership};
use foca::{Message, State};
use orbweave_model::wire::WireError;
use orbweave_model::{Mono, NodeId};
use std::time::Duration;

/// What a sender is to us once we read its generation.
#[derive(PartialEq, Eq)]
enum Contact {
    /// A live member.
    Live,
    /// Held for dead, or of a life that is over: it is told, and not listened to.
    Over,
}

impl Membership {
    /// Takes a datagram that the link authenticated as coming from that node.
    pub fn handle_datagram(&mut self, now: Mono, from: NodeId, bytes: &[u8]) -> Result<(), DatagramError> {
        if self.left {
            return Ok(());
        }
        self.wake_up(now);
        if from == self.me {
            return Err(DatagramError::Forged { from });
        }
        if self.forgotten.contains(&from) {
            return Err(DatagramError::Forgotten { from });
        }
        let result = Frame::decode(bytes).and_then(|frame| self.take_frame(from, frame));
        self.settle();
        result
    }

    fn take_frame(&mut self, from: NodeId, frame: Frame<'_>) -> Result<(), DatagramError> {
        match frame {
            Frame::Swim(body) => self.take_swim(from, body)?,
            Frame::Probe(probe) => {
                if self.contact(from, probe.generation)? == Contact::Live {
                    self.heard(from, false);
                    self.take_load(from, probe.load);
                    let answer = self.probe(from, probe.nonce);
                    self.send(from, Frame::Ack(answer).encode());
                }
            }
            Frame::Ack(answer) => {
                if self.contact(from, answer.generation)? == Contact::Live {
                    self.measure(from, answer.nonce);
                    self.heard(from, true);
                    self.take_load(from, answer.load);
                }
            }
            Frame::Verdict(Verdict { generation, about }) => {
                if self.contact(from, generation)? == Contact::Live {
                    self.heard(from, false);
                    self.take_verdict(from, about);
                }
            }
            Frame::Buried(notice) => {
                // Counts even from one that is down here: after a partition both sides say so.
                let contact = self.contact(from, notice.generation)?;
                if contact == Contact::Live {
                    self.heard(from, false);
                }
                self.accused(from, notice.buried);
            }
            Frame::Leave(notice) => {
                if self.contact(from, notice.generation)? == Contact::Live {
                    self.gone(from);
                }
            }
        }
        Ok(())
    }

    fn take_swim(&mut self, from: NodeId, body: &[u8]) -> Result<(), DatagramError> {
        let (header, rumours) =
            read(body).map_err(|e| WireError::Malformed { what: "a SWIM datagram", why: e.to_string() })?;
        if header.src.node != from || header.dst.node != self.me {
            return Err(DatagramError::Forged { from });
        }
        let contact = self.contact(from, header.src.generation)?;
        if header.message == Message::TurnUndead {
            self.accused(from, header.dst.generation);
            return Ok(());
        }
        if contact == Contact::Over {
            return Ok(());
        }
        self.heard(from, false);
        // Nobody can use us to send to someone that is no member.
        let third = match &header.message {
            Message::PingReq { target, .. } | Message::IndirectAck { target, .. } => Some(*target),
            Message::IndirectPing { origin, .. } | Message::ForwardedAck { origin, .. } => Some(*origin),
            _ => None,
        };
        if third.is_none_or(|id| self.peers.get(&id.node).is_some_and(Peer::is_alive)) {
            self.swim.receive(&header).map_err(|e| DatagramError::Swim { from, why: e.to_string() })?;
        }
        for rumour in rumours {
            self.take_rumour(from, &rumour);
        }
        Ok(())
    }

    /// What one member says of another only makes us look for ourselves.
    fn take_rumour(&mut self, from: NodeId, rumour: &Rumour) {
        let Identity { node, generation } = rumour.about;
        if node == self.me {
            if rumour.state == State::Down {
                self.accused(from, generation);
            }
            return;
        }
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&node) else { return };
        match (peer.status, rumour.state) {
            (Status::Candidate, State::Alive | State::Suspect) => {
                // Word of a node that we know by its record: seek it now, unless that was just done.
                let last = peer.round.as_ref().and_then(|round| round.sent.last());
                if last.is_none_or(|at| now.since(*at) >= self.timing.announce_min) {
                    (peer.round, peer.next_probe) = (None, Some(now));
                    self.touched.push(node);
                }
            }
            (Status::Alive, State::Suspect | State::Down)
                if generation == peer.generation && from != node =>
            {
                let recent = self.timing.veto_span(peer.rtt);
                if peer.heard_at.is_some_and(|at| now.since(at) < recent) {
                    return;
                }
                if rumour.state == State::Down {
                    peer.claims.note(from, now);
                    self.rejudge = true;
                }
                self.begin_round(node);
            }
            _ => {}
        }
    }

    /// A sender names its own generation: the link vouches for it.
    fn contact(&mut self, from: NodeId, generation: u64) -> Result<Contact, DatagramError> {
        if !self.make_room(from) {
            return Err(DatagramError::Full { from });
        }
        let backoff = self.timing.announce_min;
        let peer = self.peers.entry(from).or_insert_with(|| Peer::candidate(generation, backoff));
        if generation < peer.generation.max(peer.signed) {
            self.bury(from, generation);
            return Ok(Contact::Over);
        }
        if generation == peer.generation {
            match peer.status {
                Status::Alive => return Ok(Contact::Live),
                Status::Down => {
                    self.bury(from, generation);
                    return Ok(Contact::Over);
                }
                Status::Left => return Ok(Contact::Over),
                Status::Candidate => {}
            }
        }
        let old = std::mem::replace(&mut peer.generation, generation);
        let came = !peer.is_alive();
        let back = !came && old != generation;
        // The probe that this answers may still be measured.
        let mut round = peer.round.take();
        if let Some(round) = &mut round {
            round.deadline = round.deadline.min(self.now + self.timing.timeout_unmeasured);
        }
        peer.clear_doubts();
        peer.round = round;
        (peer.status, peer.down_at, peer.announce) = (Status::Alive, None, false);
        (peer.next_probe, peer.load, peer.load_told) = (None, None, None);
        if peer.watched || back {
            peer.next_probe = Some(self.now);
        }
        self.ring.insert(from);
        self.swim.note(Identity { node: from, generation }, 0, State::Alive);
        self.tell(Event::Up { node: from, generation, came });
        self.touched.push(from);
        self.retarget();
        Ok(Contact::Live)
    }

    /// A live member was heard: it ends every doubt about it here.
    fn heard(&mut self, node: NodeId, answer: bool) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&node) else { return };
        let (was_suspect, suspected, generation) = (peer.told_suspect, peer.suspected, peer.generation);
        // Until a round trip is known, only an answer will do: timeouts come from it.
        if answer || peer.rtt.is_some() {
            let interval = self.timing.watch(peer.rtt).interval;
            // Two that watch each other need one exchange, not two: the one that was
            // probed waits a little longer, and so the other goes on asking.
            let slack = if answer { Duration::ZERO } else { interval / 5 };
            peer.next_probe = peer.watched.then_some(now + interval + slack);
            peer.clear_doubts();
        } else {
            let round = peer.round.take();
            peer.clear_doubts();
            peer.round = round;
        }
        peer.heard_at = Some(now);
        self.touched.push(node);
        if let Some(incarnation) = suspected {
            self.refute(Identity { node, generation }, incarnation);
        }
        if was_suspect {
            self.tell(Event::Up { node, generation, came: false });
        }
        self.seen_again(node);
    }

    fn take_load(&mut self, from: NodeId, load: Option<Vec<u8>>) {
        if let Some(load) = load
            && let Some(peer) = self.peers.get_mut(&from)
        {
            peer.load = Some((load, self.now));
        }
    }

    /// A watcher's own verdict; nobody relays one.
    fn take_verdict(&mut self, from: NodeId, about: Identity) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&about.node) else { return };
        if !peer.is_alive() || peer.generation != about.generation || from == about.node {
            return;
        }
        let veto = self.timing.veto_span(peer.rtt);
        if peer.heard_at.is_some_and(|at| now.since(at) < veto) {
            // We heard it when the watcher did not. Look, and remember what was said.
            peer.claims.note(from, now);
            self.begin_round(about.node);
        } else {
            peer.verdicts.note(from, now);
            self.rejudge = true;
        }
    }

    fn gone(&mut self, node: NodeId) {
        let Some(peer) = self.peers.get_mut(&node) else { return };
        peer.clear_doubts();
        (peer.status, peer.next_probe, peer.down_at) = (Status::Left, None, Some(self.now));
        let generation = peer.generation;
        self.doubt.forget(node);
        self.ring.remove(node);
        self.swim.note(Identity { node, generation }, 0, State::Down);
        self.touched.push(node);
        self.tell(Event::Left { node });
        self.retarget();
    }

    /// Somebody holds a generation of ours for dead. That cannot be refuted, only
    /// outlived: we take the next. A liar can make us do so, but seldom.
    fn accused(&mut self, from: NodeId, generation: u64) {
        if generation != self.generation() {
            return;
        }
        let (now, timing) = (self.now, &self.timing);
        let Some(peer) = self.peers.get_mut(&from) else { return };
        self.accusers.insert(from);
        let rested = self.renewed_at.is_none_or(|at| now.since(at) >= timing.renewal_spacing);
        let trusted = peer.accused_at.is_none_or(|at| now.since(at) >= timing.accuser_cooldown);
        if !rested || !(trusted || self.accusers.len() > 1) {
            return;
        }
        peer.accused_at = Some(now);
        self.swim.renew();
        if self.generation() == generation {
            return; // there is no next one
        }
        self.accusers.clear();
        self.renewed_at = Some(now);
        self.tell(Event::Renewed { generation: self.generation() });
        let others: Vec<NodeId> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.status != Status::Left)
            .map(|(node, _)| *node)
            .collect();
        for node in others {
            self.send_probe(node);
        }
    }
}

//! Timers, and the probes that they send.

use super::identity::Identity;
use super::peer::{Round, Status};
use super::wire::{Buried, Frame, Probe};
use super::{Event, Membership};
use foca::{State, Timer};
use orbweave_model::{Mono, NodeId};
use rand::RngExt;
use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;

/// A timer that fires this much late says that this process is short of time.
const LATE: Duration = Duration::from_millis(100);
/// Beyond this our timeouts are stretched no further.
const ILL_HEALTH_MAX: u32 = 4;
/// One notice of burial to one node in this time.
const BURY_SPACING: Duration = Duration::from_secs(1);

impl Membership {
    /// Does what is due. A timer whose reason is gone does nothing. Hand over what has
    /// arrived before calling this: an unread answer looks like silence.
    pub fn handle_timeout(&mut self, now: Mono) {
        if self.left {
            return;
        }
        self.wake_up(now);
        if self.next_timeout().is_some_and(|due| now.since(due) > LATE) {
            self.ill_health = (self.ill_health + 1).min(ILL_HEALTH_MAX);
        }
        while let Some(&(at, node)) = self.wakes.first()
            && at <= self.now
        {
            self.wakes.remove(&(at, node));
            if let Some(peer) = self.peers.get_mut(&node) {
                peer.wake = None;
            }
            self.touched.push(node);
            self.peer_due(node);
            self.settle();
        }
        while let Some(entry) = self.swim_timers.first_entry()
            && entry.key().0 <= self.now
        {
            let timer = entry.remove();
            self.swim_due(timer);
            self.settle();
        }
        if self.next_down_probe <= self.now {
            self.next_down_probe = self.now + self.timing.down_probe_period;
            self.probe_next_down();
        }
        self.end_doubt_in_time();
        self.settle();
    }

    /// Takes the new time. If it is far behind the timers this process was frozen:
    /// the gap is nobody's silence.
    pub(super) fn wake_up(&mut self, now: Mono) {
        let gap = self.next_timeout().map(|due| now.since(due)).unwrap_or_default();
        self.set_now(now);
        if gap <= self.timing.late_wake {
            return;
        }
        self.doubt.hold_until(now + self.timing.thaw_grace, gap);
        self.next_down_probe = now + self.timing.down_probe_period;
        self.swim_timers = std::mem::take(&mut self.swim_timers)
            .into_iter()
            .map(|((at, n), timer)| ((at + gap, n), timer))
            .collect();
        let nodes: Vec<NodeId> = self.peers.keys().copied().collect();
        for node in nodes {
            let Some(peer) = self.peers.get_mut(&node) else { continue };
            peer.round = None;
            peer.verdicts.clear();
            peer.claims.clear();
            peer.next_probe = peer.next_probe.map(|at| at.max(now));
            self.touched.push(node);
            if peer.is_alive() {
                peer.missing_since = None;
                self.begin_round(node);
            }
        }
        self.settle();
    }

    fn peer_due(&mut self, node: NodeId) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&node) else { return };
        match (&peer.round, peer.next_probe) {
            (Some(round), _) if round.deadline <= now => {
                let attempts = if peer.is_alive() && peer.missing_since.is_none() {
                    usize::from(self.timing.watch(peer.rtt).attempts)
                } else {
                    1
                };
                // The answer to a timer that fires late may be waiting unread: ask once more.
                let late = now.since(round.deadline) > LATE && round.sent.len() < attempts * 2;
                if round.sent.len() < attempts || late {
                    self.probe_again(node);
                } else {
                    self.round_failed(node);
                }
            }
            (None, Some(at)) if at <= now => match peer.status {
                Status::Candidate => self.seek(node),
                Status::Alive => self.begin_round(node),
                Status::Down | Status::Left => peer.next_probe = None,
            },
            _ => {}
        }
    }

    /// Looks for a node that is no member yet, and sets when to look again.
    pub(super) fn seek(&mut self, node: NodeId) {
        let Some(peer) = self.peers.get(&node) else { return };
        let (backoff, announce, generation) = (peer.backoff, peer.announce, peer.generation);
        let again = self.now + backoff + self.jitter(backoff / 4);
        if announce {
            self.swim.announce(Identity { node, generation });
        }
        self.begin_round(node);
        let longest = self.timing.announce_max;
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.backoff = (backoff * 2).min(longest);
            // The answer, if any, ends the round; the silence does not matter.
            if let Some(round) = &mut peer.round {
                round.deadline = again;
            }
            peer.next_probe = Some(again);
        }
        self.touched.push(node);
    }

    /// Probes a node, unless that is under way.
    pub(super) fn begin_round(&mut self, node: NodeId) {
        let nonce = self.rng.random::<u32>();
        let Some(peer) = self.peers.get_mut(&node) else { return };
        if peer.round.is_some() {
            return;
        }
        peer.next_probe = None;
        peer.round = Some(Round { nonce, sent: Vec::new(), deadline: self.now });
        self.probe_again(node);
    }

    fn probe_again(&mut self, node: NodeId) {
        let (now, ill_health) = (self.now, self.ill_health);
        let Some(peer) = self.peers.get_mut(&node) else { return };
        let timeout = self.timing.timeout(peer.rtt);
        let Some(round) = &mut peer.round else { return };
        let nonce = round.nonce.wrapping_add(u32::try_from(round.sent.len()).unwrap_or_default());
        round.sent.push(now);
        round.deadline = now + timeout * (2 + ill_health) / 2;
        self.touched.push(node);
        let probe = self.probe(node, nonce);
        self.send(node, Frame::Probe(probe).encode());
    }

    /// Probes once, whatever it is, and waits for nothing.
    pub(super) fn send_probe(&mut self, node: NodeId) {
        let nonce = self.rng.random::<u32>();
        let probe = self.probe(node, nonce);
        self.send(node, Frame::Probe(probe).encode());
    }

    /// A probe or an answer, with our load if that is news to this node.
    pub(super) fn probe(&mut self, to: NodeId, nonce: u32) -> Probe {
        let (now, version) = (self.now, self.load_version);
        let mut load = None;
        if !self.load.is_empty()
            && let Some(peer) = self.peers.get_mut(&to)
        {
            let due = peer.load_told.is_none_or(|(told, at)| {
                let spacing =
                    if told == version { self.timing.load_refresh } else { self.timing.load_spacing };
                now.since(at) >= spacing
            });
            if due {
                peer.load_told = Some((version, now));
                load = Some(self.load.clone());
            }
        }
        Probe { generation: self.generation(), nonce, load }
    }

    fn round_failed(&mut self, node: NodeId) {
        let Some(peer) = self.peers.get_mut(&node) else { return };
        let began = peer.round.take().and_then(|round| round.sent.first().copied());
        if !peer.is_alive() {
            return;
        }
        peer.next_probe = Some(self.now + self.timing.watch(peer.rtt).interval);
        if peer.heard_at < began {
            self.missed(node);
        } else if !peer.watched {
            peer.next_probe = None;
        }
    }

    /// One probe to one node that is down, each in turn: a partition may have healed.
    fn probe_next_down(&mut self) {
        let after = self.down_probed.and_then(|last| self.down.range((Excluded(last), Unbounded)).next());
        self.down_probed = after.or_else(|| self.down.first()).copied();
        if let Some(node) = self.down_probed {
            self.send_probe(node);
        }
    }

    /// Tells a node that we hold this generation of it for dead.
    pub(super) fn bury(&mut self, node: NodeId, buried: u64) {
        let (now, generation) = (self.now, self.generation());
        let Some(peer) = self.peers.get_mut(&node) else { return };
        if peer.buried_at.is_some_and(|at| now.since(at) < BURY_SPACING) {
            return;
        }
        peer.buried_at = Some(now);
        self.send(node, Frame::Buried(Buried { generation, buried }).encode());
    }

    /// An answer came; how long it took tells about the link, and about us.
    pub(super) fn measure(&mut self, node: NodeId, nonce: u32) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&node) else { return };
        let Some((sent, last)) = peer.round.as_ref().and_then(|round| round.sent_with(nonce)) else { return };
        let sample = now.since(sent);
        peer.rtt = Some(peer.rtt.map_or(sample, |rtt| (rtt * 7 + sample) / 8));
        self.ill_health =
            if last { self.ill_health.saturating_sub(1) } else { (self.ill_health + 1).min(ILL_HEALTH_MAX) };
    }

    /// Does what foca asked for, with durations from measured round trips.
    pub(super) fn drain_swim(&mut self) {
        if self.swim.has_rumours()
            && let Some(timer) = self.gossip_timer.take()
        {
            self.set_swim_timer(self.timing.gossip_period, timer);
        }
        loop {
            let wanted = self.swim.take_wanted();
            if wanted.sends.is_empty() && wanted.timers.is_empty() && wanted.downs.is_empty() {
                return;
            }
            for (to, bytes) in wanted.sends {
                if self.peers.contains_key(&to.node) {
                    self.send(to.node, Frame::Swim(&bytes).encode());
                }
            }
            for (after, timer) in wanted.timers {
                let stretch = |duration: Duration, ill_health: u32| duration * (2 + ill_health) / 2;
                let rtt = |node: NodeId| self.peers.get(&node).and_then(|peer| peer.rtt);
                let after = match &timer {
                    Timer::SendIndirectProbe { probed_id, .. } => {
                        self.indirect_delay =
                            stretch(self.timing.swim_timeout(rtt(probed_id.node)), self.ill_health);
                        self.indirect_delay
                    }
                    // Room for the indirect probes, which take two round trips.
                    Timer::ProbeRandomMember(_) => self.timing.swim_period.max(self.indirect_delay * 3),
                    Timer::ChangeSuspectToDown { member_id, incarnation, .. } => {
                        let wait =
                            self.timing.swim_suspicion.max(rtt(member_id.node).unwrap_or_default() * 8);
                        self.swim_suspects(*member_id, *incarnation);
                        stretch(wait, self.ill_health)
                    }
                    // Nobody is woken twice a second to say nothing.
                    Timer::PeriodicGossip(_) if !self.swim.has_rumours() => {
                        self.gossip_timer = Some(timer);
                        continue;
                    }
                    _ => after,
                };
                self.set_swim_timer(after, timer);
            }
            for id in wanted.downs {
                self.swim_says_down(id);
            }
        }
    }

    fn set_swim_timer(&mut self, after: Duration, timer: Timer<Identity>) {
        self.swim_timers_made += 1;
        self.swim_timers.insert((self.now + after, self.swim_timers_made), timer);
    }

    fn swim_suspects(&mut self, id: Identity, incarnation: u16) {
        let Some(peer) = self.peers.get_mut(&id.node) else { return };
        if peer.is_alive() && peer.generation == id.generation {
            let news = !std::mem::replace(&mut peer.told_suspect, true);
            peer.suspected = Some(incarnation);
            if news {
                self.tell(Event::Suspect { node: id.node });
            }
            self.begin_round(id.node);
        }
    }

    fn swim_due(&mut self, timer: Timer<Identity>) {
        if let Timer::ChangeSuspectToDown { member_id, .. } = &timer {
            let Some(peer) = self.peers.get(&member_id.node) else { return };
            if peer.suspected.is_none() || peer.generation != member_id.generation {
                return; // heard since, or back in another life
            }
            if peer.missing_since.is_none() || self.holding() {
                // Not before our own probes failed too, and never while we doubt ourselves.
                self.begin_round(member_id.node);
                self.set_swim_timer(self.timing.swim_timeout_min * 2, timer);
                return;
            }
        }
        self.swim.timer(timer);
    }

    /// Ends SWIM's suspicion of a node that we heard.
    pub(super) fn refute(&mut self, id: Identity, incarnation: u16) {
        self.swim.note(id, incarnation.saturating_add(1), State::Alive);
    }
}

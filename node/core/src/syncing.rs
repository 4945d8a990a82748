//! When this node reconciles, with whom, and what it does with the frames.

use crate::io::{Output, SyncId};
use crate::node::Node;
use orbweave_model::{Mono, NodeId, limit};
use orbweave_state::record::Scope;
use orbweave_state::sync::{Begins, Opening, SESSION_BYTES_MAX, Session, Step, SyncError};
use rand::{Rng, RngExt};
use std::time::Duration;

/// Between two reconciliations with a random peer.
const EVERY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(30));
/// A session that takes longer is given up.
const SESSION_TIME: Duration = Duration::from_secs(60);
/// Sessions at once that one peer began.
const SESSIONS_PER_PEER_MAX: usize = 4;
/// Sessions at once that peers began.
const FOREIGN_MAX: usize = 64;
/// Sessions of our own at once.
const OWN_MAX: usize = 16;
/// All sessions at once.
pub(crate) const SESSIONS_MAX: usize = FOREIGN_MAX + OWN_MAX;
/// Bytes that one peer may draw at once, and each second after that.
const ALLOWANCE: (usize, usize) = (2 * SESSION_BYTES_MAX, 1024 * 1024);
/// What a session that a peer begins counts for, and each turn of it, though it draw nothing.
const WORK_COST: usize = 16 * 1024;

/// What a peer may still draw from this node: whoever asks for everything again and
/// again is served at a bounded rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    bytes: usize,
    since: Mono,
}

impl Allowance {
    /// Takes so much if there is any left; the last that is taken may be more than that.
    fn take(&mut self, now: Mono, bytes: usize) -> bool {
        // What is less than a millisecond counts the next time.
        let passed = u64::try_from(now.since(self.since).as_millis()).unwrap_or(u64::MAX);
        self.since = self.since + Duration::from_millis(passed);
        let more = usize::try_from(passed).unwrap_or(usize::MAX).saturating_mul(ALLOWANCE.1 / 1_000);
        self.bytes = self.bytes.saturating_add(more).min(ALLOWANCE.0);
        let any = self.bytes > 0;
        self.bytes = self.bytes.saturating_sub(bytes);
        any
    }
}

impl Node {
    /// Begins a reconciliation with this peer.
    pub(crate) fn sync_with(&mut self, peer: NodeId) {
        if self.is_carried() {
            return self.exchange_soon();
        }
        let mut own = self.sessions.keys().filter(|id| id.ours);
        if own.clone().count() >= OWN_MAX || own.any(|id| id.peer == peer) {
            return;
        }
        if self.fleet.has(peer) {
            let (session, frame) = Session::call(self.wall());
            return self.begin_session(peer, session, frame);
        }
        let opening = self.opening(peer);
        // A store of our own always has a fingerprint; an error would be the library's.
        let Ok((session, frame)) = Session::initiate(&self.store, self.wall(), opening) else { return };
        self.begin_session(peer, session, frame);
    }

    pub(crate) fn begin_session(&mut self, peer: NodeId, session: Session, frame: Vec<u8>) {
        self.session_count += 1;
        let id = SyncId { peer, ours: true, number: self.session_count };
        self.sessions.insert(id, (session, self.now.mono + SESSION_TIME));
        self.outputs.push_back(Output::Sync { id, bytes: frame });
    }

    fn opening(&mut self, peer: NodeId) -> Opening {
        let begins = if self.is_carried() {
            Begins::Called
        } else if self.fleet.has(peer) {
            Begins::Listed
        } else {
            Begins::Whole
        };
        Opening {
            seen: self.cursors.get(&peer),
            salt: self.rng.next_u64(),
            speaks: self.speaks,
            begins,
            scope: if self.is_beyond(peer) { Scope::Mesh } else { Scope::Zone },
        }
    }

    /// Counts what a peer draws. False if it has nothing left.
    pub(crate) fn allow(&mut self, peer: NodeId, bytes: usize) -> bool {
        if self.allowances.len() >= limit::MEMBERS_MAX && !self.allowances.contains_key(&peer) {
            self.allowances.pop_first();
        }
        let now = self.now.mono;
        let full = Allowance { bytes: ALLOWANCE.0, since: now };
        self.allowances.entry(peer).or_insert(full).take(now, bytes)
    }

    pub(crate) fn sync_if_due(&mut self) {
        if self.now.mono < self.next_sync {
            return;
        }
        self.next_sync = self.now.mono + self.jitter(EVERY.0, EVERY.1);
        // Who was away may know most; else anybody.
        let mut up: Vec<NodeId> = std::mem::take(&mut self.relinked).into_iter().collect();
        up.retain(|peer| self.peers.get(peer).is_some_and(|p| p.up));
        if up.is_empty() {
            up = self.linked().collect();
        }
        if !up.is_empty() {
            let peer = up[self.rng.random_range(0..up.len())];
            self.sync_with(peer);
        }
    }

    /// Reconciles with a node of another zone, where that falls to this node.
    pub(crate) fn sync_beyond_if_due(&mut self) {
        if self.now.mono < self.next_sync_beyond {
            return;
        }
        // Whoever is no gateway, and is linked all the same, is a way if there is no other.
        let times = if self.speaks_beyond() { 1 } else { 10 };
        self.next_sync_beyond = self.now.mono + self.jitter(EVERY.0 * times, EVERY.1 * times);
        let up: Vec<NodeId> = self.linked_beyond().collect();
        if !up.is_empty() {
            let peer = up[self.rng.random_range(0..up.len())];
            self.sync_with(peer);
        }
    }

    pub(crate) fn close_stale_sessions(&mut self) {
        let now = self.now.mono;
        let stale = self.sessions.iter().filter(|(_, (_, end))| *end < now);
        for id in stale.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.close(id);
            self.exchanged(id, false);
        }
    }

    pub(crate) fn on_sync(&mut self, id: SyncId, bytes: &[u8]) {
        if !id.ours && !self.sessions.contains_key(&id) {
            let foreign = self.sessions.keys().filter(|other| !other.ours);
            let of_peer = foreign.clone().filter(|other| other.peer == id.peer).count();
            let room = foreign.count() < FOREIGN_MAX && of_peer < SESSIONS_PER_PEER_MAX;
            if !room || !self.allow(id.peer, WORK_COST) {
                return self.outputs.push_back(Output::SyncClose { id });
            }
            let session = Session::respond(self.opening(id.peer));
            self.sessions.insert(id, (session, self.now.mono + SESSION_TIME));
        }
        // Reading is work too: what a peer sends counts as what it draws does.
        if !self.allow(id.peer, bytes.len()) {
            return self.close(id);
        }
        let wall = self.wall();
        let Some((session, _)) = self.sessions.get_mut(&id) else { return };
        let step = session.handle(&self.store, wall, bytes);
        let Some(heard) = self.carry_out(id, step) else { return };
        if heard.scope_due {
            let concerns = self.concerns_of(id.peer);
            if let Some((session, _)) = self.sessions.get_mut(&id) {
                let step = session.give(&self.store, wall, &concerns);
                self.carry_out(id, step);
            }
            return;
        }
        // What the peer sent counts before it is answered: what it made stale is not sent.
        if heard.answer_due
            && let Some((session, _)) = self.sessions.get_mut(&id)
        {
            let step = session.answer(&self.store);
            self.carry_out(id, step);
        }
    }

    fn carry_out(&mut self, id: SyncId, step: Result<Step, SyncError>) -> Option<Step> {
        let drawn = step.as_ref().map_or(0, |step| step.send.iter().map(Vec::len).sum());
        let mut step = match step {
            Ok(step) if drawn == 0 || self.allow(id.peer, drawn.max(WORK_COST)) => step,
            _ => {
                self.close(id);
                self.exchanged(id, false);
                return None;
            }
        };
        for bytes in step.send.drain(..) {
            self.outputs.push_back(Output::Sync { id, bytes });
        }
        if let Some(theirs) = step.peer_now {
            let wall = self.wall();
            self.clock.peer_says(id.peer, self.now.wall, theirs);
            // What this node said by the wrong clock is long over for others: it says it again.
            if self.wall() > wall + limit::CLOCK_AHEAD_MAX {
                self.next_refresh = self.now.mono;
            }
        }
        let received = std::mem::take(&mut step.received);
        #[cfg(feature = "plants")]
        let checks = crate::plants::blind(&mut self.check);
        self.take_all(received, self.way_of(id.peer));
        #[cfg(feature = "plants")]
        {
            self.check = checks;
        }
        if let Some(mark) = step.seen {
            self.cursors.advance(id.peer, mark);
        }
        if step.finished {
            self.close(id);
            self.exchanged(id, true);
        }
        Some(step)
    }

    fn close(&mut self, id: SyncId) {
        self.sessions.remove(&id);
        self.outputs.push_back(Output::SyncClose { id });
    }
}

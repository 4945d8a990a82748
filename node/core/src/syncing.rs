//! When this node reconciles, with whom, and what it does with the frames.

use crate::io::{Output, SyncId};
use crate::node::Node;
use crate::records::Way;
use orbweave_model::{NodeId, limit};
use orbweave_state::sync::Session;
use rand::RngExt;
use std::time::Duration;

/// Between two reconciliations with a random peer.
const EVERY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(30));
/// After news that gossip did not bring, so that news spreads without it.
const AFTER_NEWS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(400));
/// A session that takes longer is given up.
const SESSION_TIME: Duration = Duration::from_secs(60);
/// Sessions at once that one peer began.
const SESSIONS_PER_PEER_MAX: usize = 4;
/// Sessions at once that peers began.
const FOREIGN_MAX: usize = 64;
/// Sessions of our own at once.
const OWN_MAX: usize = 16;

impl Node {
    /// Begins a reconciliation with this peer.
    pub(crate) fn sync_with(&mut self, peer: NodeId) {
        let mut own = self.sessions.keys().filter(|id| id.ours);
        if own.clone().count() >= OWN_MAX || own.any(|id| id.peer == peer) {
            return;
        }
        let wall = self.wall();
        // A store of our own always has ranges; an error would be the library's.
        let Ok((session, frame)) = Session::initiate(&self.store, wall) else { return };
        self.session_count += 1;
        let id = SyncId { peer, ours: true, number: self.session_count };
        self.sessions.insert(id, (session, self.now.mono + SESSION_TIME));
        self.outputs.push_back(Output::Sync { id, bytes: frame });
    }

    /// Something new came by another way than gossip: a peer shall hear of it soon.
    pub(crate) fn carry_on(&mut self) {
        let soon = self.now.mono + self.jitter(AFTER_NEWS.0, AFTER_NEWS.1);
        if !self.gossip {
            self.next_sync = self.next_sync.min(soon);
        }
    }

    pub(crate) fn sync_if_due(&mut self) {
        if self.now.mono < self.next_sync {
            return;
        }
        self.next_sync = self.now.mono + self.jitter(EVERY.0, EVERY.1);
        let up: Vec<NodeId> = self.linked().collect();
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
        }
    }

    pub(crate) fn on_sync(&mut self, id: SyncId, bytes: &[u8]) {
        if !id.ours && !self.sessions.contains_key(&id) {
            let foreign = self.sessions.keys().filter(|other| !other.ours);
            let of_peer = foreign.clone().filter(|other| other.peer == id.peer).count();
            if foreign.count() >= FOREIGN_MAX || of_peer >= SESSIONS_PER_PEER_MAX {
                return self.outputs.push_back(Output::SyncClose { id });
            }
            self.sessions.insert(id, (Session::respond(), self.now.mono + SESSION_TIME));
        }
        let wall = self.wall();
        let Some((session, _)) = self.sessions.get_mut(&id) else { return };
        let Ok(step) = session.handle(&self.store, wall, bytes) else { return self.close(id) };
        for bytes in step.send {
            self.outputs.push_back(Output::Sync { id, bytes });
        }
        if let Some(theirs) = step.peer_now {
            self.clock.peer_says(id.peer, self.now.wall, theirs);
            // What this node said by the wrong clock is long over for others: it says it again.
            if self.wall() > wall + limit::CLOCK_AHEAD_MAX {
                self.next_refresh = self.now.mono;
            }
        }
        self.take_all(step.received, Way::Direct);
        if step.finished {
            self.close(id);
        }
    }

    fn close(&mut self, id: SyncId) {
        self.sessions.remove(&id);
        self.outputs.push_back(Output::SyncClose { id });
    }
}

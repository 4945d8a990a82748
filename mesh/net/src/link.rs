//! The table of links: one connection a pair, whoever dialled.

use crate::hello::{Admitted, close};
use crate::limit::{
    BLOB_SERVES_PER_PEER_MAX, LINK_WINDOW_BYTES, LINKS_MAX, SIMULTANEOUS_WINDOW, STREAMS_PER_LINK_MAX,
};
use orbweave_model::NodeId;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// An admitted connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) peer: NodeId,
    pub(crate) connection: quinn::Connection,
    /// Where the peer listens.
    pub(crate) address: SocketAddr,
    /// Blobs that this peer may be served at once.
    pub(crate) blob_serves: Arc<Semaphore>,
    facts: Facts,
}

impl Link {
    pub(crate) fn new(connection: quinn::Connection, admitted: Admitted, dialler: NodeId) -> Self {
        Self {
            peer: admitted.peer,
            connection,
            address: admitted.address,
            blob_serves: Arc::new(Semaphore::new(BLOB_SERVES_PER_PEER_MAX)),
            facts: Facts { boot: admitted.boot, dialler, since: Instant::now() },
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.connection.close_reason().is_none()
    }

    /// Until now the peer was a stranger and had next to nothing.
    pub(crate) fn raise_limits(&self) {
        self.connection.set_receive_window(LINK_WINDOW_BYTES.into());
        self.connection.set_max_concurrent_bi_streams(STREAMS_PER_LINK_MAX.into());
    }

    fn is(&self, other: &Link) -> bool {
        self.connection.stable_id() == other.connection.stable_id()
    }
}

/// What the tie-break looks at.
#[derive(Debug, Clone, Copy)]
struct Facts {
    boot: u64,
    dialler: NodeId,
    since: Instant,
}

/// What becomes of a new connection when there is one already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TieBreak {
    /// Both dialled at once, and the old one wins.
    KeepOld,
    /// Both dialled at once, and the new one wins: nobody needs to know.
    Swap,
    /// The peer restarted, or gave the old one up: down, and up again.
    Replace,
}

/// Both sides decide alike, whichever connection each of them saw first: at once
/// dialled connections differ in their dialler, and the lower one's stays.
fn tie_break(old: &Facts, new: &Facts) -> TieBreak {
    let at_once = new.since.saturating_duration_since(old.since) < SIMULTANEOUS_WINDOW;
    if old.boot != new.boot || old.dialler == new.dialler || !at_once {
        TieBreak::Replace
    } else if old.dialler < new.dialler {
        TieBreak::KeepOld
    } else {
        TieBreak::Swap
    }
}

/// What an installation changed, in the order in which it is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Installed {
    /// The peer was not linked.
    Up,
    /// The peer is linked as before, over this connection.
    Swapped,
    /// The old link is gone, this is a new one.
    Replaced,
    /// This connection was closed; the peer is linked over another, or the table is full.
    Refused,
}

/// All links. Reads are cheap; whoever changes the table holds `changes` until the
/// events are sent, so that they are told in the order in which they happened.
#[derive(Debug, Default)]
pub(crate) struct Links {
    table: RwLock<BTreeMap<NodeId, Arc<Link>>>,
    pub(crate) changes: tokio::sync::Mutex<()>,
    sent_by_closed: AtomicU64,
    received_by_closed: AtomicU64,
}

impl Links {
    /// The link to a peer, if it is up.
    pub(crate) fn get(&self, peer: &NodeId) -> Option<Arc<Link>> {
        self.read().get(peer).filter(|link| link.is_alive()).cloned()
    }

    pub(crate) fn peers(&self) -> Vec<NodeId> {
        self.read().values().filter(|link| link.is_alive()).map(|link| link.peer).collect()
    }

    /// Puts a link in. The caller holds `changes`.
    pub(crate) fn install(&self, link: &Arc<Link>) -> Installed {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let verdict = match table.get(&link.peer) {
            None if table.len() >= LINKS_MAX => {
                link.connection.close(close::BUSY.into(), b"this node takes no more links");
                return Installed::Refused;
            }
            None => Installed::Up,
            Some(old) => match tie_break(&old.facts, &link.facts) {
                TieBreak::KeepOld if old.is_alive() => {
                    link.connection.close(close::SUPERSEDED.into(), b"superseded");
                    return Installed::Refused;
                }
                TieBreak::KeepOld | TieBreak::Swap => Installed::Swapped,
                TieBreak::Replace => Installed::Replaced,
            },
        };
        if let Some(old) = table.insert(link.peer, Arc::clone(link)) {
            old.connection.close(close::SUPERSEDED.into(), b"superseded");
            self.account(&old);
        }
        verdict
    }

    /// Takes a link out if it is still the one in the table. The caller holds `changes`.
    pub(crate) fn remove(&self, link: &Link) -> bool {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if !table.get(&link.peer).is_some_and(|current| current.is(link)) {
            return false;
        }
        if let Some(link) = table.remove(&link.peer) {
            self.account(&link);
        }
        true
    }

    /// UDP bytes sent and received by all links so far.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        let mut sent = self.sent_by_closed.load(Ordering::Relaxed);
        let mut received = self.received_by_closed.load(Ordering::Relaxed);
        for link in self.read().values() {
            let stats = link.connection.stats();
            sent = sent.saturating_add(stats.udp_tx.bytes);
            received = received.saturating_add(stats.udp_rx.bytes);
        }
        (sent, received)
    }

    fn account(&self, link: &Link) {
        let stats = link.connection.stats();
        self.sent_by_closed.fetch_add(stats.udp_tx.bytes, Ordering::Relaxed);
        self.received_by_closed.fetch_add(stats.udp_rx.bytes, Ordering::Relaxed);
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<NodeId, Arc<Link>>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The round-trip time as quinn measured it.
pub(crate) fn rtt(link: &Link) -> Duration {
    link.connection.rtt()
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;

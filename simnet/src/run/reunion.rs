//! What it takes until two sides of a partition that ended hold the same.

use crate::check;
use crate::cluster::Cluster;
use crate::lookup::Lookup;
use crate::network::StreamId;
use orbweave_core::io::SyncId;
use orbweave_model::Hash;
use orbweave_state::record::{Record, RecordId};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often it is looked whether both sides hold the same.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// A partition that ended, and what went across until both sides held the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reunion {
    /// When it ended, in milliseconds of the run.
    pub at_ms: u64,
    /// Records that a node of one side lacked or knew only as they were before.
    pub differing: u64,
    /// Their bytes.
    pub differing_bytes: u64,
    /// How long it took until every node held the same, from the end of the partition.
    pub equal_after_ms: Option<u64>,
    /// Reconciliations across the former cut that began meanwhile.
    pub sessions: u64,
    /// Bytes of their frames, both ways.
    pub bytes: u64,
    /// The most round trips of one of them.
    pub round_trips: f64,
    /// The most bytes of one of them, both ways.
    pub session_bytes: u64,
}

/// A partition that ended while a run goes on.
#[derive(Debug)]
pub(super) struct Measuring {
    side: BTreeSet<usize>,
    ended: Duration,
    reunion: Reunion,
    sessions: BTreeMap<StreamId, Session>,
}

#[derive(Debug, Default)]
struct Session {
    last: Option<usize>,
    turns: u32,
    bytes: u64,
}

impl Measuring {
    /// The cut around this side is about to be taken away.
    pub fn of(cluster: &Cluster, side: BTreeSet<usize>) -> Self {
        let mut newest: BTreeMap<RecordId, Record> = BTreeMap::new();
        let mut differing: BTreeSet<RecordId> = BTreeSet::new();
        let mut views = Vec::new();
        for (_, host) in cluster.up() {
            let Some(node) = host.up() else { continue };
            let mut live: Lookup<Hash, ()> = Lookup::default();
            for digest in node.digests() {
                live.get_or_insert_with(digest, || ());
            }
            let all = host.disk.all().into_iter().filter_map(|bytes| cluster.read(bytes));
            let view: BTreeMap<RecordId, Record> = all
                .filter(|record| live.get(&record.digest()).is_some())
                .map(|record| (record.id().clone(), record))
                .collect();
            for (id, record) in &view {
                match newest.get(id) {
                    Some(held) if check::order(held) >= check::order(record) => {}
                    _ => drop(newest.insert(id.clone(), record.clone())),
                }
            }
            views.push(view);
        }
        for (id, record) in &newest {
            let digest = record.digest();
            if views.iter().any(|view| view.get(id).is_none_or(|held| held.digest() != digest)) {
                differing.insert(id.clone());
            }
        }
        let bytes = |id: &RecordId| newest.get(id).map_or(0, |record| record.bytes().len() as u64);
        let reunion = Reunion {
            at_ms: cluster.time().as_millis() as u64,
            differing: differing.len() as u64,
            differing_bytes: differing.iter().map(bytes).sum(),
            equal_after_ms: None,
            sessions: 0,
            bytes: 0,
            round_trips: 0.0,
            session_bytes: 0,
        };
        Self { side, ended: cluster.time(), reunion, sessions: BTreeMap::new() }
    }

    /// A host sends a frame of a reconciliation.
    pub fn frame(&mut self, cluster: &Cluster, host: usize, id: SyncId, bytes: usize) {
        let Some(peer) = cluster.host_of(&id.peer) else { return };
        let Some(stream) = cluster.stream_of(host, id) else { return };
        // What began before the cut went on is none of it.
        let begins = id.ours || self.sessions.contains_key(&stream);
        if self.side.contains(&host) == self.side.contains(&peer) || !begins {
            return;
        }
        let session = self.sessions.entry(stream).or_default();
        session.turns += u32::from(session.last.replace(host) != Some(host));
        session.bytes += bytes as u64;
    }

    /// What was measured so far.
    pub fn reunion(&self) -> Reunion {
        let most = |of: fn(&Session) -> u64| self.sessions.values().map(of).max().unwrap_or(0);
        Reunion {
            sessions: self.sessions.len() as u64,
            bytes: self.sessions.values().map(|session| session.bytes).sum(),
            // A turn each way is a round trip.
            round_trips: most(|session| u64::from(session.turns)) as f64 / 2.0,
            session_bytes: most(|session| session.bytes),
            ..self.reunion.clone()
        }
    }

    /// What was measured, if all nodes hold the same by now.
    pub fn ended(&self, cluster: &Cluster) -> Option<Reunion> {
        check::converged(cluster).ok()?;
        let took = cluster.time().saturating_sub(self.ended);
        Some(Reunion { equal_after_ms: Some(took.as_millis() as u64), ..self.reunion() })
    }
}

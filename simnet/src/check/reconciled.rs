//! Two nodes that reconciled in order know what either of them knew before.
//!
//! A reconciliation is over in order when both sides closed it. What then is missing on
//! one side, though the other had it when the session began and has it still, was left
//! out; unless it may not be taken in there: its author's key is revoked, or that of the
//! node whose certificate it renews, it lies in the
//! future, its time is nearly over, or it is the taker's own word of a life before.
//! Sessions in which something is refused, or with somebody who lies, prove nothing;
//! those of two zones, and those that are for a part of all, are not meant.

use super::knowledge::Known;
use super::reader::{node_life, order};
use super::{Checker, Observed};
use crate::cluster::Cluster;
use orbweave_core::io::SyncId;
use orbweave_core::report::StoreVersion;
use orbweave_core::{EventKind, Output};
use orbweave_model::{Hash, Mono, PublicKey, limit, wire};
use orbweave_state::record::{Record, RecordKind};
use orbweave_state::store::NODE_RECORD_LIFE;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

/// One session is watched at a time, and the next one so long after it began.
const WATCH_EVERY: Duration = Duration::from_millis(500);
/// A session that takes longer is given up by its sides, perhaps not in order.
const GIVEN_UP: Duration = Duration::from_secs(30);
/// Records that have less time left than this may be left out.
const NEARLY_OVER: Duration = Duration::from_secs(60);
/// Of a session's number on the side that answers, these bits are the beginner's.
const NUMBER: u64 = (1 << 40) - 1;

/// What a session of all records begins with: a frame of kind 0. Others carry a part.
const HELLO: [u8; 2] = [0x82, 0];

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Reconciled {
    watched: Option<Session>,
    next_at: Mono,
    /// What each host knew when it was last looked at: most sessions find nothing new.
    looked: BTreeMap<usize, (StoreVersion, Knowledge)>,
}

/// The digests of all records that a host knows.
type Knowledge = Rc<BTreeSet<Hash>>;

/// A session under way: the one that began it, and the one that answers.
#[derive(Debug)]
struct Session {
    ends: [usize; 2],
    number: u64,
    began: Mono,
    /// What each knew when it joined in.
    knew: [Option<Knowledge>; 2],
    closed: [bool; 2],
}

impl Checker for Reconciled {
    fn name(&self) -> &'static str {
        "reconciled"
    }

    fn observe(&mut self, cluster: &Cluster, host: usize, event: &Observed<'_>) -> Result<(), String> {
        match event {
            Observed::Output(Output::Sync { id, bytes }) => {
                if bytes.starts_with(&HELLO) {
                    self.begun(cluster, host, *id);
                }
                if let Some((session, end)) = self.of(cluster, host, *id)
                    && session.knew[end].is_none()
                {
                    let known = self.known(cluster, host);
                    if let Some(session) = &mut self.watched {
                        session.knew[end] = Some(known);
                    }
                }
            }
            Observed::Output(Output::SyncClose { id }) => {
                if let Some((session, end)) = self.of(cluster, host, *id) {
                    session.closed[end] = true;
                }
            }
            Observed::Output(Output::Notify(event)) if event.kind == EventKind::RecordRefused => {
                self.watched.take_if(|session| session.ends.contains(&host));
            }
            Observed::Killed | Observed::Started | Observed::Frozen => {
                self.watched.take_if(|session| session.ends.contains(&host));
            }
            Observed::Settled => {
                self.watched.take_if(|session| cluster.time.since(session.began) > GIVEN_UP);
                if let Some(session) = self.watched.take_if(|session| session.closed == [true, true]) {
                    return self.judge(cluster, &session);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Reconciled {
    /// Watches a session from its beginning on, if it is the time for one.
    fn begun(&mut self, cluster: &Cluster, host: usize, id: SyncId) {
        let Some(peer) = cluster.host_of(&id.peer).filter(|_| id.ours) else { return };
        let ends = [host, peer];
        let zone = |end: usize| &cluster.hosts[end].options.zone;
        let lies = ends.into_iter().any(|end| cluster.is_controlled(end));
        if self.watched.is_some() || cluster.time < self.next_at || lies || zone(host) != zone(peer) {
            return;
        }
        self.next_at = cluster.time + WATCH_EVERY;
        let (began, number) = (cluster.time, id.number & NUMBER);
        self.watched = Some(Session { ends, number, began, knew: [None, None], closed: [false, false] });
    }

    /// The session that is watched, if it is this one, and which end of it the host is.
    fn of(&mut self, cluster: &Cluster, host: usize, id: SyncId) -> Option<(&mut Session, usize)> {
        let session = self.watched.as_mut()?;
        let end = usize::from(!id.ours);
        let same = session.ends[end] == host
            && cluster.host_of(&id.peer) == Some(session.ends[1 - end])
            && session.number == id.number & NUMBER;
        same.then_some((session, end))
    }
}

impl Reconciled {
    fn judge(&mut self, cluster: &Cluster, session: &Session) -> Result<(), String> {
        if session.ends.into_iter().any(|end| cluster.is_controlled(end)) {
            return Ok(());
        }
        let now = session.ends.map(|end| self.known(cluster, end));
        for (giver, taker) in [(0, 1), (1, 0)] {
            let Some(knew) = &session.knew[giver] else { continue };
            let ends = (session.ends[giver], session.ends[taker]);
            lacks_nothing(cluster, ends, knew, (&now[giver], &now[taker]))?;
        }
        Ok(())
    }

    fn known(&mut self, cluster: &Cluster, i: usize) -> Knowledge {
        let Some(node) = cluster.hosts[i].up() else { return Knowledge::default() };
        let version = node.store_version();
        match self.looked.get(&i) {
            Some((looked, known)) if *looked == version => known.clone(),
            _ => {
                let known = Knowledge::new(node.digests().collect());
                self.looked.insert(i, (version, known.clone()));
                known
            }
        }
    }
}

/// Whether one host knows what another knew before, and knows still.
fn lacks_nothing(
    cluster: &Cluster,
    (giver, taker): (usize, usize),
    before: &Knowledge,
    (still, there): (&Knowledge, &Knowledge),
) -> Result<(), String> {
    if before == there || before.iter().all(|digest| there.contains(digest) || !still.contains(digest)) {
        return Ok(());
    }
    let disk = &cluster.hosts[giver].disk;
    for record in disk.all().into_iter().filter_map(|bytes| cluster.read(bytes)) {
        let digest = record.digest();
        let left_out = before.contains(&digest) && still.contains(&digest) && !there.contains(&digest);
        if left_out && takes(cluster, taker, &record) {
            let (giver, taker) = (&cluster.hosts[giver].name, &cluster.hosts[taker].name);
            return Err(format!("{taker} lacks {record:?} after it reconciled with {giver}, which had it"));
        }
    }
    Ok(())
}

/// Whether a host would take a record in: nothing is newer there, and nothing bars it.
fn takes(cluster: &Cluster, i: usize, record: &Record) -> bool {
    let (id, host, now) = (record.id(), &cluster.hosts[i], cluster.corrected(i));
    let newest = host.disk.newest(&wire::encode(id)).and_then(|bytes| cluster.read(bytes));
    let superseded = newest.is_some_and(|newest| order(&newest) >= order(record));
    // A claim ends with the node record of its author.
    let ends = match id.kind {
        RecordKind::WORKLOAD
        | RecordKind::TRUST
        | RecordKind::CERTIFICATE
        | RecordKind::CORDON
        | RecordKind::QUOTA => None,
        RecordKind::CLAIM => {
            let of = host.disk.about(RecordKind::NODE, None).into_iter().filter_map(|b| cluster.read(b));
            let of = of.filter(|node| node.id().author == id.author);
            Some(of.map(|node| node.hlc().wall + node_life(&node)).max().unwrap_or_default())
        }
        RecordKind::NODE => Some(record.hlc().wall + node_life(record)),
        _ => Some(record.hlc().wall + NODE_RECORD_LIFE),
    };
    let over = ends.is_some_and(|end| end <= now + NEARLY_OVER);
    let early = record.hlc().wall > now + limit::CLOCK_AHEAD_MAX / 2;
    // A renewal is about the node that its key names.
    let renewed = id.key.parse::<PublicKey>().ok().filter(|_| id.kind == RecordKind::CERTIFICATE);
    let revoked = cluster.authority_at(i, Known::Heard).is_none_or(|authority| {
        authority.is_revoked(&id.author) || renewed.is_some_and(|node| authority.is_revoked(&node))
    });
    host.up().is_some() && id.author != host.id.into() && !(superseded || over || early || revoked)
}

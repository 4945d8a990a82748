//! What disks hold was really said, and stays said.
//!
//! - A record on another host's disk is signed by its author and, if the author is a
//!   host that does not lie, byte for byte one that this host made. Others' authors are
//!   keys of the mesh: operators, admission keys, roots.
//! - On no disk an older record takes the place of a newer one, or a record that of
//!   another author's.
//! - Nothing from the future is taken in: at most 30 s ahead of the host's own clock.
//! - A workload's record, deleted ones above all, a trust document or a certificate is
//!   dropped only when its author was revoked, or the node whose certificate it renews.
//! - What the node believes is what its disk holds or is about to.

use super::knowledge::Known;
use super::reader::{disk_key, node_life, order};
use super::{Checker, Observed};
use crate::cluster::Cluster;
use crate::lookup::Lookup;
use orbweave_core::Output;
use orbweave_core::io::Write;
use orbweave_model::{Hash, Mono, PublicKey, limit, wire};
use orbweave_state::record::{Record, RecordId, RecordKind};
use orbweave_state::store::NODE_RECORD_LIFE;
use orbweave_trust::{Authority, Genesis, Roles};
use std::collections::BTreeSet;
use std::time::Duration;

/// One host is compared with its disk each time that this has passed, and as much
/// happened as it has records: so that comparing costs no more than what happens.
const COMPARE_EVERY: Duration = Duration::from_millis(250);
/// Kinds that are kept for as long as their author is trusted.
const KEPT: [RecordKind; 5] =
    [RecordKind::WORKLOAD, RecordKind::TRUST, RecordKind::CERTIFICATE, RecordKind::CORDON, RecordKind::QUOTA];

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Records {
    /// Digests of what hosts made.
    made: Lookup<Hash, ()>,
    /// A host that is just starting.
    started: Option<usize>,
    compare_at: Mono,
    compared: usize,
    /// How often a node must settle before the next comparison.
    owed: usize,
}

impl Checker for Records {
    fn name(&self) -> &'static str {
        "records"
    }

    fn observe(&mut self, cluster: &Cluster, host: usize, event: &Observed<'_>) -> Result<(), String> {
        match event {
            Observed::Output(Output::Persist { writes, .. }) => {
                for (n, write) in writes.iter().enumerate() {
                    match write {
                        Write::PutRecord { key, value } => {
                            self.put(cluster, host, key, value, &writes[..n])?;
                        }
                        Write::DropRecord { key } => dropped(cluster, host, key, writes)?,
                        Write::PutSelf { .. } | Write::PutRelease { .. } => {}
                    }
                }
                Ok(())
            }
            Observed::Started => {
                self.started = Some(host);
                Ok(())
            }
            Observed::Settled if self.started == Some(host) => {
                self.started = None;
                compare(cluster, host)
            }
            Observed::Settled if self.owed > 0 || cluster.time < self.compare_at => {
                self.owed = self.owed.saturating_sub(1);
                Ok(())
            }
            Observed::Settled => {
                self.compare_at = cluster.time + COMPARE_EVERY;
                self.compared = (self.compared + 1) % cluster.hosts.len();
                let other = self.compared;
                self.owed = cluster.hosts[other].up().map_or(0, orbweave_core::Node::record_count);
                compare(cluster, other).map_err(|why| format!("{}: {why}", cluster.hosts[other].name))
            }
            _ => Ok(()),
        }
    }
}

impl Records {
    fn put(
        &mut self,
        cluster: &Cluster,
        host: usize,
        key: &[u8],
        value: &[u8],
        before: &[Write],
    ) -> Result<(), String> {
        if cluster.is_controlled(host) {
            return Ok(());
        }
        let record = cluster.read(value).ok_or("it writes down a record that nobody signed")?;
        if wire::encode(record.id()) != key {
            return Err(format!("{record:?} takes the place of another author's"));
        }
        self.genuine(cluster, host, &record)?;
        if cluster.author_of(&record) != Some(host) {
            let latest = cluster.corrected(host) + limit::CLOCK_AHEAD_MAX;
            if record.hlc().wall > latest {
                let ahead = record.hlc().wall.0 - latest.0;
                return Err(format!("{record:?} is taken in {ahead} ms before its time"));
            }
        }
        let same = |write: &Write| match write {
            Write::PutRecord { key: other, value } if other == key => Some(Some(value.clone())),
            Write::DropRecord { key: other } if other == key => Some(None),
            _ => None,
        };
        let held = match before.iter().rev().find_map(same) {
            Some(in_batch) => in_batch,
            None => cluster.hosts[host].disk.newest(key).map(<[u8]>::to_vec),
        };
        match held.and_then(|bytes| cluster.read(&bytes)) {
            Some(held) if order(&held) > order(&record) => {
                Err(format!("{record:?} takes the place of the newer {held:?}"))
            }
            _ => Ok(()),
        }
    }

    /// Whether the author of a record made it.
    fn genuine(&mut self, cluster: &Cluster, host: usize, record: &Record) -> Result<(), String> {
        let digest = record.digest();
        match cluster.author_of(record) {
            Some(author) if author == host => drop(self.made.get_or_insert_with(digest, || ())),
            Some(author) if cluster.is_controlled(author) => {}
            Some(author) => {
                let planted = || {
                    let key = wire::encode(record.id());
                    cluster.hosts[author].disk.record(&key).is_some_and(|held| held == &record.bytes()[..])
                };
                if self.made.get(&digest).is_none() && !planted() {
                    return Err(format!("{record:?} is none that its author made"));
                }
            }
            None if cluster.speaks(&record.id().author) => {}
            None => return Err(format!("{record:?} is the word of a stranger")),
        }
        Ok(())
    }
}

/// What is kept is dropped for one reason only.
fn dropped(cluster: &Cluster, host: usize, key: &[u8], writes: &[Write]) -> Result<(), String> {
    if cluster.is_controlled(host) {
        return Ok(());
    }
    let held = cluster.hosts[host].disk.newest(key).and_then(|bytes| cluster.read(bytes));
    let Some(record) = held.filter(|record| KEPT.contains(&record.id().kind)) else { return Ok(()) };
    let authority = cluster.authority_at(host, Known::Heard);
    let mut revoked = authority.is_some_and(|authority| is_revoked(&authority, record.id()));
    // The revocation itself may be in the same batch.
    revoked |= writes.iter().any(|write| match write {
        Write::PutRecord { value, .. } => {
            cluster.read(value).is_some_and(|record| record.id().kind == RecordKind::TRUST)
        }
        _ => false,
    });
    if revoked { Ok(()) } else { Err(format!("{record:?} is forgotten before its time")) }
}

/// Whether a record's author was revoked, or the node whose certificate it renews.
fn is_revoked(authority: &Authority, id: &RecordId) -> bool {
    let about = id.key.parse().is_ok_and(|key| authority.is_revoked(&key));
    authority.is_revoked(&id.author) || (id.kind == RecordKind::CERTIFICATE && about)
}

/// Whether a node holds in memory what its disk holds, or is about to.
fn compare(cluster: &Cluster, i: usize) -> Result<(), String> {
    let host = &cluster.hosts[i];
    let Some(node) = host.up().filter(|_| !cluster.is_controlled(i)) else { return Ok(()) };
    let believed: BTreeSet<Hash> = node.digests().collect();
    let (authority, now) = (cluster.authority_at(i, Known::Heard), cluster.corrected(i));
    let mut written = BTreeSet::new();
    for bytes in host.disk.all() {
        let Some(record) = cluster.read(bytes) else { continue };
        written.insert(record.digest());
        let RecordId { kind, key, author } = record.id();
        // Its own newest may still be staged, and then it believes the one before.
        let own = *author == host.id.into();
        let staged = own || host.disk.record(&disk_key(*kind, key, *author)) != Some(bytes);
        let life = if *kind == RecordKind::NODE { node_life(&record) } else { NODE_RECORD_LIFE };
        let holds = KEPT.contains(kind) || record.hlc().wall + life > now;
        let trusted = authority.as_ref().is_some_and(|a| !is_revoked(a, record.id()));
        if !staged && holds && trusted && !believed.contains(&record.digest()) {
            return Err(format!("{record:?} is on its disk, and it does not know of it"));
        }
    }
    match believed.difference(&written).next() {
        // Or what the disk did while the node stood still is yet to be told to it.
        Some(_) if host.disk.pending() > 0 || !host.backlog.is_empty() => Ok(()),
        Some(digest) => Err(format!("it believes {digest:?}, which is not on its disk")),
        None => Ok(()),
    }
}

impl Cluster {
    /// Whether a key that is no host's may say anything: an operator's, the admission
    /// key, a root's.
    fn speaks(&self, key: &PublicKey) -> bool {
        let entitled = |roles: Roles| roles.contains(Roles::OPERATE) || roles.contains(Roles::ADMIT);
        Genesis::verify(&self.world.genesis, None, &*self.check).is_ok_and(|(_, genesis)| {
            genesis.roots.contains(key) || genesis.grants.iter().any(|g| g.key == *key && entitled(g.roles))
        })
    }
}

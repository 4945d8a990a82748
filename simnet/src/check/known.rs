//! What people said is known at the end: nodes that all forgot it agree as well.

use super::knowledge::Known;
use crate::cluster::Cluster;
use orbweave_core::WorkloadSpec;
use orbweave_state::record::{Record, RecordId, RecordKind};
use orbweave_trust::{Release, RollbackGuard};
use std::collections::BTreeMap;

/// What people said last about each thing is held in the island in which they said it; but
/// what a node refused for a reason that still holds. `words` are the host at which they
/// handed it in, and the number of the command.
pub fn known(cluster: &Cluster, words: &BTreeMap<RecordId, (usize, u64)>) -> Result<(), String> {
    for (id, (host, command)) in words {
        let said = &cluster.hosts[*host];
        let Some(record) = said.submission(*command).and_then(|bytes| cluster.read(bytes)) else { continue };
        match said.replies.get(command) {
            None => return Err(format!("{} has not answered to {record:?}", said.name)),
            Some(Err(_)) if deserves_refusal(cluster, *host, &record) => continue,
            Some(Err(why)) => return Err(format!("{} refuses {record:?}: {why}", said.name)),
            Some(Ok(())) => {}
        }
        let mut there = cluster.on_land_in(cluster.island_of[*host]);
        let Some((first, node)) = there.find_map(|(_, host)| Some((host, host.up()?))) else { continue };
        let held = node.records().find(|held| held.id() == id);
        if held.is_none_or(|held| held.digest() != record.digest()) {
            return Err(format!("{} holds {held:?}, and {record:?} was said last", first.name));
        }
    }
    Ok(())
}

/// Whether a record wants a release that may not run.
fn deserves_refusal(cluster: &Cluster, host: usize, record: &Record) -> bool {
    let Ok(spec) = WorkloadSpec::decode(record.body()) else { return false };
    let Some(authority) = cluster.authority_at(host, Known::Heard) else { return false };
    let (guard, now) = (RollbackGuard::new(), cluster.corrected(host));
    record.id().kind == RecordKind::WORKLOAD
        && Release::verify(&spec.release, &authority, &guard, now, &*cluster.check).is_err()
}

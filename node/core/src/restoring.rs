//! What a node knew before it was restarted: the records of its disk.

use crate::body::NodeBody;
use crate::io::Write;
use crate::node::Node;
use crate::records::order;
use crate::workload::WorkloadSpec;
use orbweave_model::plant::{self, Plant};
use orbweave_model::{MeshId, PublicKey, wire};
use orbweave_state::record::{Opener, Record, RecordKind, Scope};
use orbweave_state::store::Merge;
use orbweave_trust::Authority;
use std::collections::BTreeSet;

/// The readable records of the disk, trust first. A byte that rotted costs its
/// record, which reconciliation brings again.
pub(crate) fn restore(
    envelopes: &[Vec<u8>],
    mesh: MeshId,
    authority: &mut Authority,
    check: &dyn Opener,
) -> Vec<Record> {
    let mut records: Vec<Record> =
        envelopes.iter().filter_map(|bytes| Record::open(bytes, mesh, check).ok()).collect();
    records.sort_by_key(|r| order(r.id().kind));
    for record in records.iter().filter(|r| r.id().kind == RecordKind::TRUST) {
        let _ = authority.apply(record.body(), check);
    }
    records
}

impl Node {
    /// Takes the disk's records in. They were admitted before, so that an expiry
    /// since then does not count; a revocation does.
    pub(crate) fn load(&mut self, records: Vec<Record>) {
        for key in self.authority.revoked().copied().collect::<Vec<_>>() {
            self.store.bar(key);
        }
        let is_workload = |r: &Record| r.id().kind == RecordKind::WORKLOAD;
        let (workloads, others): (Vec<_>, Vec<_>) = records.into_iter().partition(is_workload);
        // What was said in a zone that this node was moved away from is not for this one.
        let moved: BTreeSet<PublicKey> = others
            .iter()
            .filter(|r| r.id().kind == RecordKind::NODE && r.id().author != self.me.into())
            .filter(|r| NodeBody::of(r).is_ok_and(|body| body.info.zone != self.info.zone))
            .map(|r| r.id().author)
            .collect();
        // Claims before workloads: whoever held a part admitted the release before.
        for record in others.into_iter().chain(workloads) {
            if moved.contains(&record.id().author) && record.id().kind.scope() == Scope::Zone {
                self.writes.push(Write::DropRecord { key: wire::encode(record.id()) });
                continue;
            }
            if plant::on(Plant::DeletionForgotten)
                && WorkloadSpec::decode(record.body()).is_ok_and(|spec| spec.deleted)
            {
                continue;
            }
            if let Merge::Applied { .. } = self.store.merge(record.clone()) {
                self.index(&record);
            }
        }
    }
}

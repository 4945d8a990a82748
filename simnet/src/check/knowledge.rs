//! What a host knows, by what is on its disk or on its way there.

use super::reader::disk_key;
use crate::cluster::Cluster;
use orbweave_core::WorkloadSpec;
use orbweave_core::allotment::Allotment;
use orbweave_core::claim::Claim;
use orbweave_core::cordon::{Cordon, Service};
use orbweave_core::summary::{Office, Summary};
use orbweave_model::{NodeId, Wall};
use orbweave_scheduler::rivals::Phase;
use orbweave_state::record::{Record, RecordKind};
use orbweave_trust::{Authority, Genesis, Roles};
use std::collections::{BTreeMap, BTreeSet};

/// Which of its records a host goes by. What people hand in counts for a node once it is
/// durable, and what peers send as soon as it is on its way to the disk: seen from
/// outside, a node may go by either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Durable,
    Heard,
}

impl Cluster {
    pub(super) fn known_at(&self, i: usize, known: Known, kind: RecordKind, key: Option<&str>) -> Vec<&[u8]> {
        match known {
            Known::Durable => self.hosts[i].disk.durable_about(kind, key),
            Known::Heard => self.hosts[i].disk.about(kind, key),
        }
    }

    /// What others said, as a host knows, and what it said itself, by which it goes only once
    /// it is durable.
    fn said_at(&self, i: usize, known: Known, kind: RecordKind, key: Option<&str>) -> Vec<Record> {
        let mine = |record: &Record| record.id().author == self.hosts[i].id.into();
        let read =
            |bytes: Vec<&[u8]>| bytes.into_iter().filter_map(|bytes| self.read(bytes)).collect::<Vec<_>>();
        let mut records = read(self.known_at(i, known, kind, key));
        records.retain(|record| !mine(record));
        records.extend(read(self.known_at(i, Known::Durable, kind, key)).into_iter().filter(mine));
        records
    }

    /// Who may do what, as a host has heard.
    pub(super) fn authority_at(&self, i: usize, known: Known) -> Option<Authority> {
        let (mesh, genesis) = Genesis::verify(&self.world.genesis, None, &*self.check).ok()?;
        let mut authority = Authority::new(mesh, genesis);
        for bytes in self.known_at(i, known, RecordKind::TRUST, None) {
            if let Some(record) = self.read(bytes) {
                let _ = authority.apply(record.body(), &*self.check);
            }
        }
        Some(authority)
    }

    /// The specification of a workload that holds for a host, with as many replicas as its
    /// quota covers.
    pub(super) fn desired_at(
        &self,
        i: usize,
        known: Known,
        name: &str,
        authority: &Authority,
    ) -> Option<WorkloadSpec> {
        let (spec, _) = self.asked_at(i, known, name, authority)?;
        let replicas = self.covered_at(i, known, name, &spec, authority);
        Some(WorkloadSpec { replicas, ..spec })
    }

    /// The specification of a workload that people asked for, and when: the highest
    /// generation, then reading, then author, of those that may operate.
    pub(super) fn asked_at(
        &self,
        i: usize,
        known: Known,
        name: &str,
        authority: &Authority,
    ) -> Option<(WorkloadSpec, Wall)> {
        let records = self.known_at(i, known, RecordKind::WORKLOAD, Some(name)).into_iter();
        let entitled = records
            .filter_map(|bytes| self.read(bytes))
            .filter(|record| authority.was_entrusted(&record.id().author, Roles::OPERATE));
        let specs = entitled.filter_map(|record| {
            let spec = WorkloadSpec::decode(record.body()).ok()?;
            Some((spec.generation, record.hlc(), record.id().author, spec))
        });
        let last = specs.max_by_key(|(generation, hlc, author, _)| (*generation, *hlc, *author));
        last.map(|(_, hlc, _, spec)| (spec, hlc.wall))
    }

    /// Whether a node is a place for work, as a host has heard: the highest generation,
    /// then reading, then author, of those that may operate.
    pub(super) fn service_at(&self, i: usize, known: Known, node: NodeId, authority: &Authority) -> Service {
        let key = node.to_string();
        let records = self.known_at(i, known, RecordKind::CORDON, Some(&key)).into_iter();
        let said = records
            .filter_map(|bytes| self.read(bytes))
            .filter(|record| authority.was_entrusted(&record.id().author, Roles::OPERATE))
            .filter_map(|r| Some((Cordon::decode(r.body()).ok()?, r.hlc(), r.id().author)));
        let last = said.max_by_key(|(cordon, hlc, author)| (cordon.generation, *hlc, *author));
        last.map_or(Service::Open, |(cordon, ..)| cordon.service)
    }

    /// The workloads of which a node claims something, other than to drain it, as a host knows.
    pub(super) fn held_at(&self, i: usize, known: Known, node: NodeId) -> Vec<String> {
        let records = self.known_at(i, known, RecordKind::CLAIM, None).into_iter();
        let claims = records.filter_map(|bytes| {
            let record = self.read(bytes)?;
            let claim = Claim::decode(record.body()).ok()?;
            let holds = claim.ranges.iter().any(|range| range.phase != Phase::Draining);
            (NodeId::from(record.id().author) == node && holds).then(|| record.id().key.clone())
        });
        claims.collect()
    }

    /// What others claim of a workload, as a host knows.
    pub(super) fn rivals_at(&self, i: usize, known: Known, name: &str) -> Vec<(NodeId, Claim)> {
        let records = self.known_at(i, known, RecordKind::CLAIM, Some(name)).into_iter();
        let claims = records.filter_map(|bytes| {
            let record = self.read(bytes)?;
            Some((NodeId::from(record.id().author), Claim::decode(record.body()).ok()?))
        });
        claims.filter(|(holder, _)| *holder != self.hosts[i].id).collect()
    }

    /// What leaders say that other zones hold of a workload, or other parts of a host's own,
    /// as far as it goes by their word.
    pub(super) fn allotted_elsewhere(&self, i: usize, known: Known, name: &str) -> Vec<(NodeId, Allotment)> {
        let voice = self.hosts[i].node.as_ref().and_then(|node| node.voice());
        let mut allotted = self.allotted(i, known, name);
        allotted.retain(|(leader, _)| Some(*leader) != voice);
        allotted
    }

    /// What leaders say that zones hold of a workload, as far as a host goes by their word.
    pub(super) fn allotted(&self, i: usize, known: Known, name: &str) -> Vec<(NodeId, Allotment)> {
        let counted = self.leaders_at(i, known);
        let records = self.said_at(i, known, RecordKind::ALLOTMENT, Some(name)).into_iter();
        let allotments = records.filter_map(|record| {
            Some((NodeId::from(record.id().author), Allotment::decode(record.body()).ok()?))
        });
        allotments.filter(|(leader, _)| counted.contains(leader)).collect()
    }

    /// What anybody ever said that a zone holds of a workload, as a host knows.
    pub(super) fn allotted_to(&self, i: usize, zone: &str, name: &str) -> Vec<Claim> {
        let records = self.known_at(i, Known::Heard, RecordKind::ALLOTMENT, Some(name)).into_iter();
        let allotments = records.filter_map(|bytes| Allotment::decode(self.read(bytes)?.body()).ok());
        allotments.filter(|allotment| allotment.zone == zone).map(|allotment| allotment.claim).collect()
    }

    /// The leaders by whose word a host goes: its voice, whoever leads another part of its
    /// zone, and those of other zones that its voice does not call gone.
    pub(super) fn leaders_at(&self, i: usize, known: Known) -> BTreeSet<NodeId> {
        let voice = self.hosts[i].node.as_ref().and_then(|node| node.voice());
        let records = self.said_at(i, known, RecordKind::SUMMARY, None).into_iter();
        let summaries: BTreeMap<NodeId, Summary> = records
            .filter_map(|record| {
                Some((NodeId::from(record.id().author), Summary::decode(record.body()).ok()?))
            })
            .collect();
        let word = voice.and_then(|voice| summaries.get(&voice));
        let zone = &self.hosts[i].options.zone;
        let counts = |(leader, summary): &(&NodeId, &Summary)| {
            let own = summary.zone == *zone;
            let named =
                |list: fn(&Summary) -> &[NodeId]| word.is_some_and(|word| list(word).contains(leader));
            summary.office == Office::Leader
                && if own { voice == Some(**leader) || named(|w| &w.apart) } else { !named(|w| &w.gone) }
        };
        summaries.iter().filter(counts).map(|(leader, _)| *leader).collect()
    }

    /// What a host's own disk says that it claims of a workload: what would be left of
    /// it if the power went now.
    pub(super) fn durable_claim(&self, i: usize, name: &str) -> Option<Claim> {
        let key = disk_key(RecordKind::CLAIM, name, self.hosts[i].id.into());
        let record = self.read(self.hosts[i].disk.record(&key)?)?;
        Claim::decode(record.body()).ok()
    }

    /// What a host said last that it claims of a workload, durable or not.
    pub(super) fn last_claim(&self, i: usize, name: &str) -> Option<Claim> {
        let key = disk_key(RecordKind::CLAIM, name, self.hosts[i].id.into());
        let record = self.read(self.hosts[i].disk.newest(&key)?)?;
        Claim::decode(record.body()).ok()
    }

    /// A host's wall clock, as its node corrects it.
    pub(super) fn corrected(&self, i: usize) -> Wall {
        let wall = self.hosts[i].now(self.time).wall;
        self.hosts[i].node.as_ref().map_or(wall, |node| node.corrected(wall))
    }
}

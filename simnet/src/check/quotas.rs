//! How many replicas of a workload its namespace's quota covers, by what a host knows: the
//! same question that nodes answer, asked of the records alone, one replica at a time.

use super::knowledge::Known;
use crate::cluster::Cluster;
use orbweave_core::WorkloadSpec;
use orbweave_core::quota::Quota;
use orbweave_model::{Namespace, Resources, Wall};
use orbweave_state::record::RecordKind;
use orbweave_trust::{Authority, Roles};
use std::collections::BTreeSet;

/// One more replica of a workload: since when it is asked for, of which, and what it takes.
type Asked = (Wall, String, u32, Resources);

impl Cluster {
    /// What an admission key said of a namespace: the highest generation, then reading,
    /// then author.
    fn quota_at(&self, i: usize, known: Known, of: &Namespace, authority: &Authority) -> Option<Quota> {
        let records = self.known_at(i, known, RecordKind::QUOTA, Some(of.as_str())).into_iter();
        let said = records
            .filter_map(|bytes| self.read(bytes))
            .filter(|record| authority.was_entrusted(&record.id().author, Roles::ADMIT))
            .filter_map(|r| Some((Quota::decode(r.body()).ok()?, r.hlc(), r.id().author)));
        said.max_by_key(|(quota, hlc, author)| (quota.generation, *hlc, *author)).map(|(quota, ..)| quota)
    }

    /// How many replicas of a workload its quota covers.
    pub(super) fn covered_at(
        &self,
        i: usize,
        known: Known,
        name: &str,
        spec: &WorkloadSpec,
        authority: &Authority,
    ) -> u32 {
        let namespace = spec.namespace();
        let Some(quota) = self.quota_at(i, known, &namespace, authority) else { return spec.replicas };
        let names: BTreeSet<String> = self
            .known_at(i, known, RecordKind::WORKLOAD, None)
            .into_iter()
            .filter_map(|bytes| Some(self.read(bytes)?.id().key.clone()))
            .collect();
        let mut asked: Vec<Asked> = Vec::new();
        for other in names {
            let Some((spec, said)) = self.asked_at(i, known, &other, authority) else { continue };
            if spec.deleted || spec.namespace() != namespace {
                continue;
            }
            let each = Resources { instances: spec.need.instances.max(1), ..spec.need };
            for slot in 0..spec.replicas {
                let steps = spec.growth.iter().flatten();
                let step = steps.into_iter().find(|step| slot < step.replicas);
                let since = step.map_or(said, |step| step.since.min(said));
                asked.push((since, other.clone(), slot, each));
            }
        }
        asked.sort_by(|a, b| (a.0, &a.1, a.2).cmp(&(b.0, &b.1, b.2)));
        let mut used = [0u64; 4];
        let bounds = [
            quota.bounds.cpu_milli,
            quota.bounds.memory_bytes,
            quota.bounds.instances,
            quota.bounds.accelerator_milli,
        ];
        let mut covered = 0;
        for (_, of, _, each) in asked {
            let each = [
                u64::from(each.cpu_milli),
                each.memory_bytes,
                u64::from(each.instances),
                u64::from(each.accelerator_milli),
            ];
            let with = |k: usize| used[k].saturating_add(each[k]);
            if (0..4).all(|k| each[k] == 0 || bounds[k].is_none_or(|most| with(k) <= most)) {
                used = [0, 1, 2, 3].map(with);
                covered += u32::from(of == name);
            }
        }
        covered
    }
}

//! Hosts that are killed to see who learns of it, and when.

use super::measure::Quantiles;
use crate::cluster::Cluster;
use orbweave_model::{Mono, NodeId, WorkloadName};
use orbweave_scheduler::rank;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Of so many of a hundred nodes it is said when they knew.
const NEARLY_ALL_PERCENT: usize = 99;
/// What counts for those who never learned of a death.
const NEVER: Duration = Duration::MAX;

/// All deaths of a run that are measured.
#[derive(Debug, Default)]
pub(super) struct Deaths(Vec<Death>);

#[derive(Debug)]
struct Death {
    victim: NodeId,
    at: Mono,
    /// Who places first in its stead.
    placers: BTreeSet<NodeId>,
    others: usize,
    /// When each other one learned of it.
    learned: BTreeMap<NodeId, Duration>,
}

impl Deaths {
    /// A host is about to be killed: notes who shall learn of it.
    pub fn of(&mut self, cluster: &Cluster, victim: usize) {
        // Others of its zone alone know it.
        let zone = &cluster.hosts[victim].options.zone;
        let there = cluster.up_in(cluster.island_of[victim]);
        let others = there.filter(|(i, host)| *i != victim && host.options.zone == *zone);
        let others: Vec<NodeId> = others.map(|(_, host)| host.id).collect();
        let slots: BTreeSet<(WorkloadName, u32)> =
            cluster.hosts[victim].instances.values().map(|x| (x.workload.clone(), x.slot)).collect();
        let first = |(workload, slot): &(WorkloadName, u32)| {
            rank::placers(workload.as_str(), *slot, others.iter().copied(), 1).into_iter().next()
        };
        self.0.push(Death {
            victim: cluster.hosts[victim].id,
            at: Mono(0) + cluster.time(),
            placers: slots.iter().filter_map(first).collect(),
            others: others.len(),
            learned: BTreeMap::new(),
        });
    }

    /// Somebody holds a host for dead.
    pub fn learned(&mut self, who: NodeId, about: NodeId, now: Mono) {
        if let Some(death) = self.0.iter_mut().rfind(|death| death.victim == about) {
            death.learned.entry(who).or_insert_with(|| now.since(death.at));
        }
    }

    /// Milliseconds from a death until the first placer of each slot knew.
    pub fn first_placer(&self) -> Quantiles {
        let of = |death: &Death| -> Vec<Duration> {
            death.placers.iter().map(|placer| death.learned.get(placer).copied().unwrap_or(NEVER)).collect()
        };
        Quantiles::of(self.0.iter().flat_map(of).map(millis).collect())
    }

    /// Milliseconds from a death until 99 of 100 others knew.
    pub fn nearly_all(&self) -> Quantiles {
        Quantiles::of(self.0.iter().map(|death| millis(death.known_to_nearly_all())).collect())
    }
}

impl Death {
    fn known_to_nearly_all(&self) -> Duration {
        let mut times: Vec<Duration> = self.learned.values().copied().collect();
        times.sort_unstable();
        let enough = (self.others * NEARLY_ALL_PERCENT).div_ceil(100);
        enough.checked_sub(1).and_then(|last| times.get(last)).copied().unwrap_or(NEVER)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

//! Since when nothing was wrong: some things are promised only while the surroundings
//! behave.

use super::Observed;
use crate::cluster::Cluster;
use orbweave_model::Mono;
use std::collections::BTreeSet;
use std::time::Duration;

/// When the surroundings last misbehaved.
#[derive(Debug, Default)]
pub struct Calm {
    links: Mono,
    weather: Mono,
    any: Mono,
    hosts: Vec<Mono>,
    frozen: BTreeSet<usize>,
}

impl Calm {
    pub(super) fn observe(&mut self, cluster: &Cluster, host: usize, event: &Observed<'_>) {
        let now = cluster.time;
        if !cluster.links.is_whole() {
            (self.links, self.any) = (now, now);
        }
        if cluster.links.weather != Default::default() {
            (self.weather, self.any) = (now, now);
        }
        if !self.frozen.is_empty() {
            self.any = now;
        }
        let moves = match event {
            Observed::Frozen => self.frozen.insert(host),
            Observed::Thawed | Observed::Killed | Observed::Started => {
                self.frozen.remove(&host);
                true
            }
            // What a person changes moves work too.
            Observed::Submitted { .. } => {
                self.any = now;
                false
            }
            Observed::Leaving => true,
            _ => false,
        };
        if moves {
            self.hosts.resize(cluster.hosts.len(), Mono::default());
            (self.hosts[host], self.any) = (now, now);
        }
    }
}

impl Cluster {
    /// Says that something goes wrong now of which no event tells: a slow disk, a clock
    /// that jumps, an executor that fails.
    pub fn disturb(&mut self) {
        self.calm.any = self.time;
    }

    /// How long nothing at all went wrong: no host started, stopped or stood still, no
    /// link was cut, and none had more than its usual losses.
    pub fn calm_for(&self) -> Duration {
        self.time.since(self.calm.any)
    }

    /// How long no link was cut. Losses count as nothing.
    pub(crate) fn linked_for(&self) -> Duration {
        self.time.since(self.calm.links)
    }

    /// How long links had no more than their usual losses.
    pub(crate) fn fair_for(&self) -> Duration {
        self.time.since(self.calm.weather)
    }

    /// How long a host has run without a break.
    pub(crate) fn steady_for(&self, i: usize) -> Duration {
        let host = &self.hosts[i];
        let since = self.calm.hosts.get(i).copied().unwrap_or_default();
        if host.is_up() { self.time.since(since) } else { Duration::ZERO }
    }
}

//! What a mesh promises, over seeds.

mod adversaries;
mod checkers;
mod convergence;
mod crash;
mod hostile;
mod placement;
mod quotas;
mod rebalancing;
mod rollouts;
mod trust;
mod versions;
mod zones;

use orbweave_simnet::{Cluster, Faults};
use std::time::Duration;

pub(crate) const fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// A mesh that is whole and runs `app` with so many replicas.
pub(crate) fn running(count: usize, replicas: u32, seed: u64, faults: Faults) -> Cluster {
    let mut cluster = Cluster::of(count, seed, faults);
    cluster.expect(secs(60), orbweave_simnet::check::members_agree);
    let spec = cluster.spec("app", replicas);
    let id = cluster.submit(seed as usize % count, "app", &spec);
    cluster.expect(secs(90), |c| orbweave_simnet::check::placed(c, "app", replicas));
    assert_eq!(cluster.hosts[seed as usize % count].replies.get(&id), Some(&Ok(())));
    cluster
}

/// Nothing that must hold at every moment was broken.
pub(crate) fn unbroken(cluster: &Cluster) {
    assert!(cluster.violations().is_empty(), "{:#?}\n{}", cluster.violations(), cluster.story(40));
}

//! A namespace has no more than its quota covers, and nobody takes another's turn.

use crate::{running, secs, unbroken};
use orbweave_core::WorkloadSpec;
use orbweave_core::quota::Quota;
use orbweave_model::Namespace;
use orbweave_scheduler::quota::Bounds;
use orbweave_simnet::{Cluster, Faults, check};
use std::time::Duration;

fn set(cluster: &mut Cluster, i: usize, generation: u64, instances: Option<u64>) {
    let quota = Quota { generation, bounds: Bounds { instances, ..Bounds::default() } };
    let record = cluster.world.quota(&Namespace::default(), &quota, cluster.wall());
    cluster.submit_record(i, record);
}

/// Slots of a workload that executors run, in order.
fn running_slots(cluster: &Cluster, name: &str) -> Vec<u32> {
    let instances = cluster.up().flat_map(|(_, host)| host.instances.values());
    let of_it = instances.filter(|instance| instance.running && instance.workload.as_str() == name);
    let mut slots: Vec<u32> = of_it.map(|instance| instance.slot).collect();
    slots.sort_unstable();
    slots
}

fn exactly(cluster: &Cluster, name: &str, slots: u32) -> Result<(), String> {
    let runs = running_slots(cluster, name);
    let all = runs.iter().copied().eq(0..slots);
    if all { Ok(()) } else { Err(format!("{name} runs in slots {runs:?}, not in the first {slots}")) }
}

/// Hands a workload in as people do, who take their turn.
fn hand_in(cluster: &mut Cluster, i: usize, name: &str, last: &mut Option<WorkloadSpec>, replicas: u32) {
    let mut spec = WorkloadSpec { replicas, ..last.clone().unwrap_or_else(|| cluster.spec(name, replicas)) };
    let now = cluster.wall();
    spec.generation = last.as_ref().map_or(1, |last| last.generation + 1);
    spec.grow_from(last.as_ref().map(|last| (last, now)), now);
    cluster.submit(i, name, &spec);
    *last = Some(spec);
}

#[test]
fn a_quota_covers_the_first_replicas_and_gives_the_rest_when_it_may() {
    for seed in 0..4 {
        let mut cluster = running(5, 4, seed, Faults::default());
        set(&mut cluster, 1, 1, Some(2));
        cluster.expect(secs(30), |c| exactly(c, "app", 2));
        // What nobody may run, nobody starts, whoever of the others is gone.
        let holder = cluster.up().find(|(_, host)| !host.instances.is_empty()).map(|(i, _)| i).unwrap();
        cluster.kill(holder);
        cluster.expect(secs(30), |c| exactly(c, "app", 2));
        cluster.start(holder);
        set(&mut cluster, 2, 2, None);
        cluster.expect(secs(60), |c| check::healthy(c, "app", 4));
        unbroken(&cluster);
    }
}

#[test]
fn growth_takes_nothing_from_others_and_waits_for_its_turn() {
    let mut cluster = Cluster::of(5, 7, Faults::default());
    cluster.expect(secs(60), check::members_agree);
    set(&mut cluster, 0, 1, Some(6));
    let (mut one, mut other) = (None, None);
    let pause = Duration::from_secs(2);
    hand_in(&mut cluster, 0, "one", &mut one, 2);
    cluster.run(pause);
    hand_in(&mut cluster, 3, "other", &mut other, 3);
    cluster.expect(secs(60), |c| exactly(c, "one", 2).and(exactly(c, "other", 3)));
    hand_in(&mut cluster, 1, "one", &mut one, 5);
    cluster.expect(secs(30), |c| exactly(c, "one", 3));
    hand_in(&mut cluster, 2, "other", &mut other, 4);
    cluster.run(secs(20));
    exactly(&cluster, "one", 3).and(exactly(&cluster, "other", 3)).unwrap();
    // Others took their turn before: what is given back is theirs first.
    hand_in(&mut cluster, 4, "other", &mut other, 2);
    cluster.expect(secs(30), |c| exactly(c, "one", 4).and(exactly(c, "other", 2)));
    unbroken(&cluster);
}

#[test]
fn two_sides_that_knew_of_different_quotas_come_to_one() {
    for seed in 0..4 {
        let mut cluster = running(6, 4, seed, Faults::default());
        cluster.partition(&[0, 1, 2]);
        cluster.run(secs(5));
        set(&mut cluster, 0, 1, Some(1));
        cluster.run(secs(1));
        set(&mut cluster, 5, 2, Some(3));
        cluster.run(secs(40));
        cluster.heal();
        cluster.expect(secs(120), |c| exactly(c, "app", 3));
        unbroken(&cluster);
    }
}

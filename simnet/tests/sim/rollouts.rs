//! A change reaches every slot, and goes back only for a reason.

use crate::{running, secs, unbroken};
use orbweave_core::WorkloadSpec;
use orbweave_core::workload::{Revision, Rollout};
use orbweave_model::PublicKey;
use orbweave_simnet::{Cluster, Faults, check};
use std::time::Duration;

const SETTLE: Duration = secs(5);

/// What runs after `before`, one slot at a time; `env` makes it another revision.
fn next(before: &WorkloadSpec, env: &str) -> WorkloadSpec {
    let mut spec = WorkloadSpec { generation: before.generation + 1, ..before.clone() };
    spec.env.insert(env.into(), "yes".into());
    spec.rollout = Some(Rollout {
        max_unavailable: 1,
        settle_ms: SETTLE.as_millis() as u64,
        paused: false,
        previous: Some(before.revision()),
        attempt: None,
    });
    spec
}

/// The generation that each slot runs, as the first host that is up sees it.
fn generations(cluster: &Cluster) -> Vec<Option<u64>> {
    let name = "app".parse().unwrap();
    let (_, host) = cluster.up().next().unwrap();
    host.up().unwrap().slots(&name).into_iter().map(|slot| slot.generation).collect()
}

fn all_run(cluster: &Cluster, replicas: u32, generation: u64) -> Result<(), String> {
    check::placed(cluster, "app", replicas)?;
    let generations = generations(cluster);
    let all = generations.iter().all(|g| *g == Some(generation));
    if all { Ok(()) } else { Err(format!("{generations:?}, not {generation}")) }
}

fn over(cluster: &Cluster) -> Result<(), String> {
    let name = "app".parse().unwrap();
    let over = cluster.up().all(|(_, h)| h.up().unwrap().progress(&name).is_some_and(|p| p.is_over));
    if over { Ok(()) } else { Err("it is not over everywhere".into()) }
}

/// A mesh that rolled generation 2 out, and the specification of that.
fn rolled(seed: u64) -> (Cluster, WorkloadSpec) {
    let mut cluster = running(5, 4, seed, Faults::default());
    let spec = next(&cluster.spec("app", 4), "SECOND");
    cluster.submit(1, "app", &spec);
    let took = cluster.expect(secs(90), over);
    assert!(took >= SETTLE * 4, "one at a time, each settled: {took:?}");
    all_run(&cluster, 4, 2).unwrap();
    (cluster, spec)
}

#[test]
fn what_settled_everywhere_stays_over_restarts_failovers_and_more_replicas() {
    for seed in 0..6 {
        let (mut cluster, spec) = rolled(seed);
        // Twice in a row, within the time that an instance takes to settle.
        for _ in 0..2 {
            (0..5).for_each(|i| cluster.kill(i));
            (0..5).for_each(|i| cluster.start(i));
            cluster.run(secs(2));
        }
        cluster.expect(secs(60), |c| all_run(c, 4, 2));
        cluster.kill(seed as usize % 5);
        cluster.expect(secs(30), |c| check::placed(c, "app", 4));
        all_run(&cluster, 4, 2).unwrap();
        let more = WorkloadSpec { generation: 3, replicas: 9, ..spec };
        let entry = (seed as usize + 1) % 5;
        cluster.submit(entry, "app", &more);
        cluster.expect(secs(60), |c| check::placed(c, "app", 9));
        all_run(&cluster, 9, 3).expect("what begins anew begins with what is proven");
        unbroken(&cluster);
    }
}

#[test]
fn what_does_not_come_up_is_taken_back_and_can_be_tried_once_more() {
    for seed in 0..6 {
        let mut cluster = running(5, 4, seed, Faults::default());
        let before = cluster.spec("app", 4);
        (0..5).for_each(|i| cluster.hosts[i].options.broken = true);
        let mut spec = next(&before, "SECOND");
        cluster.submit(1, "app", &spec);
        let name = "app".parse().unwrap();
        let failed = |c: &Cluster| {
            let failed =
                c.up().all(|(_, h)| h.up().unwrap().progress(&name).is_some_and(|p| p.failed.is_some()));
            if failed { Ok(()) } else { Err("somebody does not know that it failed".into()) }
        };
        cluster.expect(secs(60), failed);
        // Whoever saw it goes, and nobody forgets.
        cluster.kill(seed as usize % 5);
        cluster.run(secs(30));
        (0..5).for_each(|i| cluster.hosts[i].options.broken = false);
        cluster.start(seed as usize % 5);
        cluster.expect(secs(60), |c| all_run(c, 4, 1));
        cluster.run(secs(60));
        all_run(&cluster, 4, 1).expect("it does not begin again by itself");
        spec.generation = 3;
        spec.rollout.as_mut().unwrap().attempt = Some(1);
        cluster.submit(2, "app", &spec);
        cluster.expect(secs(120), over);
        all_run(&cluster, 4, 3).unwrap();
        unbroken(&cluster);
    }
}

#[test]
fn a_revision_before_that_nobody_may_run_holds_nothing_up() {
    for seed in 0..4 {
        let mut cluster = Cluster::of(5, seed, Faults::default());
        cluster.expect(secs(60), check::members_agree);
        let mut before = cluster.spec("app", 3);
        before.release = cluster.world.release_of("app", 1, 1_000, true);
        cluster.submit(0, "app", &before);
        cluster.expect(secs(60), |c| check::placed(c, "app", 3));
        let publisher: PublicKey = cluster.world.second_publisher_key();
        let revocation = cluster.world.revocation(publisher, cluster.wall());
        cluster.submit_record(1, revocation);
        cluster.run(secs(20));
        let mut spec = next(&before, "SECOND");
        spec.release = cluster.world.release_of("app", 2, 1_000, false);
        cluster.submit(2, "app", &spec);
        cluster.expect(secs(60), |c| all_run(c, 3, 2));
        unbroken(&cluster);
    }
}

#[test]
fn what_is_neither_new_nor_old_goes_on_until_its_turn() {
    for seed in 0..4 {
        let mut cluster = running(5, 4, seed, Faults::default());
        let first = cluster.spec("app", 4);
        let second = next(&first, "SECOND");
        cluster.submit(1, "app", &second);
        // In the middle of it comes the third, which could go back to the first alone.
        cluster.run(SETTLE * 2);
        let middle = generations(&cluster);
        assert!(middle.contains(&Some(2)) && middle.contains(&Some(1)), "{middle:?}");
        let mut third = next(&second, "THIRD");
        let previous: Revision = first.revision();
        third.rollout.as_mut().unwrap().previous = Some(previous);
        let started = |c: &Cluster| c.hosts.iter().map(|h| h.started.len()).sum::<usize>();
        let before = started(&cluster);
        cluster.submit(2, "app", &third);
        cluster.expect(secs(120), |c| all_run(c, 4, 3));
        assert_eq!(started(&cluster) - before, 4, "each slot began anew once");
        unbroken(&cluster);
    }
}

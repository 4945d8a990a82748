//! Every slot has one holder, whatever happens to nodes and links.

use crate::{running, secs, unbroken};
use orbweave_model::Resources;
use orbweave_scheduler::rivals::Reconcile;
use orbweave_simnet::{Cluster, Faults, HostOptions, check};
use std::time::Duration;

fn holders(cluster: &Cluster) -> Vec<usize> {
    cluster.up().filter(|(_, h)| h.instances.values().any(|i| i.running)).map(|(i, _)| i).collect()
}

fn starts(cluster: &Cluster, of: &[usize]) -> Vec<usize> {
    of.iter().map(|&i| cluster.hosts[i].started.len()).collect()
}

#[test]
fn a_killed_holder_is_replaced_within_ten_seconds() {
    let mut slowest = Duration::ZERO;
    for seed in 0..16 {
        let mut cluster = running(5, 3, seed, Faults::default());
        cluster.run(Duration::from_millis(137 * seed));
        let victim = holders(&cluster)[seed as usize % 3];
        let healthy: Vec<usize> = holders(&cluster).into_iter().filter(|&i| i != victim).collect();
        let before = starts(&cluster, &healthy);
        cluster.kill(victim);
        let took = cluster.expect(secs(10), |c| check::placed(c, "app", 3));
        slowest = slowest.max(took);
        cluster.run(secs(30));
        assert_eq!(starts(&cluster, &healthy), before, "a healthy replica was started anew");
        cluster.start(victim);
        cluster.expect(secs(60), |c| check::healthy(c, "app", 3));
        unbroken(&cluster);
    }
    println!("a killed holder was replaced after {slowest:?} at the latest");
}

#[test]
fn of_three_nodes_two_may_die_and_the_third_holds_all() {
    let mut slowest = Duration::ZERO;
    for seed in 0..12 {
        let mut cluster = running(3, 3, seed, Faults::default());
        let survivor = seed as usize % 3;
        for victim in (0..3).filter(|&i| i != survivor) {
            cluster.kill(victim);
            cluster.run(Duration::from_millis(400 * (seed / 3)));
        }
        slowest = slowest.max(cluster.expect(secs(30), |c| check::placed(c, "app", 3)));
        assert_eq!(cluster.hosts[survivor].instances.len(), 3);
        for i in 0..3 {
            cluster.start(i);
        }
        cluster.expect(secs(90), |c| check::healthy(c, "app", 3));
        unbroken(&cluster);
    }
    println!("the survivor held all after {slowest:?} at the latest");
}

#[test]
fn a_frozen_holder_that_thaws_leaves_exactly_as_many_replicas_and_restarts_no_healthy_one() {
    for seed in 0..16 {
        let faults = if seed % 4 == 3 { Faults::default().without_gossip() } else { Faults::default() };
        let mut cluster = running(5, 3, seed, faults);
        cluster.run(Duration::from_millis(311 * seed));
        let victim = holders(&cluster)[seed as usize % 3];
        let healthy: Vec<usize> = holders(&cluster).into_iter().filter(|&i| i != victim).collect();
        let before = starts(&cluster, &healthy);
        cluster.freeze(victim);
        cluster.run([secs(1), secs(4), secs(15), secs(120), secs(1_200)][seed as usize % 5]);
        cluster.thaw(victim);
        cluster.expect(secs(60), |c| check::healthy(c, "app", 3));
        cluster.run(secs(60));
        cluster.expect(secs(10), |c| check::healthy(c, "app", 3));
        assert_eq!(starts(&cluster, &healthy), before, "seed {seed}: a healthy replica was started anew");
        unbroken(&cluster);
    }
}

#[test]
fn rival_claims_after_a_partition_have_the_same_keeper_everywhere() {
    for seed in 0..18 {
        let rule = [Reconcile::KeepNewest, Reconcile::KeepOriginal, Reconcile::BestScore][seed as usize % 3];
        let faults = if seed % 2 == 0 { Faults::default() } else { Faults::rough() };
        let mut cluster = Cluster::of(6, seed, faults);
        cluster.expect(secs(60), check::members_agree);
        let mut spec = cluster.spec("app", 4);
        spec.reconcile = Some(rule);
        cluster.submit(0, "app", &spec);
        cluster.expect(secs(60), |c| check::placed(c, "app", 4));
        let before = holders(&cluster);
        let side: &[usize] = [&[0, 1][..], &[0, 1, 2], &[5]][(seed / 3) as usize % 3];
        cluster.partition(side);
        cluster.run(secs(60));
        // Each side has all replicas while it is on its own.
        let slots: u32 = cluster.hosts.iter().map(|h| h.instances.len() as u32).sum();
        assert!(slots > 4, "seed {seed}: no side filled up: {}", cluster.story(40));
        cluster.heal();
        cluster.expect(secs(150), |c| check::healthy(c, "app", 4));
        if rule == Reconcile::KeepOriginal {
            assert_eq!(holders(&cluster), before, "seed {seed}: an original gave way");
        }
        unbroken(&cluster);
    }
}

#[test]
fn a_link_that_works_in_one_direction_only_leaves_one_holder_a_slot() {
    for seed in 0..6 {
        let mut cluster = running(5, 3, seed, Faults::default());
        let victim = holders(&cluster)[0];
        for other in (0..5).filter(|&i| i != victim) {
            if seed % 2 == 0 { cluster.cut(victim, other) } else { cluster.cut(other, victim) }
        }
        cluster.run(secs(45));
        cluster.heal();
        cluster.expect(secs(120), |c| check::healthy(c, "app", 3));
        unbroken(&cluster);
    }
}

#[test]
fn random_faults_end_in_one_holder_a_slot_and_nothing_more() {
    for seed in 0..16 {
        let faults = if seed % 3 == 2 { Faults::rough().without_gossip() } else { Faults::rough() };
        let mut cluster = running(6, 4, seed, faults);
        let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut roll = |n: u64| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice % n
        };
        for _ in 0..12 {
            let i = roll(6) as usize;
            match roll(7) {
                0 => cluster.kill(i),
                1 => cluster.start(i),
                2 => cluster.freeze(i),
                3 => cluster.thaw(i),
                4 => cluster.partition(&[i, (i + 1) % 6]),
                5 => cluster.heal(),
                _ => cluster.cut(i, (i + 3) % 6),
            }
            cluster.run(Duration::from_millis(200 + roll(9_000)));
        }
        cluster.heal();
        for i in 0..6 {
            cluster.thaw(i);
            cluster.start(i);
        }
        cluster.expect(secs(180), |c| check::healthy(c, "app", 4));
        unbroken(&cluster);
    }
}

#[test]
fn a_workload_is_scaled_and_changed_in_place() {
    let mut cluster = running(4, 2, 1, Faults::default());
    let mut spec = cluster.spec("app", 4);
    spec.generation = 2;
    cluster.submit(2, "app", &spec);
    cluster.expect(secs(30), |c| check::healthy(c, "app", 4));
    let started: usize = cluster.hosts.iter().map(|h| h.started.len()).sum();
    assert_eq!(started, 4, "scaling restarts nobody");
    spec.generation = 3;
    spec.env.insert("KEY".into(), "value".into());
    cluster.submit(3, "app", &spec);
    cluster.expect(secs(30), |c| {
        let started: usize = c.hosts.iter().map(|h| h.started.len()).sum();
        if started == 8 { check::healthy(c, "app", 4) } else { Err(format!("{started} starts")) }
    });
    spec.generation = 4;
    spec.replicas = 1;
    cluster.submit(0, "app", &spec);
    cluster.expect(secs(30), |c| check::healthy(c, "app", 1));
    unbroken(&cluster);
}

#[test]
fn a_replica_that_ends_by_itself_is_started_again_also_while_its_successor_starts() {
    for seed in 0..8 {
        let mut cluster = running(3, 2, seed, Faults::default());
        let holder = holders(&cluster)[0];
        cluster.fail_instances(holder, "app");
        cluster.expect(secs(30), |c| check::placed(c, "app", 2));
        let mut spec = cluster.spec("app", 2);
        spec.generation = 2;
        spec.env.insert("KEY".into(), "value".into());
        let holder = holders(&cluster)[0];
        cluster.submit(holder, "app", &spec);
        cluster.run(Duration::from_millis(25 + 10 * seed));
        cluster.fail_instances(holder, "app");
        cluster.expect(secs(30), |c| check::healthy(c, "app", 2));
        unbroken(&cluster);
    }
}

#[test]
fn in_a_zone_of_forty_every_datagram_can_be_read() {
    let mut cluster = running(40, 20, 1, Faults::default());
    cluster.kill(7);
    cluster.kill(8);
    cluster.run(secs(10));
    cluster.start(7);
    cluster.expect(secs(60), |c| check::placed(c, "app", 20));
    unbroken(&cluster);
}

#[test]
fn a_node_on_which_it_fails_gives_the_slot_to_another() {
    let mut hosts = vec![HostOptions::default(); 3];
    hosts[1].broken = true;
    let mut cluster = Cluster::with(hosts, 5, Faults::default());
    cluster.expect(secs(30), check::members_agree);
    let spec = cluster.spec("app", 3);
    cluster.submit(0, "app", &spec);
    cluster.expect(secs(120), |c| check::placed(c, "app", 3));
    assert!(cluster.hosts[1].instances.is_empty());
}

#[test]
fn a_full_node_takes_nothing_and_the_slot_goes_elsewhere() {
    let mut hosts = vec![HostOptions::default(); 4];
    hosts[0].capacity = Resources { cpu_milli: 50, ..hosts[0].capacity };
    hosts[1].capacity = Resources { instances: 1, ..hosts[1].capacity };
    let mut cluster = Cluster::with(hosts, 6, Faults::rough());
    cluster.expect(secs(60), check::members_agree);
    let spec = cluster.spec("app", 9);
    cluster.submit(1, "app", &spec);
    cluster.expect(secs(120), |c| check::placed(c, "app", 9));
    assert!(cluster.hosts[0].instances.is_empty() && cluster.hosts[1].instances.len() <= 1);
    unbroken(&cluster);
}

#[test]
fn a_host_takes_nothing_on_in_the_room_of_what_still_drains() {
    for seed in 0..4 {
        let mut host = HostOptions::default();
        host.capacity.cpu_milli = 100;
        let mut cluster = Cluster::with(vec![host], seed, Faults::default());
        cluster.run(secs(5));
        let (app, next) = (cluster.spec("app", 1), cluster.spec("next", 1));
        cluster.submit(0, "app", &app);
        cluster.expect(secs(10), |c| check::placed(c, "app", 1));
        cluster.submit(0, "next", &next);
        cluster.run(secs(15));
        cluster.submit(0, "app", &orbweave_core::WorkloadSpec::deletion(2));
        cluster.expect(secs(20), |c| check::placed(c, "next", 1));
        unbroken(&cluster);
    }
}

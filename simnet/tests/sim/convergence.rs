//! Records and views become equal, whatever happens to messages.

use crate::{running, secs, unbroken};
use orbweave_simnet::{Cluster, Faults, HostOptions, check};
use std::time::Duration;

#[test]
fn nodes_converge_although_messages_are_lost_doubled_and_reordered() {
    for seed in 0..12 {
        let gossip = seed % 2 == 0;
        let faults = if gossip { Faults::rough() } else { Faults::rough().without_gossip() };
        let mut cluster = Cluster::of(5, seed, faults);
        cluster.run(Duration::from_millis(2_500 * (seed % 4)));
        for (i, (name, replicas)) in [("one", 1), ("two", 3), ("three", 5)].into_iter().enumerate() {
            let spec = cluster.spec(name, replicas);
            cluster.submit((seed as usize + i) % 5, name, &spec);
            cluster.run(Duration::from_millis(300));
        }
        cluster.expect(secs(120), |c| {
            check::placed(c, "one", 1)?;
            check::placed(c, "two", 3)?;
            check::healthy(c, "three", 5)
        });
        unbroken(&cluster);
    }
}

#[test]
fn without_gossip_rumours_let_five_nodes_converge_within_5_seconds_and_fail_over_within_8() {
    let mut slowest = [Duration::ZERO; 2];
    for seed in 0..10 {
        let mut cluster = running(5, 3, seed, Faults::default().without_gossip());
        let spec = cluster.spec("late", 2);
        cluster.submit(1, "late", &spec);
        let took = cluster.expect(secs(5), |c| {
            check::placed(c, "late", 2)?;
            check::healthy(c, "app", 3)
        });
        slowest[0] = slowest[0].max(took);
        let victim = cluster.up().find(|(_, h)| !h.instances.is_empty()).expect("someone runs it").0;
        cluster.kill(victim);
        slowest[1] = slowest[1].max(cluster.expect(secs(8), |c| check::placed(c, "app", 3)));
        unbroken(&cluster);
    }
    println!("without gossip: converged after {:?}, failed over after {:?}", slowest[0], slowest[1]);
}

#[test]
fn the_same_seed_gives_the_same_outputs_byte_for_byte() {
    let trace = |seed| {
        let mut cluster = running(5, 3, seed, Faults::rough());
        cluster.freeze(2);
        cluster.run(secs(5));
        cluster.thaw(2);
        cluster.partition(&[0, 1]);
        cluster.run(secs(20));
        cluster.heal();
        cluster.restart(3, secs(2));
        cluster.run(secs(60));
        cluster.trace()
    };
    for seed in 0..2 {
        assert_eq!(trace(seed), trace(seed));
    }
    assert_ne!(trace(0), trace(1));
}

#[test]
fn a_deleted_workload_stays_deleted_for_a_node_that_slept_through_it() {
    for seed in 0..6 {
        let mut cluster = running(5, 5, seed, Faults::rough());
        let asleep = (seed as usize + 2) % 5;
        if seed % 2 == 0 {
            cluster.freeze(asleep)
        } else {
            cluster.kill(asleep)
        }
        cluster.run(secs(20));
        cluster.submit((asleep + 1) % 5, "app", &orbweave_core::WorkloadSpec::deletion(2));
        cluster.expect(secs(90), |c| check::gone(c, "app"));
        cluster.run(secs(60 + 600 * (seed % 3)));
        if seed % 2 == 0 {
            cluster.thaw(asleep)
        } else {
            cluster.start(asleep)
        }
        cluster.expect(secs(90), |c| check::gone(c, "app").and_then(|()| check::converged(c)));
        cluster.run(secs(60));
        assert_eq!(check::gone(&cluster, "app"), Ok(()));
        unbroken(&cluster);
    }
}

#[test]
fn a_record_from_the_future_waits_until_its_time_has_come() {
    let mut cluster = Cluster::of(3, 1, Faults::default());
    cluster.expect(secs(30), check::members_agree);
    let at = cluster.wall() + secs(100);
    let record = cluster.world.record("app", &cluster.spec("app", 1), at);
    let id = cluster.submit_record(0, record.clone());
    cluster.run(secs(1));
    assert!(
        cluster.hosts[0].replies[&id].as_ref().is_err_and(|why| why.contains("ahead of this node's clock"))
    );
    cluster.feed(1, orbweave_core::Input::Gossip { bytes: record });
    cluster.run(secs(60));
    let known = |c: &Cluster, i: usize| c.hosts[i].up().is_some_and(|n| !n.workloads().is_empty());
    assert!(!(0..3).any(|i| known(&cluster, i)));
    let took = cluster.until(secs(60), |c| (0..3).all(|i| known(c, i))).expect("it is taken in");
    assert!(took >= secs(8), "{took:?}");
}

#[test]
fn a_node_whose_clock_says_1970_works() {
    for (count, broken) in [(5, 1), (5, 0), (2, 1), (2, 0), (3, 2)] {
        let mut hosts = vec![HostOptions::default(); count];
        hosts[broken].clock.skew_ms = -1_800_000_000_000;
        let mut cluster = Cluster::with(hosts, 3, Faults::default());
        cluster.expect(secs(90), check::members_agree);
        let spec = cluster.spec("app", count as u32);
        cluster.submit((broken + 1) % count, "app", &spec);
        cluster.expect(secs(90), |c| check::healthy(c, "app", count as u32));
        cluster.restart(broken, secs(3));
        cluster.expect(secs(90), |c| check::healthy(c, "app", count as u32));
        // Somebody sets the clock, and sets it back: years must not be added twice.
        for skew in [0, -1_800_000_000_000, 0] {
            cluster.hosts[broken].options.clock.skew_ms = skew;
            cluster.run(secs(40));
            assert_eq!(check::placed(&cluster, "app", count as u32), Ok(()), "{}", cluster.story(50));
        }
        cluster.restart(broken, secs(3));
        cluster.expect(secs(90), |c| check::healthy(c, "app", count as u32));
        cluster.hosts[broken].options.clock.skew_ms = -1_800_000_000_000;
        // Node records live a quarter of an hour: its own must not look old.
        cluster.run(secs(3_000));
        assert_eq!(check::placed(&cluster, "app", count as u32), Ok(()), "{}", cluster.story(50));
        unbroken(&cluster);
    }
}

//! Several zones of one mesh: what is placed where, and what becomes of it when zones are
//! cut off, lose their gateways, or fall apart.

use crate::{secs, unbroken};
use orbweave_core::zone::ZoneState;
use orbweave_simnet::check::{self, healthy, members_agree, placed};
use orbweave_simnet::{Cluster, Faults, HostOptions};
use std::collections::BTreeMap;

/// So many zones of so many nodes each, in turn.
fn zones(zones: usize, each: usize, seed: u64, faults: Faults) -> Cluster {
    let options = |i: usize| HostOptions { zone: format!("zone-{}", i % zones), ..HostOptions::default() };
    Cluster::with((0..zones * each).map(options).collect(), seed, faults)
}

fn running(count: usize, each: usize, replicas: u32, seed: u64, faults: Faults) -> Cluster {
    let mut cluster = zones(count, each, seed, faults);
    cluster.expect(secs(90), members_agree);
    let spec = cluster.spec("app", replicas);
    let entry = seed as usize % cluster.hosts.len();
    cluster.submit(entry, "app", &spec);
    cluster.expect(secs(120), |c| healthy(c, "app", replicas));
    cluster
}

fn of_zone(cluster: &Cluster, zone: &str) -> Vec<usize> {
    (0..cluster.hosts.len()).filter(|i| cluster.hosts[*i].options.zone == zone).collect()
}

/// Replicas that run, by zone.
fn shares(cluster: &Cluster) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for (_, host) in cluster.up() {
        *shares.entry(host.options.zone.clone()).or_default() +=
            host.instances.values().filter(|instance| instance.running).count();
    }
    shares
}

/// The gateways of a zone, as a node of it sees them.
fn gateways(cluster: &Cluster, zone: &str) -> Vec<usize> {
    let (_, host) = cluster.on_land_of(0, zone).next().unwrap();
    let own = host.up().unwrap().zones().into_iter().find(|z| z.own).unwrap();
    own.gateways.iter().filter_map(|id| cluster.host_of(id)).collect()
}

fn cut(cluster: &mut Cluster, side: &[usize], others: &[usize]) {
    for (a, b) in side.iter().flat_map(|a| others.iter().map(move |b| (*a, *b))) {
        cluster.cut(a, b);
        cluster.cut(b, a);
    }
}

fn state_of(cluster: &Cluster, at: usize, zone: &str) -> ZoneState {
    let zones = cluster.hosts[at].up().unwrap().zones();
    zones.into_iter().find(|z| z.name == zone).unwrap().state
}

#[test]
fn replicas_are_spread_over_zones_and_all_agree_on_them() {
    for seed in 0..4 {
        for faults in [Faults::default(), Faults::default().without_gossip()] {
            let mut cluster = running(3, 5, 9, seed, faults);
            assert!(shares(&cluster).values().all(|n| *n == 3), "{:?}", shares(&cluster));
            // Nothing moves any more.
            let started = |c: &Cluster| c.hosts.iter().map(|host| host.started.len()).sum::<usize>();
            let before = started(&cluster);
            cluster.run(secs(120));
            assert_eq!(started(&cluster), before);
            unbroken(&cluster);
        }
    }
}

#[test]
fn a_zone_that_is_lost_is_taken_over_and_given_its_share_no_more() {
    for seed in 0..4 {
        let mut cluster = running(3, 5, 9, seed, Faults::default());
        for i in of_zone(&cluster, "zone-2") {
            cluster.kill(i);
        }
        let took = cluster.expect(secs(60), |c| placed(c, "app", 9));
        assert!(took > secs(10), "before the zone's grace was over: {took:?}");
        let witness = of_zone(&cluster, "zone-0")[0];
        assert_eq!(state_of(&cluster, witness, "zone-2"), ZoneState::Lost);
        for i in of_zone(&cluster, "zone-2") {
            cluster.start(i);
        }
        cluster.expect(secs(240), |c| healthy(c, "app", 9));
        unbroken(&cluster);
    }
}

#[test]
fn a_zone_that_loses_all_its_gateways_goes_on_with_others() {
    for seed in 0..4 {
        let mut cluster = running(3, 7, 9, seed, Faults::default());
        // Whoever stood in for them in the beginning has left office.
        cluster.until(secs(60), |c| gateways(c, "zone-1").len() == 3).expect("three gateways");
        let lost = gateways(&cluster, "zone-1");
        let held: usize = lost.iter().map(|i| cluster.hosts[*i].instances.len()).sum();
        let before: usize = cluster.hosts.iter().map(|host| host.started.len()).sum();
        for i in lost {
            cluster.kill(i);
        }
        cluster.expect(secs(60), |c| placed(c, "app", 9));
        assert_eq!(shares(&cluster)["zone-1"], 3, "the zone keeps what was its own");
        let after: usize = cluster.hosts.iter().map(|host| host.started.len()).sum();
        assert_eq!(after - before, held, "nothing else moved");
        cluster.expect(secs(120), members_agree);
        unbroken(&cluster);
    }
}

#[test]
fn a_leader_that_dies_splits_no_zone_and_does_not_go_on_where_it_left_off() {
    for seed in 0..4 {
        let mut cluster = running(2, 6, 6, seed, Faults::default());
        cluster.expect(secs(120), members_agree);
        let voice = |c: &Cluster, i: usize| c.hosts[i].up().and_then(|node| node.voice());
        let all = of_zone(&cluster, "zone-1");
        let leader = all.iter().copied().find(|i| voice(&cluster, *i) == Some(cluster.hosts[*i].id)).unwrap();
        let others: Vec<usize> = all.into_iter().filter(|i| *i != leader).collect();
        let elsewhere = of_zone(&cluster, "zone-0")[0];
        cluster.kill(leader);
        let is_whole = |c: &Cluster| state_of(c, elsewhere, "zone-1") == ZoneState::Alive;
        for _ in 0..240 {
            cluster.run(std::time::Duration::from_millis(250));
            assert!(is_whole(&cluster), "seed {seed}: {}", cluster.story(40));
        }
        let next = voice(&cluster, others[0]).filter(|next| *next != cluster.hosts[leader].id);
        assert!(next.is_some(), "seed {seed}: another one leads");
        cluster.expect(secs(60), |c| placed(c, "app", 6));
        cluster.start(leader);
        // Its word of before is still known to all, and holds no more.
        for _ in 0..240 {
            cluster.run(std::time::Duration::from_millis(250));
            assert!(is_whole(&cluster), "seed {seed}: {}", cluster.story(40));
            assert_eq!(voice(&cluster, others[0]), next, "seed {seed}");
        }
        cluster.expect(secs(60), |c| placed(c, "app", 6));
        unbroken(&cluster);
    }
}

#[test]
fn zones_that_were_cut_off_from_one_another_agree_again_when_the_cut_heals() {
    for seed in 0..4 {
        let mut cluster = running(2, 5, 6, seed, Faults::default());
        let (one, other) = (of_zone(&cluster, "zone-0"), of_zone(&cluster, "zone-1"));
        cut(&mut cluster, &one, &other);
        cluster.run(secs(90));
        // Each goes on, and runs what the other held.
        assert!(shares(&cluster).values().all(|n| *n == 6), "{:?}", shares(&cluster));
        cluster.heal();
        cluster.expect(secs(240), |c| healthy(c, "app", 6));
        unbroken(&cluster);
    }
}

#[test]
fn a_zone_that_splits_is_seen_as_split_and_runs_nothing_twice_for_long() {
    for seed in 0..4 {
        let mut cluster = running(2, 8, 8, seed, Faults::default());
        let all = of_zone(&cluster, "zone-0");
        let (half, rest) = all.split_at(4);
        cut(&mut cluster, half, rest);
        let witness = of_zone(&cluster, "zone-1")[0];
        cluster.until(secs(120), |c| state_of(c, witness, "zone-0") == ZoneState::Split).unwrap_or_else(
            || {
                panic!("nobody saw it\n{}", cluster.story(60));
            },
        );
        let runs = |c: &Cluster| c.up().map(|(_, host)| host.instances.len()).sum::<usize>();
        let settled = cluster.until(secs(120), |c| runs(c) == 8);
        assert!(settled.is_some(), "{} run\n{}", runs(&cluster), cluster.story(60));
        cluster.heal();
        cluster.expect(secs(240), |c| healthy(c, "app", 8));
        unbroken(&cluster);
    }
}

#[test]
fn a_workload_goes_where_its_labels_are_and_leaves_a_zone_that_has_no_place() {
    let options = |i: usize| {
        let label = if i.is_multiple_of(2) { "tier=edge" } else { "tier=cloud" };
        let labels = [label.parse().unwrap()].into_iter().collect();
        HostOptions { zone: format!("zone-{}", i % 2), labels, ..HostOptions::default() }
    };
    let mut cluster = Cluster::with((0..8).map(options).collect(), 1, Faults::default());
    cluster.expect(secs(90), members_agree);
    let mut spec = cluster.spec("app", 3);
    spec.requires = "tier=cloud".parse().unwrap();
    cluster.submit(0, "app", &spec);
    cluster.expect(secs(60), |c| healthy(c, "app", 3));
    assert_eq!(shares(&cluster)["zone-1"], 3);
    // Changed so that nothing of it may stay where it is.
    spec.requires = "tier=edge".parse().unwrap();
    spec.generation += 1;
    cluster.submit(1, "app", &spec);
    cluster.expect(secs(120), |c| match shares(c)["zone-0"] {
        3 => healthy(c, "app", 3),
        other => Err(format!("{other} of 3 run there")),
    });
    unbroken(&cluster);
}

#[test]
fn what_one_zone_says_is_known_in_all_within_seconds() {
    for seed in 0..4 {
        let mut cluster = zones(4, 6, seed, Faults::default());
        cluster.expect(secs(90), members_agree);
        let spec = cluster.spec("app", 4);
        cluster.submit(0, "app", &spec);
        let name = "app".parse().unwrap();
        let known = |c: &Cluster| c.up().all(|(_, host)| host.up().is_some_and(|node| node.wants(&name)));
        let took = cluster.until(secs(30), known).expect("known everywhere");
        assert!(took < secs(5), "{took:?}");
        cluster.expect(secs(60), |c| check::healthy(c, "app", 4));
        unbroken(&cluster);
    }
}

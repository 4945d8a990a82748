//! A node that joins receives its share, and no slot moves twice.

use crate::{secs, unbroken};
use orbweave_core::Input;
use orbweave_core::cordon::{Cordon, Service};
use orbweave_simnet::adversary::{Liar, Lie};
use orbweave_simnet::dice::Dice;
use orbweave_simnet::{Cluster, Faults, check};
use std::collections::BTreeMap;

/// Slots that run on a host.
fn runs(cluster: &Cluster, i: usize) -> usize {
    cluster.hosts[i].instances.values().filter(|instance| instance.running).count()
}

/// So many hosts, the last so many of which are off, and three workloads of so many replicas.
fn without_the_last(off: usize, count: usize, replicas: u32, seed: u64) -> Cluster {
    let mut cluster = Cluster::of(count, seed, Faults::default());
    cluster.expect(secs(60), check::members_agree);
    (count - off..count).for_each(|last| cluster.kill(last));
    cluster.expect(secs(60), check::members_agree);
    for name in ["one", "two", "three"] {
        let spec = cluster.spec(name, replicas);
        cluster.submit(0, name, &spec);
    }
    cluster.expect(secs(90), |c| whole(c, replicas));
    // Nothing is handed over so soon after it was placed, and nobody is a newcomer any more.
    cluster.run(secs(150));
    cluster
}

fn whole(cluster: &Cluster, replicas: u32) -> Result<(), String> {
    ["one", "two", "three"].iter().try_for_each(|name| check::healthy(cluster, name, replicas))
}

#[test]
fn a_node_that_joins_receives_its_share_within_a_minute_and_no_slot_moves_twice() {
    for seed in 0..5 {
        let mut cluster = without_the_last(1, 6, 10, seed);
        let before: Vec<usize> = cluster.hosts.iter().map(|host| host.started.len()).collect();
        cluster.boot(5);
        let took = cluster.until(secs(60), |c| runs(c, 5) >= 5).expect("it holds its share");
        cluster.expect(secs(10), |c| whole(c, 10));
        cluster.run(secs(180));
        cluster.expect(secs(10), |c| whole(c, 10));
        assert_eq!(runs(&cluster, 5), 5, "{took:?} {}", cluster.story(60));
        // Of all that moved nothing moved on, and nobody else started anything.
        let mut moved: BTreeMap<(String, u32), usize> = BTreeMap::new();
        for (host, before) in cluster.hosts.iter().zip(&before).take(5) {
            assert_eq!(host.started.len(), *before, "{} {}", host.name, cluster.story(60));
        }
        for (_, workload, slot) in cluster.hosts[5].started.iter().skip(before[5]) {
            *moved.entry((workload.to_string(), *slot)).or_default() += 1;
        }
        assert!(moved.len() == 5 && moved.values().all(|times| *times == 1), "{moved:?}");
        unbroken(&cluster);
    }
}

#[test]
fn a_newcomer_that_takes_nothing_does_not_stand_before_another() {
    for lie in [Lie::OnlyAnswersProbes, Lie::AdmitsEverything] {
        let mut cluster = without_the_last(2, 7, 10, 1);
        cluster.admit_adversary(Box::new(Liar::new(Dice::new(1), 6, lie)));
        cluster.boot(5);
        cluster.boot(6);
        let took = cluster.until(secs(115), |c| runs(c, 5) >= 4);
        assert!(took.is_some(), "{lie:?}: {} slots {}", runs(&cluster, 5), cluster.story(60));
        unbroken(&cluster);
    }
}

#[test]
fn who_was_missed_for_a_moment_is_no_newcomer() {
    let mut cluster = without_the_last(1, 6, 10, 2);
    let cordoned = |c: &mut Cluster, generation, service| {
        let bytes = c.world.cordon(c.hosts[5].id, &Cordon { generation, service }, c.wall());
        c.feed(0, Input::Gossip { bytes });
    };
    cordoned(&mut cluster, 1, Service::Cordoned);
    cluster.boot(5);
    cluster.run(secs(200));
    cordoned(&mut cluster, 2, Service::Open);
    cluster.run(secs(30));
    assert_eq!(runs(&cluster, 5), 0);
    // Each in turn hears nothing of it for a moment: whoever watches it has its doubts.
    for other in 0..5 {
        cluster.cut(5, other);
        cluster.run(secs(4));
        cluster.mend(5, other);
    }
    let story = cluster.story(100);
    assert!(story.contains("node-5 missed its probes") && !story.contains("MemberDown: node-5"), "{story}");
    cluster.run(secs(150));
    assert_eq!(runs(&cluster, 5), 0, "{}", cluster.story(100));
    unbroken(&cluster);
}

#[test]
fn a_node_that_comes_and_goes_waits_longer_each_time() {
    let mut cluster = without_the_last(1, 6, 10, 3);
    cluster.boot(5);
    cluster.expect(secs(60), |c| if runs(c, 5) == 5 { Ok(()) } else { Err("not yet".into()) });
    cluster.kill(5);
    cluster.expect(secs(60), |c| whole(c, 10));
    cluster.run(secs(60));
    cluster.boot(5);
    cluster.run(secs(55));
    assert_eq!(runs(&cluster, 5), 0, "{}", cluster.story(60));
    let took = cluster.until(secs(60), |c| runs(c, 5) == 5);
    assert!(took.is_some(), "{}", cluster.story(60));
    unbroken(&cluster);
}

#[test]
fn what_keeps_its_original_stays() {
    use orbweave_scheduler::rivals::Reconcile;
    let mut cluster = Cluster::of(4, 7, Faults::default());
    cluster.expect(secs(60), check::members_agree);
    cluster.kill(3);
    cluster.expect(secs(60), check::members_agree);
    let mut spec = cluster.spec("app", 12);
    spec.reconcile = Some(Reconcile::KeepOriginal);
    cluster.submit(0, "app", &spec);
    cluster.expect(secs(90), |c| check::healthy(c, "app", 12));
    cluster.run(secs(150));
    cluster.boot(3);
    cluster.run(secs(150));
    assert_eq!(runs(&cluster, 3), 0);
    cluster.expect(secs(10), |c| check::healthy(c, "app", 12));
    unbroken(&cluster);
}

#[test]
fn where_all_hold_their_share_nothing_moves() {
    let mut cluster = Cluster::of(4, 9, Faults::default());
    cluster.expect(secs(60), check::members_agree);
    let spec = cluster.spec("app", 4);
    cluster.submit(0, "app", &spec);
    cluster.expect(secs(90), |c| check::healthy(c, "app", 4));
    let before: usize = cluster.hosts.iter().map(|host| host.started.len()).sum();
    cluster.run(secs(300));
    let after: usize = cluster.hosts.iter().map(|host| host.started.len()).sum();
    assert_eq!(before, after, "{}", cluster.story(60));
    unbroken(&cluster);
}

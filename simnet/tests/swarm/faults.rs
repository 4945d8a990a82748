//! Single faults do what they say.

use orbweave_simnet::schedule::{Action, Kind};
use orbweave_simnet::{Cluster, FaultOptions, Faults, Schedule, check};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn running(seed: u64) -> Cluster {
    let mut cluster = Cluster::of(4, seed, Faults::default());
    cluster.expect(Duration::from_secs(60), check::members_agree);
    let spec = cluster.spec("app", 2);
    cluster.submit(0, "app", &spec);
    cluster.expect(Duration::from_secs(60), |c| check::placed(c, "app", 2));
    cluster
}

#[test]
fn a_node_whose_disk_is_full_stops_and_comes_back_when_there_is_room() {
    let mut cluster = running(1);
    cluster.hosts[1].disk_full = true;
    // Whatever it writes next ends it.
    let spec = cluster.spec("other", 1);
    let command = cluster.submit(1, "other", &spec);
    cluster.run(Duration::from_secs(5));
    assert!(cluster.hosts[1].node.is_none());
    assert!(!cluster.hosts[1].replies.contains_key(&command), "it promised what it could not write");
    cluster.expect(Duration::from_secs(60), |c| check::healthy(c, "app", 2));
    cluster.hosts[1].disk_full = false;
    cluster.boot(1);
    cluster.expect(Duration::from_secs(120), |c| check::healthy(c, "app", 2));
    assert!(cluster.violations().is_empty(), "{:#?}", cluster.violations());
}

#[test]
fn batches_that_wait_for_a_slow_disk_share_a_transaction() {
    let mut cluster = running(3);
    let slow = Duration::from_secs(2);
    cluster.hosts[1].slow_disk = Some(slow);
    let spec = cluster.spec("other", 0);
    let mut commands = Vec::new();
    for n in 0..100 {
        commands.push(cluster.submit(1, &format!("other-{n}"), &spec));
        cluster.run(Duration::from_millis(100));
    }
    // The last waits for the transaction under way, and for its own.
    let answered = |c: &Cluster| commands.iter().all(|id| c.hosts[1].replies.contains_key(id));
    assert!(cluster.until(slow * 2, answered).is_some(), "{} batches wait", cluster.hosts[1].disk.pending());
    assert!(cluster.violations().is_empty(), "{:#?}", cluster.violations());
}

#[test]
fn a_link_that_was_cut_twice_is_whole_after_the_second_mend() {
    let mut cluster = running(2);
    let alone = |cluster: &Cluster| (1..4).all(|i| !cluster.connected(0, i));
    cluster.partition(&[0]);
    cluster.partition(&[0, 1]);
    for other in 1..4 {
        cluster.mend(0, other);
        cluster.mend(other, 0);
    }
    cluster.run(Duration::from_secs(90));
    assert!(cluster.connected(0, 1) && !cluster.connected(0, 2), "one of two cuts is left");
    assert!(!alone(&cluster));
    for (a, b) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
        cluster.mend(a, b);
        cluster.mend(b, a);
    }
    cluster.expect(Duration::from_secs(120), |c| check::healthy(c, "app", 2));
}

#[test]
fn every_kind_of_fault_is_drawn_in_at_least_a_twentieth_of_the_seeds() {
    const SEEDS: usize = 300;
    let mut seen: BTreeMap<Kind, usize> = BTreeMap::new();
    for seed in 0..SEEDS as u64 {
        let drawn = Schedule::draw(seed, 20, &FaultOptions::default());
        let mut kinds: BTreeSet<Kind> = drawn.events.iter().filter_map(|event| event.part_of).collect();
        if !drawn.links.gossip {
            kinds.insert(Kind::GossipOff);
        }
        if drawn.hosts.iter().any(|host| host.drift_ppm != 0) {
            kinds.insert(Kind::Drift);
        }
        if drawn.hosts.iter().any(|host| host.previous_version) {
            kinds.insert(Kind::PreviousVersion);
        }
        if drawn.hosts.iter().any(|host| host.certified_hours_ago.is_some()) {
            kinds.insert(Kind::OldCertificates);
        }
        if drawn.hosts.iter().any(|host| !host.zone.is_empty()) {
            kinds.insert(Kind::Zones);
        }
        for kind in kinds {
            *seen.entry(kind).or_default() += 1;
        }
    }
    for kind in Kind::EVENTS.into_iter().chain(Kind::LASTING) {
        let times = seen.get(&kind).copied().unwrap_or(0);
        assert!(times * 20 >= SEEDS, "{} in {times} of {SEEDS} seeds", kind.name());
    }
}

#[test]
fn a_kind_of_weight_zero_is_never_drawn() {
    // So many faults that each kind is among them.
    let options = FaultOptions {
        crash: 0,
        kind_on_ppm: 1_000_000,
        every_ms: (1_000, 2_000),
        ..FaultOptions::default()
    };
    for seed in 0..30 {
        let drawn = Schedule::draw(seed, 20, &options);
        assert!(drawn.events.iter().all(|event| event.part_of != Some(Kind::Crash)));
        assert!(drawn.events.iter().any(|event| matches!(event.action, Action::Freeze(_))));
    }
}

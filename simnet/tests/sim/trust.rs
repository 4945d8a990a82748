//! Revocation, in whatever order records arrive.

use crate::{running, secs, unbroken};
use orbweave_core::Input;
use orbweave_model::InstanceId;
use orbweave_simnet::{Cluster, ExecutorModel, Faults, HostOptions, check};
use std::collections::BTreeSet;

#[test]
fn a_revoked_nodes_records_vanish_in_any_order_of_arrival() {
    for seed in 0..6 {
        let mut cluster = running(4, 4, seed, Faults::default());
        let victim = 3;
        let key = cluster.hosts[victim].key.public();
        let spoken: Vec<Vec<u8>> = cluster.hosts[victim].disk.records().map(<[u8]>::to_vec).collect();
        let revocation = cluster.world.revocation(key, cluster.wall());
        // A node that knows nobody hears both, the one first or the other.
        let late = 2;
        cluster.kill(late);
        cluster.submit_record(0, revocation.clone());
        cluster.run(secs(20));
        cluster.kill(victim);
        cluster.start(late);
        let mut all = spoken;
        let at = [0, all.len() / 2, all.len()][seed as usize % 3];
        all.insert(at, revocation);
        for bytes in all {
            cluster.feed(late, Input::Gossip { bytes });
        }
        cluster.expect(secs(60), |c| {
            check::placed(c, "app", 4)?;
            check::converged(c)?;
            let left = c.up().find(|(_, h)| {
                let author = |b: &[u8]| c.read(b).is_some_and(|r| r.id().author == key);
                h.disk.records().any(author) || h.up().unwrap().members().iter().any(|m| m.node == key.into())
            });
            left.map_or(Ok(()), |(_, h)| Err(format!("{} still knows it", h.name)))
        });
        cluster.restart(0, secs(1));
        cluster.expect(secs(60), |c| check::placed(c, "app", 4).and_then(|()| check::converged(c)));
        unbroken(&cluster);
    }
}

#[test]
fn a_release_whose_time_has_not_come_is_taken_when_it_has() {
    // The first node's clock is twenty seconds ahead, and the release is dated by it. Of
    // two nodes neither can know whose clock is wrong.
    let mut hosts = vec![HostOptions::default(); 2];
    hosts[0].clock.skew_ms = 20_000;
    let mut cluster = Cluster::with(hosts, 1, Faults::default());
    cluster.expect(secs(30), check::members_agree);
    let mut spec = cluster.spec("app", 3);
    spec.release = cluster.world.release("app", 1, cluster.wall() + secs(20), cluster.wall() + secs(9_999));
    cluster.submit(0, "app", &spec);
    cluster.run(secs(5));
    assert!(cluster.hosts[1].instances.is_empty());
    cluster.run(secs(30));
    cluster.expect(secs(5), |c| {
        check::placed(c, "app", 3).or_else(|_| {
            // The first node may hold all by now; the others accept the release all the same.
            let ok = c.up().all(|(_, h)| h.up().unwrap().workloads()[0].release.is_ok());
            if ok { Ok(()) } else { Err("a node still refuses the release".into()) }
        })
    });
}

#[test]
fn certificates_past_half_of_their_life_are_renewed_and_travel_as_records() {
    let old = HostOptions { certified_ago: secs(80 * 24 * 3_600), ..HostOptions::default() };
    let mut cluster = Cluster::with(vec![old; 4], 2, Faults::default());
    let before: Vec<_> = cluster.hosts.iter().map(|h| h.certificate.clone()).collect();
    cluster.expect(secs(60), |c| {
        let old = c.hosts.iter().zip(&before).find(|(h, before)| h.certificate == **before);
        old.map_or(Ok(()), |(h, _)| Err(format!("{} has its old certificate", h.name)))
    });
    cluster.restart(2, secs(1));
    cluster.expect(secs(90), |c| check::members_agree(c).and_then(|()| check::converged(c)));
    unbroken(&cluster);
}

#[test]
fn a_node_that_was_away_longer_than_its_certificate_lives_renews_it_and_links_again() {
    let [fresh, away] = [1, 91].map(|days| secs(days * 24 * 3_600));
    let hosts = [fresh, fresh, away].map(|ago| HostOptions { certified_ago: ago, ..HostOptions::default() });
    let mut cluster = Cluster::strangers(hosts.to_vec(), 5, Faults::default());
    (0..3).for_each(|i| cluster.start(i));
    cluster.introduce(1, 0);
    // It knows only a node that cannot renew.
    cluster.introduce(2, 1);
    cluster.run(secs(30));
    assert!(cluster.hosts[1].up().unwrap().members().len() == 2, "an expired certificate gets no link");
    cluster.introduce(2, 0);
    cluster.expect(secs(60), |c| check::members_agree(c).and_then(|()| check::converged(c)));
    unbroken(&cluster);
}

#[test]
fn a_revoked_publishers_component_stops_everywhere() {
    let mut cluster = running(3, 2, 1, Faults::default());
    let publisher = cluster.world.publisher_key();
    let revocation = cluster.world.revocation(publisher, cluster.wall());
    cluster.submit_record(1, revocation);
    cluster.expect(secs(60), |c| check::gone(c, "app"));
}

/// What each host runs.
fn instances(cluster: &Cluster) -> BTreeSet<(usize, InstanceId)> {
    let of = |(i, host): (usize, &orbweave_simnet::Host)| {
        host.instances.keys().map(move |id| (i, *id)).collect::<Vec<_>>()
    };
    cluster.hosts.iter().enumerate().flat_map(of).collect()
}

/// A mesh in which a start takes five seconds, in the middle of an update.
fn updating(second_publisher: bool) -> (Cluster, BTreeSet<(usize, InstanceId)>) {
    let start = (secs(5), secs(5));
    let executor = ExecutorModel { start, ..ExecutorModel::default() };
    let mut cluster = running(3, 3, 1, Faults { executor, ..Faults::default() });
    let before = instances(&cluster);
    let mut update = cluster.spec("app", 3);
    update.generation += 1;
    if second_publisher {
        update.release = cluster.world.release_of("app", 1, 1_000, true);
    } else {
        update.env.insert("GREETING".into(), "hello".into());
    }
    cluster.submit(0, "app", &update);
    // A look at what is here already takes five seconds too.
    cluster.run(secs(8));
    assert!(instances(&cluster).len() > before.len(), "the update is on its way");
    (cluster, before)
}

#[test]
fn people_who_go_back_in_the_middle_of_an_update_keep_what_runs() {
    let (mut cluster, before) = updating(false);
    let mut back = cluster.spec("app", 3);
    back.generation += 2;
    cluster.submit(0, "app", &back);
    cluster.run(secs(20));
    assert_eq!(instances(&cluster), before);
    cluster.expect(secs(5), |c| check::placed(c, "app", 3));
    unbroken(&cluster);
}

#[test]
fn an_update_whose_publisher_is_revoked_in_the_middle_of_it_never_runs() {
    let (mut cluster, before) = updating(true);
    let revocation = cluster.world.revocation(cluster.world.second_publisher_key(), cluster.wall());
    cluster.submit_record(1, revocation);
    cluster.run(secs(20));
    assert_eq!(instances(&cluster), before);
    unbroken(&cluster);
}

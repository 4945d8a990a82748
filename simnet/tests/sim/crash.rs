//! A crash at any point forgets nothing that was acknowledged, and teaches nobody
//! what its node forgot.

use crate::{running, secs, unbroken};
use orbweave_model::Wall;
use orbweave_simnet::{Cluster, DiskModel, Faults, check};
use std::time::Duration;

#[test]
fn a_crash_at_any_point_forgets_nothing_that_was_acknowledged() {
    for seed in 0..40 {
        // A slow disk: most of the time something is not durable yet.
        let faults = Faults {
            disk: DiskModel::between(Duration::from_millis(20), Duration::from_millis(400)),
            ..Faults::default()
        };
        let mut cluster = Cluster::of(3, seed, faults);
        cluster.run(secs(12));
        let mut acknowledged = Vec::new();
        for round in 0..6_u64 {
            let name = format!("app-{round}");
            let mut spec = cluster.spec(&name, 1 + (round % 3) as u32);
            let host = (seed + round) as usize % 3;
            cluster.submit(host, &name, &spec);
            cluster.run(Duration::from_millis((seed * 37 + round * 211) % 900));
            spec.generation = 2;
            cluster.submit(host, &name, &spec);
            cluster.run(Duration::from_millis((seed * 53 + round * 97) % 700));
            acknowledged.extend(ok(&cluster, host));
            cluster.kill(host);
            unbroken(&cluster);
            cluster.start(host);
            for bytes in &acknowledged {
                let record = cluster.read(bytes).expect("a record of ours");
                let known = cluster.hosts.iter().any(|h| {
                    let held =
                        h.disk.records().filter_map(|b| cluster.read(b)).find(|r| r.id() == record.id());
                    held.is_some_and(|held| !record.supersedes(&held))
                });
                assert!(known, "seed {seed}: {record:?} was acknowledged and is lost");
            }
        }
        unbroken(&cluster);
    }
}

fn ok(cluster: &Cluster, host: usize) -> Vec<Vec<u8>> {
    let host = &cluster.hosts[host];
    let replies = host.replies.iter().filter(|(_, reply)| reply.is_ok());
    replies.filter_map(|(id, _)| host.submission(*id)).map(<[u8]>::to_vec).collect()
}

#[test]
fn two_submissions_at_once_leave_the_newer_on_disk_whatever_their_order() {
    let faults = Faults {
        disk: DiskModel::between(Duration::from_millis(300), Duration::from_millis(300)),
        ..Faults::default()
    };
    let mut cluster = Cluster::of(1, 1, faults);
    cluster.run(secs(5));
    let mut spec = cluster.spec("app", 1);
    let old = cluster.world.record("app", &spec, cluster.wall());
    spec.generation = 2;
    let new = cluster.world.record("app", &spec, cluster.wall() + secs(1));
    let (new, old) = (cluster.submit_record(0, new), cluster.submit_record(0, old));
    cluster.run(secs(5));
    assert_eq!(cluster.hosts[0].replies[&new], Ok(()));
    assert!(cluster.hosts[0].replies[&old].as_ref().is_err_and(|why| why.contains("newer")));
    cluster.restart(0, secs(1));
    cluster.run(secs(1));
    assert_eq!(cluster.hosts[0].up().unwrap().workloads()[0].spec.generation, 2);
}

#[test]
fn the_same_words_again_are_taken_again_and_older_ones_are_not() {
    let mut cluster = Cluster::of(2, 3, Faults::default());
    cluster.run(secs(5));
    let mut spec = cluster.spec("app", 1);
    let first = cluster.world.record("app", &spec, cluster.wall());
    // Also while the first is on its way to the disk.
    let twice = [cluster.submit_record(0, first.clone()), cluster.submit_record(0, first.clone())];
    cluster.run(secs(5));
    spec.generation = 2;
    let second = cluster.world.record("app", &spec, cluster.wall());
    let later = [cluster.submit_record(1, first.clone()), cluster.submit_record(0, second.clone())];
    cluster.run(secs(5));
    let last = [cluster.submit_record(1, second), cluster.submit_record(1, first)];
    cluster.run(secs(5));
    for (host, id) in [(0, twice[0]), (0, twice[1]), (1, later[0]), (0, later[1]), (1, last[0])] {
        assert_eq!(cluster.hosts[host].replies[&id], Ok(()), "{id}");
    }
    assert!(cluster.hosts[1].replies[&last[1]].as_ref().is_err_and(|why| why.contains("newer")));
    unbroken(&cluster);
}

#[test]
fn a_node_that_restarts_alone_resumes_what_it_held() {
    for seed in 0..6 {
        let mut cluster = running(3, 3, seed, Faults::default());
        for i in 0..3 {
            cluster.kill(i);
        }
        // Longer than node records live.
        cluster.run([secs(5), secs(3_600)][seed as usize % 2]);
        let alone = seed as usize % 3;
        for _ in 0..3 {
            cluster.start(alone);
            let resumed = cluster.until(secs(1), |c| c.hosts[alone].instances.values().any(|i| i.running));
            assert!(resumed.is_some(), "seed {seed}: {}", cluster.story(40));
            cluster.run(Duration::from_millis(300 + 700 * seed));
            cluster.kill(alone);
        }
        cluster.start(alone);
        cluster.expect(secs(30), |c| check::placed(c, "app", 3));
        unbroken(&cluster);
    }
}

#[test]
fn what_was_admitted_is_resumed_after_its_release_expired() {
    let mut cluster = Cluster::of(2, 4, Faults::default());
    cluster.expect(secs(30), check::members_agree);
    let mut spec = cluster.spec("app", 2);
    spec.release = cluster.world.release("app", 1, Wall(0), cluster.wall() + secs(60));
    cluster.submit(0, "app", &spec);
    cluster.expect(secs(30), |c| check::placed(c, "app", 2));
    cluster.run(secs(120));
    assert_eq!(check::placed(&cluster, "app", 2), Ok(()));
    cluster.kill(0);
    cluster.kill(1);
    cluster.start(1);
    cluster.run(secs(3));
    assert!(cluster.hosts[1].instances.values().any(|i| i.running), "{}", cluster.story(20));
}

#[test]
fn a_lone_node_keeps_its_routes_through_a_long_sleep() {
    let mut cluster = running(1, 2, 1, Faults::default());
    cluster.freeze(0);
    cluster.run(secs(3_600));
    cluster.thaw(0);
    cluster.run(secs(20));
    assert_eq!(check::placed(&cluster, "app", 2), Ok(()));
    assert_eq!(cluster.hosts[0].started.len(), 2);
    cluster.restart(0, secs(1));
    cluster.run(secs(2));
    assert_eq!(check::placed(&cluster, "app", 2), Ok(()));
    unbroken(&cluster);
}

#[test]
fn what_has_expired_is_admitted_by_nobody_who_did_not_hold_it() {
    let mut cluster = Cluster::of(3, 4, Faults::default());
    cluster.expect(secs(30), check::members_agree);
    let mut spec = cluster.spec("app", 1);
    spec.release = cluster.world.release("app", 1, Wall(0), cluster.wall() + secs(60));
    cluster.submit(0, "app", &spec);
    cluster.expect(secs(30), |c| check::placed(c, "app", 1));
    cluster.run(secs(90));
    let holder = cluster.up().find(|(_, h)| !h.instances.is_empty()).expect("it goes on").0;
    cluster.kill(holder);
    cluster.run(secs(60));
    assert!(cluster.hosts.iter().all(|h| h.instances.is_empty()), "{}", cluster.story(20));
    cluster.start(holder);
    cluster.expect(secs(30), |c| check::placed(c, "app", 1));
    unbroken(&cluster);
}

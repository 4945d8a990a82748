//! Checkers see what they are for.

use crate::{running, secs};
use orbweave_core::Input;
use orbweave_simnet::adversary::{Liar, Lie};
use orbweave_simnet::dice::Dice;
use orbweave_simnet::{Cluster, Faults, HostOptions, check};

#[test]
fn the_same_seed_gives_the_same_trace_with_adversaries_too() {
    let trace = |seed| {
        let mut cluster = running(6, 3, seed, Faults::rough());
        cluster.admit_adversary(Box::new(Liar::new(Dice::new(seed), 2, Lie::FalsifiesFrames)));
        cluster.run(secs(60));
        (cluster.trace(), cluster.violations().len())
    };
    assert_eq!(trace(1), trace(1));
    assert_ne!(trace(1).0, trace(2).0);
}

#[test]
fn a_mesh_with_a_vacant_slot_that_somebody_would_admit_is_not_whole() {
    let mut cluster = running(3, 2, 1, Faults::default());
    cluster.expect(secs(60), check::whole);
    let holder = cluster.up().find(|(_, h)| !h.instances.is_empty()).expect("someone runs it").0;
    cluster.kill(holder);
    assert!(check::whole(&cluster).is_err());
    cluster.expect(secs(60), check::whole);
}

#[test]
fn a_mesh_in_which_nobody_has_the_labels_is_whole_without_a_holder() {
    let mut cluster = running(3, 1, 1, Faults::default());
    let mut spec = cluster.spec("elsewhere", 2);
    spec.requires = "zone=nowhere".parse().expect("a selector");
    cluster.submit(0, "elsewhere", &spec);
    cluster.expect(secs(60), check::whole);
    spec.requires = Default::default();
    spec.generation = 2;
    cluster.submit(0, "elsewhere", &spec);
    let vacant = (0..100).any(|_| {
        cluster.run(std::time::Duration::from_millis(1));
        check::whole(&cluster).is_err_and(|why| why.contains("would admit it"))
    });
    assert!(vacant);
    cluster.expect(secs(60), check::whole);
}

#[test]
fn a_record_on_a_disk_that_its_author_never_made_is_seen() {
    let mut cluster = running(3, 1, 1, Faults::default());
    let genuine: Vec<u8> = {
        let of_one = |b: &&[u8]| cluster.read(b).is_some_and(|r| r.id().author == cluster.hosts[1].id.into());
        cluster.hosts[1].disk.records().find(of_one).expect("its node record").to_vec()
    };
    let record = cluster.read(&genuine).expect("a record");
    let hlc = orbweave_model::Hlc { wall: cluster.wall() + secs(1), count: 0 };
    let id = record.id().clone();
    // Signed with the author's own key, as a thief would.
    let key = cluster.hosts[1].key.clone();
    let mesh = cluster.world.mesh;
    let stolen =
        orbweave_state::record::Record::sign(&key, mesh, id.kind, &id.key, hlc, record.body().to_vec());
    cluster.feed(0, Input::Gossip { bytes: stolen });
    let seen = cluster.violations().iter().any(|v| v.checker == "records" && v.words.contains("none that"));
    assert!(seen, "{:?}", cluster.violations());
}

#[test]
fn a_workload_that_outgrows_its_host_is_admitted_nowhere() {
    let mut hosts = vec![HostOptions::default(); 4];
    for host in &mut hosts {
        host.capacity.cpu_milli = 250;
    }
    let mut cluster = Cluster::with(hosts, 2, Faults::rough());
    cluster.expect(secs(60), check::members_agree);
    for (n, name) in ["one", "two", "three"].into_iter().enumerate() {
        let spec = cluster.spec(name, 4);
        cluster.submit(n, name, &spec);
    }
    cluster.run(secs(120));
    cluster.expect(secs(60), check::whole);
    let running: usize = cluster.hosts.iter().map(|host| host.instances.len()).sum();
    assert_eq!(running, 8, "two fit on each");
    assert!(cluster.violations().is_empty(), "{:#?}", cluster.violations());
}

//! Nodes of several versions: what is not understood is kept and carried.

use crate::{secs, unbroken};
use orbweave_model::Hlc;
use orbweave_simnet::{Cluster, Faults, check};
use orbweave_state::record::{Record, RecordKind};
use orbweave_trust::{Domain, SecretKey};

/// A record whose payload has one more key than this version knows.
fn newer(cluster: &Cluster, author: &SecretKey, kind: RecordKind, key: &str, body: Vec<u8>) -> Vec<u8> {
    let hlc = Hlc { wall: cluster.wall(), count: 0 };
    let signed = Record::sign(author, cluster.world.mesh, kind, key, hlc, body);
    let mut payload = minicbor::Decoder::new(&signed[1..]).bytes().unwrap().to_vec();
    assert_eq!(payload[0], 0xa5);
    payload[0] += 1;
    minicbor::Encoder::new(&mut payload).u8(99).unwrap().str("of a later version").unwrap();
    let message = [cluster.world.mesh.as_bytes(), &payload[..]].concat();
    let signature = author.sign(Domain::Record, &message);
    let mut bytes = Vec::new();
    minicbor::Encoder::new(&mut bytes).array(2).unwrap().bytes(&payload).unwrap().encode(signature).unwrap();
    bytes
}

#[test]
fn what_a_newer_version_says_is_kept_forwarded_and_verified_through_a_third_node_and_a_restart() {
    for seed in 0..4 {
        let faults = if seed % 2 == 0 { Faults::default() } else { Faults::default().without_gossip() };
        let mut cluster = Cluster::of(4, seed, faults);
        cluster.expect(secs(30), check::members_agree);
        // The last node reaches only the one before it, and so on: records are carried.
        for (a, b) in [(0, 2), (0, 3), (1, 3)] {
            cluster.cut(a, b);
            cluster.cut(b, a);
        }
        cluster.run(secs(15));
        let mut spec = cluster.spec("app", 1).encode();
        assert!((0xa0..0xb0).contains(&spec[0]));
        spec[0] += 1;
        minicbor::Encoder::new(&mut spec).u8(99).unwrap().str("also new").unwrap();
        let deploy = newer(&cluster, &cluster.world.operator, RecordKind::WORKLOAD, "app", spec);
        let author = cluster.hosts[0].key.clone();
        let unknown = newer(&cluster, &author, RecordKind(200), "of-a-later-version", b"anything".to_vec());
        // Node 0 is of that version: its disk has what it says.
        cluster.plant(0, &unknown);
        let id = cluster.submit_record(0, deploy.clone());
        cluster.feed(0, orbweave_core::Input::Gossip { bytes: unknown.clone() });
        cluster.run(secs(60));
        assert_eq!(cluster.hosts[0].replies[&id], Ok(()));
        cluster.restart(1, secs(1));
        cluster.restart(2, secs(1));
        let held = |c: &Cluster, i: usize, bytes: &[u8]| c.hosts[i].disk.records().any(|b| b == bytes);
        let all = |c: &Cluster| (0..4).all(|i| held(c, i, &deploy) && held(c, i, &unknown));
        assert!(cluster.until(secs(120), all).is_some(), "seed {seed}: {}", cluster.story(40));
        cluster.heal();
        cluster.restart(3, secs(1));
        cluster.expect(secs(90), check::converged);
        assert!(all(&cluster));
        assert_eq!(cluster.hosts[3].up().unwrap().workloads()[0].spec.replicas, 1);
        assert!(cluster.read(&unknown).is_some());
        unbroken(&cluster);
    }
}

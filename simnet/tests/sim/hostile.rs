//! Bytes that lie or are broken change nothing and harm nobody.

use crate::{running, secs};
use orbweave_core::Input;
use orbweave_core::io::SyncId;
use orbweave_core::message::Message;
use orbweave_model::Hash;
use orbweave_simnet::{Cluster, Faults, check};
use proptest::prelude::*;
use std::cell::RefCell;

thread_local! {
    static CLUSTER: RefCell<Cluster> = RefCell::new(running(3, 2, 1, Faults::default()));
}

/// What a node knows and runs.
fn state(cluster: &Cluster) -> (Vec<Hash>, String, usize) {
    let host = &cluster.hosts[0];
    let node = host.up().unwrap();
    let slots = node.slots(&"app".parse().unwrap());
    (
        node.digests().collect(),
        format!("{slots:?}").split("here").next().unwrap().to_owned(),
        host.instances.len(),
    )
}

/// Feeds a node, and says whether its state stayed as it was.
fn unmoved(inputs: impl FnOnce(&Cluster) -> Vec<Input>) -> bool {
    CLUSTER.with_borrow_mut(|cluster| {
        let before = state(cluster);
        for input in inputs(cluster) {
            cluster.feed(0, input);
        }
        state(cluster) == before
    })
}

/// Genuine bytes that travel in this mesh.
fn genuine(cluster: &Cluster, which: usize) -> Vec<u8> {
    let records: Vec<&[u8]> = cluster.hosts[1].disk.records().collect();
    records[which % records.len()].to_vec()
}

fn mutate(bytes: &mut Vec<u8>, edits: &[(usize, u8, u8)]) {
    for (at, kind, byte) in edits {
        let at = at % bytes.len().max(1);
        match kind % 4 {
            0 if !bytes.is_empty() => bytes[at] ^= byte | 1,
            1 => bytes.insert(at, *byte),
            2 if !bytes.is_empty() => drop(bytes.remove(at)),
            _ => bytes.truncate(at),
        }
    }
}

fn edits() -> impl Strategy<Value = Vec<(usize, u8, u8)>> {
    proptest::collection::vec((any::<usize>(), any::<u8>(), any::<u8>()), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_record_changes_nothing_by_gossip_or_datagram(which: usize, edits in edits()) {
        let sound = unmoved(|cluster| {
            let mut bytes = genuine(cluster, which);
            let original = bytes.clone();
            mutate(&mut bytes, &edits);
            if bytes == original {
                return Vec::new();
            }
            let from = cluster.hosts[1].id;
            let datagram = Message::Record(&bytes).encode();
            vec![Input::Gossip { bytes: bytes.clone() }, Input::Datagram { from, bytes: datagram }, Input::Datagram { from, bytes }]
        });
        prop_assert!(sound);
    }

    #[test]
    fn arbitrary_bytes_change_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..300), number: u64) {
        let sound = unmoved(|cluster| {
            let peer = cluster.hosts[1].id;
            vec![
                Input::Gossip { bytes: bytes.clone() },
                Input::Datagram { from: peer, bytes: bytes.clone() },
                Input::Sync { id: SyncId { peer, ours: false, number }, bytes: bytes.clone() },
                Input::Sync { id: SyncId { peer, ours: true, number }, bytes },
            ]
        });
        prop_assert!(sound);
    }

    #[test]
    fn a_mutated_reconciliation_brings_nothing_that_is_not_signed(edits in edits(), number: u64) {
        let sound = unmoved(|cluster| {
            let peer = cluster.hosts[1].id;
            let store = orbweave_state::store::Store::default();
            let (_, mut hello) = orbweave_state::sync::Session::initiate(&store, cluster.wall(), Default::default()).unwrap();
            let id = SyncId { peer, ours: false, number };
            let genuine = Input::Sync { id, bytes: hello.clone() };
            mutate(&mut hello, &edits);
            let mut records = minicbor::to_vec((2_u8, (0_u8,))).unwrap();
            mutate(&mut records, &edits);
            vec![Input::Sync { id: SyncId { number: number ^ 1, ..id }, bytes: hello.clone() }, genuine, Input::Sync { id, bytes: hello }, Input::Sync { id, bytes: records }]
        });
        prop_assert!(sound);
    }
}

#[test]
fn a_claim_offer_or_answer_with_extreme_numbers_panics_nobody() {
    use orbweave_core::message::{Answer, Offer};
    use orbweave_model::Resources;
    use orbweave_scheduler::verdict::Verdict;
    let mut cluster = running(3, 2, 2, Faults::default());
    let from = cluster.hosts[1].id;
    for n in [0, 1, u64::from(u32::MAX), u64::MAX / 2, u64::MAX] {
        for generation in [0, 1, n] {
            let small = n.min(u64::from(u32::MAX)) as u32;
            let offer = Offer {
                id: n,
                workload: "app".parse().unwrap(),
                generation,
                slot: small,
                epoch_seen: n,
                held: small,
                score: n as i64,
            };
            let free =
                Resources { cpu_milli: small, memory_bytes: n, instances: small, accelerator_milli: small };
            let answer = Answer { id: n, verdict: Verdict::Fits, free, held: small, load: small };
            for message in [Message::Offer(offer), Message::Answer(answer)] {
                cluster.feed(0, Input::Datagram { from, bytes: message.encode() });
            }
        }
    }
    cluster.run(secs(60));
    cluster.expect(secs(30), |c| check::healthy(c, "app", 2));
}

#[test]
fn a_stranger_who_signs_with_its_own_key_is_not_heard() {
    use orbweave_model::Hlc;
    use orbweave_state::record::{Record, RecordKind};
    let mut cluster = running(3, 2, 3, Faults::default());
    let stranger = cluster.world.node_key("stranger");
    let before = state(&cluster);
    let spec = cluster.spec("evil", 3).encode();
    let claim = orbweave_core::claim::Claim::default().encode();
    for (kind, key, body) in [
        (RecordKind::WORKLOAD, "evil".to_owned(), spec),
        (RecordKind::CLAIM, "app".to_owned(), claim),
        (RecordKind::NODE, stranger.node_id().to_string(), vec![0xa0]),
        (RecordKind::TRUST, "revoke".to_owned(), vec![0x82, 0x40, 0x80]),
        (RecordKind(77), "what".to_owned(), vec![0xa0]),
    ] {
        let hlc = Hlc { wall: cluster.wall(), count: 0 };
        let bytes = Record::sign(&stranger, cluster.world.mesh, kind, &key, hlc, body);
        cluster.feed(0, Input::Gossip { bytes });
    }
    assert_eq!(state(&cluster), before);
}

#[test]
fn a_claim_of_a_life_that_its_node_forgot_is_taken_back() {
    use orbweave_core::claim::{Claim, ClaimRange};
    use orbweave_model::Hlc;
    use orbweave_scheduler::rivals::Phase;
    use orbweave_state::record::{Record, RecordKind};
    let mut cluster = running(3, 3, 4, Faults::default());
    let mut spec = cluster.spec("app", 1);
    spec.generation = 2;
    cluster.submit(0, "app", &spec);
    cluster.expect(secs(60), |c| check::healthy(c, "app", 1));
    for forgetful in 0..3 {
        // Two of the three hold nothing any more, and have said so.
        let slots = (0..1).map(|slot| ClaimRange::one(slot, 50, Phase::Running, i64::MAX, Some(2)));
        let body = Claim::of(slots).encode();
        let hlc = Hlc { wall: cluster.wall() + secs(5), count: 0 };
        let key = &cluster.hosts[forgetful].key;
        let bytes = Record::sign(key, cluster.world.mesh, RecordKind::CLAIM, "app", hlc, body);
        // Gossip brings it to all, to its own node last.
        for host in [1, 2, 0].map(|further| (forgetful + further) % 3) {
            cluster.feed(host, Input::Gossip { bytes: bytes.clone() });
        }
        cluster.run(secs(1));
        cluster.expect(secs(3), |c| check::healthy(c, "app", 1));
        assert_eq!(check::placed(&cluster, "app", 1), Ok(()), "{}", cluster.story(50));
    }
}

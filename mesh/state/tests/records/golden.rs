//! The bytes of every wire type, pinned. A change here is a change of the protocol:
//! nodes of the version before must still read it. `UPDATE_GOLDEN=1` writes the files anew.

use crate::{MESH, key, open, record, signed, v1};
use orbweave_golden::pinned;
use orbweave_model::{Hlc, Wall};
use orbweave_state::record::{Record, RecordKind};
use orbweave_state::store::Store;
use orbweave_state::sync::{Opening, Session};
use orbweave_trust::{Domain, Strict};

const NOW: Wall = Wall(1_800_000_000_000);

#[test]
fn the_record_is_as_it_always_was() {
    let golden = pinned!("record", &signed(1, RecordKind::WORKLOAD, "hello", NOW.0, 2, b"body"));
    let record = open(&golden);
    assert_eq!((record.id().key.as_str(), record.body()), ("hello", &b"body"[..]));
    assert_eq!(record.hlc(), Hlc { wall: NOW, count: 2 });
}

#[test]
fn a_record_with_a_key_of_a_newer_version_is_read_and_keeps_its_bytes() {
    let old = signed(1, RecordKind(200), "hello", NOW.0, 2, b"body");
    let mut payload = minicbor::Decoder::new(&old[1..]).bytes().unwrap().to_vec();
    payload[0] += 1;
    minicbor::Encoder::new(&mut payload).u8(99).unwrap().str("of a later version").unwrap();
    let signature = key(1).sign(Domain::Record, &[MESH.as_bytes(), &payload[..]].concat());
    let mut newer = Vec::new();
    minicbor::Encoder::new(&mut newer).array(2).unwrap().bytes(&payload).unwrap().encode(signature).unwrap();
    let golden = pinned!("record-newer", &newer);
    let record = Record::open(&golden, MESH, &Strict).unwrap();
    assert_eq!((&record.bytes()[..], record.body()), (&newer[..], &b"body"[..]));
}

/// Two stores that differ a little.
fn stores() -> (Store, Store) {
    let (mut a, mut b) = (Store::new(7), Store::new(8));
    for store in [&mut a, &mut b] {
        store.merge(record(1, "both", 1, b"x"));
    }
    a.merge(record(1, "left", 2, b"y"));
    b.merge(record(2, "right", 3, b"z"));
    (a, b)
}

#[test]
fn the_frames_of_version_1_are_as_they_always_were() {
    let (a, b) = stores();
    let (mut first, hello) = v1::Session::initiate(&a, NOW).unwrap();
    let mut second = Session::respond(Opening::default());
    let hello = pinned!("sync-hello", &hello);
    let ranges = second.handle(&b, NOW, &hello).unwrap().send.remove(0);
    let ranges = pinned!("sync-ranges", &ranges);
    let records = first.handle(&a, NOW, &ranges).unwrap().send.remove(0);
    let records = pinned!("sync-records-and-want", &records);
    let step = second.handle(&b, NOW, &records).unwrap();
    assert_eq!(step.received.len(), 1);
    let last = pinned!("sync-records-last", &step.send[0]);
    let step = first.handle(&a, NOW, &last).unwrap();
    assert!(step.finished && step.received.len() == 1);
}

/// The frames of one session, pinned: each side's turn by its number.
fn pin_session(name: &str, a: &mut Store, b: &mut Store, openings: [Opening; 2]) {
    let (mut first, mut frame) = Session::initiate(a, NOW, openings[0]).unwrap();
    let mut second = Session::respond(openings[1]);
    for turn in 0.. {
        let golden = pinned!(&format!("sync2-{name}-{turn}"), &frame);
        let (session, store) = if turn % 2 == 0 { (&mut second, &mut *b) } else { (&mut first, &mut *a) };
        let mut step = session.handle(store, NOW, &golden).unwrap();
        for bytes in &step.received {
            store.merge(open(bytes));
        }
        if step.answer_due {
            step = session.answer(store).unwrap();
        }
        if step.send.is_empty() {
            assert!(step.finished);
            return;
        }
        frame = step.send.remove(0);
    }
}

#[test]
fn the_frames_of_version_2_are_as_they_always_were() {
    let salted = |seen| Opening { seen, salt: 5, ..Opening::default() };
    let (mut a, mut b) = stores();
    pin_session("ranges", &mut a, &mut b, [salted(None); 2]);
    pin_session("equal", &mut a, &mut b, [salted(None); 2]);
    let seen = [salted(Some(b.mark())), salted(Some(a.mark()))];
    a.merge(record(1, "left", 5, b"newer"));
    b.merge(record(2, "more", 6, b"news"));
    pin_session("news", &mut a, &mut b, seen);
    assert!(crate::exchange::equal(&a, &b));
}

#[test]
fn a_frame_with_a_key_of_a_newer_version_is_understood() {
    let store = Store::default();
    let (_, hello) = Session::initiate(&store, NOW, Opening::default()).unwrap();
    let mut newer = hello;
    assert_eq!(newer[..2], [0x82, 0x00]);
    assert!((0xa4..0xb0).contains(&newer[2]));
    newer[2] += 1;
    minicbor::Encoder::new(&mut newer).u8(99).unwrap().str("of a later version").unwrap();
    assert!(Session::respond(Opening::default()).handle(&store, NOW, &newer).is_ok());
}

//! Reconciliation: two stores end with the same records, at a cost that follows the difference.

use crate::{MESH, open, record};
use orbweave_model::Wall;
use orbweave_state::record::Record;
use orbweave_state::store::Store;
use orbweave_state::sync::{Session, SyncError};
use orbweave_trust::Strict;
use proptest::prelude::*;

const NOW: Wall = Wall(1_800_000_000_000);

/// What a session cost.
#[derive(Debug, Default)]
pub struct Cost {
    pub frames: usize,
    pub bytes: usize,
}

pub fn reconcile(a: &mut Store, b: &mut Store) -> Cost {
    let mut cost = Cost::default();
    let (mut first, hello) = Session::initiate(a, NOW).unwrap();
    let mut second = Session::respond();
    let mut on_the_way = std::collections::VecDeque::from([(true, hello)]);
    let (mut ended, mut taken) = ([false; 2], [Vec::new(), Vec::new()]);
    while let Some((to_second, bytes)) = on_the_way.pop_front() {
        cost.frames += 1;
        cost.bytes += bytes.len();
        let (session, store) = if to_second { (&mut second, &*b) } else { (&mut first, &*a) };
        let step = session.handle(store, NOW, &bytes).unwrap();
        ended[usize::from(to_second)] |= step.finished;
        taken[usize::from(to_second)].extend(step.received);
        on_the_way.extend(step.send.into_iter().map(|bytes| (!to_second, bytes)));
    }
    assert_eq!(ended, [true, true], "both sides know that it is over");
    let [to_first, to_second] = taken;
    for (store, records) in [(a, to_first), (b, to_second)] {
        for bytes in records {
            store.merge(Record::open(&bytes, MESH, &Strict).unwrap());
        }
    }
    cost
}

fn equal(a: &Store, b: &Store) -> bool {
    a.iter().map(Record::digest).eq(b.iter().map(Record::digest))
}

fn store(names: impl IntoIterator<Item = u32>, wall: u64, body: &[u8]) -> Store {
    let mut store = Store::default();
    for n in names {
        store.merge(record(1, &format!("w{n}"), wall, body));
    }
    store
}

#[test]
fn equal_stores_find_it_out_in_less_than_a_kilobyte() {
    for count in [0, 1, 10, 1_000] {
        let (mut a, mut b) = (store(0..count, 1, b"x"), store(0..count, 1, b"x"));
        let cost = reconcile(&mut a, &mut b);
        println!("{count} records in common: {cost:?}");
        assert!(cost.bytes < 1_024 && cost.frames <= 4, "{count} records: {cost:?}");
    }
}

#[test]
fn of_a_thousand_records_ten_that_differ_cost_little_more_than_themselves() {
    let (mut a, mut b) = (store(0..1_000, 1, b"x"), store(0..1_000, 1, b"x"));
    for n in 0..10 {
        let side = if n % 2 == 0 { &mut a } else { &mut b };
        side.merge(record(1, &format!("w{}", n * 97), 2, b"newer"));
    }
    let cost = reconcile(&mut a, &mut b);
    println!("10 of 1,000 records differ: {cost:?}");
    assert!(equal(&a, &b));
    assert!(cost.bytes < 32 * 1_024 && cost.frames <= 12, "{cost:?}");
}

#[test]
fn many_large_records_come_in_several_frames() {
    let (mut a, mut b) = (store(0..40, 1, &[7; 40_000]), store(40..70, 1, &[8; 40_000]));
    let cost = reconcile(&mut a, &mut b);
    assert!(equal(&a, &b) && a.len() == 70);
    assert!(cost.frames > 6, "{cost:?}");
}

#[test]
fn a_frame_out_of_turn_or_malformed_ends_the_session() {
    let full = store(0..5, 1, b"x");
    let (_, hello) = Session::initiate(&full, NOW).unwrap();
    let ranges = Session::respond().handle(&full, NOW, &hello).unwrap().send.remove(0);
    assert_eq!(Session::respond().handle(&full, NOW, &ranges).err(), Some(SyncError::OutOfTurn));
    let (mut begun, _) = Session::initiate(&full, NOW).unwrap();
    assert_eq!(begun.handle(&full, NOW, &hello).err(), Some(SyncError::OutOfTurn));
    assert_eq!(begun.handle(&full, NOW, &ranges).err(), Some(SyncError::OutOfTurn), "over is over");
    for bad in [&b""[..], b"\xff", b"\x82\x00", b"\x82\x09\xa0", &[&hello[..], b"\0"].concat()] {
        assert!(matches!(Session::respond().handle(&full, NOW, bad), Err(SyncError::Wire(_))), "{bad:?}");
    }
}

#[test]
fn a_peer_that_never_ends_is_given_up() {
    let full = store(0..50, 1, b"x");
    let (_, hello) = Session::initiate(&Store::default(), NOW).unwrap();
    let mut session = Session::respond();
    session.handle(&full, NOW, &hello).unwrap();
    let (mut other, _) = Session::initiate(&store(0..0, 1, b""), NOW).unwrap();
    // The same open question again and again: a ranges frame that says nothing new.
    let ranges = minicbor_ranges(&[0x61]);
    let ended = (0..200).map(|_| session.handle(&full, NOW, &ranges)).find_map(Result::err);
    assert_eq!(ended, Some(SyncError::Endless));
    assert!(other.handle(&full, NOW, &[]).is_err());
}

fn minicbor_ranges(ranges: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x82, 0x01, 0xa2, 0x00, 0x01, 0x01, 0x40 | ranges.len() as u8];
    bytes.extend(ranges);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_two_stores_become_equal(
        both in proptest::collection::vec(0..200_u32, 0..60),
        left in proptest::collection::vec((0..200_u32, 1..4_u64), 0..20),
        right in proptest::collection::vec((0..200_u32, 1..4_u64), 0..20),
    ) {
        let (mut a, mut b) = (store(both.iter().copied(), 1, b"x"), store(both.iter().copied(), 1, b"x"));
        for (side, changes) in [(&mut a, left), (&mut b, right)] {
            for (n, wall) in changes {
                side.merge(record(1, &format!("w{n}"), wall, b"y"));
            }
        }
        reconcile(&mut a, &mut b);
        prop_assert!(equal(&a, &b));
    }

    #[test]
    fn a_mutated_frame_brings_no_panic_and_no_false_record(
        edits in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..5), which in 0..3_usize
    ) {
        let (a, b) = (store(0..40, 1, b"x"), store(20..60, 1, b"x"));
        let (mut first, hello) = Session::initiate(&a, NOW).unwrap();
        let mut second = Session::respond();
        let mut frame = hello;
        for turn in 0..3 {
            if turn == which {
                for (at, with) in &edits {
                    let at = at % frame.len();
                    frame[at] = *with;
                }
            }
            let (session, store) = if turn % 2 == 0 { (&mut second, &b) } else { (&mut first, &a) };
            let Ok(step) = session.handle(store, NOW, &frame) else { return Ok(()) };
            for bytes in step.received {
                if let Ok(record) = Record::open(&bytes, MESH, &Strict) {
                    prop_assert!(a.get(record.id()).or(b.get(record.id())).is_some());
                }
            }
            let Some(next) = step.send.into_iter().next() else { return Ok(()) };
            frame = next;
        }
    }
}

#[test]
fn a_record_is_opened_as_it_was_signed() {
    let original = record(3, "a", 5, b"body");
    assert_eq!(open(original.bytes()).digest(), original.digest());
}

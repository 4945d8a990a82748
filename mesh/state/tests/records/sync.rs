//! Reconciliation: two stores end with the same records, at a cost that follows the difference.

use crate::exchange::{NOW, Side, equal, reconcile, session};
use crate::{MESH, open, record};
use orbweave_model::Wall;
use orbweave_state::record::Record;
use orbweave_state::store::Store;
use orbweave_state::sync::{Opening, Session, SyncError, WireVersion};
use orbweave_trust::Strict;
use proptest::prelude::*;

fn store(names: impl IntoIterator<Item = u32>, wall: u64, body: &[u8]) -> Store {
    let mut store = Store::default();
    for n in names {
        store.merge(record(1, &format!("w{n}"), wall, body));
    }
    store
}

#[test]
fn equal_stores_find_it_out_in_one_round_trip_of_less_than_200_bytes() {
    for count in [0, 1, 10, 1_000, 5_000] {
        let (mut a, mut b) = (store(0..count, 1, b"x"), store(0..count, 1, b"x"));
        let cost = reconcile(&mut a, &mut b);
        println!("{count} records in common: {cost:?}");
        assert!(cost.bytes < 200 && cost.frames == 2, "{count} records: {cost:?}");
    }
}

#[test]
fn what_arrived_since_the_last_session_comes_without_ranges_and_costs_little_beside_itself() {
    let (a, b) = (store(0..1_000, 1, b"x"), store(0..1_000, 1, b"x"));
    let (mut a, mut b) = (Side::new(1, a), Side::new(2, b));
    session(&mut a, &mut b, NOW, 1, usize::MAX);
    for n in 0..100_u32 {
        // New ones, and ones that supersede, on both sides.
        a.store.merge(record(1, &format!("w{}", n * 3), 10 + u64::from(n), &[1; 200]));
        b.store.merge(record(1, &format!("x{n}"), 10 + u64::from(n), &[2; 200]));
    }
    let cost = session(&mut a, &mut b, NOW, 3, usize::MAX);
    println!("100 changes on each side: {cost:?}");
    assert!(cost.ended && !cost.ranges && cost.turns <= 8, "{cost:?}");
    assert!(equal(&a.store, &b.store) && a.store.len() == 1_100);
    assert!(cost.bytes * 10 < cost.records * 11, "{cost:?}");
    // And the one after that finds nothing to do.
    let cost = session(&mut b, &mut a, NOW, 5, usize::MAX);
    assert!(cost.ended && cost.frames == 2 && cost.bytes < 200, "{cost:?}");
}

#[test]
fn of_two_records_of_one_identity_only_the_newer_one_travels_between_strangers() {
    for salt in 1..=16 {
        let (a, b) = (store(0..300, 1, b"x"), store(0..300, 1, b"x"));
        let (mut a, mut b) = (Side::new(1, a), Side::new(2, b));
        for n in 0..40 {
            let side = if n % 2 == 0 { &mut a } else { &mut b };
            side.store.merge(record(1, &format!("w{}", n * 7), 2 + n, &[7; 300]));
        }
        let cost = session(&mut a, &mut b, NOW, salt, usize::MAX);
        assert!(cost.ended && equal(&a.store, &b.store));
        let newer: usize = a.store.iter().filter(|r| r.body().len() == 300).map(|r| r.bytes().len()).sum();
        assert_eq!(cost.records, newer, "salt {salt}: {cost:?}");
    }
}

#[test]
fn where_news_did_not_suffice_one_session_in_eight_brings_what_identities_might_hide() {
    let mut blind = Vec::new();
    for salt in 1..=16 {
        let (a, b) = (store(0..300, 1, b"x"), store(0..300, 1, b"x"));
        let (mut a, mut b) = (Side::new(1, a), Side::new(2, b));
        session(&mut a, &mut b, NOW, 1, usize::MAX);
        // A cursor passes what its owner refuses.
        b.store.merge(record(1, "w7", 2, &[7; 300]));
        a.refuses = Some(Wall(2));
        session(&mut a, &mut b, NOW, 3, usize::MAX);
        a.refuses = None;
        let cost = session(&mut b, &mut a, NOW, salt, usize::MAX);
        assert!(cost.ended && equal(&a.store, &b.store));
        let newer = b.store.iter().find(|r| r.body().len() == 300).map_or(0, |r| r.bytes().len());
        assert!(cost.ranges && cost.records >= newer, "salt {salt}: {cost:?}");
        if cost.records > newer {
            blind.push(salt);
        }
    }
    assert_eq!(blind, [8, 16]);
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
    let (_, hello) = Session::initiate(&full, NOW, Opening::default()).unwrap();
    let ranges = Session::respond(Opening::default()).handle(&full, NOW, &hello).unwrap().send.remove(0);
    assert_eq!(
        Session::respond(Opening::default()).handle(&full, NOW, &ranges).err(),
        Some(SyncError::OutOfTurn)
    );
    let (mut begun, _) = Session::initiate(&full, NOW, Opening::default()).unwrap();
    assert_eq!(begun.handle(&full, NOW, &hello).err(), Some(SyncError::OutOfTurn));
    assert_eq!(begun.handle(&full, NOW, &ranges).err(), Some(SyncError::OutOfTurn), "over is over");
    for bad in [&b""[..], b"\xff", b"\x82\x00", b"\x82\x09\xa0", &[&hello[..], b"\0"].concat()] {
        assert!(
            matches!(Session::respond(Opening::default()).handle(&full, NOW, bad), Err(SyncError::Wire(_))),
            "{bad:?}"
        );
    }
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
    fn stores_of_two_versions_become_equal_whoever_begins(
        both in 0..40_u32, left in 0..20_u32, right in 0..20_u32, first_is_old in any::<bool>(), second_is_old in any::<bool>()
    ) {
        let of = |id, extra: std::ops::Range<u32>, old| {
            let speaks = if old { WireVersion::Previous } else { WireVersion::Current };
            Side { speaks, ..Side::new(id, store((0..both).chain(extra), 1, b"x")) }
        };
        let (mut a, mut b) = (of(1, 100..100 + left, first_is_old), of(2, 200..200 + right, second_is_old));
        let cost = session(&mut a, &mut b, NOW, 1, usize::MAX);
        prop_assert!(equal(&a.store, &b.store), "{:?}", cost);
    }

    #[test]
    fn a_mutated_frame_brings_no_panic_and_no_false_record(
        edits in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..5), which in 0..3_usize
    ) {
        let (a, b) = (store(0..40, 1, b"x"), store(20..60, 1, b"x"));
        let (mut first, hello) = Session::initiate(&a, NOW, Opening::default()).unwrap();
        let mut second = Session::respond(Opening::default());
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

//! Peers that lie: what they send costs bounded work, and hides nothing from others.

use crate::exchange::{NOW, Side, equal, session};
use crate::record;
use orbweave_state::store::{Mark, Store};
use orbweave_state::sync::{Opening, Session, SyncError, TURNS_MAX};
use proptest::prelude::*;

fn store(number: u64, count: u32) -> Store {
    let mut store = Store::new(number);
    for n in 0..count {
        store.merge(record(1, &format!("w{n}"), 1 + u64::from(n), b"x"));
    }
    store
}

/// The bytes of a turn with these keys.
fn turn(keys: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = minicbor::Encoder::new(&mut bytes);
    encoder.array(2).unwrap().u8(3).unwrap().array(1).unwrap().map(keys.len() as u64).unwrap();
    for (key, value) in keys {
        encoder.u8(*key).unwrap().bytes(value).unwrap();
    }
    bytes
}

/// Feeds a turn in and answers it.
fn feed(session: &mut Session, store: &Store, bytes: &[u8]) -> Result<usize, SyncError> {
    let step = session.handle(store, NOW, bytes)?;
    if !step.answer_due {
        return Ok(0);
    }
    Ok(session.answer(store)?.send.iter().map(Vec::len).sum())
}

fn greeted(store: &Store) -> Session {
    let (_, hello) = Session::initiate(&Store::new(9), NOW, Opening::default()).unwrap();
    let mut session = Session::respond(Opening::default());
    session.handle(store, NOW, &hello).unwrap();
    session
}

#[test]
fn a_peer_that_never_ends_is_given_up() {
    let full = store(1, 50);
    let mut session = greeted(&full);
    // Everything differs, again and again: one range without an upper bound.
    let ranges = [&[1 | 63 << 2][..], &[9; 8]].concat();
    let ended = (0..200).map(|_| feed(&mut session, &full, &turn(&[(5, &ranges)])));
    let results: Vec<_> = ended.take_while(Result::is_ok).collect();
    assert_eq!(results.len(), TURNS_MAX as usize);
    assert_eq!(session.handle(&full, NOW, &turn(&[])).err(), Some(SyncError::OutOfTurn), "over is over");
}

#[test]
fn endless_digests_and_records_nobody_asked_for_end_the_session() {
    let full = store(1, 50);
    let mut session = greeted(&full);
    let offer = [&[0][..], &[2, 1, 2, 3, 4, 5, 6].repeat(90_000)].concat();
    assert!(feed(&mut session, &full, &turn(&[(6, &offer)])).is_ok());
    assert_eq!(feed(&mut session, &full, &turn(&[(6, &offer)])), Err(SyncError::TooMuch));

    let mut session = greeted(&full);
    let mut unasked = Vec::new();
    let mut encoder = minicbor::Encoder::new(&mut unasked);
    encoder.array(2).unwrap().u8(3).unwrap().array(1).unwrap().map(1).unwrap();
    encoder.u8(9).unwrap().array(1).unwrap().bytes(b"a record").unwrap();
    assert_eq!(session.handle(&full, NOW, &unasked).err(), Some(SyncError::TooMuch));
}

#[test]
fn bits_beyond_what_was_offered_or_listed_bring_nothing() {
    let full = store(1, 20);
    let mut session = greeted(&full);
    // The first answer listed all twenty; these bits ask for 8,000.
    let sent = feed(&mut session, &full, &turn(&[(8, &[0xff; 1_000])])).unwrap();
    let all: usize = full.iter().map(|r| r.bytes().len()).sum();
    assert!(sent < all + 200, "{sent} bytes of {all}");
    // Asked again, it was offered nothing since.
    assert!(feed(&mut session, &full, &turn(&[(7, &[0xff; 1_000])])).map_or(true, |sent| sent < 50));
}

#[test]
fn a_false_cursor_hides_nothing_but_from_whom_it_names() {
    let (mut a, mut b) = (Side::new(1, store(1, 300)), Side::new(2, store(2, 300)));
    session(&mut a, &mut b, NOW, 1, usize::MAX);
    b.store.merge(record(2, "new", 900, b"y"));
    for mark in [
        b.store.mark(),
        Mark { store: 2, upto: u64::MAX },
        Mark { store: 77, upto: 3 },
        Mark { store: 2, upto: 0 },
    ] {
        // Side a says that it has seen what it has not.
        let mut liar = Side::new(1, a.store.clone());
        liar.cursors.advance(b.id, mark);
        let cost = session(&mut liar, &mut b, NOW, 3, usize::MAX);
        assert!(cost.ended && equal(&liar.store, &b.store), "{mark:?}: {cost:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_ranges_offers_and_bits_panic_nobody_and_are_answered_within_bounds(
        turns in proptest::collection::vec((5..9_u8, proptest::collection::vec(any::<u8>(), 0..60)), 1..6),
        count in 0..80_u32,
    ) {
        let full = store(1, count);
        let mut session = greeted(&full);
        for (key, bytes) in turns {
            match feed(&mut session, &full, &turn(&[(key, &bytes)])) {
                Ok(sent) => prop_assert!(sent < 64 * 1024),
                Err(_) => return Ok(()),
            }
        }
    }
}

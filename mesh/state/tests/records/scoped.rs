//! The narrow way: a node on scheduled links lists what it carries, and its host gives it
//! what concerns it, and nothing else.

use crate::{open, record};
use orbweave_golden::pinned;
use orbweave_model::Wall;
use orbweave_state::record::Record;
use orbweave_state::store::Store;
use orbweave_state::store::index::Key;
use orbweave_state::sync::{Begins, CARRIED_MAX, Opening, Session, Step, SyncError};

const NOW: Wall = Wall(1_800_000_000_000);

fn key_of(record: &Record) -> Key {
    Key { wall: record.hlc().wall, digest: record.digest() }
}

fn names(step: &Step) -> Vec<String> {
    step.received.iter().map(|bytes| open(bytes).id().key.clone()).collect()
}

/// What a satellite carries, what its host has, and what of that concerns the satellite.
fn craft_and_host() -> (Store, Store, Vec<Key>) {
    let (mut craft, mut host) = (Store::new(7), Store::new(8));
    let both = record(1, "both", 1, b"x");
    let due = record(2, "due", 3, b"y");
    for store in [&mut craft, &mut host] {
        store.merge(both.clone());
    }
    craft.merge(record(1, "observed", 2, b"z"));
    host.merge(due.clone());
    host.merge(record(2, "of-others", 4, b"of no concern"));
    (craft, host, vec![key_of(&both), key_of(&due)])
}

/// A host of nodes on scheduled links.
fn responder() -> Session {
    Session::respond(Opening { begins: Begins::Listed, ..Opening::default() })
}

/// A node on scheduled links.
fn called() -> Session {
    Session::respond(Opening { begins: Begins::Called, ..Opening::default() })
}

#[test]
fn the_frames_of_the_narrow_way_are_as_they_always_were() {
    let (craft, host, concerns) = craft_and_host();
    let (mut caller, call) = Session::call(NOW);
    let mut called = called();
    let step = called.handle(&craft, NOW, &pinned!("scoped-call", &call)).unwrap();
    let carry = pinned!("scoped-carry", &step.send[0]);
    assert!(caller.handle(&host, NOW, &carry).unwrap().scope_due);
    let step = caller.give(&host, NOW, &concerns).unwrap();
    let given = pinned!("scoped-give-and-want", &step.send[0]);
    let step = called.handle(&craft, NOW, &given).unwrap();
    let last = pinned!("scoped-give-last", &step.send[0]);
    assert!(caller.handle(&host, NOW, &last).unwrap().finished);
}

#[test]
fn a_host_gives_what_concerns_its_guest_and_learns_all_that_the_guest_has() {
    let (craft, host, concerns) = craft_and_host();
    let (mut guest, carry) = Session::carry(&craft, NOW);
    let mut session = responder();
    assert!(session.handle(&host, NOW, &carry).unwrap().scope_due);
    let given = session.give(&host, NOW, &concerns).unwrap();
    assert!(!given.finished, "the host lacks something still");
    let step = guest.handle(&craft, NOW, &given.send[0]).unwrap();
    assert_eq!((names(&step), step.finished), (vec!["due".to_owned()], true));
    let step = session.handle(&host, NOW, &step.send[0]).unwrap();
    assert_eq!((names(&step), step.finished), (vec!["observed".to_owned()], true));
}

#[test]
fn a_host_that_lacks_nothing_is_done_with_its_own_word() {
    let (craft, mut host, concerns) = craft_and_host();
    for record in craft.iter() {
        host.merge(record.clone());
    }
    let (mut guest, carry) = Session::carry(&craft, NOW);
    let mut session = responder();
    session.handle(&host, NOW, &carry).unwrap();
    let given = session.give(&host, NOW, &concerns).unwrap();
    assert!(given.finished);
    let step = guest.handle(&craft, NOW, &given.send[0]).unwrap();
    assert!(step.finished && step.send.is_empty());
    assert_eq!(names(&step), ["due"]);
}

#[test]
fn a_guest_that_carries_more_than_a_list_holds_lists_the_newest() {
    let mut craft = Store::default();
    for n in 0..CARRIED_MAX as u64 + 3 {
        craft.merge(record(1, &format!("w{n}"), 1 + n, b"x"));
    }
    let (mut guest, carry) = Session::carry(&craft, NOW);
    let host = Store::default();
    let mut session = responder();
    session.handle(&host, NOW, &carry).unwrap();
    let given = session.give(&host, NOW, &[]).unwrap();
    let step = guest.handle(&craft, NOW, &given.send[0]).unwrap();
    let step = session.handle(&host, NOW, &step.send[0]).unwrap();
    let oldest = step.received.iter().map(|bytes| open(bytes).hlc().wall).min();
    assert_eq!((step.received.len(), oldest), (CARRIED_MAX, Some(Wall(4))));
}

#[test]
fn a_guest_that_gives_more_than_was_asked_for_is_refused() {
    let (craft, mut host, concerns) = craft_and_host();
    let (mut guest, carry) = Session::carry(&craft, NOW);
    let mut session = responder();
    session.handle(&host, NOW, &carry).unwrap();
    session.give(&host, NOW, &concerns).unwrap();
    // Another host asked for both records; this one for one of them.
    let (nobody, mut other) = (Store::default(), responder());
    other.handle(&nobody, NOW, &carry).unwrap();
    let asks_for_all = other.give(&nobody, NOW, &[]).unwrap().send.remove(0);
    let both = guest.handle(&craft, NOW, &asks_for_all).unwrap().send.remove(0);
    assert!(matches!(session.handle(&host, NOW, &both), Err(SyncError::TooMuch)));
    host.merge(record(1, "later", 5, b"x"));
    assert!(matches!(session.handle(&host, NOW, &both), Err(SyncError::OutOfTurn)), "it is over");
}

#[test]
fn what_comes_out_of_turn_ends_the_session() {
    let (craft, host, _) = craft_and_host();
    let (_, call) = Session::call(NOW);
    let (mut guest, carry) = Session::carry(&craft, NOW);
    let out_of_turn = |outcome| matches!(outcome, Err(SyncError::OutOfTurn));
    assert!(out_of_turn(guest.handle(&craft, NOW, &carry)), "a list in answer to a list");
    let (mut caller, _) = Session::call(NOW);
    assert!(out_of_turn(caller.handle(&host, NOW, &call)), "a call in answer to a call");
    let mut session = responder();
    assert!(out_of_turn(session.give(&host, NOW, &[])), "nobody listed anything");
    session.handle(&host, NOW, &carry).unwrap();
    assert!(out_of_turn(session.handle(&host, NOW, &carry)), "a second list");
    let (mut ordinary, _) = Session::initiate(&host, NOW, Opening::default()).unwrap();
    assert!(out_of_turn(ordinary.handle(&host, NOW, &carry)), "an ordinary session was begun");
}

#[test]
fn who_is_not_on_scheduled_links_begins_with_a_reconciliation_alone() {
    let (craft, host, _) = craft_and_host();
    let (_, hello) = Session::initiate(&host, NOW, Opening::default()).unwrap();
    let (_, carry) = Session::carry(&craft, NOW);
    let (_, call) = Session::call(NOW);
    let refuses = |mut session: Session, frame: &[u8]| {
        matches!(session.handle(&host, NOW, frame), Err(SyncError::OutOfTurn))
    };
    let anybody = || Session::respond(Opening::default());
    assert!(refuses(anybody(), &carry) && refuses(anybody(), &call) && !refuses(anybody(), &hello));
    assert!(!refuses(responder(), &carry) && refuses(responder(), &call) && !refuses(responder(), &hello));
    assert!(refuses(called(), &carry) && !refuses(called(), &call) && refuses(called(), &hello));
}

//! Stores of two zones compare what is for the whole mesh, and nothing else.

use crate::exchange::{NOW, Side, live, session};
use crate::{key, open, signed};
use orbweave_model::Wall;
use orbweave_state::record::{Record, RecordKind, Scope};
use orbweave_state::store::{NODE_RECORD_LIFE, SUMMARY_LIFE, Store};
use orbweave_state::sync::{Opening, Session, SyncError, WireVersion};
use proptest::prelude::*;

/// A record of any kind by one of a few authors, not yet expired.
fn any_record() -> impl Strategy<Value = Record> {
    (1..9_u8, 1..4_u8, 0..6_u32, 0..1_000_u64).prop_map(|(kind, author, name, ago)| {
        let own = [RecordKind::NODE, RecordKind::SUMMARY].contains(&RecordKind(kind));
        let name = if own { key(author).public().to_string() } else { format!("n{name}") };
        open(&signed(author, RecordKind(kind), &name, NOW.0 - ago, 0, b"x"))
    })
}

fn side(id: u8, records: Vec<Record>, scope: Scope) -> Side {
    let mut store = Store::new(u64::from(id));
    for record in records {
        store.merge(record);
    }
    Side { scope, ..Side::new(id, store) }
}

fn of(store: &Store, scope: Scope) -> Vec<&Record> {
    store.iter().filter(|record| record.id().kind.scope() == scope).collect()
}

proptest! {
    #[test]
    fn two_zones_end_with_the_same_for_the_mesh_and_their_own_for_the_zone(
        ours in prop::collection::vec(any_record(), 0..40),
        theirs in prop::collection::vec(any_record(), 0..40),
        more in prop::collection::vec(any_record(), 0..10),
        salt in any::<u64>(),
    ) {
        let (mut a, mut b) = (side(1, ours, Scope::Mesh), side(2, theirs, Scope::Mesh));
        let before = (of(&a.store, Scope::Zone).len(), of(&b.store, Scope::Zone).len());
        let cost = session(&mut a, &mut b, NOW, salt >> 1, usize::MAX);
        prop_assert!(cost.ended);
        let mesh = |side: &Side| of(&side.store, Scope::Mesh).iter().map(|r| r.digest()).collect::<Vec<_>>();
        prop_assert_eq!(mesh(&a), mesh(&b));
        prop_assert_eq!(before, (of(&a.store, Scope::Zone).len(), of(&b.store, Scope::Zone).len()));
        // What came since is news, of which the zone's own is none.
        for record in more {
            a.store.merge(record);
        }
        let cost = session(&mut b, &mut a, NOW, salt >> 2, usize::MAX);
        prop_assert!(cost.ended);
        prop_assert_eq!(mesh(&a), mesh(&b));
        prop_assert_eq!(before.1, of(&b.store, Scope::Zone).len());
    }

    #[test]
    fn what_is_compared_at_any_cutoff_is_what_holds_then(
        records in prop::collection::vec(any_record(), 0..40),
        later in 0..4_000_000_u64,
    ) {
        let store = side(1, records, Scope::Mesh).store;
        let cutoff = Wall(NOW.0 + later);
        let holds = live(&store, cutoff);
        let mesh = of(&store, Scope::Mesh).into_iter().filter(|r| holds.contains(&r.digest())).count();
        prop_assert_eq!(store.live_in(Scope::Mesh, cutoff).total().count, mesh as u64);
        prop_assert_eq!(store.live(cutoff).total().count, holds.len() as u64);
    }
}

#[test]
fn who_wants_to_compare_more_than_is_for_the_mesh_is_refused() {
    let store = side(1, Vec::new(), Scope::Zone).store;
    let scoped = |scope, speaks| Opening { scope, speaks, ..Opening::default() };
    let (_, hello) = Session::initiate(&store, NOW, scoped(Scope::Zone, WireVersion::Current)).unwrap();
    let mut other = Session::respond(scoped(Scope::Mesh, WireVersion::Current));
    assert_eq!(other.handle(&store, NOW, &hello).unwrap_err(), SyncError::OutOfScope);
    // The version before knows no zones: it is heard by nobody of another.
    let (_, hello) = Session::initiate(&store, NOW, scoped(Scope::Zone, WireVersion::Previous)).unwrap();
    let mut other = Session::respond(scoped(Scope::Mesh, WireVersion::Current));
    assert_eq!(other.handle(&store, NOW, &hello).unwrap_err(), SyncError::OutOfScope);
    let begun = Session::initiate(&store, NOW, scoped(Scope::Mesh, WireVersion::Previous));
    assert_eq!(begun.err(), Some(SyncError::OutOfScope));
    // Less is granted.
    let (_, hello) = Session::initiate(&store, NOW, scoped(Scope::Mesh, WireVersion::Current)).unwrap();
    let mut other = Session::respond(scoped(Scope::Zone, WireVersion::Current));
    assert!(other.handle(&store, NOW, &hello).unwrap().finished);
}

#[test]
fn an_allotment_lives_with_its_gateways_summary_and_not_with_its_node_record() {
    let own = |kind, wall| open(&signed(1, kind, &key(1).public().to_string(), wall, 0, b""));
    let allotment = open(&signed(1, RecordKind::ALLOTMENT, "w", 10, 0, b""));
    let life = |ms: u64, life: std::time::Duration| Wall(ms + life.as_millis() as u64);
    let mut store = Store::default();
    store.merge(allotment.clone());
    store.merge(own(RecordKind::NODE, 900));
    assert_eq!(store.expires(&allotment), Some(life(10, SUMMARY_LIFE)));
    store.merge(own(RecordKind::SUMMARY, 500));
    assert_eq!(store.expires(&allotment), Some(life(500, SUMMARY_LIFE)));
    assert!(NODE_RECORD_LIFE < SUMMARY_LIFE);
    let gone = store.expire(life(500, SUMMARY_LIFE), &key(9).public());
    assert_eq!(gone.len(), 3);
}

//! The store merges commutatively, associatively and idempotently, and holds its bounds.

use crate::{key, open, record, signed};
use orbweave_model::{Hash, Wall};
use orbweave_state::record::{Record, RecordKind};
use orbweave_state::store::{Merge, NODE_RECORD_LIFE, Store};
use proptest::prelude::*;
use std::sync::LazyLock;

/// Few identities, and readings that collide: rivals of every sort.
static POOL: LazyLock<Vec<Record>> = LazyLock::new(|| {
    let mut pool = Vec::new();
    for author in 1..4 {
        for name in ["a", "b"] {
            for (wall, count) in [(1, 0), (1, 1), (2, 0)] {
                for body in [&b"x"[..], b"y"] {
                    pool.push(open(&signed(author, RecordKind::WORKLOAD, name, wall, count, body)));
                }
            }
        }
    }
    pool
});

fn store_of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Store {
    let mut store = Store::default();
    for record in records {
        store.merge(record.clone());
    }
    store
}

fn digests(store: &Store) -> Vec<Hash> {
    store.iter().map(Record::digest).collect()
}

fn some() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(0..36_usize, 0..30)
}

fn pick(indices: &[usize]) -> Vec<&'static Record> {
    indices.iter().map(|i| &POOL[i % POOL.len()]).collect()
}

proptest! {
    #[test]
    fn the_order_of_records_does_not_matter(order in some(), seed: u64) {
        let mut shuffled = order.clone();
        shuffled.sort_by_key(|i| Hash::of(&[&seed.to_le_bytes()[..], &i.to_le_bytes()].concat()));
        prop_assert_eq!(digests(&store_of(pick(&order))), digests(&store_of(pick(&shuffled))));
    }

    #[test]
    fn merging_stores_is_associative_commutative_and_idempotent(a in some(), b in some(), c in some()) {
        let merged = |first: &Store, second: &Store| store_of(first.iter().chain(second.iter()));
        let [a, b, c] = [a, b, c].map(|indices| store_of(pick(&indices)));
        let left = merged(&merged(&a, &b), &c);
        prop_assert_eq!(digests(&left), digests(&merged(&a, &merged(&b, &c))));
        prop_assert_eq!(digests(&merged(&a, &b)), digests(&merged(&b, &a)));
        prop_assert_eq!(digests(&merged(&left, &left)), digests(&left));
        prop_assert_eq!(digests(&merged(&left, &a)), digests(&left));
    }

    #[test]
    fn a_barred_author_is_gone_whichever_came_first(order in some(), at in 0..30_usize) {
        let at = at.min(order.len());
        let mut store = store_of(pick(&order[..at]));
        store.bar(key(2).public());
        for record in pick(&order[at..]) {
            store.merge(record.clone());
        }
        let others = store_of(pick(&order).into_iter().filter(|r| r.id().author != key(2).public()));
        prop_assert_eq!(digests(&store), digests(&others));
    }
}

#[test]
fn the_answer_says_what_became_of_a_record() {
    let mut store = Store::default();
    let (old, new) = (record(1, "a", 1, b"x"), record(1, "a", 2, b"x"));
    assert_eq!(store.merge(old.clone()), Merge::Applied { replaced: false });
    assert_eq!(store.merge(old.clone()), Merge::Known);
    assert_eq!(store.merge(new), Merge::Applied { replaced: true });
    assert_eq!(store.merge(old), Merge::Stale);
    assert_eq!(store.merge(record(2, "a", 1, b"x")), Merge::Applied { replaced: false });
    assert_eq!(store.len(), 2);
}

#[test]
fn a_claim_lives_with_its_holders_node_record_and_ones_own_do_not_expire() {
    let life = NODE_RECORD_LIFE.as_millis() as u64;
    let node = |author: u8, wall| {
        open(&signed(author, RecordKind::NODE, &key(author).public().to_string(), wall, 0, b""))
    };
    let claim = |author, wall| open(&signed(author, RecordKind::CLAIM, "a", wall, 0, b""));
    let mut store =
        store_of(&[claim(1, 10), claim(2, 10), node(2, 500), claim(3, 10), record(1, "kept", 1, b"")]);
    let gone = store.expire(Wall(10 + life), &key(3).public());
    assert_eq!(gone.iter().map(|r| r.id().author).collect::<Vec<_>>(), [key(1).public()]);
    assert_eq!(store.expire(Wall(500 + life), &key(3).public()).len(), 2);
    assert_eq!(store.expire(Wall(u64::MAX), &key(3).public()).len(), 0);
    assert_eq!(store.len(), 2);
}

#[test]
fn renewals_of_a_barred_key_are_gone_whichever_came_first() {
    let (barred, other) = (key(2).public().to_string(), key(3).public().to_string());
    let renewal = |of: &str| open(&signed(1, RecordKind::CERTIFICATE, of, 1, 0, b"x"));
    let mut store = Store::default();
    store.merge(renewal(&barred));
    store.merge(renewal(&other));
    assert_eq!(store.bar(key(2).public()), [renewal(&barred).id().clone()]);
    assert_eq!(store.merge(renewal(&barred)), Merge::Barred);
    assert_eq!(store.len(), 1);
}

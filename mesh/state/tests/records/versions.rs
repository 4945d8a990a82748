//! Version 2 with a peer of version 1, both ways round.

use crate::exchange::{NOW, equal};
use crate::{open, record, v1};
use orbweave_state::store::Store;
use orbweave_state::sync::{Opening, Session};
use proptest::prelude::*;

enum Either {
    Old(v1::Session),
    New(Box<Session>),
}

impl Either {
    /// What to send, what came, and whether it is over.
    fn handle(&mut self, store: &Store, bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>, bool) {
        match self {
            Self::Old(session) => {
                let step = session.handle(store, NOW, bytes).unwrap();
                (step.send, step.received, step.finished)
            }
            Self::New(session) => {
                let step = session.handle(store, NOW, bytes).unwrap();
                assert!(!step.answer_due, "version 1 knows no turns");
                assert_eq!(step.seen, None, "nor cursors");
                (step.send, step.received, step.finished)
            }
        }
    }
}

fn reconcile(a: &mut Store, b: &mut Store, old_begins: bool) -> usize {
    let (mut first, hello) = if old_begins {
        let (session, hello) = v1::Session::initiate(a, NOW).unwrap();
        (Either::Old(session), hello)
    } else {
        let (session, hello) = Session::initiate(a, NOW, Opening::default()).unwrap();
        (Either::New(session.into()), hello)
    };
    let mut second = if old_begins {
        Either::New(Session::respond(Opening::default()).into())
    } else {
        Either::Old(v1::Session::respond())
    };
    let mut on_the_way = std::collections::VecDeque::from([(true, hello)]);
    let (mut ended, mut bytes) = ([false; 2], 0);
    while let Some((to_second, frame)) = on_the_way.pop_front() {
        bytes += frame.len();
        let (session, store) = if to_second { (&mut second, &mut *b) } else { (&mut first, &mut *a) };
        let (send, received, finished) = session.handle(store, &frame);
        ended[usize::from(to_second)] |= finished;
        for bytes in received {
            store.merge(open(&bytes));
        }
        on_the_way.extend(send.into_iter().map(|bytes| (!to_second, bytes)));
    }
    assert_eq!(ended, [true, true], "both sides know that it is over");
    bytes
}

fn store(names: impl IntoIterator<Item = u32>) -> Store {
    let mut store = Store::default();
    for n in names {
        store.merge(record(1, &format!("w{n}"), 1 + u64::from(n % 50), b"x"));
    }
    store
}

#[test]
fn equal_stores_of_two_versions_find_it_out_with_few_bytes() {
    for (count, old_begins) in [(0, true), (0, false), (500, true), (500, false)] {
        let (mut a, mut b) = (store(0..count), store(0..count));
        let bytes = reconcile(&mut a, &mut b, old_begins);
        assert!(bytes < 1_024, "{count}, {old_begins}: {bytes}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_peer_of_version_1_and_one_of_version_2_become_equal_whoever_begins(
        both in 0..300_u32,
        left in proptest::collection::vec((0..400_u32, 1..4_u64), 0..30),
        right in proptest::collection::vec((0..400_u32, 1..4_u64), 0..30),
        old_begins: bool,
    ) {
        let (mut a, mut b) = (store(0..both), store(0..both));
        for (side, changes) in [(&mut a, left), (&mut b, right)] {
            for (n, wall) in changes {
                side.merge(record(1, &format!("w{n}"), 50 + wall, b"y"));
            }
        }
        reconcile(&mut a, &mut b, old_begins);
        prop_assert!(equal(&a, &b));
    }
}

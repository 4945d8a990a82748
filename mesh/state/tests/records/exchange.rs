//! Two stores that reconcile, over a link that may be cut at any frame.

use crate::MESH;
use orbweave_model::{NodeId, PublicKey, Wall};
use orbweave_state::record::{Record, Scope};
use orbweave_state::store::{Merge, Store};
use orbweave_state::sync::{Cursors, Opening, Session, Step, WireVersion};
use orbweave_trust::Strict;
use std::collections::VecDeque;

pub const NOW: Wall = Wall(1_800_000_000_000);

/// What a session cost.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    pub frames: usize,
    pub bytes: usize,
    /// Record bytes among them.
    pub records: usize,
    /// How often the direction changed.
    pub turns: usize,
    /// Whether ranges were compared.
    pub ranges: bool,
    /// Whether both sides know that it ended in order.
    pub ended: bool,
}

/// A store, and what it remembers of others.
pub struct Side {
    pub id: NodeId,
    pub store: Store,
    pub cursors: Cursors,
    /// Records that it does not take, by the wall time from which on it does.
    pub refuses: Option<Wall>,
    pub speaks: WireVersion,
    /// What it has in common with the other side.
    pub scope: Scope,
}

impl Side {
    pub fn new(id: u8, store: Store) -> Self {
        Self {
            id: NodeId([id; 32]),
            store,
            cursors: Cursors::default(),
            refuses: None,
            speaks: WireVersion::Current,
            scope: Scope::Zone,
        }
    }

    pub fn opening(&self, peer: NodeId, salt: u64) -> Opening {
        let (speaks, scope) = (self.speaks, self.scope);
        Opening { seen: self.cursors.get(&peer), salt, speaks, scope, ..Opening::default() }
    }

    pub fn take(&mut self, envelopes: Vec<Vec<u8>>) {
        for bytes in envelopes {
            let record = Record::open(&bytes, MESH, &Strict).expect("a sound record");
            if self.refuses.is_none_or(|from| record.hlc().wall < from) {
                assert_ne!(self.store.merge(record), Merge::Full);
            }
        }
    }

    /// The process ends and starts again: the disk gives its records back, and lost the last.
    pub fn restart(&mut self, number: u64, lost: usize) {
        let mut records: Vec<Record> = self.store.iter().cloned().collect();
        records.sort_by_key(|r| r.hlc());
        records.truncate(records.len().saturating_sub(lost));
        (self.store, self.cursors) = (Store::new(number), Cursors::default());
        for record in records {
            self.store.merge(record);
        }
    }
}

/// One session. Frames after the first `cut` are lost.
pub fn session(a: &mut Side, b: &mut Side, now: Wall, salt: u64, cut: usize) -> Cost {
    let mut cost = Cost::default();
    let (mut first, hello) = Session::initiate(&a.store, now, a.opening(b.id, salt)).unwrap();
    let mut second = Session::respond(b.opening(a.id, salt + 1));
    let mut on_the_way = VecDeque::from([(true, hello)]);
    let (mut ended, mut direction) = ([false; 2], None);
    while let Some((to_second, bytes)) = on_the_way.pop_front() {
        if cost.frames == cut {
            return cost;
        }
        cost.frames += 1;
        cost.bytes += bytes.len();
        if direction != Some(to_second) {
            (direction, cost.turns) = (Some(to_second), cost.turns + 1);
        }
        let (session, side, peer) =
            if to_second { (&mut second, &mut *b, a.id) } else { (&mut first, &mut *a, b.id) };
        let step = session.handle(&side.store, now, &bytes).unwrap();
        let due = step.answer_due;
        let mut steps = vec![step];
        let received = std::mem::take(&mut steps[0].received);
        cost.records += received.iter().map(Vec::len).sum::<usize>();
        side.take(received);
        if due {
            steps.push(session.answer(&side.store).unwrap());
        }
        for Step { send, finished, seen, ranges, .. } in steps {
            ended[usize::from(to_second)] |= finished;
            cost.ranges |= ranges;
            if let Some(mark) = seen {
                side.cursors.advance(peer, mark);
            }
            on_the_way.extend(send.into_iter().map(|bytes| (!to_second, bytes)));
        }
    }
    cost.ended = ended == [true, true];
    cost
}

/// A whole session of two stores that remember nothing of each other.
pub fn reconcile(a: &mut Store, b: &mut Store) -> Cost {
    let mut left = Side::new(1, std::mem::take(a));
    let mut right = Side::new(2, std::mem::take(b));
    let cost = session(&mut left, &mut right, NOW, 1, usize::MAX);
    assert!(cost.ended, "both sides know that it is over");
    (*a, *b) = (left.store, right.store);
    cost
}

pub fn equal(a: &Store, b: &Store) -> bool {
    a.iter().map(Record::digest).eq(b.iter().map(Record::digest))
}

/// Whether the same holds on both at a time.
pub fn equal_at(a: &Store, b: &Store, cutoff: Wall) -> bool {
    live(a, cutoff) == live(b, cutoff)
}

/// What holds, by the plainest means.
pub fn live(store: &Store, cutoff: Wall) -> Vec<orbweave_model::Hash> {
    let holds = |r: &&Record| store.expires(r).is_none_or(|end| end > cutoff);
    store.iter().filter(holds).map(Record::digest).collect()
}

pub fn nobody() -> PublicKey {
    PublicKey([0xee; 32])
}

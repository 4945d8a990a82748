//! What a reconciliation costs: round trips, bytes and time, at 10,000 and 1,000,000
//! records, equal and after a partition with 1,000 changes on each side.
//!
//! ```sh
//! cargo bench -p orbweave-state --bench reconcile
//! ```

#![allow(clippy::disallowed_methods, reason = "a measurement looks at the clock")]

use orbweave_model::{Hlc, MeshId, PublicKey, Signature, Wall};
use orbweave_state::record::{Opener, Record, RecordKind};
use orbweave_state::store::{Bounds, Store};
use orbweave_state::sync::{Cursors, Opening, Session};
use orbweave_trust::{Domain, SecretKey, SignatureCheck};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

const MESH: MeshId = MeshId([7; 32]);
const BEGIN: u64 = 1_800_000_000_000;
/// Over which the records were said.
const SPAN_MS: u64 = 14 * 24 * 3600 * 1000;
const NOW: Wall = Wall(BEGIN + 2 * SPAN_MS);
/// A body of about the size of a small claim.
const BODY: usize = 100;
const CHANGES: u64 = 1_000;

/// Signatures are not what is measured.
struct Believe;

impl SignatureCheck for Believe {
    fn check(&self, _: &PublicKey, _: Domain, _: &[u8], _: &Signature) -> bool {
        true
    }
}

impl Opener for Believe {}

#[derive(Clone)]
struct Side {
    id: orbweave_model::NodeId,
    store: Store,
    cursors: Cursors,
}

#[derive(Default)]
struct Cost {
    turns: usize,
    bytes: [usize; 2],
    bodies: usize,
    ranges: bool,
    /// Time spent comparing, the merging of records aside.
    time: Duration,
}

fn main() {
    println!(
        "{:>9} {:<24} {:<8} {:>6} {:>10} {:>10} {:>10} {:>9} {:>7} {:>6} {:>9}",
        "records",
        "difference",
        "between",
        "trips",
        "bytes up",
        "bytes down",
        "bodies",
        "overhead",
        "ratio",
        "ranges",
        "time ms"
    );
    for count in [10_000, 1_000_000] {
        let keys: Vec<SecretKey> = (0..50).map(|n| SecretKey::from_bytes([n + 1; 32])).collect();
        let bounds = Bounds { records: 3_000_000, records_per_author: 100_000, bytes_per_author: 1 << 30 };
        let mut left =
            Side { id: keys[0].node_id(), store: Store::with_bounds(1, bounds), cursors: Cursors::default() };
        let mut right =
            Side { id: keys[1].node_id(), store: Store::with_bounds(2, bounds), cursors: Cursors::default() };
        for n in 0..count {
            let record = said(&keys, n, BEGIN + n * SPAN_MS / count, 0);
            left.store.merge(record.clone());
            right.store.merge(record);
        }
        report(count, "none", "stranger", &mut left.clone(), &mut right.clone());
        reconcile(&mut left, &mut right);
        report(count, "none", "known", &mut left.clone(), &mut right.clone());
        for (name, kind) in [
            ("1,000 + 1,000 new", 0),
            ("1,000 + 1,000 newer", 1),
            ("half and half", 2),
            ("new, spread over time", 3),
        ] {
            let (mut a, mut b) = (left.clone(), right.clone());
            for change in 0..CHANGES {
                let supersede = kind == 1 || kind == 2 && change % 2 == 0;
                for (side, parity) in [(&mut a, 0), (&mut b, 1)] {
                    let n = if supersede {
                        (change * 2 + parity) * (count / (CHANGES * 2))
                    } else {
                        count + change * 2 + parity
                    };
                    let wall = match kind {
                        3 => BEGIN + (change * 2 + parity) * SPAN_MS / (2 * CHANGES) + 1,
                        _ => BEGIN + SPAN_MS + change * 60_000 + parity,
                    };
                    side.store.merge(said(&keys, n, wall, 1));
                }
            }
            let (mut c, mut d) = (a.clone(), b.clone());
            (c.cursors, d.cursors) = (Cursors::default(), Cursors::default());
            report(count, name, "known", &mut a, &mut b);
            report(count, name, "stranger", &mut c, &mut d);
        }
    }
}

/// What the author of record `n` says at this time.
fn said(keys: &[SecretKey], n: u64, wall: u64, count: u32) -> Record {
    let hlc = Hlc { wall: Wall(wall), count };
    let key = &keys[n as usize % keys.len()];
    let bytes = Record::sign(key, MESH, RecordKind::WORKLOAD, &format!("w{n}"), hlc, vec![n as u8; BODY]);
    Record::open(&bytes, MESH, &Believe).expect("a record of ours")
}

fn report(count: u64, difference: &str, between: &str, a: &mut Side, b: &mut Side) {
    let cost = reconcile(a, b);
    assert!(a.store.iter().map(Record::digest).eq(b.store.iter().map(Record::digest)));
    let bytes = cost.bytes[0] + cost.bytes[1];
    println!(
        "{count:>9} {difference:<24} {between:<8} {:>6} {:>10} {:>10} {:>10} {:>9} {:>7} {:>6} {:>9.2}",
        cost.turns as f64 / 2.0,
        cost.bytes[0],
        cost.bytes[1],
        cost.bodies,
        bytes - cost.bodies,
        if cost.bodies == 0 { "".to_owned() } else { format!("{:.2}", bytes as f64 / cost.bodies as f64) },
        if cost.ranges { "yes" } else { "no" },
        cost.time.as_secs_f64() * 1e3,
    );
}

fn reconcile(a: &mut Side, b: &mut Side) -> Cost {
    let mut cost = Cost::default();
    let opening = |side: &Side, peer: &Side| Opening {
        seen: side.cursors.get(&peer.id),
        salt: 5,
        ..Opening::default()
    };
    let begin = Instant::now();
    let (mut first, hello) = Session::initiate(&a.store, NOW, opening(a, b)).expect("a store of ours");
    cost.time += begin.elapsed();
    let mut second = Session::respond(opening(b, a));
    let mut on_the_way = VecDeque::from([(true, hello)]);
    let mut direction = None;
    while let Some((to_second, frame)) = on_the_way.pop_front() {
        cost.bytes[usize::from(!to_second)] += frame.len();
        if direction != Some(to_second) {
            (direction, cost.turns) = (Some(to_second), cost.turns + 1);
        }
        let (session, side, peer) =
            if to_second { (&mut second, &mut *b, a.id) } else { (&mut first, &mut *a, b.id) };
        let begin = Instant::now();
        let mut step = session.handle(&side.store, NOW, &frame).expect("a frame of ours");
        cost.time += begin.elapsed();
        for bytes in std::mem::take(&mut step.received) {
            cost.bodies += bytes.len();
            side.store.merge(Record::open(&bytes, MESH, &Believe).expect("a record of ours"));
        }
        if step.answer_due {
            let begin = Instant::now();
            step = session.answer(&side.store).expect("a turn of ours");
            cost.time += begin.elapsed();
        }
        cost.ranges |= step.ranges;
        if let Some(mark) = step.seen {
            side.cursors.advance(peer, mark);
        }
        on_the_way.extend(step.send.into_iter().map(|frame| (!to_second, frame)));
    }
    cost
}

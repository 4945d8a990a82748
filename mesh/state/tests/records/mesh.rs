//! Two and five stores over seeds: insertions, supersessions, expiry, evictions,
//! restarts, sessions cut at any frame. At the end all hold the same.

use crate::exchange::{NOW, Side, equal_at, live, nobody, session};
use crate::{key, open, signed};
use orbweave_model::Wall;
use orbweave_state::record::{Record, RecordKind};
use orbweave_state::store::{Mark, NODE_RECORD_LIFE, Store};
use orbweave_state::sync::{Opening, Session};
use proptest::prelude::*;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

const KINDS: [RecordKind; 4] = [RecordKind::WORKLOAD, RecordKind::CLAIM, RecordKind::NODE, RecordKind(200)];
const MINUTES: u64 = 60_000;
/// How long the histories below last.
const LASTS: u64 = 40 * MINUTES;

/// Signed once, by the minute of their time.
static POOL: LazyLock<Vec<Vec<Record>>> = LazyLock::new(|| {
    let mut pool = vec![Vec::new(); 41];
    for author in 1..5_u8 {
        for kind in KINDS {
            for name in 0..4 {
                let name = match kind {
                    RecordKind::NODE if name > 0 => continue,
                    RecordKind::NODE => key(author).public().to_string(),
                    _ => format!("n{name}"),
                };
                for (minute, pool) in (0..).zip(&mut pool) {
                    let wall = NOW.0 + minute * MINUTES + u64::from(author) * 7;
                    pool.push(open(&signed(author, kind, &name, wall, 0, &[author; 40])));
                }
            }
        }
    }
    pool
});

struct World {
    rng: Xoshiro256PlusPlus,
    sides: Vec<Side>,
    now: Wall,
    /// The newest of each identity that anybody said and did not forget.
    said: BTreeMap<String, Record>,
    /// Sessions so far, as salts and store numbers.
    count: u64,
}

impl World {
    fn new(count: u8, seed: u64) -> Self {
        let sides = (0..count).map(|i| Side::new(i, Store::new(u64::from(i)))).collect();
        let rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self { rng, sides, now: NOW + Duration::from_secs(1), said: BTreeMap::new(), count: 1_000 }
    }

    fn draw(&mut self, below: usize) -> usize {
        self.rng.random_range(0..below)
    }

    fn two(&mut self) -> (usize, usize) {
        let (a, b) = (self.draw(self.sides.len()), self.draw(self.sides.len() - 1));
        (a, if b < a { b } else { b + 1 })
    }

    fn reconcile(&mut self, a: usize, b: usize, cut: usize) -> crate::exchange::Cost {
        self.count += 2;
        let (low, high) = self.sides.split_at_mut(a.max(b));
        let (first, second) = if a < b { (&mut low[a], &mut high[0]) } else { (&mut high[0], &mut low[b]) };
        session(first, second, self.now, self.count, cut)
    }

    /// Somebody says something of the last minutes: it must not be lost any more.
    fn say(&mut self) {
        let by = self.draw(self.sides.len());
        for _ in 0..1 + self.draw(6) {
            let minute = ((self.now.0 - NOW.0) / MINUTES) as usize;
            let minute = minute - self.draw(minute.min(4) + 1);
            let record = POOL[minute][self.draw(POOL[0].len())].clone();
            self.sides[by].store.merge(record.clone());
            let name = format!("{:?}", (&record.id().kind, &record.id().key, &record.id().author));
            if self.said.get(&name).is_none_or(|held| record.supersedes(held)) {
                self.said.insert(name, record);
            }
        }
    }

    fn step(&mut self) {
        match self.draw(20) {
            0..8 => self.say(),
            8..11 => self.now = self.now + Duration::from_secs(self.rng.random_range(1..300)),
            11 => {
                let i = self.draw(self.sides.len());
                let now = self.now;
                self.sides[i].store.expire(now, &nobody());
            }
            12 => {
                // A crash forgets what is not durable: here, only what others know too.
                let i = self.draw(self.sides.len());
                let lost = self.draw(4);
                let newest = self.newest(i, lost);
                let known = newest.iter().all(|digest| {
                    (0..self.sides.len())
                        .any(|j| j != i && self.sides[j].store.iter().any(|r| r.digest() == *digest))
                });
                self.count += 1;
                let number = self.count;
                self.sides[i].restart(number, if known { lost } else { 0 });
            }
            13 => {
                let i = self.draw(self.sides.len());
                self.sides[i].refuses = match self.draw(3) {
                    0 => Some(self.now - Duration::from_secs(60)),
                    _ => None,
                };
            }
            14..17 => {
                let (a, b) = self.two();
                let cut = self.draw(9);
                self.reconcile(a, b, cut);
            }
            _ => {
                let (a, b) = self.two();
                self.reconcile(a, b, usize::MAX);
            }
        }
    }

    fn newest(&self, i: usize, count: usize) -> Vec<orbweave_model::Hash> {
        let mut records: Vec<&Record> = self.sides[i].store.iter().collect();
        records.sort_by_key(|r| r.hlc());
        records.iter().rev().take(count).map(|r| r.digest()).collect()
    }

    /// Everybody takes everything again, and meets everybody.
    fn heal(&mut self) {
        for side in &mut self.sides {
            side.refuses = None;
        }
        for _ in 0..2 {
            for a in 0..self.sides.len() {
                for b in (0..self.sides.len()).filter(|b| *b != a) {
                    assert!(self.reconcile(a, b, usize::MAX).ended);
                }
            }
        }
    }

    /// All hold the same, and nothing that was said and still holds is missing.
    fn check(&self) -> Result<(), TestCaseError> {
        let first = &self.sides[0].store;
        for side in &self.sides {
            prop_assert!(equal_at(&side.store, first, self.now));
            let total = side.store.live(self.now).total();
            prop_assert_eq!(total.count as usize, live(&side.store, self.now).len());
        }
        for record in self.said.values() {
            let kept = record.id().kind == RecordKind::WORKLOAD;
            if kept || record.hlc().wall + NODE_RECORD_LIFE > self.now {
                let held = first.get(record.id()).map(Record::digest);
                prop_assert_eq!(held, Some(record.digest()), "{:?} is lost", record);
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_and_five_stores_end_with_the_same_whatever_happened_to_them(seed: u64, five: bool, steps in 10..150_usize) {
        let mut world = World::new(if five { 5 } else { 2 }, seed);
        for _ in 0..steps {
            world.step();
            if world.now.0 >= NOW.0 + LASTS {
                break;
            }
        }
        world.heal();
        world.check()?;
    }

    #[test]
    fn a_session_that_was_cut_leaves_the_cursors_where_they_were(seed: u64, cuts in proptest::collection::vec(0..8_usize, 1..5)) {
        let mut world = World::new(2, seed);
        world.reconcile(0, 1, usize::MAX);
        for cut in cuts {
            world.say();
            world.say();
            let (a, b) = world.two();
            world.reconcile(a, b, cut);
        }
        // What the cut sessions did not bring is news still: no ranges are needed to find it.
        let cost = world.reconcile(0, 1, usize::MAX);
        prop_assert!(cost.ended && !cost.ranges, "{:?}", cost);
        world.check()?;
    }
}

#[test]
fn what_a_cursor_passed_while_it_was_refused_comes_by_ranges() {
    let mut world = World::new(2, 1);
    world.reconcile(0, 1, usize::MAX);
    let record = POOL[0][0].clone();
    world.sides[0].store.merge(record.clone());
    world.sides[1].refuses = Some(Wall(0));
    for _ in 0..3 {
        let cost = world.reconcile(1, 0, usize::MAX);
        assert!(cost.ended && cost.ranges, "{cost:?}");
    }
    world.sides[1].refuses = None;
    world.reconcile(0, 1, usize::MAX);
    assert_eq!(world.sides[1].store.len(), 1);
}

#[test]
fn a_claim_that_expired_here_and_was_refreshed_there_comes_back() {
    let mut world = World::new(2, 1);
    let find = |kind: RecordKind, minute: u64| {
        let wall = NOW.0 + minute * MINUTES + 7;
        POOL[minute as usize].iter().find(|r| r.id().kind == kind && r.hlc().wall.0 == wall).unwrap().clone()
    };
    let (claim, refresh) = (find(RecordKind::CLAIM, 0), find(RecordKind::NODE, 14));
    for side in &mut world.sides {
        side.store.merge(claim.clone());
        side.store.merge(find(RecordKind::NODE, 0));
    }
    world.now = NOW + Duration::from_secs(1);
    world.reconcile(0, 1, usize::MAX);
    // The holder refreshes its node record where only the first store hears it.
    world.sides[0].store.merge(refresh);
    world.now = NOW + NODE_RECORD_LIFE + Duration::from_secs(1);
    for side in &mut world.sides {
        side.store.expire(world.now, &nobody());
    }
    assert_eq!(world.sides[1].store.len(), 0);
    world.reconcile(1, 0, usize::MAX);
    assert!(world.sides[1].store.get(claim.id()).is_some(), "its cursor had passed it");
}

#[test]
fn a_cursor_on_another_life_of_a_store_counts_for_nothing() {
    let (mut first, mut second) = (Store::new(1), Store::new(2));
    for (n, record) in (0..).zip(&POOL[0]).take(9) {
        let store = if n % 2 == 0 { &mut first } else { &mut second };
        store.merge(record.clone());
    }
    let past =
        |store: &Store, other_life: u64| Some(Mark { store: store.mark().store + other_life, upto: 1 });
    for (of_first, of_second) in [(0, 0), (10, 0), (0, 10), (10, 10)] {
        let opening = Opening { seen: past(&second, of_second), salt: 1, ..Opening::default() };
        let (_, hello) = Session::initiate(&first, NOW + Duration::from_secs(1), opening).unwrap();
        let mut responder =
            Session::respond(Opening { seen: past(&first, of_first), salt: 1, ..Opening::default() });
        let step = responder.handle(&second, NOW, &hello).unwrap();
        // Ranges at once, unless both remember the store that the other has.
        assert_eq!(step.ranges, (of_first, of_second) != (0, 0), "{of_first} {of_second}");
    }
}

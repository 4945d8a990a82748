//! A link emulator, sans-IO and generic over what it carries: it takes messages, and
//! says when and whether each arrives.

use crate::fault::Faults;
use orbweave_model::Mono;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A lost piece of a stream is sent again after this.
const RETRANSMISSION: Duration = Duration::from_millis(200);

/// How a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// As a datagram: it may be lost, doubled, overtaken.
    Lossy,
    /// On a stream: it arrives, in order, as long as the link lives.
    Ordered,
}

/// A message that arrives.
#[derive(Debug, Clone)]
pub struct Delivery<P> {
    /// Who sent it.
    pub from: usize,
    /// To whom.
    pub to: usize,
    /// How it travelled.
    pub care: Care,
    /// What it carries.
    pub payload: P,
}

/// All links among a number of hosts, each known by its index.
#[derive(Debug)]
pub struct Links<P> {
    rng: ChaCha8Rng,
    in_flight: BTreeMap<(Mono, u64), Delivery<P>>,
    sent: u64,
    /// When the last ordered message of a direction arrives.
    ordered_until: BTreeMap<(usize, usize), Mono>,
    cut: BTreeSet<(usize, usize)>,
    /// Ordered messages that met a cut, and go on when it heals.
    stalled: Vec<Delivery<P>>,
}

impl<P: Clone> Links<P> {
    /// Links whose faults are drawn from this generator.
    pub fn new(rng: ChaCha8Rng) -> Self {
        Self {
            rng,
            in_flight: BTreeMap::new(),
            sent: 0,
            ordered_until: BTreeMap::new(),
            cut: BTreeSet::new(),
            stalled: Vec::new(),
        }
    }

    /// Takes a message; faults are drawn now.
    pub fn send(&mut self, now: Mono, faults: &Faults, message: Delivery<P>) {
        let delay = self.draw(faults.delay);
        let lost = self.chance(faults.loss_per_mille);
        match message.care {
            Care::Lossy => {
                let doubled = self.chance(faults.duplicate_per_mille);
                let late = self.chance(faults.reorder_per_mille);
                let extra =
                    if late { self.draw((Duration::ZERO, faults.reorder_by)) } else { Duration::ZERO };
                if doubled {
                    let again = delay + self.draw((Duration::ZERO, faults.reorder_by));
                    self.put(now + again, message.clone());
                }
                if !lost {
                    self.put(now + delay + extra, message);
                }
            }
            Care::Ordered => {
                let again = if lost { RETRANSMISSION } else { Duration::ZERO };
                let last = self.ordered_until.entry((message.from, message.to)).or_default();
                let at = (now + delay + again).max(*last);
                *last = at;
                self.put(at, message);
            }
        }
    }

    /// When the next message arrives.
    pub fn next_due(&self) -> Option<Mono> {
        self.in_flight.keys().next().map(|(at, _)| *at)
    }

    /// The next message that has arrived by now.
    pub fn poll(&mut self, now: Mono) -> Option<Delivery<P>> {
        loop {
            let entry = self.in_flight.first_entry().filter(|e| e.key().0 <= now)?;
            let message = entry.remove();
            if !self.cut.contains(&(message.from, message.to)) {
                return Some(message);
            }
            if message.care == Care::Ordered {
                self.stalled.push(message);
            }
        }
    }

    /// Nothing passes from one host to another any more; the other way is left as it is.
    pub fn cut(&mut self, from: usize, to: usize) {
        self.cut.insert((from, to));
    }

    /// Messages pass again; those of streams that still live go on.
    pub fn mend(&mut self, now: Mono, faults: &Faults, from: usize, to: usize) {
        if !self.cut.remove(&(from, to)) {
            return;
        }
        let stalled = std::mem::take(&mut self.stalled);
        let (mine, rest): (Vec<_>, Vec<_>) = stalled.into_iter().partition(|m| (m.from, m.to) == (from, to));
        self.stalled = rest;
        for message in mine {
            self.send(now, faults, message);
        }
    }

    /// Whether messages pass in both directions.
    pub fn passes(&self, a: usize, b: usize) -> bool {
        !self.cut.contains(&(a, b)) && !self.cut.contains(&(b, a))
    }

    /// The link between two hosts was declared down: what its streams carried is gone.
    pub fn reset(&mut self, a: usize, b: usize) {
        let gone = |m: &Delivery<P>| {
            m.care == Care::Ordered && ((m.from, m.to) == (a, b) || (m.from, m.to) == (b, a))
        };
        self.in_flight.retain(|_, m| !gone(m));
        self.stalled.retain(|m| !gone(m));
    }

    fn put(&mut self, at: Mono, message: Delivery<P>) {
        self.sent += 1;
        self.in_flight.insert((at, self.sent), message);
    }

    fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.rng.random_range(0..1_000) < per_mille
    }

    fn draw(&mut self, (from, to): (Duration, Duration)) -> Duration {
        let (from, to) = (from.as_micros() as u64, to.as_micros() as u64);
        Duration::from_micros(self.rng.random_range(from..=to.max(from)))
    }
}

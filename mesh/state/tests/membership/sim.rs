//! A small mesh in virtual time: delay, loss, partitions, crashes, freezes.

use orbweave_model::{Mono, NodeId};
use orbweave_state::membership::{
    DatagramError, Event, MemberState, Membership, MembershipConfig, Output, Timing,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// IP, UDP and QUIC around one datagram.
pub const OVERHEAD_BYTES: usize = 60;

pub fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

pub fn id(n: usize) -> NodeId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(n as u64 + 1).to_be_bytes());
    NodeId(bytes)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Run {
    Up,
    Frozen,
    Dead,
}

pub struct Sim {
    pub now: Mono,
    pub members: Vec<Membership>,
    pub events: Vec<(Mono, usize, Event)>,
    pub sent: Vec<(usize, usize, Vec<u8>)>,
    pub sent_bytes: usize,
    pub sent_datagrams: usize,
    pub keep_sent: bool,
    pub loss_per_mille: u64,
    run: Vec<Run>,
    side: Vec<u8>,
    rtt: Duration,
    flights: BTreeMap<(Mono, u64), (usize, usize, Vec<u8>)>,
    flights_made: u64,
    timers: BTreeSet<(Mono, usize)>,
    timer_of: Vec<Option<Mono>>,
    random: u64,
    seed: u64,
}

impl Sim {
    pub fn new(count: usize, rtt: Duration, seed: u64) -> Self {
        let mut sim = Self {
            now: Mono(1_000_000_000),
            members: Vec::new(),
            events: Vec::new(),
            sent: Vec::new(),
            sent_bytes: 0,
            sent_datagrams: 0,
            keep_sent: false,
            loss_per_mille: 0,
            run: vec![Run::Up; count],
            side: vec![0; count],
            rtt,
            flights: BTreeMap::new(),
            flights_made: 0,
            timers: BTreeSet::new(),
            timer_of: vec![None; count],
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            seed,
        };
        for n in 0..count {
            let member = sim.fresh(n, 1);
            sim.members.push(member);
        }
        sim
    }

    /// A mesh in which every node knows every other's record, and has found it.
    pub fn settled(count: usize, rtt: Duration, seed: u64) -> Self {
        let mut sim = Self::new(count, rtt, seed);
        sim.introduce();
        sim.run(secs(15));
        assert!(sim.all_see_all(), "the mesh did not form");
        sim.events.clear();
        sim
    }

    fn fresh(&self, n: usize, generation: u64) -> Membership {
        let mut seed = [n as u8; 32];
        seed[..8].copy_from_slice(&(self.seed ^ (n as u64) << 32 ^ generation << 20).to_be_bytes());
        let config = MembershipConfig { me: id(n), generation, seed, timing: Timing::default() };
        Membership::new(config, self.now)
    }

    /// What records do: everybody learns everybody's generation.
    pub fn introduce(&mut self) {
        for a in 0..self.members.len() {
            for b in 0..self.members.len() {
                if a != b {
                    let generation = self.members[b].generation();
                    self.members[a].set_known_generation(id(b), generation);
                }
            }
            self.after(a);
        }
    }

    pub fn announce(&mut self, from: usize, to: usize) {
        self.members[from].announce(self.now, id(to));
        self.after(from);
    }

    pub fn kill(&mut self, n: usize) {
        self.run[n] = Run::Dead;
        self.after(n);
    }

    pub fn restart(&mut self, n: usize, generation: u64) {
        self.members[n] = self.fresh(n, generation);
        self.run[n] = Run::Up;
        for other in (0..self.members.len()).filter(|other| *other != n) {
            self.members[n].announce(self.now, id(other));
        }
        self.after(n);
    }

    pub fn freeze(&mut self, n: usize) {
        self.run[n] = Run::Frozen;
        self.after(n);
    }

    /// Datagrams that came meanwhile were waiting in the socket; they are read first,
    /// or only after the timers.
    pub fn thaw(&mut self, n: usize, timers_first: bool) {
        self.run[n] = Run::Up;
        if timers_first {
            self.members[n].handle_timeout(self.now);
        }
        self.after(n);
        self.flush(n);
    }

    fn flush(&mut self, n: usize) {
        let waiting: Vec<_> = self
            .flights
            .iter()
            .filter(|((at, _), (_, to, _))| *to == n && *at < self.now)
            .map(|(k, _)| *k)
            .collect();
        for key in waiting {
            if let Some((from, to, bytes)) = self.flights.remove(&key) {
                self.deliver(from, to, &bytes);
            }
        }
    }

    /// Nodes for which this holds cannot reach the others.
    pub fn cut(&mut self, side: impl Fn(usize) -> bool) {
        for n in 0..self.side.len() {
            self.side[n] = u8::from(side(n));
        }
    }

    pub fn heal(&mut self) {
        self.cut(|_| false);
    }

    /// A datagram as `from` would send it, whatever it says.
    pub fn inject(&mut self, from: usize, to: usize, bytes: &[u8]) -> Result<(), DatagramError> {
        let result = self.members[to].handle_datagram(self.now, id(from), bytes);
        self.after(to);
        result
    }

    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let flight = self.next_flight();
            let timer = self.timers.first().map(|(at, _)| *at);
            let Some(next) = [flight, timer].into_iter().flatten().min().filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            if flight == Some(next) {
                let Some(key) = self.flights.range((next, 0)..).next().map(|(k, _)| *k) else { continue };
                if let Some((from, to, bytes)) = self.flights.remove(&key) {
                    self.deliver(from, to, &bytes);
                }
            } else if let Some((_, n)) = self.timers.first().copied() {
                self.members[n].handle_timeout(self.now);
                self.after(n);
            }
        }
        self.now = end;
    }

    /// When the next one arrives; those that wait in a frozen node's socket come first and do not count.
    fn next_flight(&self) -> Option<Mono> {
        self.flights.range((self.now, 0)..).next().map(|((at, _), _)| *at)
    }

    fn deliver(&mut self, from: usize, to: usize, bytes: &[u8]) {
        match self.run[to] {
            Run::Dead => {}
            Run::Frozen => {
                // Waits in the socket, in front of everything that is still to come.
                self.flights_made += 1;
                self.flights.insert((Mono(to as u64), self.flights_made), (from, to, bytes.to_vec()));
            }
            Run::Up => {
                let _ = self.members[to].handle_datagram(self.now, id(from), bytes);
                self.after(to);
            }
        }
    }

    fn after(&mut self, n: usize) {
        let old = self.timer_of[n].take();
        if let Some(old) = old {
            self.timers.remove(&(old, n));
        }
        if self.run[n] != Run::Up {
            return;
        }
        while let Some(output) = self.members[n].poll_output() {
            match output {
                Output::Event(event) => self.events.push((self.now, n, event)),
                Output::Send { to, bytes } => self.send(n, to, bytes),
            }
        }
        self.timer_of[n] = self.members[n].next_timeout();
        if let Some(at) = self.timer_of[n] {
            self.timers.insert((at, n));
        }
    }

    fn send(&mut self, from: usize, to: NodeId, bytes: Vec<u8>) {
        assert!(bytes.len() <= orbweave_state::membership::MESSAGE_BYTES_MAX);
        self.sent_bytes += bytes.len() + OVERHEAD_BYTES;
        self.sent_datagrams += 1;
        let Some(to) = (0..self.members.len()).find(|n| id(*n) == to) else { return };
        if self.keep_sent {
            self.sent.push((from, to, bytes.clone()));
        }
        let (lost, jitter) = (self.draw(1000) < self.loss_per_mille, self.draw(100));
        if lost || self.side[from] != self.side[to] || self.run[to] == Run::Dead {
            return;
        }
        // Up to a tenth of jitter.
        let delay = self.rtt / 2 + (self.rtt / 20) * u32::try_from(jitter).unwrap_or(0) / 100;
        self.flights_made += 1;
        self.flights.insert((self.now + delay, self.flights_made), (from, to, bytes));
    }

    pub fn draw(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    pub fn running(&self) -> Vec<usize> {
        (0..self.members.len()).filter(|n| self.run[*n] == Run::Up).collect()
    }

    pub fn all_see_all(&self) -> bool {
        let up = self.running();
        up.iter().all(|a| up.iter().all(|b| self.members[*a].state(id(*b)) == MemberState::Alive))
    }

    pub fn everyone_holds_down(&self, n: usize) -> bool {
        self.running().iter().all(|a| self.members[*a].state(id(n)) == MemberState::Down)
    }

    /// Runs until this holds, and says how long it took.
    pub fn until(&mut self, limit: Duration, holds: impl Fn(&Self) -> bool) -> Option<Duration> {
        let begin = self.now;
        while self.now.since(begin) <= limit {
            if holds(self) {
                return Some(self.now.since(begin));
            }
            self.run(Duration::from_millis(50));
        }
        None
    }

    pub fn downs(&self) -> Vec<(Mono, usize, NodeId)> {
        self.events
            .iter()
            .filter_map(|(at, n, event)| match event {
                Event::Down { node, .. } => Some((*at, *n, *node)),
                _ => None,
            })
            .collect()
    }
}

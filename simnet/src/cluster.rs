//! The cluster: hosts, links, and queues of what happens next, in virtual time.

use crate::adversary::Adversary;
use crate::check::{self, Calm, Checker, Reader, Violation};
use crate::dice::Dice;
use crate::fault::Faults;
use crate::gossip::Gossip;
use crate::host::{Host, HostOptions};
use crate::link::{Links, Meter, Topology, Uniform};
use crate::lookup::Lookup;
use crate::memo::Memo;
use crate::network::{Packet, Stream, StreamId};
use crate::queue::Queue;
use crate::shelf::Shelf;
use crate::step::Due;
use crate::trace::Trace;
use crate::transfer::Transfers;
use crate::world::World;
use orbweave_model::{Hash, Mono, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Hosts by island, in order of their first, and the island of each.
fn islands(hosts: &[Host]) -> (Vec<Vec<usize>>, Vec<usize>) {
    let mut known = BTreeMap::new();
    let mut islands: Vec<Vec<usize>> = Vec::new();
    let place = |(i, host): (usize, &Host)| {
        let next = islands.len();
        let island = *known.entry(host.options.island).or_insert(next);
        if island == next {
            islands.push(Vec::new());
        }
        islands[island].push(i);
        island
    };
    let island_of = hosts.iter().enumerate().map(place).collect();
    (islands, island_of)
}

/// An island's turn, while there are several.
const TURN: Duration = Duration::from_secs(5);
/// How often [`Cluster::until`] looks.
const LOOK: Duration = Duration::from_millis(50);

/// What dice are for: each use has its own, so that one does not change another.
pub(crate) mod luck {
    pub const LINKS: u64 = 1;
    pub const HOSTS: u64 = 2;
    pub const NODES: u64 = 3;
    pub const GOSSIP: u64 = 4;
}

/// Many nodes, and everything around them.
pub struct Cluster {
    /// The mesh's papers.
    pub world: World,
    /// What goes wrong; may be changed between two runs, but for its link model.
    pub faults: Faults,
    /// The machines.
    pub hosts: Vec<Host>,
    pub(crate) time: Mono,
    pub(crate) dice: Dice,
    pub(crate) gossip_dice: Dice,
    pub(crate) check: Arc<Memo>,
    pub(crate) index: Lookup<NodeId, u32>,
    /// Hosts by island, and the island of each.
    pub(crate) islands: Vec<Vec<usize>>,
    pub(crate) island_of: Vec<usize>,
    pub(crate) links: Links<Packet>,
    pub(crate) streams: BTreeMap<StreamId, Stream>,
    pub(crate) gossip: Gossip,
    pub(crate) shelf: Shelf,
    pub(crate) transfers: Transfers,
    /// What happens next, by island.
    pub(crate) queues: Vec<Queue<Due>>,
    pub(crate) events: u64,
    pub(crate) commands: u64,
    pub(crate) trace: Trace,
    pub(crate) checkers: Vec<Box<dyn Checker>>,
    pub(crate) violations: Vec<Violation>,
    /// Whether nothing goes on after the first violation.
    pub(crate) until_broken: bool,
    pub(crate) reader: Reader,
    pub(crate) calm: Calm,
    pub(crate) adversaries: Vec<Option<Box<dyn Adversary>>>,
    /// Hosts that somebody hostile controls, or did.
    pub(crate) liars: BTreeSet<usize>,
}

impl Cluster {
    /// `count` nodes, of which each has been told the address of the first.
    pub fn of(count: usize, seed: u64, faults: Faults) -> Self {
        Self::with(vec![HostOptions::default(); count], seed, faults)
    }

    /// Nodes made as said, of which each has been told the address of the first of its zone.
    pub fn with(hosts: Vec<HostOptions>, seed: u64, faults: Faults) -> Self {
        let mut cluster = Self::strangers(hosts, seed, faults);
        for i in 0..cluster.hosts.len() {
            cluster.join(i);
        }
        cluster
    }

    /// Hosts that are off and know of nobody.
    pub fn strangers(hosts: Vec<HostOptions>, seed: u64, faults: Faults) -> Self {
        let topology = Uniform::new(faults.link.clone());
        Self::across(topology, hosts, seed, faults)
    }

    /// Hosts that are off and know of nobody, with links as a topology says.
    pub fn across(
        topology: impl Topology + 'static,
        hosts: Vec<HostOptions>,
        seed: u64,
        faults: Faults,
    ) -> Self {
        let world = World::new(seed);
        let dice = Dice::new(seed);
        let mut links = Links::new(dice.child(luck::LINKS).roll(), topology);
        links.weather = faults.weather;
        let make = |(i, options): (usize, HostOptions)| {
            let name = options.name.clone().unwrap_or_else(|| format!("node-{i}"));
            let (key, certificate) = (world.node_key(&name), world.certificate(&name, options.certified_ago));
            Host::new(name, key, certificate, dice.child(luck::HOSTS).child(i as u64), options)
        };
        let hosts: Vec<Host> = hosts.into_iter().enumerate().map(make).collect();
        let mut index = Lookup::default();
        for (i, host) in (0..).zip(&hosts) {
            index.get_or_insert_with(host.id, || i);
        }
        let (islands, island_of) = islands(&hosts);
        let queues = islands.iter().map(|_| Queue::default()).collect();
        Self {
            world,
            faults,
            gossip: Gossip::new(hosts.len()),
            hosts,
            time: Mono(0),
            dice,
            gossip_dice: dice.child(luck::GOSSIP),
            check: Arc::default(),
            index,
            islands,
            island_of,
            links,
            streams: BTreeMap::new(),
            shelf: Shelf::default(),
            transfers: Transfers::default(),
            queues,
            events: 0,
            commands: 0,
            trace: Trace::default(),
            checkers: check::always(),
            violations: Vec::new(),
            until_broken: false,
            reader: Reader::default(),
            calm: Calm::default(),
            adversaries: Vec::new(),
            liars: BTreeSet::new(),
        }
    }

    /// Watches with these checkers from now on, in the place of those that always watch.
    pub fn watched_by(mut self, checkers: Vec<Box<dyn Checker>>) -> Self {
        self.checkers = checkers;
        self
    }

    /// Watches with this checker too from now on.
    pub fn watched_also_by(&mut self, checker: Box<dyn Checker>) {
        self.checkers.push(checker);
    }

    /// Virtual time since the beginning.
    pub fn time(&self) -> Duration {
        self.time.since(Mono(0))
    }

    /// What was broken that must hold at every moment.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// A hash of every output so far, with its time and node.
    pub fn trace(&self) -> Hash {
        self.trace.hash()
    }

    /// What happened so far: messages that arrived, timers, ends of writes and the like.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// What nodes put out so far.
    pub fn outputs(&self) -> u64 {
        self.trace.outputs()
    }

    /// The most events that ever waited at once.
    pub fn queued_max(&self) -> usize {
        self.queues.iter().map(Queue::capacity).sum()
    }

    /// Bytes that hosts sent, by their number.
    pub fn meter(&self) -> &Meter {
        &self.links.meter
    }

    /// The number of the host with this id.
    pub fn host_of(&self, id: &NodeId) -> Option<usize> {
        self.index.get(id).map(|i| *i as usize)
    }

    /// Lets this much time pass.
    pub fn run(&mut self, duration: Duration) {
        self.run_until(self.time + duration);
    }

    /// Lets time pass until then. Islands have nothing to do with one another: each has its
    /// turn for a while of virtual time, so that what it works on stays in the processor's
    /// cache.
    pub fn run_until(&mut self, end: Mono) {
        loop {
            let begin = self.time;
            let until = if self.islands() == 1 { end } else { end.min(begin + TURN) };
            for island in 0..self.islands() {
                self.time = begin;
                while !self.is_over() && self.step(island, until) {}
            }
            self.time = begin.max(until);
            if self.time >= end {
                return;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.until_broken && !self.violations.is_empty()
    }

    /// The number of the host with this name.
    pub fn host_named(&self, name: &str) -> Option<usize> {
        self.hosts.iter().position(|host| host.name == name)
    }

    /// Runs until this holds, at most for `limit`; says how long it took.
    pub fn until(&mut self, limit: Duration, mut holds: impl FnMut(&Self) -> bool) -> Option<Duration> {
        let begin = self.time;
        loop {
            if holds(self) {
                return Some(self.time.since(begin));
            }
            if self.time.since(begin) >= limit {
                return None;
            }
            self.run(LOOK);
        }
    }

    /// As [`Cluster::until`]; panics with what is wrong and what the nodes said last.
    pub fn expect(&mut self, limit: Duration, check: impl Fn(&Self) -> Result<(), String>) -> Duration {
        match self.until(limit, |cluster| check(cluster).is_ok()) {
            Some(took) => took,
            None => {
                let why = check(self).err().unwrap_or_default();
                panic!("not within {limit:?}: {why}\n{}", self.story(60))
            }
        }
    }

    /// The last events of all nodes, in order of time.
    pub fn story(&self, lines: usize) -> String {
        let all =
            self.hosts.iter().flat_map(|h| h.events.iter().map(move |(at, event)| (*at, &h.name, event)));
        let mut all: Vec<_> = all.collect();
        all.sort_by_key(|(at, ..)| *at);
        let tail = all.iter().skip(all.len().saturating_sub(lines));
        let line = |(at, name, e): &(Mono, &String, &orbweave_core::Event)| {
            let cause = e.cause.as_deref().unwrap_or_default();
            let ms = at.0 / 1_000_000;
            format!("{:5}.{:03} {name} {:?}: {} {cause}\n", ms / 1_000, ms % 1_000, e.kind, e.text)
        };
        tail.map(line).collect()
    }
}

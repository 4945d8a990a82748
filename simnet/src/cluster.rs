//! The cluster: one queue of what happens next, in virtual time.

use crate::fault::Faults;
use crate::host::{Host, HostOptions};
use crate::link::{Delivery, Links};
use crate::memo::Memo;
use crate::world::World;
use orbweave_core::io::SyncId;
use orbweave_core::{ExecutorEvent, Input};
use orbweave_model::{Hash, InstanceId, Mono, NodeId};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A node that wants to be woken this often at one moment spins.
const WAKES_MAX: u32 = 10_000;
/// How often [`Cluster::until`] looks.
const LOOK: Duration = Duration::from_millis(50);
/// Of a peer's reconciliation number, these bits are the peer's own.
const NUMBER_BITS: u32 = 40;

/// A reconciliation's stream: who began it, in which life, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamId {
    pub by: usize,
    pub life: u32,
    pub number: u64,
}

/// The other end of a stream, and which ends are closed: the beginner's, the other's.
#[derive(Debug)]
pub(crate) struct Stream {
    pub to: usize,
    pub closed: [bool; 2],
}

/// What links carry.
#[derive(Debug, Clone)]
pub(crate) enum Packet {
    Datagram(Vec<u8>),
    Gossip(Vec<u8>),
    Frame(StreamId, Vec<u8>),
    Closed(StreamId),
}

/// What happens on a host by itself, later.
#[derive(Debug, Clone)]
pub(crate) enum Job {
    Synced,
    Fetched(Hash, Result<(), String>),
    Executed(InstanceId, ExecutorEvent),
    Linked {
        peer: usize,
    },
    /// The link to that life of the peer is down, unless it answered meanwhile.
    Silent {
        peer: usize,
        life: u32,
    },
    StreamFailed(SyncId),
}

/// Many nodes, and everything around them.
pub struct Cluster {
    /// The mesh's papers.
    pub world: World,
    /// What goes wrong; may be changed between two runs.
    pub faults: Faults,
    /// The machines.
    pub hosts: Vec<Host>,
    pub(crate) time: Mono,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) check: Arc<Memo>,
    pub(crate) index: BTreeMap<NodeId, usize>,
    pub(crate) links: Links<Packet>,
    pub(crate) streams: BTreeMap<StreamId, Stream>,
    jobs: BTreeMap<(Mono, u64), (usize, u32, Job)>,
    jobs_made: u64,
    pub(crate) commands: u64,
    pub(crate) offers: BTreeMap<(usize, u64), (String, u32)>,
    pub(crate) trace: blake3::Hasher,
    pub(crate) violations: Vec<String>,
}

impl Cluster {
    /// `count` nodes, of which each has been told the address of the first.
    pub fn of(count: usize, seed: u64, faults: Faults) -> Self {
        Self::with(vec![HostOptions::default(); count], seed, faults)
    }

    /// Nodes made as said, of which each has been told the address of the first.
    pub fn with(hosts: Vec<HostOptions>, seed: u64, faults: Faults) -> Self {
        let mut cluster = Self::strangers(hosts, seed, faults);
        for i in 0..cluster.hosts.len() {
            cluster.start(i);
            cluster.introduce(i, 0);
        }
        cluster
    }

    /// Hosts that are off and know of nobody.
    pub fn strangers(hosts: Vec<HostOptions>, seed: u64, faults: Faults) -> Self {
        let world = World::new(seed);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let links = Links::new(ChaCha8Rng::from_rng(&mut rng));
        let make = |(i, options): (usize, HostOptions)| {
            let name = format!("node-{i}");
            Host::new(
                name.clone(),
                world.node_key(&name),
                world.certificate(&name, options.certified_ago),
                options,
            )
        };
        let hosts: Vec<Host> = hosts.into_iter().enumerate().map(make).collect();
        let index = hosts.iter().enumerate().map(|(i, host)| (host.id, i)).collect();
        Self {
            world,
            faults,
            hosts,
            time: Mono(0),
            rng,
            check: Arc::default(),
            index,
            links,
            streams: BTreeMap::new(),
            jobs: BTreeMap::new(),
            jobs_made: 0,
            commands: 0,
            offers: BTreeMap::new(),
            trace: blake3::Hasher::new(),
            violations: Vec::new(),
        }
    }

    /// Virtual time since the beginning.
    pub fn time(&self) -> Duration {
        self.time.since(Mono(0))
    }

    /// What was broken that must hold at every moment.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// A hash of every output so far, with its time and node.
    pub fn trace(&self) -> Hash {
        Hash(*self.trace.finalize().as_bytes())
    }

    /// Lets this much time pass.
    pub fn run(&mut self, duration: Duration) {
        let end = self.time + duration;
        let mut wakes = (self.time, 0);
        while let Some(at) = self.next_at().filter(|at| *at <= end) {
            self.time = self.time.max(at);
            wakes = if wakes.0 == self.time { (self.time, wakes.1 + 1) } else { (self.time, 0) };
            assert!(wakes.1 < WAKES_MAX, "a node spins at {:?}", self.time());
            self.step();
        }
        self.time = end;
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
            format!("{:9.3} {name} {:?}: {} {cause}\n", at.since(Mono(0)).as_secs_f64(), e.kind, e.text)
        };
        tail.map(line).collect()
    }

    fn next_at(&self) -> Option<Mono> {
        let job = self.jobs.keys().next().map(|(at, _)| *at);
        let wake = self.hosts.iter().filter_map(Host::wake_at).min();
        [job, self.links.next_due(), wake].into_iter().flatten().min()
    }

    /// The one thing that is next.
    fn step(&mut self) {
        if let Some(entry) = self.jobs.first_entry().filter(|e| e.key().0 <= self.time) {
            let (host, life, job) = entry.remove();
            if self.hosts[host].life == life && self.hosts[host].node.is_some() {
                self.perform(host, job);
            }
        } else if let Some(delivery) = self.links.poll(self.time) {
            self.arrive(delivery);
        } else if let Some(i) = (0..self.hosts.len())
            .find(|&i| self.hosts[i].wake_at() <= Some(self.time) && self.hosts[i].is_up())
        {
            let now = self.hosts[i].now(self.time);
            if let Some(node) = self.hosts[i].node.as_mut() {
                node.handle_timeout(now);
            }
            self.drain(i);
        }
    }

    pub(crate) fn later(&mut self, host: usize, after: Duration, job: Job) {
        self.jobs_made += 1;
        let life = self.hosts[host].life;
        self.jobs.insert((self.time + after, self.jobs_made), (host, life, job));
    }

    fn perform(&mut self, i: usize, job: Job) {
        match job {
            Job::Synced => {
                // A disk works on while its process is frozen.
                if let Some(batch) = self.sync_disk(i) {
                    self.feed(i, Input::Persisted { batch });
                }
            }
            Job::Fetched(hash, outcome) => {
                if outcome.is_ok() {
                    self.hosts[i].blobs.insert(hash);
                }
                self.feed(i, Input::Blob { hash, outcome });
            }
            Job::Executed(instance, event) => {
                let Some(known) = self.hosts[i].instances.get_mut(&instance) else { return };
                match event {
                    ExecutorEvent::Running => known.running = true,
                    ExecutorEvent::Failed { .. } => drop(self.hosts[i].instances.remove(&instance)),
                    ExecutorEvent::Compiled { .. } => {}
                }
                self.feed(i, Input::Executor { instance, event });
            }
            Job::Linked { peer } => self.link(i, peer),
            Job::Silent { peer, life } => {
                let host = &self.hosts[i];
                let same = host.links.get(&peer) == Some(&life);
                let silent = self.hosts[peer].life != life
                    || self.hosts[peer].node.is_none()
                    || !self.links.passes(i, peer);
                if same && silent {
                    self.unlink(i, peer);
                }
            }
            Job::StreamFailed(id) => self.feed(i, Input::SyncClosed { id }),
        }
    }

    fn arrive(&mut self, delivery: Delivery<Packet>) {
        let Delivery { from, to, payload, .. } = delivery;
        let peer = self.hosts[from].id;
        let linked = self.hosts[to].links.contains_key(&from);
        match payload {
            Packet::Datagram(bytes) if linked => self.feed(to, Input::Datagram { from: peer, bytes }),
            Packet::Gossip(bytes) if linked => self.feed(to, Input::Gossip { bytes }),
            Packet::Frame(stream, bytes) => {
                if let Some(id) = self.open_end(stream, to) {
                    self.feed(to, Input::Sync { id, bytes });
                }
            }
            Packet::Closed(stream) => {
                if let Some(id) = self.open_end(stream, to) {
                    self.streams.remove(&stream);
                    self.feed(to, Input::SyncClosed { id });
                }
            }
            Packet::Datagram(_) | Packet::Gossip(_) => {}
        }
    }

    /// How a host knows its end of a stream, if that is open.
    pub(crate) fn open_end(&self, stream: StreamId, host: usize) -> Option<SyncId> {
        let ours = host == stream.by;
        let Stream { to, closed } = self.streams.get(&stream)?;
        if closed[usize::from(!ours)] {
            return None;
        }
        let number = if ours { stream.number } else { u64::from(stream.life) << NUMBER_BITS | stream.number };
        let peer = self.hosts[if ours { *to } else { stream.by }].id;
        Some(SyncId { peer, ours, number })
    }

    /// The stream that a host means.
    pub(crate) fn stream_of(&self, host: usize, id: SyncId) -> Option<StreamId> {
        if id.ours {
            return Some(StreamId { by: host, life: self.hosts[host].life, number: id.number });
        }
        let by = *self.index.get(&id.peer)?;
        let life = u32::try_from(id.number >> NUMBER_BITS).ok()?;
        Some(StreamId { by, life, number: id.number & ((1 << NUMBER_BITS) - 1) })
    }

    /// Gives a node an input, or keeps it until the node thaws.
    pub fn feed(&mut self, i: usize, input: Input) {
        let now = self.hosts[i].now(self.time);
        let host = &mut self.hosts[i];
        if host.frozen {
            return host.backlog.push_back(input);
        }
        let Some(node) = host.node.as_mut() else { return };
        node.handle(now, input);
        self.drain(i);
    }

    pub(crate) fn draw(&mut self, (from, to): (Duration, Duration)) -> Duration {
        let (from, to) = (from.as_micros() as u64, to.as_micros() as u64);
        Duration::from_micros(self.rng.random_range(from..=to.max(from)))
    }

    pub(crate) fn draw_seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        seed
    }
}

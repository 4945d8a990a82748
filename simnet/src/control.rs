//! What a test does to a cluster: start, kill, freeze, cut, heal, submit.

use crate::check::Observed;
use crate::cluster::{Cluster, luck};
use crate::host::Host;
use crate::link::Weather;
use crate::step::{Due, Job};
use orbweave_core::io::CommandId;
use orbweave_core::{ExecutorEvent, Input, Node, NodeConfig, WireVersion, WorkloadSpec};
use orbweave_model::Wall;
use orbweave_state::membership::Timing;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// Others that a host hears of when it starts: a ticket names about as many.
const DISCOVERED: usize = 3;

impl Cluster {
    /// Starts a host that is off, and tells it of the first host of its zone.
    pub fn join(&mut self, i: usize) {
        self.start(i);
        if self.hosts[i].is_scheduled() {
            // Stations call it.
            return;
        }
        let (island, zone) = (self.first_of(self.island_of[i], None), self.first_of_zone(i));
        for first in zone.into_iter().chain(island.filter(|_| zone == Some(i))) {
            self.introduce(i, first);
        }
    }

    /// Starts a host that is off, from what its disk holds.
    pub fn start(&mut self, i: usize) {
        if self.hosts[i].node.is_some() {
            return;
        }
        let address = self.address(i);
        let (time, gossip) = (self.time, self.faults.gossip.is_some());
        // The first node of each zone lets others in, and renews their certificates.
        let first = self.first_of_zone(i) == Some(i);
        let host = &mut self.hosts[i];
        host.life += 1;
        let life = u64::from(host.life);
        // A process counts from its own start.
        (host.booted, host.armed) = (time, None);
        let config = NodeConfig {
            key: host.key.clone(),
            genesis: self.world.genesis.clone(),
            certificate: host.certificate.clone(),
            admission: first.then(|| self.world.admission_key()),
            seed: self.dice.child(luck::NODES).child(i as u64).child(life).seed(),
            zone: host.options.zone.clone(),
            labels: host.options.labels.clone(),
            capacity: host.options.capacity,
            addresses: vec![address],
            denies: Vec::new(),
            plan: host.options.plan.clone(),
            version: "0.0.0".into(),
            speaks: if host.options.previous_version { WireVersion::Previous } else { WireVersion::Current },
            gossip,
            timing: Timing::default(),
            check: self.check.clone(),
        };
        let node = Node::new(config, host.disk.restored(), host.now(time));
        host.node = Some(node.expect("a host whose papers are in order"));
        self.observe(i, &Observed::Started);
        self.drain(i);
    }

    /// The power of a host goes, in the middle of whatever it does.
    pub fn kill(&mut self, i: usize) {
        let host = &mut self.hosts[i];
        let survive = host.dice.below(host.disk.pending() as u64 + 1);
        for _ in 0..survive {
            // The disk was done, and nobody was told.
            self.sync_disk(i);
        }
        self.observe(i, &Observed::Killed);
        let host = &mut self.hosts[i];
        host.node = None;
        host.frozen = false;
        host.disk.crash();
        host.instances.clear();
        host.backlog.clear();
        self.lose_transfers(i);
        self.lose_links(i);
    }

    /// Starts a host that is off, and lets it discover others that are up, as tickets,
    /// mDNS and the like do in production.
    pub fn boot(&mut self, i: usize) {
        self.start(i);
        self.discover(i);
    }

    /// A host hears of a few others that are up.
    pub fn discover(&mut self, i: usize) {
        if self.hosts[i].is_scheduled() {
            return;
        }
        let others = self.on_land_in(self.island_of[i]).map(|(k, _)| k).filter(|k| *k != i);
        let mut others: Vec<usize> = others.collect();
        self.hosts[i].dice.shuffle(&mut others);
        let is_near = |other: &&usize| self.hosts[**other].options.zone == self.hosts[i].options.zone;
        let near: Vec<usize> = others.iter().filter(is_near).copied().take(DISCOVERED).collect();
        let far = others.iter().find(|other| !is_near(other)).copied();
        for other in near.into_iter().chain(far) {
            self.introduce(i, other);
        }
    }

    /// As [`Cluster::kill`], then starts it again after a while.
    pub fn restart(&mut self, i: usize, after: Duration) {
        self.kill(i);
        self.run(after);
        self.start(i);
    }

    /// A host stands still (SIGSTOP): nothing is lost, and nothing moves.
    pub fn freeze(&mut self, i: usize) {
        self.hosts[i].frozen = true;
        self.observe(i, &Observed::Frozen);
    }

    /// A frozen host goes on, with all that arrived meanwhile.
    pub fn thaw(&mut self, i: usize) {
        self.hosts[i].frozen = false;
        self.observe(i, &Observed::Thawed);
        while let Some(input) = self.hosts[i].backlog.pop_front() {
            self.feed(i, input);
        }
        self.arm(i);
    }

    /// Nothing passes from one host to another; the other direction is left alone. Cuts
    /// add up: as many mends undo them.
    pub fn cut(&mut self, from: usize, to: usize) {
        let before = self.links.is_cut(from as u32, to as u32);
        self.links.cut(from as u32, to as u32);
        if before {
            return;
        }
        for (i, peer) in [(from, to as u32), (to, from as u32)] {
            if let Some(&life) = self.hosts[i].links.get(&peer) {
                self.later(i, self.faults.notice_after, Job::Silent { peer, life });
            }
        }
    }

    /// Takes one cut from one host to another away; messages pass again after the last.
    pub fn mend(&mut self, from: usize, to: usize) {
        let queue = &mut self.queues[self.island_of[to]];
        let again = |at, parcel| queue.put(at, Due::Arrival(parcel));
        self.links.mend(self.time, from as u32, to as u32, again);
    }

    /// Cuts every link between these hosts and all others.
    pub fn partition(&mut self, side: &[usize]) {
        for a in 0..self.hosts.len() {
            for b in 0..self.hosts.len() {
                if side.contains(&a) != side.contains(&b) {
                    self.cut(a, b);
                }
            }
        }
    }

    /// Mends every link.
    pub fn heal(&mut self) {
        let (queues, island_of) = (&mut self.queues, &self.island_of);
        self.links.mend_all(self.time, |at, parcel| {
            queues[island_of[parcel.to as usize]].put(at, Due::Arrival(parcel));
        });
    }

    /// What goes wrong on every link from now on, beyond its model.
    pub fn set_weather(&mut self, weather: Weather) {
        self.faults.weather = weather;
        self.links.weather = weather;
    }

    /// What a host runs of a workload ends by itself; of all workloads if none is named.
    pub fn fail_instances<'a>(&mut self, i: usize, workload: impl Into<Option<&'a str>>) {
        self.disturb();
        let workload = workload.into();
        let meant = |x: &crate::Instance| x.running && workload.is_none_or(|w| w == x.workload.as_str());
        let all = self.hosts[i].instances.iter();
        let mine: Vec<_> = all.filter(|(_, x)| meant(x)).map(|(id, _)| *id).collect();
        for instance in mine {
            self.hosts[i].instances.remove(&instance);
            let event = ExecutorEvent::Failed { reason: "it ended by itself".into() };
            self.feed(i, Input::Executor { instance, event });
        }
    }

    /// Tells a host where another is.
    pub fn introduce(&mut self, i: usize, other: usize) {
        if i != other {
            let (peer, address) = (self.hosts[other].id, self.address(other));
            self.feed(i, Input::Found { peer, addresses: vec![address] });
        }
    }

    /// A workload that any node may hold.
    pub fn spec(&self, name: &str, replicas: u32) -> WorkloadSpec {
        self.world.spec(name, replicas)
    }

    /// Hands a workload in at a host, where its component is from then on; gives the
    /// number under which [`Host::replies`] has the answer.
    pub fn submit(&mut self, i: usize, name: &str, spec: &WorkloadSpec) -> u64 {
        let mut spec = spec.clone();
        spec.origin = Some(self.hosts[i].id);
        self.hosts[i].blobs.insert(crate::World::component(name));
        let record = self.world.record(name, &spec, self.wall());
        self.submit_record(i, record)
    }

    /// Hands a signed record in at a host.
    pub fn submit_record(&mut self, i: usize, record: Vec<u8>) -> u64 {
        self.commands += 1;
        self.observe(i, &Observed::Submitted { command: self.commands, record: &record });
        self.hosts[i].submitted.insert(self.commands, record.clone());
        self.feed(i, Input::Submit { id: CommandId(self.commands), bytes: record });
        self.commands
    }

    /// Puts a record on a host's disk, as its node of another version would have.
    pub fn plant(&mut self, i: usize, record: &[u8]) {
        if let Some(read) = self.read(record) {
            self.hosts[i].disk.plant(orbweave_model::wire::encode(read.id()), record.into());
        }
    }

    /// True wall time.
    pub fn wall(&self) -> Wall {
        crate::world::BEGIN + self.time()
    }

    /// Hosts whose node lives and moves.
    pub fn up(&self) -> impl Iterator<Item = (usize, &Host)> {
        self.hosts.iter().enumerate().filter(|(_, host)| host.is_up())
    }

    /// Whether a host is on scheduled links.
    pub fn is_satellite(&self, i: usize) -> bool {
        self.hosts[i].is_scheduled()
    }

    /// How many islands there are: meshes side by side that know nothing of one another.
    pub fn islands(&self) -> usize {
        self.islands.len()
    }

    /// Hosts of an island whose node lives and moves.
    pub fn up_in(&self, island: usize) -> impl Iterator<Item = (usize, &Host)> {
        let hosts = self.islands[island].iter().map(|i| (*i, &self.hosts[*i]));
        hosts.filter(|(_, host)| host.is_up())
    }

    /// Those of them that are no satellites.
    pub fn on_land_in(&self, island: usize) -> impl Iterator<Item = (usize, &Host)> {
        self.up_in(island).filter(|(_, host)| !host.is_scheduled())
    }

    /// The names of an island's zones.
    pub fn zones_in(&self, island: usize) -> BTreeSet<&str> {
        self.islands[island].iter().map(|i| self.hosts[*i].options.zone.as_str()).collect()
    }

    /// Hosts of one zone of an island that are no satellites and whose node lives and moves.
    pub fn on_land_of<'a>(&'a self, island: usize, zone: &'a str) -> impl Iterator<Item = (usize, &'a Host)> {
        self.on_land_in(island).filter(move |(_, host)| host.options.zone == zone)
    }

    /// The first host of an island, or of one zone of it, that is no satellite.
    fn first_of(&self, island: usize, zone: Option<&str>) -> Option<usize> {
        let first = |i: &usize| {
            let host = &self.hosts[*i];
            !host.is_scheduled() && zone.is_none_or(|zone| host.options.zone == zone)
        };
        self.islands[island].iter().copied().find(first)
    }

    /// The first host of a host's zone.
    fn first_of_zone(&self, i: usize) -> Option<usize> {
        self.first_of(self.island_of[i], Some(&self.hosts[i].options.zone))
    }

    pub(crate) fn address(&self, i: usize) -> SocketAddr {
        let [high, low] = u16::try_from(i).unwrap_or_default().to_be_bytes();
        SocketAddr::from(([10, 0, high, low], 8081))
    }
}

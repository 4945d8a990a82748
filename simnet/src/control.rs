//! What a test does to a cluster: start, kill, freeze, cut, heal, submit.

use crate::cluster::{Cluster, Job};
use crate::host::Host;
use orbweave_core::io::CommandId;
use orbweave_core::{ExecutorEvent, Input, Node, NodeConfig, WorkloadSpec};
use orbweave_model::Wall;
use orbweave_state::membership::Timing;
use rand::RngExt;
use std::net::SocketAddr;
use std::time::Duration;

impl Cluster {
    /// Starts a host that is off, from what its disk holds.
    pub fn start(&mut self, i: usize) {
        if self.hosts[i].node.is_some() {
            return;
        }
        let seed = self.draw_seed();
        let address = self.address(i);
        let (time, gossip) = (self.time, self.faults.gossip);
        let host = &mut self.hosts[i];
        host.life += 1;
        // A process counts from its own start.
        (host.booted, host.disk_until) = (time, time);
        let config = NodeConfig {
            key: host.key.clone(),
            genesis: self.world.genesis.clone(),
            certificate: host.certificate.clone(),
            // The first node lets others in, and renews their certificates.
            admission: (i == 0).then(|| self.world.admission_key()),
            seed,
            zone: "zone".into(),
            labels: host.options.labels.clone(),
            capacity: host.options.capacity,
            addresses: vec![address],
            version: "0.0.0".into(),
            gossip,
            timing: Timing::default(),
            check: self.check.clone(),
        };
        let node = Node::new(config, host.disk.restored(), host.now(time));
        host.node = Some(node.expect("a host whose papers are in order"));
        self.drain(i);
    }

    /// The power of a host goes, in the middle of whatever it does.
    pub fn kill(&mut self, i: usize) {
        let survive = self.rng.random_range(0..=self.hosts[i].disk.pending());
        for _ in 0..survive {
            // The disk was done, and nobody was told.
            self.sync_disk(i);
        }
        let life = self.hosts[i].life;
        let host = &mut self.hosts[i];
        host.node = None;
        host.frozen = false;
        host.disk.crash();
        host.instances.clear();
        host.links.clear();
        host.backlog.clear();
        for peer in 0..self.hosts.len() {
            self.links.reset(i, peer);
            if self.hosts[peer].links.contains_key(&i) {
                self.later(peer, self.faults.notice_after, Job::Silent { peer: i, life });
            }
        }
        self.streams.retain(|id, stream| id.by != i && stream.to != i);
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
    }

    /// A frozen host goes on, with all that arrived meanwhile.
    pub fn thaw(&mut self, i: usize) {
        self.hosts[i].frozen = false;
        while let Some(input) = self.hosts[i].backlog.pop_front() {
            self.feed(i, input);
        }
    }

    /// Nothing passes from one host to another; the other direction is left alone.
    pub fn cut(&mut self, from: usize, to: usize) {
        self.links.cut(from, to);
        for (i, peer) in [(from, to), (to, from)] {
            if let Some(&life) = self.hosts[i].links.get(&peer) {
                self.later(i, self.faults.notice_after, Job::Silent { peer, life });
            }
        }
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
        let faults = self.faults.clone();
        for a in 0..self.hosts.len() {
            for b in 0..self.hosts.len() {
                self.links.mend(self.time, &faults, a, b);
            }
        }
    }

    /// What a host runs of a workload ends by itself.
    pub fn fail_instances(&mut self, i: usize, workload: &str) {
        let all = self.hosts[i].instances.iter();
        let mine: Vec<_> =
            all.filter(|(_, x)| x.running && x.workload.as_str() == workload).map(|(id, _)| *id).collect();
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
        self.hosts[i].submitted.insert(self.commands, record.clone());
        self.feed(i, Input::Submit { id: CommandId(self.commands), bytes: record });
        self.commands
    }

    /// Puts a record on a host's disk, as its node of another version would have.
    pub fn plant(&mut self, i: usize, record: &[u8]) {
        if let Some(read) = self.read(record) {
            self.hosts[i].disk.plant(orbweave_model::wire::encode(read.id()), record.to_vec());
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

    pub(crate) fn address(&self, i: usize) -> SocketAddr {
        let [high, low] = u16::try_from(i).unwrap_or_default().to_be_bytes();
        SocketAddr::from(([10, 0, high, low], 8081))
    }

    pub(crate) fn reachable(&self, i: usize, peer: usize) -> bool {
        self.hosts[i].is_up() && self.hosts[peer].is_up() && self.links.passes(i, peer)
    }

    /// A handshake ended.
    pub(crate) fn link(&mut self, i: usize, peer: usize) {
        let (a, b) = (self.hosts[i].life, self.hosts[peer].life);
        let already =
            self.hosts[i].links.get(&peer) == Some(&b) && self.hosts[peer].links.get(&i) == Some(&a);
        if already || !self.reachable(i, peer) {
            return;
        }
        let rtt = self.faults.delay.0 + self.faults.delay.1;
        for (me, other, life) in [(i, peer, b), (peer, i, a)] {
            if self.hosts[me].links.insert(other, life).is_some() {
                // A new connection takes the place of the old one.
                self.close_streams(i, peer);
            }
        }
        for (me, other) in [(i, peer), (peer, i)] {
            let other = self.hosts[other].id;
            self.feed(me, Input::LinkUp { peer: other, rtt });
        }
    }

    /// A host gives a link up; the other side notices by itself.
    pub(crate) fn unlink(&mut self, i: usize, peer: usize) {
        self.hosts[i].links.remove(&peer);
        self.close_streams(i, peer);
        let id = self.hosts[peer].id;
        self.feed(i, Input::LinkDown { peer: id });
    }

    fn close_streams(&mut self, a: usize, b: usize) {
        self.links.reset(a, b);
        let between = |by: usize, to: usize| (by, to) == (a, b) || (by, to) == (b, a);
        let gone: Vec<_> =
            self.streams.iter().filter(|(id, s)| between(id.by, s.to)).map(|(id, s)| (*id, s.to)).collect();
        for (id, to) in gone {
            for host in [id.by, to] {
                if let Some(sync) = self.open_end(id, host)
                    && self.hosts[host].node.is_some()
                {
                    self.later(host, Duration::ZERO, Job::StreamFailed(sync));
                }
            }
            self.streams.remove(&id);
        }
    }
}

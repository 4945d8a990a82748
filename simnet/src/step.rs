//! One step: the next thing that is due, and what it does to whom.

use crate::check::Observed;
use crate::cluster::Cluster;
use crate::link::Parcel;
use crate::network::Packet;
use crate::transfer::Ticket;
use orbweave_core::io::SyncId;
use orbweave_core::{ExecutorEvent, Input};
use orbweave_model::{Hash, InstanceId, Mono};
use std::time::Duration;

/// A node that wants to be woken this often at one moment spins.
const WAKES_MAX: u32 = 10_000;

/// What the queue holds.
#[derive(Debug)]
pub(crate) enum Due {
    /// A node wants to be woken; stale unless its host is armed for this very time.
    Wake(u32),
    Arrival(Parcel<Packet>),
    /// Something of one life of a host.
    Job {
        host: u32,
        life: u32,
        job: Job,
    },
    Adversary(usize),
    Transfer(Ticket),
}

/// What happens on a host by itself, later.
#[derive(Debug)]
pub(crate) enum Job {
    /// A transaction is over.
    Synced,
    Fetched(Hash, Result<(), String>),
    Compiled(Hash),
    Executed(InstanceId, ExecutorEvent),
    Linked {
        peer: u32,
    },
    /// The link to that life of the peer is down, unless it answered meanwhile.
    Silent {
        peer: u32,
        life: u32,
    },
    StreamFailed(SyncId),
    /// A peer answered with a new certificate.
    Certified(Vec<u8>),
}

impl Cluster {
    /// Does the one thing that is next in an island, if it is due by `end`; says whether
    /// there was one.
    pub(crate) fn step(&mut self, island: usize, end: Mono) -> bool {
        let Some((at, due)) = self.queues[island].pop(end) else { return false };
        self.time = self.time.max(at);
        match due {
            Due::Wake(host) => self.wake(host, at),
            Due::Arrival(parcel) => {
                let queue = &mut self.queues[island];
                let again = |at, parcel| queue.put(at, Due::Arrival(parcel));
                if let Some(parcel) = self.links.arrive(self.time, parcel, again) {
                    self.events += 1;
                    self.arrived(parcel);
                }
            }
            Due::Job { host, life, job } => {
                if self.hosts[host as usize].life == life && self.hosts[host as usize].node.is_some() {
                    self.events += 1;
                    self.perform(host as usize, job);
                }
            }
            Due::Adversary(which) => self.wake_adversary(which),
            Due::Transfer(ticket) => self.transferred(ticket),
        }
        true
    }

    /// Wakes a node, if it still wants to be woken now.
    fn wake(&mut self, i: u32, at: Mono) {
        let host = &mut self.hosts[i as usize];
        if host.armed != Some(at) {
            return;
        }
        host.armed = None;
        if host.wake_at().is_some_and(|wanted| wanted <= self.time) {
            self.events += 1;
            host.woken =
                if host.woken.0 == self.time { (self.time, host.woken.1 + 1) } else { (self.time, 0) };
            assert!(host.woken.1 < WAKES_MAX, "{} spins at {:?}", host.name, self.time);
            let now = host.now(self.time);
            if let Some(node) = host.node.as_mut() {
                node.handle_timeout(now);
            }
            self.drain(i as usize);
        } else {
            self.arm(i as usize);
        }
    }

    /// Sees to it that a node is woken in time. A wake-up that comes too early finds the
    /// true time and is armed anew, so that a later wish costs nothing now.
    pub(crate) fn arm(&mut self, i: usize) {
        let host = &mut self.hosts[i];
        let Some(at) = host.wake_at() else { return };
        let at = at.max(self.time);
        if host.armed.is_none_or(|armed| at < armed) {
            host.armed = Some(at);
            self.queues[self.island_of[i]].put(at, Due::Wake(i as u32));
        }
    }

    pub(crate) fn later(&mut self, host: usize, after: Duration, job: Job) {
        let life = self.hosts[host].life;
        self.queues[self.island_of[host]].put(self.time + after, Due::Job { host: host as u32, life, job });
    }

    fn perform(&mut self, i: usize, job: Job) {
        match job {
            // As in production, the store takes nothing after one failure, and the node stops.
            Job::Synced if self.hosts[i].disk_full => self.stop_for_full_disk(i),
            Job::Synced => {
                // A disk works on while its process is frozen.
                for _ in 0..self.hosts[i].disk.in_transaction() {
                    if let Some(batch) = self.sync_disk(i) {
                        self.feed(i, Input::Persisted { batch });
                    }
                }
                self.write_on(i);
            }
            Job::Fetched(hash, outcome) => {
                if outcome.is_ok() {
                    self.hosts[i].blobs.insert(hash);
                }
                self.feed(i, Input::Blob { hash, outcome });
            }
            Job::Compiled(hash) => drop(self.hosts[i].compiled.insert(hash)),
            Job::Executed(instance, event) => {
                let Some(known) = self.hosts[i].instances.get_mut(&instance) else { return };
                match event {
                    ExecutorEvent::Running => known.running = true,
                    ExecutorEvent::Failed { .. } => drop(self.hosts[i].instances.remove(&instance)),
                    ExecutorEvent::Compiled { .. } => {}
                }
                self.feed(i, Input::Executor { instance, event });
            }
            Job::Linked { peer } => self.link(i, peer as usize),
            Job::Silent { peer, life } => self.notice(i, peer, life),
            Job::Certified(certificate) => self.feed(i, Input::Certified { certificate }),
            Job::StreamFailed(id) => self.feed(i, Input::SyncClosed { id }),
        }
    }

    /// Begins the next transaction of a host, unless its disk is busy or nothing waits.
    pub(crate) fn write_on(&mut self, i: usize) {
        let (least, most) = self.faults.disk.latency;
        let host = &mut self.hosts[i];
        if host.disk.begin() {
            let took = host.dice.duration((least, host.slow_disk.unwrap_or(most)));
            self.later(i, took, Job::Synced);
        }
    }

    /// The process ends by itself: what was not written is not written any more.
    fn stop_for_full_disk(&mut self, i: usize) {
        self.hosts[i].disk.fail();
        self.kill(i);
    }

    /// The oldest batch of a host becomes durable.
    pub(crate) fn sync_disk(&mut self, i: usize) -> Option<orbweave_core::io::BatchId> {
        let (batch, put) = self.hosts[i].disk.sync_one()?;
        self.observe(i, &Observed::Durable { batch, records: &put });
        Some(batch)
    }

    /// Gives a node an input, or keeps it until the node thaws.
    pub fn feed(&mut self, i: usize, input: Input) {
        let now = self.hosts[i].now(self.time);
        let host = &mut self.hosts[i];
        if host.frozen {
            return host.backlog.push_back(input);
        }
        let Some(node) = host.node.as_mut() else { return };
        let leaves = matches!(input, Input::Leave);
        node.handle(now, input);
        if leaves {
            self.observe(i, &Observed::Leaving);
        }
        self.drain(i);
    }

    /// Carries out all that a node wants, and arms its next wake-up.
    pub(crate) fn drain(&mut self, i: usize) {
        while let Some(output) = self.hosts[i].node.as_mut().and_then(|node| node.poll_output()) {
            self.trace.add(self.time, i as u32, &output);
            self.observe(i, &Observed::Output(&output));
            self.put_out(i, output);
        }
        self.observe(i, &Observed::Settled);
        self.arm(i);
    }
}

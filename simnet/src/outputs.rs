//! What the surroundings do with what a node puts out.

use crate::cluster::Cluster;
use crate::host::Instance;
use crate::step::{Due, Job};
use crate::transfer::{Line, Ticket};
use orbweave_core::io::Start;
use orbweave_core::{ExecutorEvent, Output};
use orbweave_model::{Hash, Mono, NodeId};
use orbweave_trust::Release;

/// What a process says when it cannot start here.
const BROKEN: &str = "it cannot start here";
/// A variable in the environment of what starts nowhere.
pub(crate) const BAD: &str = "BAD";
/// Round trips of a fetch: the request, and the end of what was asked for.
const FETCH_ROUND_TRIPS: u32 = 2;

impl Cluster {
    pub(crate) fn carry_out(&mut self, i: usize, output: Output) {
        match output {
            Output::Datagram { to, bytes } => self.send_datagram(i, to, bytes),
            Output::Publish { bytes } => self.publish(i, bytes),
            Output::Sync { id, bytes } => self.send_frame(i, id, bytes),
            Output::SyncClose { id } => self.close_stream(i, id),
            Output::Dial { peer, .. } => self.dial(i, peer),
            Output::AskRenewal { peer, .. } => self.ask_renewal(i, peer),
            Output::Evict { peer } => self.evict(i, peer),
            Output::Fetch { hash, size, providers } => self.fetch(i, hash, size, &providers),
            Output::Prepare { release } => self.prepare(i, &release),
            Output::Start(start) => self.launch(i, *start),
            Output::Stop { instance } => {
                self.hosts[i].instances.remove(&instance);
            }
            Output::Persist { batch, writes } => {
                self.hosts[i].disk.write(&mut self.shelf, batch, writes);
                self.write_on(i);
            }
            Output::Reply { id, result } => {
                self.hosts[i].replies.insert(id.0, result);
            }
            Output::Notify(event) => {
                let (time, hosts) = (self.time, self.hosts.len());
                self.hosts[i].note(time, *event, hosts);
            }
            Output::Renewed { certificate } => self.hosts[i].certificate = certificate,
            Output::RoutesChanged => {}
        }
    }

    fn fetch(&mut self, i: usize, hash: Hash, size: u64, providers: &[NodeId]) {
        let has = |host: usize| self.hosts[host].blobs.contains(&hash);
        let near = |id: &NodeId| self.host_of(id).filter(|&p| self.reachable(i, p) && has(p));
        let provider = if has(i) { Some(i) } else { providers.iter().find_map(near) };
        let Some(provider) = provider else {
            let why = Err("no provider in reach has it".to_owned());
            return self.later(i, self.faults.executor.start.1, Job::Fetched(hash, why));
        };
        if provider == i {
            return self.later(i, self.faults.executor.start.0, Job::Fetched(hash, Ok(())));
        }
        let model = self.faults.executor;
        let line = Line { uplink: model.uplink_bits_per_s, downlink: model.downlink_bits_per_s };
        let due = self.transfers.begin(self.time, line, provider as u32, i as u32, size, hash);
        self.await_transfers(i, due);
    }

    fn await_transfers(&mut self, i: usize, due: Vec<(Mono, Ticket)>) {
        for (at, ticket) in due {
            self.queues[self.island_of[i]].put(at, Due::Transfer(ticket));
        }
    }

    /// The last byte of a transfer is sent, unless it became slower meanwhile.
    pub(crate) fn transferred(&mut self, ticket: Ticket) {
        let Some((done, due)) = self.transfers.finish(self.time, ticket) else { return };
        let (to, from) = (done.to as usize, done.from as usize);
        self.await_transfers(to, due);
        self.events += 1;
        if self.links.passes(self.time, done.to, done.from) && self.hosts[from].node.is_some() {
            let round_trip = self.links.round_trip(self.time, done.to, done.from);
            self.later(to, round_trip * FETCH_ROUND_TRIPS, Job::Fetched(done.hash, Ok(())));
        } else {
            self.transfer_lost(to, done.hash);
        }
    }

    /// The power of a host goes, and with it what it sent or took.
    pub(crate) fn lose_transfers(&mut self, i: usize) {
        let (lost, due) = self.transfers.forget(self.time, i as u32);
        self.await_transfers(i, due);
        for transfer in lost.into_iter().filter(|transfer| transfer.to as usize != i) {
            self.transfer_lost(transfer.to as usize, transfer.hash);
        }
    }

    fn transfer_lost(&mut self, to: usize, hash: Hash) {
        let why = Err("the provider fell silent".to_owned());
        self.later(to, self.faults.notice_after, Job::Fetched(hash, why));
    }

    fn prepare(&mut self, i: usize, release: &Release) {
        let statement = release.statement();
        if !self.hosts[i].compiled.contains(&statement.blake3) {
            let took = self.faults.executor.compile(statement.size);
            self.later(i, took, Job::Compiled(statement.blake3));
        }
    }

    fn launch(&mut self, i: usize, start: Start) {
        let Start { instance, workload, slot, release, env, .. } = start;
        let model = self.faults.executor;
        let host = &mut self.hosts[i];
        host.started.push((self.time, workload.clone(), slot));
        let statement = release.statement();
        let bad = env.iter().any(|(name, _)| name == BAD);
        let (component, sequence) = (statement.blake3, statement.sequence);
        let entry = Instance { workload, slot, component, sequence, env, running: false, since: self.time };
        host.instances.insert(instance, entry);
        let cached = host.compiled.contains(&statement.blake3);
        let compile = if cached { model.start.0 } else { model.compile(statement.size) };
        let begin = model.start(&mut host.dice);
        let end = if host.options.broken || bad {
            ExecutorEvent::Failed { reason: BROKEN.into() }
        } else {
            ExecutorEvent::Running
        };
        self.later(i, compile, Job::Compiled(statement.blake3));
        let compiled = ExecutorEvent::Compiled { cached, took: compile };
        self.later(i, compile, Job::Executed(instance, compiled));
        self.later(i, compile + begin, Job::Executed(instance, end));
    }
}

//! What the surroundings do with what a node puts out.

use crate::cluster::{Cluster, Job, Packet, Stream};
use crate::host::Instance;
use crate::link::{Care, Delivery};
use orbweave_core::io::{Start, SyncId};
use orbweave_core::{ExecutorEvent, Output};
use orbweave_model::{Hash, NodeId};
use std::time::Duration;

impl Cluster {
    /// Carries out all that a node wants.
    pub(crate) fn drain(&mut self, i: usize) {
        while let Some(output) = self.hosts[i].node.as_mut().and_then(|node| node.poll_output()) {
            self.record(i, &output);
            self.watch_output(i, &output);
            self.carry_out(i, output);
        }
    }

    fn carry_out(&mut self, i: usize, output: Output) {
        match output {
            Output::Datagram { to, bytes } => self.send(i, to, Care::Lossy, Packet::Datagram(bytes)),
            Output::Publish { bytes } => {
                for peer in self.hosts[i].links.keys().copied().collect::<Vec<_>>() {
                    let to = self.hosts[peer].id;
                    self.send(i, to, Care::Lossy, Packet::Gossip(bytes.clone()));
                }
            }
            Output::Sync { id, bytes } => self.send_frame(i, id, bytes),
            Output::SyncClose { id } => {
                let Some(stream) = self.stream_of(i, id) else { return };
                let Some(entry) = self.streams.get_mut(&stream) else { return };
                entry.closed[usize::from(i != stream.by)] = true;
                self.send(i, id.peer, Care::Ordered, Packet::Closed(stream));
            }
            Output::Dial { peer, .. } => {
                let Some(&peer) = self.index.get(&peer) else { return };
                if self.reachable(i, peer) {
                    self.later(i, self.faults.delay.1 * 3, Job::Linked { peer });
                }
            }
            Output::Evict { peer } => {
                if let Some(&peer) = self.index.get(&peer)
                    && self.hosts[i].links.contains_key(&peer)
                {
                    self.unlink(i, peer);
                    self.later(peer, Duration::from_millis(1), Job::Silent { peer: i, life: u32::MAX });
                }
            }
            Output::Fetch { hash, providers, .. } => self.fetch(i, hash, &providers),
            Output::Start(start) => self.launch(i, start),
            Output::Stop { instance } => {
                self.hosts[i].instances.remove(&instance);
            }
            Output::Persist { batch, writes } => {
                self.hosts[i].disk.write(batch, writes);
                // Batches are written one after the other.
                let took = self.draw(self.faults.disk);
                let host = &mut self.hosts[i];
                host.disk_until = host.disk_until.max(self.time) + took;
                let after = host.disk_until.since(self.time);
                self.later(i, after, Job::Synced);
            }
            Output::Reply { id, result } => {
                self.hosts[i].replies.insert(id.0, result);
            }
            Output::Notify(event) => {
                let time = self.time;
                self.hosts[i].note(time, event);
            }
            Output::Renewed { certificate } => self.hosts[i].certificate = certificate,
            Output::RoutesChanged | Output::Prepare { .. } => {}
        }
    }

    fn send(&mut self, from: usize, to: NodeId, care: Care, payload: Packet) {
        let Some(&to) = self.index.get(&to) else { return };
        let both = self.hosts[from].links.contains_key(&to) && self.hosts[to].links.contains_key(&from);
        if both {
            self.links.send(self.time, &self.faults, Delivery { from, to, care, payload });
        }
    }

    fn send_frame(&mut self, i: usize, id: SyncId, bytes: Vec<u8>) {
        let (Some(stream), Some(&peer)) = (self.stream_of(i, id), self.index.get(&id.peer)) else { return };
        let both = self.hosts[i].links.contains_key(&peer) && self.hosts[peer].links.contains_key(&i);
        if id.ours && both {
            self.streams.entry(stream).or_insert(Stream { to: peer, closed: [false, false] });
        }
        if self.streams.contains_key(&stream) {
            self.send(i, id.peer, Care::Ordered, Packet::Frame(stream, bytes));
        } else {
            self.later(i, Duration::from_millis(1), Job::StreamFailed(id));
        }
    }

    fn fetch(&mut self, i: usize, hash: Hash, providers: &[NodeId]) {
        let has = |host: usize| self.hosts[host].blobs.contains(&hash);
        let near = |id: &NodeId| self.index.get(id).copied().filter(|&p| self.reachable(i, p) && has(p));
        let outcome = if has(i) || providers.iter().any(|id| near(id).is_some()) {
            Ok(())
        } else {
            Err("no provider in reach has it".to_owned())
        };
        let after = self.draw(self.faults.executor);
        self.later(i, after, Job::Fetched(hash, outcome));
    }

    fn launch(&mut self, i: usize, start: Start) {
        let Start { instance, workload, slot, .. } = start;
        self.hosts[i].started.push((self.time, workload.clone(), slot));
        let entry = Instance { workload, slot, running: false, since: self.time };
        self.hosts[i].instances.insert(instance, entry);
        let (compile, begin) = (self.draw(self.faults.executor), self.draw(self.faults.executor));
        let compiled = ExecutorEvent::Compiled { cached: false, took: compile };
        self.later(i, compile, Job::Executed(instance, compiled));
        let end = if self.hosts[i].options.broken {
            ExecutorEvent::Failed { reason: "it cannot start here".into() }
        } else {
            ExecutorEvent::Running
        };
        self.later(i, compile + begin, Job::Executed(instance, end));
    }

    /// Adds an output to the trace.
    fn record(&mut self, i: usize, output: &Output) {
        let mut add = |what: u8, bytes: &[u8]| {
            self.trace.update(&self.time.0.to_le_bytes()).update(&[i as u8, what]);
            self.trace.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        };
        match output {
            Output::Datagram { to, bytes } => add(0, &[to.as_bytes(), &bytes[..]].concat()),
            Output::Publish { bytes } => add(1, bytes),
            Output::Sync { id, bytes } => add(2, &[format!("{id:?}").as_bytes(), bytes].concat()),
            other => add(3, format!("{other:?}").as_bytes()),
        }
    }
}

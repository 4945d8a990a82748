//! Connections between hosts, and what travels on them.

use crate::cluster::Cluster;
use crate::link::{Care, Class, Parcel};
use crate::step::{Due, Job};
use orbweave_core::Input;
use orbweave_core::io::SyncId;
use orbweave_model::NodeId;
use std::time::Duration;

/// Of a peer's reconciliation number, these bits are the peer's own.
const NUMBER_BITS: u32 = 40;
/// Round trips until a new connection carries something: QUIC's handshake, and the
/// exchange of certificates.
pub(crate) const HANDSHAKE_ROUND_TRIPS: u32 = 2;
/// What closing a stream takes on the wire.
const CLOSE_BYTES: u32 = 4;

/// A reconciliation's stream: who began it, in which life, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamId {
    pub by: u32,
    pub life: u32,
    pub number: u64,
}

/// The other end of a stream, and which ends are closed: the beginner's, the other's.
#[derive(Debug)]
pub(crate) struct Stream {
    pub to: u32,
    pub closed: [bool; 2],
}

/// What links carry.
#[derive(Debug, Clone)]
pub(crate) enum Packet {
    Datagram(Vec<u8>),
    Gossip(u64),
    Frame(StreamId, Vec<u8>),
    Closed(StreamId),
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

impl Cluster {
    fn send(&mut self, from: usize, to: u32, care: Care, bytes: u32, payload: Packet) {
        // A message that its end has seen by now takes the line and changes nothing there.
        let moot = matches!(payload, Packet::Gossip(id) if self.gossip.has_seen(id, to));
        let parcel = Parcel::new(from as u32, to, care, bytes, payload);
        let queue = &mut self.queues[self.island_of[to as usize]];
        self.links.send(self.time, parcel, |at, parcel| {
            if !moot {
                queue.put(at, Due::Arrival(parcel));
            }
        });
    }

    pub(crate) fn send_datagram(&mut self, from: usize, to: NodeId, bytes: Vec<u8>) {
        let Some(&to) = self.index.get(&to) else { return };
        if self.hosts[from].links.contains_key(&to) {
            self.send(from, to, Care::Lossy, length(&bytes), Packet::Datagram(bytes));
        }
    }

    pub(crate) fn publish(&mut self, from: usize, bytes: Vec<u8>) {
        if self.faults.gossip.is_some() {
            let id = self.gossip.publish(self.time, from as u32, bytes);
            self.pass_on(from, u32::MAX, id);
        }
    }

    /// Passes a message on to a host's mesh, but not to whom it came from.
    fn pass_on(&mut self, host: usize, source: u32, id: u64) {
        let bytes = self.gossip.size(id);
        for k in 0..self.gossip.mesh(host as u32).len() {
            let peer = self.gossip.mesh(host as u32)[k];
            if peer != source {
                self.send(host, peer, Care::Lossy, bytes, Packet::Gossip(id));
            }
        }
    }

    pub(crate) fn send_frame(&mut self, i: usize, id: SyncId, bytes: Vec<u8>) {
        let (Some(stream), Some(&peer)) = (self.stream_of(i, id), self.index.get(&id.peer)) else { return };
        if id.ours && self.connected(i, peer as usize) {
            self.streams.entry(stream).or_insert(Stream { to: peer, closed: [false, false] });
        }
        if self.streams.contains_key(&stream) {
            self.send(i, peer, Care::Ordered, length(&bytes), Packet::Frame(stream, bytes));
        } else {
            self.later(i, Duration::from_millis(1), Job::StreamFailed(id));
        }
    }

    pub(crate) fn close_stream(&mut self, i: usize, id: SyncId) {
        let (Some(stream), Some(&peer)) = (self.stream_of(i, id), self.index.get(&id.peer)) else { return };
        let Some(entry) = self.streams.get_mut(&stream) else { return };
        entry.closed[usize::from(i as u32 != stream.by)] = true;
        self.send(i, peer, Care::Ordered, CLOSE_BYTES, Packet::Closed(stream));
    }

    /// A message is at the end of its link.
    pub(crate) fn arrived(&mut self, parcel: Parcel<Packet>) {
        let Parcel { from, payload, .. } = parcel;
        let to = parcel.to as usize;
        let host = &self.hosts[to];
        if host.node.is_none() {
            return;
        }
        let peer = self.hosts[from as usize].id;
        match payload {
            Packet::Datagram(bytes) if host.links.contains_key(&from) => {
                self.feed(to, Input::Datagram { from: peer, bytes });
            }
            Packet::Gossip(id) if host.links.contains_key(&from) => {
                if let Some(bytes) = self.gossip.see(id, to as u32) {
                    self.pass_on(to, from, id);
                    self.feed(to, Input::Gossip { bytes: bytes.to_vec() });
                }
            }
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
    fn open_end(&self, stream: StreamId, host: usize) -> Option<SyncId> {
        let ours = host as u32 == stream.by;
        let Stream { to, closed } = self.streams.get(&stream)?;
        if closed[usize::from(!ours)] {
            return None;
        }
        let number = if ours { stream.number } else { u64::from(stream.life) << NUMBER_BITS | stream.number };
        let peer = self.hosts[(if ours { *to } else { stream.by }) as usize].id;
        Some(SyncId { peer, ours, number })
    }

    /// The stream that a host means.
    pub(crate) fn stream_of(&self, host: usize, id: SyncId) -> Option<StreamId> {
        if id.ours {
            return Some(StreamId { by: host as u32, life: self.hosts[host].life, number: id.number });
        }
        let by = *self.index.get(&id.peer)?;
        let life = u32::try_from(id.number >> NUMBER_BITS).ok()?;
        Some(StreamId { by, life, number: id.number & ((1 << NUMBER_BITS) - 1) })
    }

    /// Whether both hosts have a link to the other.
    pub fn connected(&self, a: usize, b: usize) -> bool {
        self.hosts[a].links.contains_key(&(b as u32)) && self.hosts[b].links.contains_key(&(a as u32))
    }

    pub(crate) fn reachable(&self, i: usize, peer: usize) -> bool {
        self.hosts[i].is_up()
            && self.hosts[peer].is_up()
            && self.links.passes(self.time, i as u32, peer as u32)
    }

    /// A node wants a link.
    pub(crate) fn dial(&mut self, i: usize, peer: NodeId) {
        let Some(&peer) = self.index.get(&peer) else { return };
        if self.reachable(i, peer as usize) {
            let round_trip = self.links.round_trip(self.time, i as u32, peer);
            self.later(i, round_trip * HANDSHAKE_ROUND_TRIPS, Job::Linked { peer });
        }
    }

    /// A handshake ended.
    pub(crate) fn link(&mut self, i: usize, peer: usize) {
        let (a, b) = (self.hosts[i].life, self.hosts[peer].life);
        let known = |from: usize, to: usize| self.hosts[from].links.get(&(to as u32)).copied();
        let already = known(i, peer) == Some(b) && known(peer, i) == Some(a);
        if already || !self.reachable(i, peer) || !self.admits(i, peer) || !self.admits(peer, i) {
            return;
        }
        let rtt = self.links.round_trip(self.time, i as u32, peer as u32);
        for (me, other, life) in [(i, peer, b), (peer, i, a)] {
            if self.hosts[me].links.insert(other as u32, life).is_some() {
                // A new connection takes the place of the old one.
                self.close_streams(i, peer);
            }
        }
        let satellite = self.is_satellite(i) || self.is_satellite(peer);
        let one_zone = self.hosts[i].options.zone == self.hosts[peer].options.zone;
        if let Some(model) = self.faults.gossip.filter(|_| !satellite && one_zone) {
            self.gossip.linked(model, i as u32, peer as u32);
        }
        if satellite {
            self.links.meter.count_handshake(Class::Orbit, i as u32, peer as u32);
            // Radio notices at once that a contact is over.
            if let Some(ends) = self.links.closes(self.time, i as u32, peer as u32) {
                for (me, other, life) in [(i, peer, b), (peer, i, a)] {
                    self.later(me, ends.since(self.time), Job::Silent { peer: other as u32, life });
                }
            }
        }
        for (me, other) in [(i, peer), (peer, i)] {
            let other = self.hosts[other].id;
            self.feed(me, Input::LinkUp { peer: other, rtt });
        }
    }

    /// A host gives a link up; the other side notices by itself.
    pub(crate) fn unlink(&mut self, i: usize, peer: usize) {
        self.hosts[i].links.remove(&(peer as u32));
        self.leave_mesh(i, peer);
        self.close_streams(i, peer);
        let id = self.hosts[peer].id;
        self.feed(i, Input::LinkDown { peer: id });
    }

    /// No sign of life came over a link for long.
    pub(crate) fn notice(&mut self, i: usize, peer: u32, life: u32) {
        let host = &self.hosts[i];
        let same = host.links.get(&peer) == Some(&life);
        let other = &self.hosts[peer as usize];
        let silent =
            other.life != life || other.node.is_none() || !self.links.passes(self.time, i as u32, peer);
        if same && silent {
            self.unlink(i, peer as usize);
        }
    }

    /// A host cuts a peer off, which notices at once.
    pub(crate) fn evict(&mut self, i: usize, peer: NodeId) {
        if let Some(&peer) = self.index.get(&peer)
            && self.hosts[i].links.contains_key(&peer)
        {
            self.unlink(i, peer as usize);
            self.later(
                peer as usize,
                Duration::from_millis(1),
                Job::Silent { peer: i as u32, life: u32::MAX },
            );
        }
    }

    /// Two hosts are no longer partners in gossip, and look for others.
    fn leave_mesh(&mut self, a: usize, b: usize) {
        let Some(model) = self.faults.gossip else { return };
        if self.is_satellite(a) || self.is_satellite(b) {
            return;
        }
        self.gossip.unlinked(a as u32, b as u32);
        for host in [a, b] {
            if self.gossip.mesh(host as u32).len() < model.degree {
                let all = self.hosts[host].links.keys().copied();
                let zone = &self.hosts[host].options.zone;
                let partner = |peer: &u32| {
                    let peer = &self.hosts[*peer as usize];
                    !peer.is_scheduled() && peer.options.zone == *zone
                };
                let peers: Vec<u32> = all.filter(partner).collect();
                self.gossip.fill(model, &mut self.gossip_dice, host as u32, &peers);
            }
        }
    }

    /// The links of a host went with it; its peers notice by and by.
    pub(crate) fn lose_links(&mut self, i: usize) {
        let life = self.hosts[i].life;
        for &peer in std::mem::take(&mut self.hosts[i].links).keys() {
            self.links.reset(i as u32, peer);
            self.leave_mesh(i, peer as usize);
            if self.hosts[peer as usize].links.contains_key(&(i as u32)) {
                let silent = Job::Silent { peer: i as u32, life };
                self.later(peer as usize, self.faults.notice_after, silent);
            }
        }
        self.streams.retain(|id, stream| id.by != i as u32 && stream.to != i as u32);
    }

    fn close_streams(&mut self, a: usize, b: usize) {
        let (a, b) = (a as u32, b as u32);
        self.links.reset(a, b);
        let mut gone = Vec::new();
        for (by, other) in [(a, b), (b, a)] {
            let first = StreamId { by, life: 0, number: 0 };
            let after = StreamId { by: by + 1, ..first };
            let of = self.streams.range(first..after).filter(|(_, stream)| stream.to == other);
            gone.extend(of.map(|(id, stream)| (*id, stream.to)));
        }
        for (id, to) in gone {
            for host in [id.by as usize, to as usize] {
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

//! What must hold at every moment, whatever goes wrong; seen from outside the nodes.
//!
//! - What was acknowledged is durable: a reply, and a `Fits` that answers an offer.
//! - Nobody knows a record that its author could forget: when another node takes a
//!   record in, or its author publishes it, the author's disk holds it, or a later one.

use crate::cluster::Cluster;
use orbweave_core::Output;
use orbweave_core::claim::Claim;
use orbweave_core::io::{BatchId, Write};
use orbweave_core::message::Message;
use orbweave_model::{NodeId, wire};
use orbweave_scheduler::candidate::Verdict;
use orbweave_state::record::{Record, RecordKind};

impl Cluster {
    /// The oldest batch of a host becomes durable.
    pub(crate) fn sync_disk(&mut self, i: usize) -> Option<BatchId> {
        let (batch, put) = self.hosts[i].disk.sync_one()?;
        for bytes in put {
            let Some(record) = self.read(&bytes) else { continue };
            let own = record.id().author == self.hosts[i].id.into();
            if own
                && record.id().kind == RecordKind::CLAIM
                && let Ok(claim) = Claim::decode(record.body())
            {
                for range in claim.ranges {
                    for slot in range.slots.start..range.slots.end {
                        self.hosts[i].claimed.insert((record.id().key.clone(), slot));
                    }
                }
            }
        }
        Some(batch)
    }

    pub(crate) fn watch_output(&mut self, i: usize, output: &Output) {
        match output {
            Output::Persist { writes, .. } => {
                for write in writes {
                    if let Write::PutRecord { value, .. } = write
                        && let Some(record) = self.read(value)
                        && record.id().author != self.hosts[i].id.into()
                    {
                        self.author_remembers(&record, "is known elsewhere");
                    }
                }
            }
            Output::Publish { bytes } => {
                if let Some(record) = self.read(bytes) {
                    self.author_remembers(&record, "was published");
                }
            }
            Output::Datagram { to, bytes } => self.watch_datagram(i, *to, bytes),
            Output::Reply { id, result: Ok(()) } => {
                let Some(record) = self.hosts[i].submitted.get(&id.0).and_then(|bytes| self.read(bytes))
                else {
                    return;
                };
                if !self.is_durable(i, &record) {
                    self.violations.push(format!(
                        "{record:?} was acknowledged by {} and is not durable",
                        self.hosts[i].name
                    ));
                }
            }
            _ => {}
        }
    }

    fn watch_datagram(&mut self, i: usize, to: NodeId, bytes: &[u8]) {
        match Message::decode(bytes) {
            Ok(Message::Offer(offer)) => {
                self.offers.insert((i, offer.id), (offer.workload.as_str().to_owned(), offer.slot));
            }
            Ok(Message::Answer(answer)) if answer.verdict == Verdict::Fits => {
                let Some(slot) = self.index.get(&to).and_then(|&to| self.offers.get(&(to, answer.id))) else {
                    return;
                };
                if !self.hosts[i].claimed.contains(slot) {
                    let said = format!(
                        "{} said that it takes {slot:?}, and its claim is not durable",
                        self.hosts[i].name
                    );
                    self.violations.push(said);
                }
            }
            Ok(Message::Record(bytes)) => {
                if let Some(record) = self.read(&bytes) {
                    self.author_remembers(&record, "was sent");
                }
            }
            Ok(_) => {}
            Err(error) => {
                self.violations.push(format!("{} sends what nobody reads: {error}", self.hosts[i].name))
            }
        }
    }

    fn author_remembers(&mut self, record: &Record, how: &str) {
        let Some(&author) = self.index.get(&NodeId::from(record.id().author)) else { return };
        if !self.is_durable(author, record) {
            self.violations.push(format!("{record:?} {how}, and its author could forget it"));
        }
    }

    /// Whether a host's disk holds this record, or one that superseded it.
    pub(crate) fn is_durable(&self, i: usize, record: &Record) -> bool {
        let held = self.hosts[i].disk.record(&wire::encode(record.id()));
        held.and_then(|bytes| self.read(bytes)).is_some_and(|held| !record.supersedes(&held))
    }

    /// A record of this mesh.
    pub fn read(&self, bytes: &[u8]) -> Option<Record> {
        Record::open(bytes, self.world.mesh, &*self.check).ok()
    }
}

//! What was acknowledged is durable: a reply, and a `Fits` that answers an offer. And
//! what is durable is there again after a crash: the node that starts knows each record
//! that it ever acknowledged, or a newer one.

use super::knowledge::Known;
use super::reader::order;
use super::{Checker, Observed};
use crate::cluster::Cluster;
use orbweave_core::Output;
use orbweave_core::message::Message;
use orbweave_model::{Hash, Hlc, NodeId, wire};
use orbweave_scheduler::verdict::Verdict;
use std::collections::{BTreeMap, BTreeSet};

type Slot = (String, u32);

/// See the [module](self).
#[derive(Debug, Default)]
pub struct PromisesKept {
    /// The slots of each offer, by placer, candidate and number: a placer that starts anew
    /// counts from the beginning, and answers to its offers of before may still come.
    offers: BTreeMap<(usize, NodeId, u64), BTreeSet<Slot>>,
    /// The newest that each host acknowledged, by identity.
    acknowledged: BTreeMap<usize, BTreeMap<Vec<u8>, (Hlc, Hash)>>,
    /// Hosts that were started and have not put everything out yet.
    started: BTreeSet<usize>,
}

impl Checker for PromisesKept {
    fn name(&self) -> &'static str {
        "promises-kept"
    }

    fn observe(&mut self, cluster: &Cluster, host: usize, event: &Observed<'_>) -> Result<(), String> {
        match event {
            Observed::Said { to, message: Ok(message) } if !cluster.is_controlled(host) => {
                return self.said(cluster, host, *to, message);
            }
            Observed::Output(Output::Reply { id, result: Ok(()) }) => {
                return self.acknowledge(cluster, host, id.0);
            }
            Observed::Started => drop(self.started.insert(host)),
            Observed::Settled if self.started.remove(&host) => return self.remembers(cluster, host),
            _ => {}
        }
        Ok(())
    }
}

impl PromisesKept {
    fn acknowledge(&mut self, cluster: &Cluster, host: usize, command: u64) -> Result<(), String> {
        let submitted = cluster.hosts[host].submission(command);
        let Some(record) = submitted.and_then(|bytes| cluster.read(bytes)) else { return Ok(()) };
        if !cluster.is_durable(host, &record) {
            return Err(format!("{record:?} was acknowledged and is not durable"));
        }
        let newest = self.acknowledged.entry(host).or_default().entry(wire::encode(record.id()));
        let newest = newest.or_insert_with(|| order(&record));
        *newest = order(&record).max(*newest);
        Ok(())
    }

    fn said(&mut self, cluster: &Cluster, host: usize, to: NodeId, message: &Message) -> Result<(), String> {
        match message {
            Message::Offer(offer) => {
                let slot = (offer.workload.as_str().to_owned(), offer.slot);
                self.offers.entry((host, to, offer.id)).or_default().insert(slot);
            }
            Message::Answer(answer) if answer.verdict == Verdict::Fits => {
                let placer = cluster.host_of(&to).filter(|placer| !cluster.is_controlled(*placer));
                let me = cluster.hosts[host].id;
                let Some(slots) = placer.and_then(|placer| self.offers.get(&(placer, me, answer.id))) else {
                    return Ok(());
                };
                let claims = |(name, slot): &Slot| {
                    cluster.durable_claim(host, name).is_some_and(|claim| claim.at(*slot).is_some())
                };
                if !slots.iter().any(claims) {
                    return Err(format!("it said that it takes {slots:?}, and its claim is not durable"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a node that was started knows what it acknowledged in its lives before.
    fn remembers(&mut self, cluster: &Cluster, host: usize) -> Result<(), String> {
        let Some(all) = self.acknowledged.get_mut(&host) else { return Ok(()) };
        if cluster.hosts[host].disk.is_blank() {
            // The disk itself was lost: what only it held is gone, as nobody denies.
            all.clear();
            return Ok(());
        }
        let believed: BTreeSet<Hash> =
            cluster.hosts[host].node.iter().flat_map(|node| node.digests()).collect();
        let authority = cluster.authority_at(host, Known::Heard);
        for (key, (hlc, digest)) in all {
            let held = cluster.hosts[host].disk.record(key).and_then(|bytes| cluster.read(bytes));
            let Some(held) = held else {
                return Err(format!("a record of {} that was acknowledged is gone", hlc.wall.0));
            };
            let revoked = authority.as_ref().is_some_and(|a| a.is_revoked(&held.id().author));
            if order(&held) < (*hlc, *digest) || !(revoked || believed.contains(&held.digest())) {
                return Err(format!("{held:?} or a newer one was acknowledged, and it does not know of it"));
            }
        }
        Ok(())
    }
}

//! What was acknowledged is durable: a reply, and a `Fits` that answers an offer.

use super::{Checker, Observed};
use crate::cluster::Cluster;
use orbweave_core::Output;
use orbweave_core::claim::Claim;
use orbweave_core::message::Message;
use orbweave_model::NodeId;
use orbweave_scheduler::candidate::Verdict;
use orbweave_state::record::RecordKind;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

type Slot = (String, u32);

/// See the [module](self).
#[derive(Debug, Default)]
pub struct PromisesKept {
    /// The slot of each offer, by placer and number.
    offers: BTreeMap<(usize, u64), Slot>,
    /// Slots whose claim was durable at some time, by host.
    claimed: BTreeMap<usize, BTreeSet<Slot>>,
}

impl Checker for PromisesKept {
    fn name(&self) -> &'static str {
        "promises-kept"
    }

    fn observe(&mut self, cluster: &Cluster, host: usize, event: &Observed<'_>) -> Result<(), String> {
        match event {
            Observed::Durable { records, .. } => self.durable(cluster, host, records),
            Observed::Output(Output::Datagram { to, bytes }) => {
                return self.datagram(cluster, host, *to, bytes);
            }
            Observed::Output(Output::Reply { id, result: Ok(()) }) => {
                let submitted = cluster.hosts[host].submission(id.0);
                if let Some(record) = submitted.and_then(|bytes| cluster.read(bytes))
                    && !cluster.is_durable(host, &record)
                {
                    return Err(format!("{record:?} was acknowledged and is not durable"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl PromisesKept {
    fn durable(&mut self, cluster: &Cluster, host: usize, records: &[Arc<[u8]>]) {
        let own = records.iter().filter_map(|bytes| cluster.read(bytes)).filter(|record| {
            record.id().kind == RecordKind::CLAIM && record.id().author == cluster.hosts[host].id.into()
        });
        for record in own {
            let Ok(claim) = Claim::decode(record.body()) else { continue };
            let slots = claim.ranges.iter().flat_map(|range| range.slots.start..range.slots.end);
            let slots = slots.map(|slot| (record.id().key.clone(), slot));
            self.claimed.entry(host).or_default().extend(slots);
        }
    }

    fn datagram(&mut self, cluster: &Cluster, host: usize, to: NodeId, bytes: &[u8]) -> Result<(), String> {
        match Message::decode(bytes) {
            Ok(Message::Offer(offer)) => {
                self.offers.insert((host, offer.id), (offer.workload.as_str().to_owned(), offer.slot));
            }
            Ok(Message::Answer(answer)) if answer.verdict == Verdict::Fits => {
                let placer = cluster.host_of(&to);
                let Some(slot) = placer.and_then(|placer| self.offers.get(&(placer, answer.id))) else {
                    return Ok(());
                };
                if !self.claimed.get(&host).is_some_and(|claimed| claimed.contains(slot)) {
                    return Err(format!("it said that it takes {slot:?}, and its claim is not durable"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

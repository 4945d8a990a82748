//! Nobody offers away what it knows to be held.
//!
//! A placer acts on timers: by the time one fires the slot may have a holder again, and
//! then the timer is a no-op. Judged by claims that the placer has heard and that are
//! on its disk, of holders that it sees alive; who drains holds nothing, and a slot that
//! should be elsewhere is offered on purpose.

use super::knowledge::Known;
use super::yielding::View;
use super::{Checker, Observed};
use crate::cluster::Cluster;
use orbweave_core::claim::Claim;
use orbweave_core::{Event, EventKind, Output};
use orbweave_model::NodeId;
use orbweave_scheduler::rivals::Phase;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Offers {
    /// Offers that are judged once the node has put all out, and what made it offer is
    /// on its way to the disk.
    waiting: Vec<Event>,
}

impl Checker for Offers {
    fn name(&self) -> &'static str {
        "offers"
    }

    fn reads_messages(&self) -> bool {
        false
    }

    fn observe(&mut self, cluster: &Cluster, host: usize, event: &Observed<'_>) -> Result<(), String> {
        match event {
            Observed::Output(Output::Notify(event))
                if event.kind == EventKind::OfferSent && !cluster.is_controlled(host) =>
            {
                self.waiting.push(Event::clone(event));
                Ok(())
            }
            Observed::Settled => self.waiting.drain(..).try_for_each(|offer| judge(cluster, host, &offer)),
            _ => Ok(()),
        }
    }
}

fn judge(cluster: &Cluster, host: usize, offer: &Event) -> Result<(), String> {
    let (Some(workload), Some(slot)) = (&offer.workload, offer.slot) else { return Ok(()) };
    let Some(node) = cluster.hosts[host].node.as_ref() else { return Ok(()) };
    let holders = |known| -> Vec<NodeId> {
        let Some(authority) = cluster.authority_at(host, known) else { return Vec::new() };
        let Some(spec) = cluster.desired_at(host, known, workload.as_str(), &authority) else {
            return Vec::new();
        };
        let view = View { cluster, host, known, authority: &authority };
        let rivals = cluster.rivals_at(host, known, workload.as_str());
        let holds = |(holder, claim): &(NodeId, Claim)| {
            claim.at(slot).is_some_and(|range| range.phase != Phase::Draining)
                && node.sees_alive(*holder)
                && !view.yields(workload.as_str(), slot, *holder, &spec)
        };
        rivals.iter().filter(|rival| holds(rival)).map(|(holder, _)| *holder).collect()
    };
    // What has just come may not count for it yet, and what it has just lost no longer.
    let heard = holders(Known::Heard);
    match holders(Known::Durable).into_iter().find(|holder| heard.contains(holder)) {
        None => Ok(()),
        Some(holder) => Err(format!("{}, which it knows to be held by {}", offer.text, node.name(holder))),
    }
}

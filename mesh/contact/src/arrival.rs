//! The earliest arrival over a contact plan (Araniti et al., "Contact graph routing in DTN space
//! networks: overview, enhancements and performance", IEEE Communications Magazine, 2015).
//!
//! A contact is a channel that sends one thing after another: what is to be sent waits for the
//! contact to begin and for what is reserved before it, must have left before the contact ends,
//! and then travels at the speed of light. Who comes earlier to such a channel is through no
//! later, so that Dijkstra's algorithm over nodes is exact. The longest delay of a contact
//! is counted, so that nothing arrives later than promised.

use crate::plan::{ContactPlan, Micros, Planned, from_then_on};
use orbweave_model::Wall;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use thiserror::Error;

/// Something to be brought from one node to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shipment<I> {
    /// Where it is.
    pub from: I,
    /// Where it is wanted.
    pub to: I,
    /// Its size.
    pub bytes: u64,
    /// It can leave from here on.
    pub ready: Wall,
    /// It is of no use after.
    pub deadline: Wall,
}

/// One contact of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop<I> {
    /// Who sends.
    pub from: I,
    /// Who receives.
    pub to: I,
    /// The contact of the two that begins here.
    pub contact_begins: Wall,
    /// The first byte leaves.
    pub starts: Micros,
    /// The last byte has left.
    pub sent: Micros,
    /// The last byte is there.
    pub arrives: Micros,
}

/// The way of a shipment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route<I> {
    /// Contact after contact; none if it is already there.
    pub hops: Vec<Hop<I>>,
    /// When all of it is there.
    pub arrives: Micros,
    /// What limits the route; nothing if there are no hops.
    pub bottleneck: Option<Bottleneck>,
}

/// The contact of a route that could carry the least from when the shipment reaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bottleneck {
    /// Which hop.
    pub hop: usize,
    /// How many bytes it could carry, the shipment among them.
    pub bytes: u64,
}

impl<I: Ord + Clone> ContactPlan<I> {
    /// The route by which a shipment arrives first; of equals the one with the fewest hops.
    /// None if it cannot arrive by its deadline.
    pub fn earliest_arrival(&self, shipment: &Shipment<I>) -> Option<Route<I>> {
        let deadline = Micros::from(shipment.deadline);
        let ready = Micros::from(shipment.ready);
        // What the search knows best of a node, and the hop that leads there.
        let mut best: BTreeMap<&I, (Micros, u32)> = BTreeMap::from([(&shipment.from, (ready, 0))]);
        let mut by: BTreeMap<&I, Hop<I>> = BTreeMap::new();
        let mut done = BTreeSet::new();
        let mut queue = BinaryHeap::from([Reverse((ready, 0_u32, &shipment.from))]);
        while let Some(Reverse((at, hops, node))) = queue.pop() {
            if at > deadline {
                return None;
            }
            if *node == shipment.to {
                return Some(self.route(shipment, at, by));
            }
            if !done.insert(node) {
                continue;
            }
            for (next, by_begin) in self.contacts.get(node).into_iter().flatten() {
                if done.contains(next) {
                    continue;
                }
                for planned in from_then_on(by_begin, Wall(at.0 / 1_000)) {
                    let known = best.get(next).copied().unwrap_or((deadline.after(1), 0));
                    if Micros::from(planned.window.begins) > known.0 {
                        break;
                    }
                    let Some(sending) = planned.send(at, shipment.bytes) else { continue };
                    if (sending.arrives, hops + 1) < known {
                        best.insert(next, (sending.arrives, hops + 1));
                        by.insert(next, sending.hop(node, next, planned));
                        queue.push(Reverse((sending.arrives, hops + 1, next)));
                    }
                }
            }
        }
        None
    }

    /// Reserves what a route needs, all of it or nothing.
    pub fn reserve(&mut self, shipment: &Shipment<I>, route: &Route<I>) -> Result<(), ReserveError> {
        for (hop, is) in route.hops.iter().enumerate() {
            let planned = self.planned(is).ok_or(ReserveError::Gone { hop })?;
            let sending = planned.send(is.starts, shipment.bytes);
            if sending.is_none_or(|s| s.starts != is.starts || s.sent > is.sent) {
                return Err(ReserveError::Taken { hop });
            }
        }
        for is in &route.hops {
            let by_begin = self.contacts.get_mut(&is.from).and_then(|by_to| by_to.get_mut(&is.to));
            if let Some(planned) = by_begin.and_then(|by_begin| by_begin.get_mut(&is.contact_begins)) {
                planned.busy_until = is.sent;
            }
        }
        Ok(())
    }

    fn planned(&self, hop: &Hop<I>) -> Option<&Planned> {
        self.contacts.get(&hop.from)?.get(&hop.to)?.get(&hop.contact_begins)
    }

    fn route(&self, shipment: &Shipment<I>, arrives: Micros, mut by: BTreeMap<&I, Hop<I>>) -> Route<I> {
        let mut hops = Vec::new();
        let mut node = shipment.to.clone();
        while node != shipment.from
            && let Some(hop) = by.remove(&node)
        {
            node = hop.from.clone();
            hops.push(hop);
        }
        hops.reverse();
        let carries = |hop: &Hop<I>| self.planned(hop).map_or(0, |planned| planned.volume(hop.starts));
        let bottleneck = hops.iter().map(carries).enumerate().map(|(hop, bytes)| Bottleneck { hop, bytes });
        let bottleneck = bottleneck.min_by_key(|b| (b.bytes, b.hop));
        Route { hops, arrives, bottleneck }
    }
}

struct Sending {
    starts: Micros,
    sent: Micros,
    arrives: Micros,
}

impl Sending {
    fn hop<I: Clone>(&self, from: &I, to: &I, planned: &Planned) -> Hop<I> {
        Hop {
            from: from.clone(),
            to: to.clone(),
            contact_begins: planned.window.begins,
            starts: self.starts,
            sent: self.sent,
            arrives: self.arrives,
        }
    }
}

impl Planned {
    /// When so many bytes pass that are ready at a time; not at all if the contact ends too early.
    fn send(&self, ready: Micros, bytes: u64) -> Option<Sending> {
        let starts = ready.max(self.busy_until);
        let us = (u128::from(bytes) * 1_000_000).div_ceil(u128::from(self.bytes_per_s));
        let sent = starts.after(u64::try_from(us).unwrap_or(u64::MAX));
        // Saturated is never, also on a link that is always there.
        let fits = sent <= Micros::from(self.window.ends) && sent.0 < u64::MAX;
        fits.then(|| Sending { starts, sent, arrives: sent.after(self.window.delay.max_us) })
    }

    /// The bytes that could pass from a time on.
    fn volume(&self, from: Micros) -> u64 {
        let us = Micros::from(self.window.ends).0.saturating_sub(from.0);
        u64::try_from(u128::from(us) * u128::from(self.bytes_per_s) / 1_000_000).unwrap_or(u64::MAX)
    }
}

/// A route that is no longer free. Nothing was reserved; ask for another.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReserveError {
    /// Its contact is not in the plan.
    #[error("hop {hop} uses a contact that is not in the plan any more; ask for another route")]
    Gone {
        /// Which hop.
        hop: usize,
    },
    /// Something else was reserved there since.
    #[error("hop {hop} uses a time that is taken, or too short for the bytes; ask for another route")]
    Taken {
        /// Which hop.
        hop: usize,
    },
}

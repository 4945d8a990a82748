//! This node as one that holds more than its share: it hands slots, one at a time, to
//! members that came up.
//!
//! A hand-over is an offer by the holder itself of what it runs. The newcomer claims the
//! slot with a higher epoch; the holder goes on until it runs there, then drains as any
//! rival that lost. So nothing is missing meanwhile, and nothing new travels.

use crate::claim::{Claim, EPOCH_MAX};
use crate::cordon::Service;
use crate::event::{Event, EventKind};
use crate::holding::Held;
use crate::io::Output;
use crate::message::{Answer, Message, Offer};
use crate::node::Node;
use crate::placing::UnderWay;
use orbweave_model::{Mono, NodeId, WorkloadName};
use orbweave_scheduler::candidate::{Candidate, Choice};
use orbweave_scheduler::newcomers::{self, DIFFERENCE, Load, Turn};
use orbweave_scheduler::rivals::{Phase, Reconcile};
use orbweave_scheduler::verdict::Verdict;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Who came up is given slots from then on: what it held before a restart is known again,
/// and what was vacant is placed.
const FIRST_LOOK: Duration = Duration::from_secs(15);
/// Who came up for the third time, each within this time of the last, waits four times as
/// long, and so on, up to this time: a node whose links come and go shall not take work
/// along each time.
const FLAPS_WITHIN: Duration = Duration::from_secs(3_600);
/// So long it is given slots: what is as it is by then is balance enough.
const GIVEN_FOR: Duration = Duration::from_secs(105);
/// Between two slots that this node hands over.
const LOOK: Duration = Duration::from_secs(3);
/// Each giver before this one has so much time, in which its slot shows as taken.
const STEP: Duration = Duration::from_millis(250);
/// A slot stays so long where it is, at least.
const STAYS: Duration = Duration::from_secs(60);
/// An answer comes within this time, and then a claim.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// Who did not take what it was given is given nothing more for so long.
const PASS_OVER: Duration = Duration::from_secs(10);
/// Slots of which the best to give is chosen.
const WEIGHED_MAX: usize = 64;

/// Members that came up of late, and what they are given.
#[derive(Debug, Default)]
pub(crate) struct Rebalancing {
    newcomers: BTreeMap<NodeId, Newcomer>,
    passed_over: BTreeMap<NodeId, Mono>,
    /// What a newcomer refused is not offered again while it is given slots.
    refused: BTreeSet<(NodeId, (WorkloadName, u32))>,
    /// `None` while nobody is to be given anything.
    next_look: Option<Mono>,
    /// Those before this node have had their time.
    waited: bool,
    offer: Option<HandOver>,
}

/// A member that came up.
#[derive(Debug, Clone, Copy)]
struct Newcomer {
    up_at: Mono,
    /// How often, one soon after the other.
    times: u32,
}

impl Newcomer {
    fn from(&self) -> Mono {
        let longer = 4_u32.saturating_pow(self.times.saturating_sub(2));
        self.up_at + FIRST_LOOK.saturating_mul(longer).min(FLAPS_WITHIN)
    }

    fn until(&self) -> Mono {
        self.from() + GIVEN_FOR
    }
}

#[derive(Debug)]
struct HandOver {
    id: u64,
    to: NodeId,
    key: (WorkloadName, u32),
    until: Mono,
    /// Its claim is still to be seen.
    is_accepted: bool,
}

impl Rebalancing {
    /// When it wants to be looked at.
    pub fn due(&self) -> Option<Mono> {
        self.next_look
    }

    /// When somebody is to be given something, now or later.
    fn next_after(&self, now: Mono) -> Option<Mono> {
        let open = self.newcomers.values().filter(|newcomer| newcomer.until() > now);
        open.map(|newcomer| newcomer.from().max(now + LOOK)).min()
    }
}

impl Node {
    /// A member came up.
    pub(crate) fn on_newcomer(&mut self, node: NodeId) {
        let now = self.now.mono;
        let last = self.rebalancing.newcomers.get(&node).filter(|last| last.up_at + FLAPS_WITHIN > now);
        let newcomer = Newcomer { up_at: now, times: last.map_or(1, |last| last.times.saturating_add(1)) };
        self.rebalancing.newcomers.insert(node, newcomer);
        let next = self.rebalancing.next_look.get_or_insert(newcomer.from());
        *next = newcomer.from().min(*next);
    }

    /// Hands a slot over, if it is time and this node's turn.
    pub(crate) fn rebalance_if_due(&mut self) {
        let now = self.now.mono;
        if self.rebalancing.next_look.is_none_or(|at| at > now) {
            return;
        }
        self.rebalancing.newcomers.retain(|_, n| n.until().max(n.up_at + FLAPS_WITHIN) > now);
        self.rebalancing.passed_over.retain(|_, until| *until > now);
        self.rebalancing.next_look = self.rebalancing.next_after(now);
        let newcomers = &self.rebalancing.newcomers;
        self.rebalancing.refused.retain(|(to, _)| newcomers.get(to).is_some_and(|n| n.until() > now));
        self.end_hand_over();
        let waited = std::mem::take(&mut self.rebalancing.waited);
        let bystands = !self.settled || self.leaving || self.is_carried() || self.membership.in_self_doubt();
        if bystands || self.rebalancing.offer.is_some() {
            return;
        }
        let Some(Turn { to, rank }) = newcomers::turn(self.me, &self.loads()) else { return };
        if rank > 0 && !waited {
            self.rebalancing.waited = true;
            self.rebalancing.next_look = Some(now + STEP.saturating_mul(rank));
            return;
        }
        self.hand_over(to);
    }

    /// A hand-over ends where the newcomer's claim is seen; who does not answer, or accepts
    /// and does not claim, is passed over for a while, so that others have their turn.
    fn end_hand_over(&mut self) {
        let Some(HandOver { to, key, until, .. }) = &self.rebalancing.offer else { return };
        let (to, late) = (*to, *until <= self.now.mono);
        let shows = self.holdings(&key.0, key.1).iter().any(|h| h.holder == to);
        if shows || late {
            self.rebalancing.offer = None;
        }
        if late && !shows {
            self.rebalancing.passed_over.insert(to, self.now.mono + PASS_OVER);
        }
    }

    /// What every member that is alive holds by its claims, and this node in truth.
    fn loads(&self) -> Vec<Load> {
        let mut slots: BTreeMap<NodeId, u32> = self.membership.alive().map(|node| (node, 0)).collect();
        for (name, claims) in &self.claims {
            // What is claimed beyond what is wanted is no load.
            let wanted = self.slots_wanted(name);
            for (holder, claim) in claims {
                if let Some(slots) = slots.get_mut(holder) {
                    *slots = slots.saturating_add(kept(claim, wanted));
                }
            }
        }
        slots.insert(self.me, self.kept_here());
        let now = self.now.mono;
        let is_newcomer = |node: NodeId| {
            self.rebalancing.newcomers.get(&node).is_some_and(|n| n.from() <= now && now < n.until())
                && !self.rebalancing.passed_over.contains_key(&node)
                && self.service(node) == Service::Open
        };
        let load = |(node, slots)| Load { node, slots, is_newcomer: is_newcomer(node) };
        slots.into_iter().map(load).collect()
    }

    /// Slots that this node holds and does not give up.
    fn kept_here(&self) -> u32 {
        self.held.values().filter(|held| held.phase != Phase::Draining).count() as u32
    }

    /// Whether another node holds so much more that this one may take a slot that it runs.
    pub(crate) fn relieves(&self, holder: NodeId) -> bool {
        let claims = self.claimed_by.get(&holder).into_iter().flatten();
        let claims = claims
            .filter_map(|name| Some(kept(self.claims.get(name)?.get(&holder)?, self.slots_wanted(name))));
        claims.fold(0, u32::saturating_add) >= self.kept_here().saturating_add(DIFFERENCE)
    }

    /// Offers a newcomer the slot for which it is the better place by most.
    fn hand_over(&mut self, to: NodeId) {
        let now = self.now.mono;
        let open = |key: &(WorkloadName, u32)| !self.rebalancing.refused.contains(&(to, key.clone()));
        let mine = self.held.iter().filter(|(key, held)| self.may_move(key, held) && open(key));
        let mine = mine.take(WEIGHED_MAX);
        let gains = mine.filter_map(|(key, _)| Some((self.gain(key, to)?, key)));
        let Some((Gain { offer, .. }, key)) = gains.max_by_key(|(gain, _)| gain.by) else {
            self.rebalancing.passed_over.insert(to, now + PASS_OVER);
            return;
        };
        let key = key.clone();
        self.offer_count += 1;
        let offer = Offer { id: self.offer_count, ..offer };
        let until = now + ANSWER_TIME;
        let text = format!("{}/{} is offered to {}, which came up", key.0, key.1, self.name(to));
        self.notify(Event::new(EventKind::OfferSent, text).of(&key.0).slot(key.1).about(to));
        self.rebalancing.offer = Some(HandOver { id: offer.id, to, key, until, is_accepted: false });
        self.outputs.push_back(Output::Datagram { to, bytes: Message::Offer(offer).encode() });
    }

    /// Whether a slot that this node holds has no reason to stay.
    fn may_move(&self, key: &(WorkloadName, u32), held: &Held) -> bool {
        let (name, slot) = (&key.0, key.1);
        let Some(desired) = self.desired.get(name) else { return false };
        let settled = held.phase == Phase::Running && !held.staged && held.since + STAYS <= self.now.mono;
        let wins = match desired.spec.reconcile.unwrap_or_default() {
            Reconcile::KeepNewest => held.epoch < EPOCH_MAX,
            Reconcile::KeepOriginal => false,
            Reconcile::BestScore => true,
        };
        settled
            && wins
            && self.progress(name).is_none_or(|progress| progress.is_over)
            && self.holdings(name, slot).iter().all(|h| h.holder == self.me && !h.yields)
            && self.slots_here(name).binary_search(&slot).is_ok()
    }

    /// How much better a place another node is for a slot that this one runs alone. `None`
    /// where it is no better, or may not take it.
    fn gain(&self, key: &(WorkloadName, u32), to: NodeId) -> Option<Gain> {
        let (name, slot) = (&key.0, key.1);
        let (held, desired) = (self.held.get(key)?, self.desired.get(name)?);
        let spec = &desired.spec;
        let mut nodes = if spec.policy().looks_around() { self.who_could_take(spec) } else { vec![to] };
        nodes.retain(|node| *node != self.me);
        nodes.push(self.me);
        let mut candidates = self.candidates(&nodes, name, spec, &UnderWay::new());
        self.without_slot(&mut candidates, key, spec);
        for candidate in &mut candidates {
            // A holder is no nearer to itself than others are to whoever would place the slot.
            candidate.rtt_us = Some(0);
        }
        let choice = Choice::new(desired.need(name, slot), &candidates);
        let of = |node: NodeId| candidates.iter().find(|candidate| candidate.node == node);
        let (there, here): (&Candidate<'_>, _) = (of(to)?, of(self.me)?);
        let score = choice.score(there);
        let by = score.saturating_sub(choice.score(here));
        let loses = spec.reconcile == Some(Reconcile::BestScore) && score <= held.score;
        if by <= 0 || loses || choice.judge(there) != Verdict::Fits {
            return None;
        }
        let offer = Offer {
            id: 0,
            workload: name.clone(),
            generation: spec.generation,
            slot,
            epoch_seen: held.epoch,
            held: there.held,
            score,
        };
        Some(Gain { by, offer })
    }

    /// What a newcomer said to what it was offered.
    pub(crate) fn on_answer_of_newcomer(&mut self, from: NodeId, answer: &Answer) {
        let now = self.now.mono;
        let is_it = |offer: &mut HandOver| (offer.id, offer.to) == (answer.id, from) && !offer.is_accepted;
        let Some(offer) = self.rebalancing.offer.take_if(is_it) else { return };
        let key = offer.key.clone();
        let event = |kind, text| Event::new(kind, text).of(&key.0).slot(key.1).about(from);
        let name = self.name(from);
        if answer.verdict == Verdict::Fits {
            let text = format!("{}/{} is handed over to {name}", key.0, key.1);
            let why = format!("it came up and holds {} slots, this node {}", answer.load, self.kept_here());
            self.notify(event(EventKind::HandedOver, text).because(why));
            let until = now + ANSWER_TIME;
            self.rebalancing.offer = Some(HandOver { until, is_accepted: true, ..offer });
            return;
        }
        self.rebalancing.passed_over.insert(from, now + PASS_OVER);
        self.rebalancing.refused.insert((from, key.clone()));
        let text = format!("{name} does not take {}/{}", key.0, key.1);
        self.notify(event(EventKind::OfferRefused, text).because(answer.verdict.to_string()));
    }
}

/// The slots of a claim, of so many, that its holder does not give up.
fn kept(claim: &Claim, wanted: u32) -> u32 {
    let kept = claim.ranges.iter().filter(|range| range.phase != Phase::Draining);
    kept.map(|range| range.slots.end.min(wanted).saturating_sub(range.slots.start))
        .fold(0, u32::saturating_add)
}

/// What a hand-over would bring.
struct Gain {
    by: i64,
    /// Without its number.
    offer: Offer,
}

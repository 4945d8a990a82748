//! This node as a placer: slots without a holder, offers, and what came of them.

use crate::claim::Claim;
use crate::event::{Event, EventKind};
use crate::io::Output;
use crate::message::{Answer, Message, Offer};
use crate::node::Node;
use orbweave_model::plant::{self, Plant};
use orbweave_model::{Mono, NodeId, Resources, WorkloadName};
use orbweave_scheduler::candidate::Choice;
use orbweave_scheduler::rank;
use orbweave_scheduler::rivals::Phase;
use orbweave_scheduler::verdict::Verdict;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Placer r of a slot waits r of these: long enough that the one before it has been heard.
const STEP: Duration = Duration::from_millis(400);
/// An offer without an answer is given up after this, and three round trips.
const OFFER_TIME: Duration = Duration::from_millis(1_000);
/// An accepted offer shows as a claim within this time, or is made again elsewhere.
const CLAIM_TIME: Duration = Duration::from_secs(5);
/// A node that refused, or did not answer, is passed over for this long.
const PASS_OVER: Duration = Duration::from_secs(5);
/// While nobody fits, the slot is looked at again after this, doubling.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// What a candidate said of itself beats hearsay for this long.
const FRESH: Duration = Duration::from_secs(3);
/// Offers of this node that wait for an answer or a claim.
const OFFERS_MAX: u32 = 64;
/// When that many are under way, the next slots have their turn after this.
const NEXT_TURN: Duration = Duration::from_millis(50);
/// Those who would place a slot next and hear of a claim on it at once.
const NEXT_PLACERS: usize = 3;
/// Slots of one claim whose next placers hear of it.
const TOLD_OF: usize = 4;

/// A slot that has no live holder.
#[derive(Debug)]
pub(crate) struct Vacancy {
    pub next_at: Mono,
    pub offer: Option<(u64, NodeId)>,
    pub refused: BTreeMap<NodeId, (Verdict, Mono)>,
    /// Who said last that this node's view is stale: once more, and it is passed over.
    stale_for: Option<NodeId>,
    rounds: u32,
}

impl Vacancy {
    /// Whether a candidate was asked to fill it, of late.
    pub fn asks(&self, node: NodeId) -> bool {
        self.refused.contains_key(&node) || self.offer.is_some_and(|(_, to)| to == node)
    }
}

/// Offers under way, by workload and candidate.
pub(crate) type UnderWay = BTreeMap<(WorkloadName, NodeId), u32>;

/// What a candidate said of itself in its last answer.
#[derive(Debug)]
pub(crate) struct Freshness {
    at: Mono,
    pub free: Resources,
    pub load: u32,
    pub held: BTreeMap<WorkloadName, u32>,
}

impl Node {
    /// Looks at every slot of a workload: keeps what this node holds in order, and
    /// opens or closes vacancies.
    pub(crate) fn evaluate(&mut self, name: &WorkloadName) {
        self.review_held(name);
        if self.is_carried() {
            // It places nothing: others see who lives, and it does not.
            return;
        }
        self.review_standby(name);
        let slots = self.slots_here(name);
        let gone: Vec<_> =
            self.vacancies_of(name).filter(|slot| slots.binary_search(slot).is_err()).collect();
        for slot in gone {
            self.vacancies.remove(&(name.clone(), slot));
        }
        if !self.settled {
            return;
        }
        let stays = |slot, holder, phase| phase != Phase::Draining && !self.yields(name, slot, holder);
        let claimed = self.claimed_slots(name, stays);
        for slot in slots {
            let key = (name.clone(), slot);
            let claimed_here = self.held.get(&key).is_some_and(|h| h.phase != Phase::Draining);
            let taken = (claimed_here && !self.yields(name, slot, self.me)) || claimed[slot as usize];
            if taken {
                if !plant::on(Plant::TimerUnguarded) {
                    self.vacancies.remove(&key);
                }
            } else if !self.vacancies.contains_key(&key) {
                let vacancy = self.open_vacancy(name, slot);
                self.vacancies.insert(key, vacancy);
            }
        }
    }

    fn vacancies_of<'a>(&'a self, name: &'a WorkloadName) -> impl Iterator<Item = u32> + 'a {
        let first = (name.clone(), 0);
        self.vacancies.range(first..).take_while(move |((n, _), _)| n == name).map(|((_, slot), _)| *slot)
    }

    fn open_vacancy(&mut self, name: &WorkloadName, slot: u32) -> Vacancy {
        let rank = rank::rank_of(self.me, name.as_str(), slot, self.membership.alive());
        let mut wait = STEP.saturating_mul(u32::try_from(rank).unwrap_or(u32::MAX));
        wait += if rank == 0 { Duration::ZERO } else { self.jitter(Duration::ZERO, STEP / 4) };
        if self.membership.in_self_doubt() {
            wait *= 2;
        }
        let next_at = self.now.mono + wait;
        Vacancy { next_at, offer: None, refused: BTreeMap::new(), stale_for: None, rounds: 0 }
    }

    /// Acts on every vacancy that is due.
    pub(crate) fn advance_vacancies(&mut self) {
        let now = self.now.mono;
        let due: Vec<_> =
            self.vacancies.iter().filter(|(_, v)| v.next_at <= now).map(|(key, _)| key.clone()).collect();
        if due.is_empty() {
            return;
        }
        let mut under_way = UnderWay::new();
        for ((name, _), vacancy) in &self.vacancies {
            if let Some((_, to)) = vacancy.offer {
                *under_way.entry((name.clone(), to)).or_default() += 1;
            }
        }
        // Many slots are placed in turns, so that probes and peers are heard in between;
        // and where one slot of a workload found no place, its others need not ask again.
        let mut offers: u32 = under_way.values().sum();
        let mut nowhere: BTreeSet<WorkloadName> = BTreeSet::new();
        for key in due {
            if offers >= OFFERS_MAX || nowhere.contains(&key.0) {
                let wait = if offers >= OFFERS_MAX { NEXT_TURN } else { LOOK_AGAIN.0 };
                if let Some(vacancy) = self.vacancies.get_mut(&key) {
                    vacancy.next_at = now + wait;
                }
            } else if self.place(&key, &mut under_way) {
                offers += 1;
            } else {
                nowhere.insert(key.0);
            }
        }
    }

    /// Offers a slot to the best candidate; whether there was one.
    fn place(&mut self, key: &(WorkloadName, u32), under_way: &mut UnderWay) -> bool {
        let (name, slot) = (&key.0, key.1);
        let now = self.now.mono;
        let Some(vacancy) = self.vacancies.get_mut(key) else { return false };
        if let Some((_, to)) = vacancy.offer.take() {
            under_way.entry((name.clone(), to)).and_modify(|n| *n = n.saturating_sub(1));
            // Said yes and was never seen, or said nothing.
            vacancy.refused.insert(to, (Verdict::Unknown, now + PASS_OVER));
        }
        vacancy.refused.retain(|_, (_, until)| *until > now);
        let look_again = LOOK_AGAIN.0.saturating_mul(1 << vacancy.rounds.min(8)).min(LOOK_AGAIN.1);
        vacancy.next_at = now + look_again;
        vacancy.rounds += 1;
        let Some(desired) = self.desired.get(name) else { return false };
        if self.wanted(name, slot).is_some_and(|wanted| wanted.release.is_err()) {
            return false;
        }
        let (spec, generation) = (desired.spec.clone(), desired.spec.generation);
        let nodes = self.who_could_take(&spec);
        let mut candidates = self.candidates(&nodes, name, &spec, under_way);
        self.without_slot(&mut candidates, key, &spec);
        if let Some(vacancy) = self.vacancies.get(key) {
            for candidate in &mut candidates {
                let refused = vacancy.refused.get(&candidate.node).map(|(verdict, _)| verdict.clone());
                candidate.hindrance = refused.or(candidate.hindrance.take());
            }
        }
        // Drawn before `self` is borrowed again; the generator moves on all the same.
        let mut rng = self.rng.clone();
        let best = Choice::new(desired.need(name, slot), &candidates).best(&mut rng).into_iter().next();
        let held = best.and_then(|(n, _)| candidates.iter().find(|c| c.node == n)).map_or(0, |c| c.held);
        self.rng = rng;
        let Some((to, score)) = best else { return false };
        if self.fleet.has(to) && !self.has_ahead(name) {
            return false;
        }
        *under_way.entry((name.clone(), to)).or_default() += 1;

        self.offer_count += 1;
        let offer = Offer {
            id: self.offer_count,
            workload: name.clone(),
            generation,
            slot,
            epoch_seen: self.epoch_seen(name, slot),
            held,
            score,
        };
        let rtt = self.peers.get(&to).and_then(|p| p.rtt).unwrap_or_default();
        if let Some(vacancy) = self.vacancies.get_mut(key) {
            vacancy.offer = Some((offer.id, to));
            vacancy.next_at = now + OFFER_TIME + rtt.saturating_mul(3);
        }
        let text = format!("{name}/{slot} is offered to {}", self.name(to));
        self.notify(Event::new(EventKind::OfferSent, text).of(name).slot(slot).about(to));
        if to == self.me {
            self.on_offer(to, offer);
        } else {
            self.outputs.push_back(Output::Datagram { to, bytes: Message::Offer(offer).encode() });
        }
        true
    }

    /// What a candidate said of itself a moment ago.
    pub(crate) fn fresh_of(&self, node: NodeId) -> Option<&Freshness> {
        self.fresh.get(&node).filter(|fresh| fresh.at + FRESH > self.now.mono)
    }

    pub(crate) fn on_answer(&mut self, from: NodeId, answer: Answer) {
        let now = self.now.mono;
        let id = answer.id;
        let Some((key, vacancy)) = self.vacancies.iter_mut().find(|(_, v)| v.offer == Some((id, from)))
        else {
            return self.on_answer_of_newcomer(from, &answer);
        };
        let Answer { verdict, free, held, load, .. } = answer;
        let key = key.clone();
        let fresh = self.fresh.entry(from).or_insert_with(|| Freshness {
            at: now,
            free,
            load,
            held: BTreeMap::new(),
        });
        (fresh.at, fresh.free, fresh.load) = (now, free, load);
        fresh.held.insert(key.0.clone(), held);
        let event = |kind, text| Event::new(kind, text).of(&key.0).slot(key.1).about(from);
        if verdict == Verdict::Fits {
            vacancy.next_at = now + CLAIM_TIME;
            let text = format!("{} takes {}/{}", self.name(from), key.0, key.1);
            return self.notify(event(EventKind::OfferAccepted, text));
        }
        vacancy.offer = None;
        vacancy.next_at = now;
        let unknown = verdict == Verdict::Unknown;
        // A stale view is mended by the answer itself; but one that stays stale is passed over.
        let pass_over = if verdict == Verdict::StaleView { Duration::from_millis(300) } else { PASS_OVER };
        let why = verdict.to_string();
        if verdict == Verdict::StaleView && vacancy.stale_for.replace(from) != Some(from) {
            vacancy.next_at = now + Duration::from_millis(20);
        } else {
            vacancy.refused.insert(from, (verdict, now + pass_over));
        }
        let text = format!("{} does not take {}/{}", self.name(from), key.0, key.1);
        self.notify(event(EventKind::OfferRefused, text).because(why));
        if unknown && from != self.me {
            self.sync_with(from);
        }
    }

    /// Those who would place the slots of a claim if its holder were gone.
    pub(crate) fn next_placers(&self, workload: &str, claim: &Claim) -> Vec<NodeId> {
        let slots = claim.ranges.iter().flat_map(|range| range.slots.start..range.slots.end);
        let mut nodes: Vec<NodeId> = slots
            .take(TOLD_OF)
            .flat_map(|slot| rank::placers(workload, slot, self.membership.alive(), NEXT_PLACERS))
            .filter(|&n| n != self.me)
            .collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }
}

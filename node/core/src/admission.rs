//! This node as a candidate: it admits or refuses what it is offered, by its own true
//! figures.

use crate::allotment::Seat;
use crate::choosing::per_replica;
use crate::claim::EPOCH_MAX;
use crate::holding::Held;
use crate::io::Output;
use crate::message::{Answer, Load, Message, Offer};
use crate::node::Node;
use crate::placing::UnderWay;
use crate::records::Promise;
use crate::workload::WorkloadSpec;
use orbweave_model::plant::{self, Plant};
use orbweave_model::{NodeId, Resources, WorkloadName};
use orbweave_scheduler::candidate::{Candidate, Choice};
use orbweave_scheduler::rivals::Phase;
use orbweave_scheduler::verdict::Verdict;
use orbweave_state::membership::MemberState;

/// How far above this node's own view an offer may put the epoch.
const EPOCH_AHEAD_MAX: u64 = 1_024;

impl Node {
    pub(crate) fn on_offer(&mut self, from: NodeId, offer: Offer) {
        let verdict = self.admit(from, &offer);
        let key = (offer.workload.clone(), offer.slot);
        if verdict != Verdict::Fits {
            return self.answer(from, offer.id, &offer.workload, verdict);
        }
        if let Some(held) = self.held.get(&key) {
            if !held.staged {
                self.answer(from, offer.id, &offer.workload, Verdict::Fits);
            }
            return;
        }
        let need = self.need_of(&key.0);
        let held = Held::new(self.epoch_for(&offer), offer.score, need, true, self.now.mono);
        self.held.insert(key.clone(), held);
        let answer = Promise::Answer { to: from, offer: offer.id, workload: key.0.clone(), slot: key.1 };
        let claimed = Promise::Claimed { workload: key.0.clone(), slot: key.1 };
        self.publish_claim(&key.0, vec![claimed, answer]);
    }

    /// The epoch of the claim that an offer leads to.
    fn epoch_for(&self, offer: &Offer) -> u64 {
        let own = self.epoch_seen(&offer.workload, offer.slot);
        let epoch = offer.epoch_seen.min(own.saturating_add(EPOCH_AHEAD_MAX)).max(own).saturating_add(1);
        epoch.min(EPOCH_MAX)
    }

    /// Whether whoever offers a slot has an older view than this node: there is a newer
    /// claim on it, or another one runs it, which this node sees alive. One that does not
    /// answer may be dead, as the placer says; and whoever runs it may hand it over to one
    /// that holds less.
    fn is_held_elsewhere(&self, from: NodeId, offer: &Offer) -> bool {
        let rivals = self.holdings(&offer.workload, offer.slot);
        rivals.iter().filter(|rival| rival.phase != Phase::Draining).any(|rival| {
            let runs = rival.phase == Phase::Running && rival.holder != self.me && !rival.yields;
            rival.epoch > offer.epoch_seen
                || (runs
                    && self.membership.state(rival.holder) == MemberState::Alive
                    && !(rival.holder == from && self.relieves(from)))
        })
    }

    /// Whether this node takes the slot, by what it knows of itself.
    fn admit(&self, from: NodeId, offer: &Offer) -> Verdict {
        let name = &offer.workload;
        let Some(desired) = self.desired.get(name).filter(|d| d.spec.generation >= offer.generation) else {
            return Verdict::Unknown;
        };
        if self.leaving {
            return Verdict::Leaving;
        }
        if let Some(held) = self.held.get(&(name.clone(), offer.slot)) {
            return if held.phase == Phase::Draining { Verdict::BackingOff } else { Verdict::Fits };
        }
        let elsewhere = matches!(self.seat(name, offer.slot), Seat::Elsewhere | Seat::RunsElsewhere);
        let stale = elsewhere || self.is_held_elsewhere(from, offer) || self.held_here(name) > offer.held;
        if desired.spec.deleted || offer.slot >= desired.spec.replicas || stale {
            return Verdict::StaleView;
        }
        if offer.slot >= desired.slots() && !plant::on(Plant::QuotaAtPlacerOnly) {
            return Verdict::Quota(desired.spec.namespace().to_string());
        }
        if plant::on(Plant::AdmissionSkipped) {
            return Verdict::Fits;
        }
        let Some(wanted) = self.wanted(name, offer.slot) else { return Verdict::Unknown };
        match wanted.release {
            Err(why) => return Verdict::Release(why.chars().take(200).collect()),
            // It was judged when it came; whoever held a part before may go on with it.
            Ok(release) if release.statement().expires <= self.wall() && !self.holds_claim(name) => {
                return Verdict::Release("it has expired: sign it again".to_owned());
            }
            Ok(_) => {}
        }
        // Where replicas may not be together, what this node knows of the others counts too.
        let spec = &desired.spec;
        let mut candidates =
            if spec.policy().looks_around() { self.neighbours(name, spec) } else { Vec::new() };
        self.without_slot(&mut candidates, &(name.clone(), offer.slot), spec);
        let targets = self.targets(spec);
        candidates.push(Candidate {
            near_us: targets.iter().map(|near| self.round_trip(self.me, near)).collect(),
            conflict: self.conflict(self.me, name, spec),
            ..self.myself(name)
        });
        let choice = Choice::new(desired.need(name, offer.slot), &candidates);
        candidates.last().map_or(Verdict::Unknown, |me| choice.judge(me))
    }

    /// The other nodes that are alive, with what they hold of a workload.
    fn neighbours(&self, name: &WorkloadName, spec: &WorkloadSpec) -> Vec<Candidate<'_>> {
        let mut others = self.who_could_take(spec);
        others.retain(|node| *node != self.me);
        self.candidates(&others, name, spec, &UnderWay::new())
    }

    fn answer(&mut self, to: NodeId, id: u64, workload: &WorkloadName, verdict: Verdict) {
        let Load { free, slots } = self.load_now();
        let answer = Answer { id, verdict, free, held: self.held_here(workload), load: slots };
        if to == self.me {
            self.on_answer(to, answer);
        } else {
            self.outputs.push_back(Output::Datagram { to, bytes: Message::Answer(answer).encode() });
        }
    }

    /// The claim is durable: now the placer may know, unless it was given up meanwhile.
    pub(crate) fn accept_offer(&mut self, to: NodeId, offer: u64, (workload, slot): (&WorkloadName, u32)) {
        if self.held.contains_key(&(workload.clone(), slot)) {
            self.answer(to, offer, workload, Verdict::Fits);
        }
    }

    /// Slots of a workload that this node holds, staged ones included.
    pub(crate) fn held_here(&self, name: &WorkloadName) -> u32 {
        let first = (name.clone(), 0);
        self.held.range(first..).take_while(|((n, _), _)| n == name).count() as u32
    }

    /// What is free here, and how much is held.
    pub(crate) fn load_now(&self) -> Load {
        let used = self.held.values().fold(Resources::default(), |sum, held| sum.plus(&held.need));
        Load { free: self.info.capacity.minus(&used), slots: self.held.len() as u32 }
    }

    /// What one replica of a workload takes, as far as this node knows.
    pub(crate) fn need_of(&self, name: &WorkloadName) -> Resources {
        self.desired.get(name).map_or_else(Resources::default, |desired| per_replica(&desired.spec.need))
    }
}

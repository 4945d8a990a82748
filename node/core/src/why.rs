//! Why a slot is where it is, or nowhere: an answer in words, and the facts behind it.
//! Reading changes nothing; any node can be asked, and answers by its own view.

use crate::allotment::Seat;
use crate::node::Node;
use crate::placing::UnderWay;
use crate::view::Desired;
use crate::workload::WorkloadSpec;
use orbweave_model::{NodeId, WorkloadName};
use orbweave_scheduler::candidate::{Candidate, Choice};
use orbweave_scheduler::rank;
use orbweave_scheduler::rivals::{self, Holding, Phase};
use orbweave_scheduler::term::Share;
use orbweave_scheduler::verdict::{Reason, Verdict};
use orbweave_state::membership::MemberState;
use std::fmt::Write;
use std::time::Duration;

/// Placers of a vacant slot that are named.
const PLACERS_NAMED: usize = 3;
/// Reasons that are put into words.
const REASONS_TOLD: usize = 3;

/// Why a slot is where it is, or nowhere.
#[derive(Debug, Clone)]
pub struct Why {
    /// The slot.
    pub slot: u32,
    /// The answer in words.
    pub answer: String,
    /// Who holds it, by claims of nodes that are alive.
    pub holdings: Vec<Holding>,
    /// Who keeps it.
    pub keeper: Option<NodeId>,
    /// Who places it when it is vacant, the first first.
    pub placers: Vec<NodeId>,
    /// Whom this node has offered it.
    pub offered_to: Option<NodeId>,
    /// When this node acts on it, if it stays vacant.
    pub acts_in: Option<Duration>,
    /// Every node that is known, and what speaks for and against it.
    pub places: Vec<Place>,
}

/// A node as a place for a slot.
#[derive(Debug, Clone)]
pub struct Place {
    /// The node.
    pub node: NodeId,
    /// Whether it can take the slot.
    pub verdict: Verdict,
    /// Slots of the workload that it holds.
    pub held: u32,
    /// What counts for and against it; nothing of one that cannot take the slot.
    pub shares: Vec<Share>,
}

impl Place {
    /// Its score; higher is better.
    pub fn score(&self) -> i64 {
        self.shares.iter().map(|share| share.value).sum()
    }
}

impl Node {
    /// Why a slot is where it is. `None` if this node never heard of the workload.
    pub fn why(&self, name: &WorkloadName, slot: u32) -> Option<Why> {
        let desired = self.desired.get(name)?;
        let holdings = self.holdings(name, slot);
        let keeper = rivals::keeper(desired.rule(), &holdings).copied();
        let vacancy = self.vacancies.get(&(name.clone(), slot));
        let places = self.places(name, slot, desired);
        let offered_to = vacancy.and_then(|v| v.offer).map(|(_, to)| to);
        let answer = self.answer_in_words(name, slot, desired, &holdings, keeper, offered_to, &places);
        Some(Why {
            slot,
            answer,
            holdings,
            keeper: keeper.map(|keeper| keeper.holder),
            placers: rank::placers(name.as_str(), slot, self.membership.alive(), PLACERS_NAMED),
            offered_to,
            acts_in: vacancy.map(|v| v.next_at.since(self.now.mono)),
            places,
        })
    }

    /// Every node that is known, as a place for a slot.
    fn places(&self, name: &WorkloadName, slot: u32, desired: &Desired) -> Vec<Place> {
        let mut candidates = self.everybody(name, &desired.spec);
        let key = (name.clone(), slot);
        self.without_slot(&mut candidates, &key, &desired.spec);
        if let Some(vacancy) = self.vacancies.get(&key) {
            for candidate in &mut candidates {
                let refused = vacancy.refused.get(&candidate.node).map(|(verdict, _)| verdict.clone());
                candidate.hindrance = refused.or(candidate.hindrance.take());
            }
        }
        let choice = Choice::new(desired.need(name, slot), &candidates);
        candidates.iter().map(|candidate| place(&choice, candidate)).collect()
    }

    /// Every node that is known, those that cannot be asked now with the reason.
    pub(crate) fn everybody(&self, name: &WorkloadName, spec: &WorkloadSpec) -> Vec<Candidate<'_>> {
        let nodes: Vec<NodeId> = self.nodes.keys().copied().collect();
        let mut candidates = self.candidates(&nodes, name, spec, &UnderWay::new());
        for candidate in candidates.iter_mut().filter(|c| c.node != self.me) {
            match self.member_state(candidate.node) {
                MemberState::Alive | MemberState::Suspect => {}
                MemberState::Dark { until } => {
                    candidate.hindrance = Some(Verdict::Dark(until.map(|until| until.0)));
                }
                _ => candidate.hindrance = Some(Verdict::Gone),
            }
        }
        candidates
    }

    #[expect(clippy::too_many_arguments, reason = "the facts of one answer, gathered once")]
    fn answer_in_words(
        &self,
        name: &WorkloadName,
        slot: u32,
        desired: &Desired,
        holdings: &[Holding],
        keeper: Option<Holding>,
        offered_to: Option<NodeId>,
        places: &[Place],
    ) -> String {
        let spec = &desired.spec;
        if let Some(keeper) = keeper {
            return self.held_in_words(name, slot, desired, holdings, keeper);
        }
        if spec.deleted {
            return format!("{name} is deleted");
        }
        if let Some(why) = self.uncovered_in_words(name, slot) {
            return format!("{name}/{slot} runs nowhere: {why}");
        }
        if slot >= spec.replicas {
            return format!("{name} has {} slots, from 0 on", spec.replicas);
        }
        if let Some(Err(why)) = self.wanted(name, slot).map(|wanted| wanted.release.as_ref()) {
            return format!("{name}/{slot} runs nowhere: its release is refused here: {why}");
        }
        if let Some(to) = offered_to {
            return format!("{name}/{slot} is offered to {}", self.name(to));
        }
        if let Some(words) = self.elsewhere_in_words(name, slot) {
            return words;
        }
        if let Some(why) = nowhere(spec, places.iter().map(|place| &place.verdict)) {
            return format!("{name}/{slot} runs nowhere: {why}");
        }
        if self.seat(name, slot) == Seat::Vacant {
            return format!(
                "{name}/{slot} is held by no zone yet: the leader of the zone whose turn it is takes it"
            );
        }
        if !self.settled {
            return format!("{name}/{slot} has no holder that is known here: this node looks around first");
        }
        format!("{name}/{slot} has no holder yet: the next placer is about to offer it")
    }

    /// Where another zone keeps the slot.
    fn elsewhere_in_words(&self, name: &WorkloadName, slot: u32) -> Option<String> {
        let how = match self.seat(name, slot) {
            Seat::Vacant | Seat::Here => return None,
            Seat::Elsewhere => "is being prepared in",
            Seat::RunsElsewhere => "runs in",
        };
        let keeper = self.zone_keeper(name, slot)?;
        let (leader, zone) = (self.name(keeper.holder), self.zones.zone_of(keeper.holder)?);
        Some(format!("{name}/{slot} {how} zone {zone} (epoch {}), says its leader {leader}", keeper.epoch))
    }

    fn held_in_words(
        &self,
        name: &WorkloadName,
        slot: u32,
        desired: &Desired,
        holdings: &[Holding],
        keeper: Holding,
    ) -> String {
        let holder = self.name(keeper.holder);
        let how = match keeper.phase {
            Phase::Preparing => "is being prepared on",
            Phase::Running => "runs on",
            Phase::Draining => "drains on",
        };
        let mut answer = format!("{name}/{slot} {how} {holder} (epoch {})", keeper.epoch);
        if let Some(held) = self.held.get(&(name.clone(), slot)).filter(|_| keeper.holder == self.me)
            && let Some(at) = held.retry_at
        {
            let seconds = at.since(self.now.mono).as_secs();
            let _ = write!(answer, ", which failed {} times and tries again in {seconds} s", held.failures);
        }
        if let Some(why) = self.why_it_yields(name, slot, keeper.holder) {
            let _ = write!(answer, "; it goes to another node once one runs it: {why}");
        }
        if holdings.len() > 1 {
            let others = holdings.iter().filter(|h| h.holder != keeper.holder).map(|h| self.name(h.holder));
            let others = others.collect::<Vec<_>>().join(", ");
            let _ = write!(answer, "; {others} holds it too, and gives it up once {holder} runs it");
        }
        if let Some(why) = self.who_runs_elsewhere(name, slot) {
            let _ = write!(answer, "; it drains here: {why}");
        }
        if desired.spec.deleted {
            answer.push_str("; the workload is deleted, and what is asked of it is finished");
        } else if let Some(why) = self.uncovered_in_words(name, slot) {
            let _ = write!(answer, "; {why}, and what is asked of it is finished");
        } else if slot >= desired.spec.replicas {
            let wanted = desired.spec.replicas;
            let _ = write!(answer, "; only {wanted} are wanted, and what is asked of it is finished");
        }
        answer
    }
}

fn place(choice: &Choice<'_>, candidate: &Candidate<'_>) -> Place {
    let verdict = choice.judge(candidate);
    let shares = if verdict == Verdict::Fits { choice.shares(candidate) } else { Vec::new() };
    Place { node: candidate.node, verdict, held: candidate.held, shares }
}

/// Why no node takes a slot, in words. `None` if one fits.
pub(crate) fn nowhere<'a>(
    spec: &WorkloadSpec,
    verdicts: impl Iterator<Item = &'a Verdict> + Clone,
) -> Option<String> {
    if let Some((one, other)) = spec.requires.contradiction() {
        return Some(format!("its conditions `{one}` and `{other}` contradict one another"));
    }
    if verdicts.clone().any(|verdict| *verdict == Verdict::Fits) {
        return None;
    }
    let count = verdicts.clone().count();
    let reasons = Reason::of(verdicts);
    let told: Vec<String> = reasons
        .iter()
        .take(REASONS_TOLD)
        .map(|Reason { verdict, nodes }| format!("{nodes} of {count}: {verdict}"))
        .collect();
    Some(match told.is_empty() {
        true => "no node is known here".to_owned(),
        false => format!("no node can take it ({})", told.join("; ")),
    })
}

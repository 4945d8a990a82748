//! `why`, `plan` and the verdicts of `describe`: from what the core knows to what the API says.

use super::view;
use crate::api::types::{
    Fate, NodeRef, PlaceView, Plan, PlannedView, ReasonView, RolloutState, RolloutView, Verdict, Why,
};
use orbweave_core::rollout::Progress;
use orbweave_core::why::Place;
use orbweave_core::{Node, WorkloadSpec, plan, why};
use orbweave_model::{NodeId, WorkloadName};
use orbweave_scheduler::term;
use orbweave_scheduler::verdict::{self, Reason};
use std::cmp::Reverse;

/// Why a slot is where it is, or nowhere.
pub fn why(node: &Node, name: &WorkloadName, slot: u32) -> Option<Why> {
    let why = node.why(name, slot)?;
    let generation = node.workload(name)?.spec.generation;
    let claims = node.slots(name).into_iter().filter(|s| s.slot == slot && s.holding.is_some());
    let refused = |place: &&Place| place.verdict != verdict::Verdict::Fits;
    let reasons = Reason::of(why.places.iter().filter(refused).map(|place| &place.verdict));
    let mut places: Vec<PlaceView> = why.places.iter().map(|p| place(node, &why, p)).collect();
    places.sort_by_key(|place| (!place.fits, Reverse(place.score), place.node.name.clone()));
    Some(Why {
        workload: name.clone(),
        generation,
        slot,
        answer: why.answer.clone(),
        claims: claims.map(|claim| view::instance(node, name, &claim, String::new())).collect(),
        keeper: why.keeper.map(|id| named(node, id)),
        placers: why.placers.iter().map(|id| named(node, *id)).collect(),
        offered_to: why.offered_to.map(|id| named(node, id)),
        acts_in_ms: why.acts_in.map(view::millis),
        reasons: reasons.iter().map(reason).collect(),
        places,
        terms: term::ALL.iter().map(|term| (term.name.to_owned(), term.about.to_owned())).collect(),
    })
}

fn named(node: &Node, id: NodeId) -> NodeRef {
    NodeRef { id, name: node.name(id) }
}

fn reason(reason: &Reason) -> ReasonView {
    ReasonView { text: reason.verdict.to_string(), nodes: u32::try_from(reason.nodes).unwrap_or(u32::MAX) }
}

fn place(node: &Node, why: &why::Why, place: &Place) -> PlaceView {
    let fits = place.verdict == verdict::Verdict::Fits;
    let holds = why.holdings.iter().any(|h| h.holder == place.node);
    let text = match (holds, fits) {
        (true, true) => "holds it".to_owned(),
        (true, false) => format!("holds it, and would not take it today: {}", place.verdict),
        (false, true) if why.keeper.is_some() => "fits, and is not needed".to_owned(),
        (false, _) => place.verdict.to_string(),
    };
    PlaceView {
        node: named(node, place.node),
        fits,
        text,
        held: place.held,
        score: fits.then(|| place.score()),
        shares: place.shares.iter().map(|share| (share.name.to_owned(), share.value)).collect(),
    }
}

/// Why a slot has no holder, in a few words.
pub fn in_a_few_words(node: &Node, name: &WorkloadName, slot: u32) -> String {
    let answer = node.why(name, slot).map(|why| why.answer).unwrap_or_default();
    match answer.split_once(": ") {
        Some((_, why)) => why.to_owned(),
        None => answer,
    }
}

/// Why each node does or does not hold a replica.
pub fn verdicts(node: &Node, name: &WorkloadName) -> Vec<Verdict> {
    let holders = node.holders(name);
    let Some(why) = node.why(name, 0) else { return Vec::new() };
    let wanted = node.slots_wanted(name);
    let verdict = |place: &Place| {
        let held = node.held_of(name, place.node);
        let (eligible, text) = match (holders.contains(&place.node), &place.verdict) {
            (true, _) => (true, format!("holds {held} of {wanted} slots")),
            (false, verdict::Verdict::Fits) => (true, "fits, and is not needed".to_owned()),
            (false, verdict) => (false, verdict.to_string()),
        };
        Verdict { slot: None, node: place.node, node_name: node.name(place.node), eligible, text }
    };
    why.places.iter().map(verdict).collect()
}

/// How far the last change of a workload is.
pub fn rollout(node: &Node, name: &WorkloadName, spec: &WorkloadSpec) -> Option<RolloutView> {
    let progress = node.progress(name)?;
    let rollout = spec.rollout.as_ref()?;
    let state = match progress {
        Progress { failed: Some(_), .. } => RolloutState::RolledBack,
        Progress { is_over: true, .. } => RolloutState::Complete,
        _ if rollout.paused => RolloutState::Paused,
        _ => RolloutState::Progressing,
    };
    Some(RolloutView {
        state,
        generation: spec.generation,
        previous: rollout.previous.as_ref()?.generation,
        updated: progress.updated,
        settled: progress.settled,
        max_unavailable: rollout.max_unavailable,
        settle_ms: rollout.settle_ms,
    })
}

/// What a specification would change.
pub fn plan(node: &Node, name: &WorkloadName, spec: &WorkloadSpec) -> Plan {
    let plan = node.plan(name, spec);
    let taken = spec.route.clone().and_then(|route| view::rival(node, name, route));
    let taken = taken.map(|(other, place)| format!("{place} is the route of {other} already"));
    Plan {
        workload: name.clone(),
        changes: plan.changes(),
        fits: plan.fits() && taken.is_none(),
        slots: plan.slots.iter().map(|slot| planned(node, slot)).collect(),
        unsought: plan.unsought,
        refused: plan.refused.or(taken),
    }
}

fn planned(node: &Node, planned: &plan::Planned) -> PlannedView {
    PlannedView {
        slot: planned.slot,
        fate: match planned.fate {
            plan::Fate::Stays => Fate::Stays,
            plan::Fate::Starts => Fate::Starts,
            plan::Fate::BeginsAnew => Fate::BeginsAnew,
            plan::Fate::Moves => Fate::Moves,
            plan::Fate::Ends => Fate::Ends,
            plan::Fate::Nowhere => Fate::Nowhere,
        },
        from: planned.from.map(|id| named(node, id)),
        to: planned.to.map(|id| named(node, id)),
        why: planned.why.clone(),
    }
}

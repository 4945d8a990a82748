//! What namespaces may have in all: a quota, and how far it covers each of their workloads.

use crate::choosing::per_replica;
use crate::event::{Event, EventKind};
use crate::node::Node;
use crate::workload::{Growth, WorkloadSpec};
use minicbor::{Decode, Encode};
use orbweave_model::wire::{self, WireError};
use orbweave_model::{Namespace, Resources, Wall, WorkloadName, limit};
use orbweave_scheduler::quota::{self, Bounded, Bounds, Covered, Demand};
use orbweave_state::record::RecordKind;
use orbweave_trust::Roles;
use std::collections::BTreeMap;

/// The body of a quota record: what an admission key says of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Quota {
    /// Counts up with each change.
    #[n(0)]
    pub generation: u64,
    /// What all its replicas together may have; no bound at all where none is said.
    #[n(1)]
    pub bounds: Bounds,
}

impl Quota {
    /// The bytes of a record's body.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads a record's body.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        wire::decode_open("a quota", body, limit::RECORD_BYTES_MAX)
    }
}

/// A namespace, and what its workloads have of what they may have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NamespaceReport {
    /// The namespace.
    pub namespace: Namespace,
    /// The generation of its quota; 0 where it never had one.
    pub generation: u64,
    /// When that was said.
    pub said: Wall,
    /// What all its replicas together may have.
    pub bounds: Bounds,
    /// What those take that are covered, whether they run or not.
    pub used: Resources,
    /// Replicas that are wanted and not covered.
    pub uncovered: u32,
}

/// Of several specifications of one namespace, how far a quota covers each: what it says
/// of a workload follows from what all of them say, and from nothing else. With each comes
/// when it was said.
fn cover(bounds: &Bounds, specs: &[(&WorkloadName, &WorkloadSpec, Wall)]) -> Vec<Covered> {
    let demands: Vec<Demand<'_>> = specs.iter().map(|(name, spec, said)| demand(name, spec, *said)).collect();
    quota::cover(bounds, &demands)
}

fn demand<'a>(name: &'a WorkloadName, spec: &WorkloadSpec, said: Wall) -> Demand<'a> {
    let steps = if spec.deleted { Vec::new() } else { spec.steps(said) };
    // Nobody asks before they ask, and a turn is no later than the word that takes it.
    let step = |step: Growth| (step.since.0.min(said.0), step.replicas);
    let steps = steps.into_iter().map(step).collect();
    Demand { name: name.as_str(), each: per_replica(&spec.need), steps }
}

impl Node {
    /// Every namespace that has a workload or a quota, in order of their names.
    pub fn namespaces(&self) -> Vec<NamespaceReport> {
        let mut all: BTreeMap<Namespace, NamespaceReport> = BTreeMap::new();
        for (namespace, (quota, said)) in &self.quotas {
            let report = all.entry(namespace.clone()).or_default();
            (report.generation, report.said, report.bounds) = (quota.generation, *said, quota.bounds);
        }
        for desired in self.desired.values().filter(|desired| !desired.spec.deleted) {
            let report = all.entry(desired.spec.namespace()).or_default();
            let (covered, each) = (desired.slots(), per_replica(&desired.spec.need));
            report.used = report.used.plus(&each.times(covered));
            report.uncovered = report.uncovered.saturating_add(desired.spec.replicas - covered);
        }
        all.into_iter().map(|(namespace, report)| NamespaceReport { namespace, ..report }).collect()
    }

    /// Chooses among rival words about a namespace: the highest generation, then HLC, then
    /// author.
    pub(crate) fn review_quota(&mut self, namespace: &Namespace) {
        let best = self
            .store
            .rivals(RecordKind::QUOTA, namespace.as_str())
            .filter(|r| self.authority.was_entrusted(&r.id().author, Roles::ADMIT))
            .filter_map(|r| Some((Quota::decode(r.body()).ok()?, r.hlc(), r.id().author)))
            .max_by_key(|(quota, hlc, author)| (quota.generation, *hlc, *author))
            .map(|(quota, hlc, _)| (quota, hlc.wall));
        let before = self.quotas.get(namespace).map(|(quota, _)| quota.bounds);
        let after = best.map(|(quota, _)| quota.bounds);
        match best {
            Some(said) => drop(self.quotas.insert(namespace.clone(), said)),
            None => drop(self.quotas.remove(namespace)),
        }
        if before == after {
            return;
        }
        let text = match after {
            Some(bounds) if bounds != Bounds::default() => format!("namespace {namespace} has another quota"),
            _ => format!("namespace {namespace} has no quota any more"),
        };
        self.notify(Event::new(EventKind::Quota, text));
        self.cover_again(namespace);
    }

    /// After what an admission key may say has changed.
    pub(crate) fn review_quotas(&mut self) {
        for namespace in self.quotas.keys().cloned().collect::<Vec<_>>() {
            self.review_quota(&namespace);
        }
    }

    /// What a namespace may have; none where that is not bounded.
    fn bounds_of(&self, namespace: &Namespace) -> Option<Bounds> {
        let bounds = self.quotas.get(namespace).map(|(quota, _)| quota.bounds);
        bounds.filter(|bounds| *bounds != Bounds::default())
    }

    /// After a workload of a namespace has changed. Without a quota nothing follows for others,
    /// and none of them is looked at.
    pub(crate) fn cover_others(&mut self, namespace: &Namespace) {
        if self.bounds_of(namespace).is_some() {
            self.cover_again(namespace);
        }
    }

    /// How far the quota of a namespace covers its workloads. Looks at all workloads.
    fn cover_again(&mut self, namespace: &Namespace) {
        let bounds = self.bounds_of(namespace);
        let of_it = self.desired.iter().filter(|(_, desired)| desired.spec.namespace() == *namespace);
        let specs: Vec<_> = of_it.map(|(name, desired)| (name, &*desired.spec, desired.hlc.wall)).collect();
        let covered: Vec<Option<Covered>> = match &bounds {
            Some(bounds) => cover(bounds, &specs).into_iter().map(Some).collect(),
            None => vec![None; specs.len()],
        };
        let names: Vec<WorkloadName> = specs.into_iter().map(|(name, ..)| name.clone()).collect();
        for (name, covered) in names.into_iter().zip(covered) {
            let Some(desired) = self.desired.get_mut(&name) else { continue };
            let before = desired.slots();
            desired.covered = covered;
            let (after, wanted) = (desired.slots(), desired.spec.replicas);
            if before == after {
                continue;
            }
            if after < wanted {
                let event = Event::new(EventKind::Quota, covers(namespace, after, wanted)).of(&name);
                let short_of = covered.and_then(|covered| covered.short_of);
                self.notify(match short_of {
                    Some(what) => event.because(allows_no_more(what)),
                    None => event,
                });
            }
            if self.zones.is_many() {
                self.reseat(&name);
            }
            self.dirty.insert(name);
            self.outputs.push_back(crate::io::Output::RoutesChanged);
        }
    }

    /// How far the quota would cover a workload, if this specification were handed in now.
    pub(crate) fn covered_if(&self, name: &WorkloadName, spec: &WorkloadSpec) -> Option<Covered> {
        let namespace = spec.namespace();
        let bounds = self.bounds_of(&namespace)?;
        let (mut spec, now) = (spec.clone(), self.wall());
        let before = self.desired.get(name);
        spec.grow_from(before.map(|before| (&*before.spec, before.hlc.wall)), now);
        let others =
            self.desired.iter().filter(|(other, d)| *other != name && d.spec.namespace() == namespace);
        let mut specs = vec![(name, &spec, now)];
        specs.extend(others.map(|(name, desired)| (name, &*desired.spec, desired.hlc.wall)));
        cover(&bounds, &specs).into_iter().next()
    }

    /// Why the quota does not cover a slot that is asked for, in words.
    pub(crate) fn uncovered_in_words(&self, name: &WorkloadName, slot: u32) -> Option<String> {
        let desired = self.desired.get(name)?;
        let covered = desired.covered.filter(|_| !desired.spec.deleted)?;
        let asked_for = (covered.replicas..desired.spec.replicas).contains(&slot);
        asked_for.then(|| short(&desired.spec, covered))
    }
}

/// What a quota does not cover of a workload, in words.
pub(crate) fn short(spec: &WorkloadSpec, covered: Covered) -> String {
    let text = covers(&spec.namespace(), covered.replicas, spec.replicas);
    match covered.short_of {
        Some(what) => format!("{text}: {}", allows_no_more(what)),
        None => text,
    }
}

fn covers(namespace: &Namespace, covered: u32, wanted: u32) -> String {
    format!("the quota of namespace {namespace} covers {covered} of {wanted} replicas")
}

fn allows_no_more(what: Bounded) -> String {
    format!("it allows no more {what}")
}

//! Standbys: of the nodes that fit a workload and hold none of it, the first few by
//! rendezvous fetch and compile its component ahead, so that a failover only starts
//! it. Every node computes the same standbys, so placers prefer them.

use crate::cordon::Service;
use crate::event::{Event, EventKind};
use crate::io::Output;
use crate::node::Node;
use crate::view::Desired;
use orbweave_model::{Hash, Mono, NodeId, WorkloadName};
use orbweave_scheduler::rank;
use orbweave_scheduler::rivals::Phase;
use std::time::Duration;

/// Nodes that stand by for one workload.
pub const STANDBYS: usize = 2;
/// A component that could not be fetched ahead is tried again after this.
const AGAIN: Duration = Duration::from_secs(30);
/// The same for one that is fetched to be given on.
const CARRY_AGAIN: Duration = Duration::from_secs(1);
/// Stands for the whole workload where a slot is asked for.
const ANY_SLOT: u32 = u32::MAX;

/// How far a component is that is fetched ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ahead {
    Fetching,
    /// Compiled, or being compiled: the executor keeps it.
    Handed,
    /// Fetched to be given on, to a node on scheduled links.
    Carrying,
    Carried,
    Again(Mono),
}

impl Node {
    /// The nodes that stand by for a workload.
    pub(crate) fn standbys(&self, name: &WorkloadName) -> Vec<NodeId> {
        let Some(desired) = self.desired.get(name) else { return Vec::new() };
        let fit = self.membership.alive().filter(|node| self.may_stand_by(name, desired, *node));
        rank::placers(name.as_str(), ANY_SLOT, fit, STANDBYS)
    }

    /// Whether this node is one of them.
    fn stands_by(&self, name: &WorkloadName, desired: &Desired) -> bool {
        let fits = |node| self.may_stand_by(name, desired, node);
        let alive = self.membership.alive();
        fits(self.me) && rank::is_placer(self.me, name.as_str(), ANY_SLOT, alive, STANDBYS, fits)
    }

    fn may_stand_by(&self, name: &WorkloadName, desired: &Desired, node: NodeId) -> bool {
        self.held_by(name, node) == 0
            && self.service(node) == Service::Open
            && self.nodes.get(&node).is_some_and(|info| desired.spec.requires.matches(&info.labels))
    }

    /// Fetches ahead what this node stands by for, once the workload itself runs.
    pub(crate) fn review_standby(&mut self, name: &WorkloadName) {
        let Some(desired) = self.desired.get(name).filter(|d| d.slots() > 0) else { return };
        let Ok(release) = &desired.release else { return };
        let statement = release.statement();
        let (hash, size) = (statement.blake3, statement.size);
        if self.ahead.contains_key(&hash) {
            return;
        }
        let slots = self.slots_here(name);
        if self.held_here(name) > 0
            || self.leaving
            || !self.stands_by(name, desired)
            || slots.is_empty()
            || !self.all_run(name, &slots)
        {
            return;
        }
        self.ahead.insert(hash, Ahead::Fetching);
        let providers = self.providers(name);
        let text = format!("fetches the component of {name} ahead, as a standby");
        self.notify(Event::new(EventKind::FetchStarted, text).of(name));
        self.outputs.push_back(Output::Fetch { hash, size, providers });
    }

    fn all_run(&self, name: &WorkloadName, slots: &[u32]) -> bool {
        let runs = self.claimed_slots(name, |_, _, phase| phase == Phase::Running);
        slots.iter().all(|slot| runs[*slot as usize])
    }

    /// Whether a workload's component is here; if not, it is fetched, so that a node in a
    /// short contact finds it at its host.
    pub(crate) fn has_ahead(&mut self, name: &WorkloadName) -> bool {
        let Some(desired) = self.desired.get(name) else { return false };
        let Ok(release) = &desired.release else { return false };
        let (hash, size) = (release.statement().blake3, release.statement().size);
        match self.ahead.get(&hash) {
            Some(Ahead::Carried | Ahead::Handed) => true,
            Some(_) => false,
            None if self.held_here(name) > 0 => true,
            None => {
                self.ahead.insert(hash, Ahead::Carrying);
                let providers = self.providers(name);
                self.outputs.push_back(Output::Fetch { hash, size, providers });
                false
            }
        }
    }

    /// A component that was fetched ahead is here, or not.
    pub(crate) fn on_blob_ahead(&mut self, hash: Hash, fetched: bool) {
        match self.ahead.get(&hash) {
            Some(Ahead::Fetching) => {}
            Some(Ahead::Carrying) => {
                let next = if fetched { Ahead::Carried } else { Ahead::Again(self.now.mono + CARRY_AGAIN) };
                self.ahead.insert(hash, next);
                return;
            }
            _ => return,
        }
        let release = self
            .desired
            .values()
            .filter_map(|d| d.release.as_ref().ok())
            .find(|release| release.statement().blake3 == hash)
            .cloned();
        match release {
            Some(release) if fetched => {
                self.ahead.insert(hash, Ahead::Handed);
                self.outputs.push_back(Output::Prepare { release });
            }
            _ => {
                self.ahead.insert(hash, Ahead::Again(self.now.mono + AGAIN));
            }
        }
    }

    /// Components that no workload names any more need not be there.
    pub(crate) fn forget_components(&mut self) {
        if !self.ahead.is_empty() {
            let wanted = self.components();
            self.ahead.retain(|hash, _| wanted.contains(hash));
        }
    }

    /// Looks again at whom a component could not be fetched for.
    pub(crate) fn tick_standby(&mut self) {
        let now = self.now.mono;
        let due = self.ahead.iter().filter(|(_, ahead)| matches!(ahead, Ahead::Again(at) if *at <= now));
        for hash in due.map(|(hash, _)| *hash).collect::<Vec<_>>() {
            self.ahead.remove(&hash);
            let of = |d: &Desired| d.release.as_ref().is_ok_and(|r| r.statement().blake3 == hash);
            self.dirty.extend(self.desired.iter().filter(|(_, d)| of(d)).map(|(name, _)| name.clone()));
        }
    }
}

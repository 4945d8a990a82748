//! What a node can tell about itself and its mesh. Reading changes nothing.

use crate::allotment::Seat;
use crate::holding::Stage;
use crate::message::Load;
use crate::node::Node;
use crate::node_info::NodeInfo;
use crate::workload::{Route, WorkloadSpec};
use orbweave_model::{Hash, Hlc, InstanceId, MeshId, NodeId, Wall, WorkloadName, limit};
use orbweave_scheduler::rivals::{Holding, Phase};
use orbweave_state::membership::MemberState;
use orbweave_state::record::{Record, RecordKind};
use orbweave_state::store::Mark;
use orbweave_trust::{Authority, Release};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Slots beyond those that are wanted which a report names: a claim may say any number.
const SURPLUS_MAX: usize = 1_024;

/// Tells whether a node's records changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreVersion {
    arrivals: Mark,
    records: usize,
}

/// A node as this one sees it.
#[derive(Debug, Clone)]
pub struct MemberReport {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: MemberState,
    /// What it says of itself.
    pub info: NodeInfo,
    /// Its load, as far as it was heard.
    pub load: Option<Load>,
    /// The round trip to it.
    pub rtt: Option<Duration>,
    /// How long ago it was heard.
    pub heard: Option<Duration>,
    /// Whether a link is up.
    pub linked: bool,
}

/// A workload as this node sees it.
#[derive(Debug, Clone)]
pub struct WorkloadReport {
    /// Its name.
    pub name: WorkloadName,
    /// The specification that holds.
    pub spec: WorkloadSpec,
    /// When it was said.
    pub hlc: Hlc,
    /// The release, or why it is refused here.
    pub release: Result<Release, String>,
}

/// A workload that is handed in.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Its name.
    pub name: WorkloadName,
    /// Where requests for it would come in.
    pub route: Option<Route>,
    /// Its release, verified.
    pub release: Release,
}

/// A slot and a holder of it.
#[derive(Debug, Clone)]
pub struct SlotReport {
    /// The slot.
    pub slot: u32,
    /// Its claim; none while it is vacant.
    pub holding: Option<Holding>,
    /// The generation that it answers with, by its claim.
    pub generation: Option<u64>,
    /// On this node: the instance, how far it is and since when.
    pub here: Option<(Option<InstanceId>, &'static str, Duration)>,
    /// The zone that keeps it, where that is another one.
    pub zone: Option<String>,
    /// Whether that zone runs it, by its leader's word.
    pub elsewhere_runs: bool,
}

/// A workload that requests can reach.
#[derive(Debug, Clone)]
pub struct RouteReport {
    /// The workload.
    pub name: WorkloadName,
    /// Where requests come in, if any do.
    pub route: Option<Route>,
    /// Replicas that answer: node, slot, and the round trip where measured.
    pub replicas: Vec<(NodeId, u32, Option<Duration>)>,
    /// Whom to ask where another zone runs it, and the round trip: on a gateway those of that
    /// zone, elsewhere the gateways of this one.
    pub beyond: Vec<(NodeId, Option<Duration>)>,
}

/// How full a table of the node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableReport {
    /// What is in it.
    pub name: &'static str,
    /// How many there are.
    pub entries: usize,
    /// How many there may be.
    pub bound: usize,
}

impl Node {
    /// This node.
    pub fn id(&self) -> NodeId {
        self.me
    }

    /// Its mesh.
    pub fn mesh(&self) -> MeshId {
        self.mesh
    }

    /// Who may do what, as far as this node has heard.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What the corrected wall clock shows when the operating system's shows this.
    pub fn corrected(&self, wall: Wall) -> Wall {
        self.clock.read(wall)
    }

    /// Another after each change of what it holds.
    pub fn store_version(&self) -> StoreVersion {
        StoreVersion { arrivals: self.store.mark(), records: self.store.len() }
    }

    /// How many records it holds.
    pub fn record_count(&self) -> usize {
        self.store.len()
    }

    /// The digests of all records, in order of their identities: equal on two nodes
    /// that have converged.
    pub fn digests(&self) -> impl Iterator<Item = orbweave_model::Hash> {
        self.store.iter().map(|r| r.digest())
    }

    /// All records, in order of their identities.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.store.iter()
    }

    /// How full its tables are that peers can fill.
    pub fn tables(&self) -> [TableReport; 8] {
        let table = |name, entries, bound| TableReport { name, entries, bound };
        // There are vacancies of wanted slots only; whoever asks often is spared the sum.
        let slots = match self.vacancies.len() {
            0 => 0,
            _ => self.desired.values().map(|d| d.slots() as usize).sum(),
        };
        [
            table("records", self.store.len(), limit::RECORDS_MAX),
            table("records from the future", self.held_back.len(), crate::records::HELD_BACK_MAX),
            table("expired records on disk", self.kept.len(), crate::records::KEPT_MAX),
            table("sessions", self.sessions.len(), crate::syncing::SESSIONS_MAX),
            table("peers", self.peers.len(), limit::MEMBERS_MAX),
            table("loads of candidates", self.fresh.len(), limit::MEMBERS_MAX),
            table("scheduled links", self.fleet.len(), crate::fleet::FLEET_MAX),
            table("vacancies", self.vacancies.len(), slots),
        ]
    }

    /// How many nodes count as alive here, this one too.
    pub fn alive_count(&self) -> usize {
        self.membership.alive().count()
    }

    /// What a node is, as this one sees it.
    pub fn member_state(&self, node: NodeId) -> MemberState {
        self.carried_state(node).unwrap_or_else(|| self.membership.state(node))
    }

    /// Whether a node is on scheduled links, by its record.
    pub fn is_scheduled(&self, node: NodeId) -> bool {
        self.fleet.has(node) || (node == self.me && self.is_carried())
    }

    /// Every node that it has a record of, itself included.
    pub fn members(&self) -> Vec<MemberReport> {
        let report = |(&node, info): (&NodeId, &Arc<NodeInfo>)| {
            let peer = self.peers.get(&node);
            let here = node == self.me;
            MemberReport {
                node,
                name: self.name(node),
                state: if here { MemberState::Alive } else { self.member_state(node) },
                info: NodeInfo::clone(info),
                load: if here { Some(self.load_now()) } else { self.load_of(node) },
                rtt: if here { None } else { peer.and_then(|p| p.rtt) },
                heard: peer
                    .and_then(|p| p.heard)
                    .max(self.membership.heard_at(node))
                    .map(|at| self.now.mono.since(at)),
                linked: peer.is_some_and(|p| p.up),
            }
        };
        self.nodes.iter().map(report).collect()
    }

    /// The nodes that it has a record of.
    pub fn known(&self) -> impl Iterator<Item = NodeId> {
        self.nodes.keys().copied()
    }

    /// Whether it has a record of a node and sees it as alive.
    pub fn sees_alive(&self, node: NodeId) -> bool {
        let alive = || node == self.me || self.member_state(node) == MemberState::Alive;
        self.nodes.contains_key(&node) && alive()
    }

    /// Whether it knows what shall run of a workload, be it nothing.
    pub fn wants(&self, name: &WorkloadName) -> bool {
        self.desired.contains_key(name)
    }

    /// Whether another node knows of the same workloads, wants the same of each, and
    /// accepts the same releases.
    pub fn wants_the_same(&self, other: &Node) -> bool {
        let pairs = || self.desired.iter().zip(&other.desired);
        self.desired.len() == other.desired.len()
            && pairs().all(|((a_name, a), (b_name, b))| {
                (a_name, &a.spec) == (b_name, &b.spec) && a.release.is_ok() == b.release.is_ok()
            })
    }

    /// The nodes that are held for dead: what they were asked is not answered any more.
    /// One that left in order is not among them.
    pub fn down(&self) -> BTreeSet<NodeId> {
        let down = |node: &NodeId| match self.carried_counts(*node) {
            Some(counts) => !counts,
            None => self.membership.state(*node) == MemberState::Down,
        };
        self.nodes.keys().copied().filter(|n| *n != self.me && down(n)).collect()
    }

    /// Every workload, deleted ones included.
    pub fn workloads(&self) -> Vec<WorkloadReport> {
        self.desired.keys().filter_map(|name| self.workload(name)).collect()
    }

    /// One of them. `None` if this node never heard of it.
    pub fn workload(&self, name: &WorkloadName) -> Option<WorkloadReport> {
        let desired = self.desired.get(name)?;
        Some(WorkloadReport {
            name: name.clone(),
            spec: WorkloadSpec::clone(&desired.spec),
            hlc: desired.hlc,
            release: desired.release.clone(),
        })
    }

    /// The components of all workloads: what members may fetch.
    pub fn components(&self) -> BTreeSet<Hash> {
        let releases = self.desired.values().flat_map(|desired| {
            let previous = desired.previous.as_ref().and_then(|previous| previous.release.as_ref().ok());
            desired.release.as_ref().ok().into_iter().chain(previous)
        });
        releases.map(|release| release.statement().blake3).collect()
    }

    /// Whether nothing runs here and nothing is claimed.
    pub fn holds_nothing(&self) -> bool {
        self.held.is_empty() && self.batches.is_empty()
    }

    /// What a record that is not yet taken in would bring, its release verified. `None`
    /// where it is about no workload, or deletes one.
    pub fn submission(&self, record: &[u8]) -> Result<Option<Submission>, String> {
        let record = Record::open(record, self.mesh, &*self.check).map_err(|e| e.to_string())?;
        if record.id().kind != RecordKind::WORKLOAD {
            return Ok(None);
        }
        let spec = WorkloadSpec::decode(record.body()).map_err(|e| e.to_string())?;
        if spec.deleted {
            return Ok(None);
        }
        let name = record.id().key.parse::<WorkloadName>().map_err(|e| e.to_string())?;
        let release = Release::verify(&spec.release, &self.authority, &self.guard, self.wall(), &*self.check)
            .map_err(|e| e.to_string())?;
        Ok(Some(Submission { name, route: spec.route, release }))
    }

    /// The slots of a workload: one entry a holder, and one for a slot without any.
    pub fn slots(&self, name: &WorkloadName) -> Vec<SlotReport> {
        let wanted = self.desired.get(name).map_or(0, |d| d.slots());
        let held = self.held.keys().filter(|(n, _)| n == name).map(|(_, s)| s + 1).max().unwrap_or(0);
        let mut reports = Vec::new();
        for slot in 0..wanted.max(held) {
            let holdings = self.holdings(name, slot);
            if holdings.is_empty() {
                reports.push(self.slot_elsewhere(name, slot));
            }
            reports.extend(holdings.into_iter().map(|holding| self.slot_report(name, slot, holding)));
        }
        reports
    }

    /// How many slots of a workload shall have a holder.
    pub fn slots_wanted(&self, name: &WorkloadName) -> u32 {
        self.desired.get(name).map_or(0, |d| d.slots())
    }

    /// How many slots of a workload a node holds, by its claim.
    pub fn held_of(&self, name: &WorkloadName, node: NodeId) -> u32 {
        self.held_by(name, node)
    }

    /// The nodes that claim a slot of a workload, wanted or not.
    pub fn holders(&self, name: &WorkloadName) -> BTreeSet<NodeId> {
        let claims = self.claims.get(name).into_iter().flatten();
        let holding = claims.filter(|(_, claim)| !claim.ranges.is_empty());
        holding.map(|(holder, _)| *holder).filter(|holder| self.counts(*holder)).collect()
    }

    /// The slots beyond those that are wanted which other nodes still hold, [`SURPLUS_MAX`]
    /// of them at most: their holders have not heard of it yet, or drain.
    pub fn surplus(&self, name: &WorkloadName) -> Vec<SlotReport> {
        let wanted = self.desired.get(name).map_or(0, |d| d.slots());
        let claims = self.claims.get(name).into_iter().flatten();
        let others = claims.filter(|(holder, _)| **holder != self.me && self.counts(**holder));
        let slots: BTreeSet<u32> = others
            .flat_map(|(_, claim)| &claim.ranges)
            .flat_map(|range| range.slots.start.max(wanted)..range.slots.end)
            .take(SURPLUS_MAX)
            .collect();
        let others = |slot| self.holdings(name, slot).into_iter().filter(|h| h.holder != self.me);
        slots
            .into_iter()
            .flat_map(|s| others(s).map(move |h| (s, h)))
            .map(|(s, h)| self.slot_report(name, s, h))
            .collect()
    }

    fn slot_report(&self, name: &WorkloadName, slot: u32, holding: Holding) -> SlotReport {
        let here = (holding.holder == self.me).then(|| self.here(name, slot)).flatten();
        let claim = self.claims.get(name).and_then(|c| c.get(&holding.holder));
        let generation = claim.and_then(|c| c.at(slot)).and_then(|r| r.generation);
        let (zone, elsewhere_runs) = self.zone_elsewhere(name, slot);
        SlotReport { slot, holding: Some(holding), generation, here, zone, elsewhere_runs }
    }

    /// A slot that no node of this zone holds.
    fn slot_elsewhere(&self, name: &WorkloadName, slot: u32) -> SlotReport {
        let (zone, elsewhere_runs) = self.zone_elsewhere(name, slot);
        let keeper = zone.as_ref().and_then(|_| self.zone_keeper(name, slot));
        let allotment = keeper.and_then(|keeper| self.zones.allotments.get(name)?.get(&keeper.holder));
        let generation = allotment.and_then(|allotment| allotment.claim.at(slot)?.generation);
        SlotReport { slot, holding: None, generation, here: None, zone, elsewhere_runs }
    }

    fn zone_elsewhere(&self, name: &WorkloadName, slot: u32) -> (Option<String>, bool) {
        let runs = match self.seat(name, slot) {
            Seat::Vacant | Seat::Here => return (None, false),
            Seat::Elsewhere => false,
            Seat::RunsElsewhere => true,
        };
        let keeper = self.zone_keeper(name, slot).map(|keeper| keeper.holder);
        (keeper.and_then(|keeper| self.zones.zone_of(keeper)).map(str::to_owned), runs)
    }

    fn here(&self, name: &WorkloadName, slot: u32) -> Option<(Option<InstanceId>, &'static str, Duration)> {
        let held = self.held.get(&(name.clone(), slot))?;
        let run = held.current.as_ref().or(held.coming.as_ref());
        let stage = match (held.phase, run.map(|r| r.stage)) {
            (Phase::Draining, _) => "Draining",
            (_, None) => "Claimed",
            (_, Some(Stage::Fetching)) => "Fetching",
            (_, Some(Stage::Compiling)) => "Compiling",
            (_, Some(Stage::Starting)) => "Starting",
            (_, Some(Stage::Running)) => "Running",
        };
        Some((run.map(|r| r.instance), stage, self.now.mono.since(held.since)))
    }

    /// Every workload that is not deleted, with the replicas that answer.
    pub fn routes(&self) -> Vec<RouteReport> {
        let live = self.desired.iter().filter(|(_, d)| !d.spec.deleted);
        live.map(|(name, desired)| {
            let mut replicas = Vec::new();
            for (&holder, claim) in self.claims.get(name).into_iter().flatten() {
                let dark = self.fleet.has(holder) && !self.peers.get(&holder).is_some_and(|p| p.up);
                if !self.counts(holder) || dark {
                    continue;
                }
                let rtt = if holder == self.me {
                    Some(Duration::ZERO)
                } else {
                    self.peers.get(&holder).and_then(|p| p.rtt)
                };
                for range in claim.ranges.iter().filter(|r| r.phase == Phase::Running) {
                    replicas.extend((range.slots.start..range.slots.end).map(|slot| (holder, slot, rtt)));
                }
            }
            let (route, beyond) = (desired.spec.route.clone(), self.way_beyond(name));
            RouteReport { name: name.clone(), route, replicas, beyond }
        })
        .collect()
    }
}

//! From what the node reports to what the API and ingress say.

use super::explain;
use crate::api::event::{Event, EventKind};
use crate::api::types::{
    InstanceView, MemberCounts, NodeSettings, NodeState, NodeView, Phase, Ports, QuotaView, ReleaseView,
    RolloutState, RouteView, Service, WorkloadView,
};
use crate::cli::UpOptions;
use crate::ingress::{Conflict, HttpRoute, Replica, RouteEntry, RouteTable};
use orbweave_core::quota::NamespaceReport;
use orbweave_core::report::{MemberReport, RouteReport, SlotReport, WorkloadReport};
use orbweave_core::workload::Route;
use orbweave_core::{Node, cordon, event};
use orbweave_model::{Hash, NodeId, WorkloadName};
use orbweave_scheduler::rivals;
use orbweave_state::membership::MemberState;
use orbweave_trust::Release;
use std::collections::BTreeMap;
use std::time::Duration;

/// A request's time where its route names none.
const DEADLINE_DEFAULT: Duration = Duration::from_secs(30);

/// Where a node listens.
pub fn ports(options: &UpOptions) -> Ports {
    Ports { http: options.http(), mesh: options.mesh(), admin: options.admin }
}

/// What else a node was told.
pub fn settings(options: &UpOptions) -> NodeSettings {
    NodeSettings {
        zone: options.zone.clone(),
        labels: options.labels.clone(),
        capacity: options.capacity,
        peers: options.peers.iter().map(|peer| peer.node).collect(),
        mdns: options.mdns,
        gossip: options.gossip,
    }
}

/// A core event with its time and place.
pub fn event(at_ms: u64, node: NodeId, event: event::Event) -> Event {
    use event::EventKind as K;
    let kind = match event.kind {
        K::LinkUp => EventKind::LinkUp,
        K::LinkDown => EventKind::LinkDown,
        K::MemberUp => EventKind::MemberUp,
        K::MemberSuspect => EventKind::MemberSuspect,
        K::MemberDown => EventKind::MemberDown,
        K::WorkloadAccepted => EventKind::WorkloadAccepted,
        K::WorkloadDeleted => EventKind::WorkloadDeleted,
        K::OfferSent => EventKind::OfferSent,
        K::OfferAccepted => EventKind::OfferAccepted,
        K::OfferRefused => EventKind::OfferRefused,
        K::Claim => EventKind::Claim,
        K::ClaimReleased => EventKind::ClaimReleased,
        K::FetchStarted => EventKind::FetchStarted,
        K::FetchDone => EventKind::FetchDone,
        K::FetchFailed => EventKind::FetchFailed,
        K::Compiled => EventKind::Compiled,
        K::Started => EventKind::Started,
        K::Failed => EventKind::Failed,
        K::Drained => EventKind::Drained,
        K::Stopped => EventKind::Stopped,
        K::ReleaseRefused => EventKind::ReleaseRefused,
        K::RecordRefused => EventKind::RecordRefused,
        K::SelfDoubt => EventKind::SelfDoubt,
        K::SelfDoubtOver => EventKind::SelfDoubtOver,
        K::Cordon => EventKind::Cordon,
        K::Quota => EventKind::Quota,
        K::RolledBack => EventKind::RolledBack,
        K::ZoneUp => EventKind::ZoneUp,
        K::ZoneLost => EventKind::ZoneLost,
        K::ZoneSplit => EventKind::ZoneSplit,
        K::Allotted => EventKind::Allotted,
        K::HandedOver => EventKind::HandedOver,
    };
    Event {
        workload: event.workload,
        slot: event.slot,
        epoch: event.epoch,
        instance: event.instance,
        about: event.about,
        took_ms: event.took.map(millis),
        cause: event.cause,
        ..Event::new(at_ms, node, kind, event.text)
    }
}

pub fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Members by state.
pub fn member_counts(members: &[MemberReport]) -> MemberCounts {
    let count = |states: &[MemberState]| members.iter().filter(|m| states.contains(&m.state)).count() as u32;
    MemberCounts {
        alive: members
            .iter()
            .filter(|m| matches!(m.state, MemberState::Alive | MemberState::Dark { .. }))
            .count() as u32,
        suspect: count(&[MemberState::Suspect, MemberState::Overdue]),
        down: count(&[MemberState::Down, MemberState::Unknown]),
    }
}

/// Every member.
pub fn nodes(node: &Node) -> Vec<NodeView> {
    let view = |member: MemberReport| NodeView {
        id: member.node,
        name: member.name,
        state: match member.state {
            MemberState::Alive => NodeState::Alive,
            MemberState::Suspect => NodeState::Suspect,
            MemberState::Dark { .. } => NodeState::Dark,
            MemberState::Overdue => NodeState::Overdue,
            MemberState::Left => NodeState::Left,
            _ => NodeState::Down,
        },
        dark_until_ms: match member.state {
            MemberState::Dark { until } => until.map(|until| until.0),
            _ => None,
        },
        this: member.node == node.id(),
        zone: member.info.zone.clone(),
        labels: member.info.labels.clone(),
        addresses: member.info.socket_addresses(),
        capacity: member.info.capacity,
        free: member.load.map_or(member.info.capacity, |l| l.free),
        rtt_us: member.rtt.map(|r| u64::try_from(r.as_micros()).unwrap_or(u64::MAX)),
        generation: member.info.generation,
        service: match node.service(member.node) {
            cordon::Service::Open => Service::Open,
            cordon::Service::Cordoned => Service::Cordoned,
            cordon::Service::Drained => Service::Drained,
        },
        service_generation: node.cordon(member.node).map_or(0, |(cordon, _)| cordon.generation),
        service_since_ms: node.cordon(member.node).map_or(0, |(_, since)| since.0),
        last_heard_ms: member.heard.map(millis),
    };
    node.members().into_iter().map(view).collect()
}

/// Every workload.
pub fn workloads(node: &Node) -> Vec<WorkloadView> {
    let conflicts = route_table(node).conflicts();
    node.workloads().iter().map(|report| workload(node, report, &conflicts)).collect()
}

/// Another workload that has the route of one that is handed in, and that route in words.
pub fn rival(node: &Node, name: &WorkloadName, route: Route) -> Option<(WorkloadName, String)> {
    route_table(node).rival(name, &http_route(route)).map(|(other, place)| (other.clone(), place))
}

/// One workload.
pub fn workload(node: &Node, report: &WorkloadReport, conflicts: &[Conflict]) -> WorkloadView {
    let spec = &report.spec;
    let statement = report.release.as_ref().ok().map(Release::statement);
    let slots = node.slots(&report.name);
    let mut running: Vec<u32> =
        slots.iter().filter(|s| s.slot < spec.replicas && runs(s)).map(|s| s.slot).collect();
    running.dedup();
    let rivals = conflicts.iter().filter(|c| c.workloads.contains(&report.name)).flat_map(|c| &c.workloads);
    WorkloadView {
        name: report.name.clone(),
        namespace: spec.namespace(),
        generation: spec.generation,
        version: statement.map(|s| s.version.clone()).unwrap_or_default(),
        replicas: spec.replicas,
        running: running.len() as u32,
        deleted: spec.deleted,
        component: statement.map_or(Hash([0; 32]), |s| s.blake3),
        route: spec.route.as_ref().map(|route| RouteView {
            host: route.host.clone(),
            path: route.path.clone(),
            idempotent: route.idempotent,
            deadline_ms: route.deadline_ms,
        }),
        rivals: rivals.filter(|name| **name != report.name).cloned().collect(),
        created_ms: report.hlc.wall.0,
        rolled_back_to: explain::rollout(node, &report.name, spec)
            .filter(|rollout| rollout.state == RolloutState::RolledBack)
            .map(|rollout| rollout.previous),
    }
}

/// Every namespace that has a workload or a quota.
pub fn quotas(node: &Node) -> Vec<QuotaView> {
    let view = |report: NamespaceReport| QuotaView {
        namespace: report.namespace,
        generation: report.generation,
        since_ms: report.said.0,
        bounds: report.bounds,
        used: report.used,
        uncovered: report.uncovered,
    };
    node.namespaces().into_iter().map(view).collect()
}

/// Whether a slot runs, here or in the zone that keeps it.
fn runs(slot: &SlotReport) -> bool {
    match slot.zone {
        Some(_) => slot.elsewhere_runs,
        None => slot.holding.is_some_and(|h| h.phase == rivals::Phase::Running),
    }
}

/// Every slot and who holds it, those that are not wanted any more among them.
pub fn instances(node: &Node, report: &WorkloadReport) -> Vec<InstanceView> {
    let name = &report.name;
    let slots: Vec<SlotReport> = node.slots(name).into_iter().chain(node.surplus(name)).collect();
    let first_vacant = slots.iter().find(|s| s.holding.is_none() && s.zone.is_none());
    let vacant = first_vacant.map(|slot| explain::in_a_few_words(node, name, slot.slot));
    let mut holders = BTreeMap::<u32, usize>::new();
    slots.iter().for_each(|s| *holders.entry(s.slot).or_default() += 1);
    let note = |slot: &SlotReport| match slot.holding.map(|h| h.phase) {
        None => match &slot.zone {
            Some(zone) => format!("kept by zone {zone}"),
            None => vacant.clone().unwrap_or_default(),
        },
        Some(_) if report.spec.deleted => "the workload was deleted: finishes what it has".to_owned(),
        Some(_) if slot.slot >= report.spec.replicas => {
            "not wanted any more: finishes what it has".to_owned()
        }
        Some(rivals::Phase::Draining) => "given up here: finishes what it has".to_owned(),
        Some(_) if holders.get(&slot.slot) > Some(&1) => {
            "held more than once: one of them will stay".to_owned()
        }
        Some(_) => String::new(),
    };
    slots.iter().map(|slot| instance(node, name, slot, note(slot))).collect()
}

pub fn instance(node: &Node, name: &WorkloadName, slot: &SlotReport, note: String) -> InstanceView {
    let phase = match (&slot.here, slot.holding.map(|h| h.phase)) {
        (_, None) if slot.zone.is_some() => Phase::Elsewhere,
        (_, None) => Phase::Unplaced,
        (Some((_, "Fetching", _)), _) => Phase::Fetching,
        (Some((_, "Compiling", _)), _) => Phase::Compiling,
        (_, Some(rivals::Phase::Preparing)) => Phase::Starting,
        (_, Some(rivals::Phase::Running)) => Phase::Running,
        (_, Some(rivals::Phase::Draining)) => Phase::Draining,
    };
    let zone = || slot.zone.as_ref().map(|zone| format!("zone {zone}"));
    let holder = slot.holding.map(|h| node.name(h.holder)).or_else(zone);
    InstanceView {
        workload: name.clone(),
        slot: slot.slot,
        node: slot.holding.map(|h| h.holder),
        node_name: holder.unwrap_or_default(),
        phase,
        elsewhere_runs: slot.elsewhere_runs,
        epoch: slot.holding.map_or(0, |h| h.epoch),
        generation: slot.generation,
        since_ms: slot.here.as_ref().map_or(0, |(_, _, since)| millis(*since)),
        instance: slot.here.as_ref().and_then(|(instance, _, _)| *instance),
        note,
    }
}

/// What a release states.
pub fn release(release: &Release) -> ReleaseView {
    let s = release.statement();
    ReleaseView {
        name: s.name.clone(),
        version: s.version.clone(),
        publisher: s.publisher,
        sequence: s.sequence,
        size: s.size,
        not_before_ms: s.not_before.0,
        expires_ms: s.expires.0,
        imports: s.imports.clone(),
        exports: s.exports.clone(),
    }
}

/// The routes for ingress.
pub fn route_table(node: &Node) -> RouteTable {
    RouteTable::new(node.routes().into_iter().map(route_entry)).with_down(node.down())
}

fn http_route(route: Route) -> HttpRoute {
    HttpRoute { host: route.host, path: route.path, idempotent: route.idempotent }
}

fn route_entry(report: RouteReport) -> RouteEntry {
    let deadline = report.route.as_ref().map(|r| r.deadline_ms).filter(|ms| *ms > 0);
    RouteEntry {
        name: report.name,
        deadline: deadline.map_or(DEADLINE_DEFAULT, Duration::from_millis),
        http: report.route.map(http_route),
        replicas: report
            .replicas
            .into_iter()
            .map(|(node, slot, rtt)| Replica {
                node,
                slot,
                rtt_us: rtt.map_or(0, |r| u32::try_from(r.as_micros()).unwrap_or(u32::MAX)),
            })
            .collect(),
        beyond: report.beyond.into_iter().map(|(node, _)| node).collect(),
    }
}

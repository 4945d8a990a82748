//! What must hold once all is well. Each says what is wrong. Zones are looked at one by
//! one: what holds in one says nothing about another.

use crate::cluster::Cluster;
use orbweave_core::Node;
use orbweave_model::{NodeId, WorkloadName};
use orbweave_scheduler::rivals::{Holding, Phase};
use orbweave_state::record::{Record, RecordId, RecordKind};
use std::collections::BTreeMap;

/// Every node that is up holds the same records as the others of its zone. Of two records
/// of one node that say the same, either will do: each node says again every fifteen minutes
/// what it is, others take minutes to hear of it, and of 20 nodes one has always just done
/// so.
pub fn converged(cluster: &Cluster) -> Result<(), String> {
    (0..cluster.zones()).try_for_each(|zone| converged_in(cluster, zone))
}

fn converged_in(cluster: &Cluster, zone: usize) -> Result<(), String> {
    let mut up = cluster.on_land_in(zone).filter_map(|(_, host)| Some((host, host.up()?)));
    let Some((first, node)) = up.next() else { return Ok(()) };
    for (host, other) in up {
        let same = node.record_count() == other.record_count()
            && node.records().zip(other.records()).all(|(a, b)| says_the_same(a, b));
        if !same {
            let (a, b) = (node.record_count(), other.record_count());
            let (only_a, only_b) = (lacked(node, other), lacked(other, node));
            return Err(format!(
                "{} holds {a} records and {} {b}, and they differ: only the one {only_a:?}, only the other {only_b:?}",
                first.name, host.name
            ));
        }
    }
    Ok(())
}

/// Whether two records say the same, but for when a node last said what it is.
fn says_the_same(a: &Record, b: &Record) -> bool {
    a.digest() == b.digest() || (a.id().kind == RecordKind::NODE && a.id() == b.id() && a.body() == b.body())
}

/// The first record of a node that says what the other does not know.
fn lacked<'a>(node: &'a Node, other: &Node) -> Option<&'a Record> {
    let known: BTreeMap<&RecordId, &Record> = other.records().map(|record| (record.id(), record)).collect();
    node.records().find(|record| known.get(record.id()).is_none_or(|held| !says_the_same(record, held)))
}

/// Every node that is up sees every other of its zone that is up, and nobody else of all
/// hosts, as alive.
pub fn members_agree(cluster: &Cluster) -> Result<(), String> {
    (0..cluster.zones()).try_for_each(|zone| members_agree_in(cluster, zone))
}

fn members_agree_in(cluster: &Cluster, zone: usize) -> Result<(), String> {
    for (_, host) in cluster.on_land_in(zone) {
        let Some(node) = host.up() else { continue };
        let members = cluster.zones[zone].iter().map(|i| &cluster.hosts[*i]);
        for other in members.filter(|other| !other.is_scheduled()) {
            if node.sees_alive(other.id) != other.is_up() {
                let seen = node.member_state(other.id);
                return Err(format!("{} sees {} as {seen:?}", host.name, other.name));
            }
        }
        let stranger = |id: &NodeId| {
            cluster.host_of(id).is_none_or(|i| cluster.zone_of[i] != zone) && node.sees_alive(*id)
        };
        if let Some(id) = node.known().find(stranger) {
            return Err(format!("{} sees {} as alive, which is not of its zone", host.name, id.short()));
        }
    }
    Ok(())
}

/// In the view of every node that is up, each slot has one holder, which runs; all
/// views name the same; and executors run these and nothing else of the workload. It
/// concerns the zones in which somebody knows the workload.
pub fn placed(cluster: &Cluster, workload: &str, replicas: u32) -> Result<(), String> {
    let name: WorkloadName = workload.parse().map_err(|e| format!("{e}"))?;
    let concerned = |zone: &usize| {
        cluster.up_in(*zone).any(|(_, host)| {
            host.up().is_some_and(|node| node.wants(&name))
                || host.instances.values().any(|instance| instance.workload == name)
        })
    };
    let zones: Vec<usize> = (0..cluster.zones()).filter(concerned).collect();
    if zones.is_empty() && replicas > 0 {
        return Err("nobody knows it".into());
    }
    zones.into_iter().try_for_each(|zone| placed_in(cluster, zone, &name, replicas))
}

fn placed_in(cluster: &Cluster, zone: usize, name: &WorkloadName, replicas: u32) -> Result<(), String> {
    let mut agreed: Option<Vec<Holding>> = None;
    for (_, host) in cluster.on_land_in(zone) {
        let Some(node) = host.up() else { continue };
        let mut holders = Vec::new();
        for report in node.slots(name) {
            let Some(holding) = report.holding else {
                return Err(format!("{} sees slot {} vacant", host.name, report.slot));
            };
            if holding.phase != Phase::Running {
                return Err(format!("{} sees slot {} {:?}", host.name, report.slot, holding.phase));
            }
            if report.slot as usize != holders.len() {
                return Err(format!("{} sees rivals: {holders:?} and {holding:?}", host.name));
            }
            holders.push(holding);
        }
        if holders.len() != replicas as usize {
            return Err(format!("{} sees {} slots, not {replicas}", host.name, holders.len()));
        }
        match &agreed {
            Some(other) if *other != holders => return Err(format!("{holders:?} or {other:?}?")),
            _ => agreed = Some(holders),
        }
    }
    let mut running = BTreeMap::new();
    for (_, host) in cluster.up_in(zone) {
        for instance in host.instances.values().filter(|i| i.workload == *name) {
            if running.insert(instance.slot, host.id).is_some() {
                return Err(format!("slot {} runs twice", instance.slot));
            }
        }
    }
    let agreed: BTreeMap<u32, NodeId> = (0..).zip(agreed.into_iter().flatten().map(|h| h.holder)).collect();
    if running == agreed { Ok(()) } else { Err(format!("{running:?} run, {agreed:?} should")) }
}

/// Nothing of the workload runs anywhere, and nobody claims any of it.
pub fn gone(cluster: &Cluster, workload: &str) -> Result<(), String> {
    let name: WorkloadName = workload.parse().map_err(|e| format!("{e}"))?;
    for (_, host) in cluster.up() {
        if host.instances.values().any(|i| i.workload == name) {
            return Err(format!("{} still runs it", host.name));
        }
        if host.up().is_some_and(|node| node.slots(&name).iter().any(|s| s.holding.is_some())) {
            return Err(format!("{} still sees a claim", host.name));
        }
    }
    Ok(())
}

/// Members agree, records are equal, and the workload is placed.
pub fn healthy(cluster: &Cluster, workload: &str, replicas: u32) -> Result<(), String> {
    members_agree(cluster)?;
    placed(cluster, workload, replicas)?;
    converged(cluster)
}

//! What must hold once all is well. Each says what is wrong.

use crate::cluster::Cluster;
use orbweave_core::Node;
use orbweave_model::{Hash, NodeId, WorkloadName};
use orbweave_scheduler::rivals::{Holding, Phase};
use orbweave_state::record::{Record, RecordKind};
use std::collections::{BTreeMap, BTreeSet};

/// Every node that is up holds the same records. Of two records of one node that say the
/// same, either will do: each node says again every five minutes what it is, others take
/// minutes to hear of it, and of 20 nodes one has always just done so.
pub fn converged(cluster: &Cluster) -> Result<(), String> {
    let mut first: Option<(&str, &Node, Vec<Hash>)> = None;
    for (_, host) in cluster.on_land() {
        let Some(node) = host.up() else { continue };
        let all: Vec<Hash> = node.records().map(essence).collect();
        match &first {
            None => first = Some((&host.name, node, all)),
            Some((name, other, others)) if *others != all => {
                let (a, b) = (others.len(), all.len());
                let (only_a, only_b) = (lacked(other, &all), lacked(node, others));
                return Err(format!(
                    "{name} holds {a} records and {} {b}, and they differ: only the one {only_a:?}, only the other {only_b:?}",
                    host.name
                ));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// What a record says: all of it, but for when a node last said what it is.
fn essence(record: &Record) -> Hash {
    match record.id().kind {
        RecordKind::NODE => Hash::of(&[record.id().author.as_bytes(), record.body()].concat()),
        _ => record.digest(),
    }
}

/// The first record of a node that says what is not among these.
fn lacked<'a>(node: &'a Node, among: &[Hash]) -> Option<&'a Record> {
    let known: BTreeSet<&Hash> = among.iter().collect();
    node.records().find(|record| !known.contains(&essence(record)))
}

/// Every node that is up sees every other that is up, and nobody else, as alive.
pub fn members_agree(cluster: &Cluster) -> Result<(), String> {
    use orbweave_state::membership::MemberState;
    for (_, host) in cluster.on_land() {
        let Some(node) = host.up() else { continue };
        for other in cluster.hosts.iter().filter(|other| !other.is_scheduled()) {
            let seen = node.member_state(other.id);
            if (seen == MemberState::Alive) != other.is_up() {
                return Err(format!("{} sees {} as {seen:?}", host.name, other.name));
            }
        }
    }
    Ok(())
}

/// In the view of every node that is up, each slot has one holder, which runs; all
/// views name the same; and executors run these and nothing else of the workload.
pub fn placed(cluster: &Cluster, workload: &str, replicas: u32) -> Result<(), String> {
    let name: WorkloadName = workload.parse().map_err(|e| format!("{e}"))?;
    let mut agreed: Option<Vec<Holding>> = None;
    for (_, host) in cluster.on_land() {
        let Some(node) = host.up() else { continue };
        let mut holders = Vec::new();
        for report in node.slots(&name) {
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
    for (_, host) in cluster.up() {
        for instance in host.instances.values().filter(|i| i.workload == name) {
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

//! What must hold once all is well. Each says what is wrong.

use crate::cluster::Cluster;
use orbweave_model::{NodeId, WorkloadName};
use orbweave_scheduler::rivals::{Holding, Phase};
use std::collections::BTreeMap;

/// Every node that is up holds the same records.
pub fn converged(cluster: &Cluster) -> Result<(), String> {
    let mut first: Option<(&str, Vec<_>)> = None;
    for (_, host) in cluster.up() {
        let Some(node) = host.up() else { continue };
        let digests: Vec<_> = node.digests().collect();
        match &first {
            None => first = Some((&host.name, digests)),
            Some((name, other)) if *other != digests => {
                let (a, b) = (other.len(), digests.len());
                return Err(format!("{name} holds {a} records and {} {b}, and they differ", host.name));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Every node that is up sees every other that is up, and nobody else, as alive.
pub fn members_agree(cluster: &Cluster) -> Result<(), String> {
    use orbweave_state::membership::MemberState;
    for (_, host) in cluster.up() {
        let Some(node) = host.up() else { continue };
        let seen: BTreeMap<NodeId, MemberState> = node.members().iter().map(|m| (m.node, m.state)).collect();
        for other in &cluster.hosts {
            let alive = seen.get(&other.id) == Some(&MemberState::Alive);
            if alive != other.is_up() {
                return Err(format!("{} sees {} as {:?}", host.name, other.name, seen.get(&other.id)));
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
    for (_, host) in cluster.up() {
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

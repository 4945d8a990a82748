//! What must hold once all is well. Each says what is wrong. Islands are looked at one by
//! one: what holds in one says nothing about another.

use super::liveness::{agreed, runs_as_held};
use crate::cluster::Cluster;
use crate::host::Host;
use orbweave_core::Node;
use orbweave_core::zone::ZoneState;
use orbweave_model::{NodeId, WorkloadName};
use orbweave_state::record::{Record, RecordId, RecordKind, Scope};
use std::collections::{BTreeMap, BTreeSet};

/// Every node that is up holds the same records as the others of its zone, and what is for
/// the whole mesh as all others. Of two records of one node that say the same, either will
/// do: each node says again every fifteen minutes what it is, others take minutes to hear of
/// it, and of 20 nodes one has always just done so.
pub fn converged(cluster: &Cluster) -> Result<(), String> {
    (0..cluster.islands()).try_for_each(|island| converged_in(cluster, island))
}

fn converged_in(cluster: &Cluster, island: usize) -> Result<(), String> {
    let mut first: Option<(&Host, &Node)> = None;
    for zone in cluster.zones_in(island) {
        let mut up = cluster.on_land_of(island, zone).filter_map(|(_, host)| Some((host, host.up()?)));
        let Some(one) = up.next() else { continue };
        up.try_for_each(|other| same_records(one, other, |_| true))?;
        let (host, node) = *first.get_or_insert(one);
        same_records((host, node), one, |record| record.id().kind.scope() == Scope::Mesh)?;
    }
    Ok(())
}

/// Whether two nodes hold the same of these records.
fn same_records(
    (host, node): (&Host, &Node),
    (other_host, other): (&Host, &Node),
    of: impl Fn(&&Record) -> bool,
) -> Result<(), String> {
    let (count, others) = (node.records().filter(&of).count(), other.records().filter(&of).count());
    let pairs = || node.records().filter(&of).zip(other.records().filter(&of));
    if count == others && pairs().all(|(a, b)| says_the_same(a, b)) {
        return Ok(());
    }
    let (only_a, only_b) = (lacked(node, other, &of), lacked(other, node, &of));
    Err(format!(
        "{} holds {count} records and {} {others}, and they differ: only the one {only_a:?}, only the other {only_b:?}",
        host.name, other_host.name
    ))
}

/// Whether two records say the same, but for when a node last said what it is.
fn says_the_same(a: &Record, b: &Record) -> bool {
    let again = [RecordKind::NODE, RecordKind::SUMMARY].contains(&a.id().kind);
    a.digest() == b.digest() || (again && a.id() == b.id() && a.body() == b.body())
}

/// The first record of a node that says what the other does not know.
fn lacked<'a>(node: &'a Node, other: &Node, of: impl Fn(&&Record) -> bool) -> Option<&'a Record> {
    let known: BTreeMap<&RecordId, &Record> = other.records().map(|record| (record.id(), record)).collect();
    node.records()
        .filter(of)
        .find(|record| known.get(record.id()).is_none_or(|held| !says_the_same(record, held)))
}

/// Every node that is up sees every other of its zone that is up, and nobody else of all
/// hosts, as alive.
pub fn members_agree(cluster: &Cluster) -> Result<(), String> {
    (0..cluster.islands()).try_for_each(|island| members_agree_in(cluster, island))
}

fn members_agree_in(cluster: &Cluster, island: usize) -> Result<(), String> {
    for (_, host) in cluster.on_land_in(island) {
        let Some(node) = host.up() else { continue };
        let is_of_zone =
            |i: usize| cluster.island_of[i] == island && cluster.hosts[i].options.zone == host.options.zone;
        let members = cluster.islands[island].iter().filter(|i| is_of_zone(**i)).map(|i| &cluster.hosts[*i]);
        for other in members.filter(|other| !other.is_scheduled()) {
            if node.sees_alive(other.id) != other.is_up() {
                let seen = node.member_state(other.id);
                return Err(format!("{} sees {} as {seen:?}", host.name, other.name));
            }
        }
        let stranger =
            |id: &NodeId| cluster.host_of(id).is_none_or(|i| !is_of_zone(i)) && node.sees_alive(*id);
        if let Some(id) = node.known().find(stranger) {
            return Err(format!("{} sees {} as alive, which is not of its zone", host.name, id.short()));
        }
    }
    zones_agree_in(cluster, island)
}

/// Every node sees every other zone of which somebody is up as alive, and one voice for all
/// of its own.
fn zones_agree_in(cluster: &Cluster, island: usize) -> Result<(), String> {
    let alive: BTreeSet<&str> = cluster
        .zones_in(island)
        .into_iter()
        .filter(|zone| cluster.on_land_of(island, zone).next().is_some())
        .collect();
    if alive.len() < 2 {
        return Ok(());
    }
    for zone in &alive {
        let mut voice = None;
        for (_, host) in cluster.on_land_of(island, zone) {
            let Some(node) = host.up() else { continue };
            let sees: BTreeSet<String> = node
                .zones()
                .into_iter()
                .filter(|zone| zone.state == ZoneState::Alive && zone.leaders.len() == 1)
                .map(|zone| zone.name)
                .collect();
            if let Some(missed) = alive.iter().find(|zone| !sees.contains(**zone)) {
                return Err(format!("{} sees nobody, or several, speak for zone {missed}", host.name));
            }
            if *voice.get_or_insert(node.voice()) != node.voice() {
                return Err(format!("{} follows another voice than others of its zone", host.name));
            }
        }
    }
    Ok(())
}

/// In the view of every node that is up, each slot has one holder, which runs; all
/// views name the same; and executors run these and nothing else of the workload. It
/// concerns the islands in which somebody knows the workload.
pub fn placed(cluster: &Cluster, workload: &str, replicas: u32) -> Result<(), String> {
    let name: WorkloadName = workload.parse().map_err(|e| format!("{e}"))?;
    let concerned = |island: &usize| {
        cluster.up_in(*island).any(|(_, host)| {
            host.up().is_some_and(|node| node.wants(&name))
                || host.instances.values().any(|instance| instance.workload == name)
        })
    };
    let islands: Vec<usize> = (0..cluster.islands()).filter(concerned).collect();
    if islands.is_empty() && replicas > 0 {
        return Err("nobody knows it".into());
    }
    islands.into_iter().try_for_each(|island| placed_in(cluster, island, &name, replicas))
}

fn placed_in(cluster: &Cluster, island: usize, name: &WorkloadName, replicas: u32) -> Result<(), String> {
    for (_, host) in cluster.on_land_in(island) {
        let Some(node) = host.up() else { continue };
        let slots = node.slots(name);
        if let Some(vacant) = slots.iter().find(|report| report.holding.is_none() && report.zone.is_none()) {
            return Err(format!("{} sees slot {} vacant", host.name, vacant.slot));
        }
        if slots.len() != replicas as usize {
            return Err(format!("{} sees {} slots, not {replicas}", host.name, slots.len()));
        }
    }
    let agreed = agreed(cluster, island, name)?;
    if agreed.len() != replicas as usize {
        return Err(format!("{} slots have a holder, not {replicas}", agreed.len()));
    }
    runs_as_held(cluster, island, name, &agreed)
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

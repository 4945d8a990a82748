//! What a healed mesh comes to: polled until it holds, and demanded at the end.

use super::Checker;
use super::knowledge::Known;
use super::settled::{converged, members_agree};
use crate::cluster::Cluster;
use crate::host::Host;
use orbweave_core::WorkloadSpec;
use orbweave_model::{NodeId, Resources, WorkloadName};
use orbweave_scheduler::rivals::{Holding, Phase};
use orbweave_trust::{Release, RollbackGuard};
use std::collections::{BTreeMap, BTreeSet};

/// Demands [`whole`] at the end of a run.
#[derive(Debug)]
pub struct Liveness;

impl Checker for Liveness {
    fn name(&self) -> &'static str {
        "liveness"
    }

    fn observe(&mut self, _: &Cluster, _: usize, _: &super::Observed<'_>) -> Result<(), String> {
        Ok(())
    }

    fn at_end(&mut self, cluster: &Cluster) -> Result<(), String> {
        whole(cluster)
    }
}

/// The mesh is whole: members agree, records are equal, and of each workload
///
/// - every slot has one holder, the same in all views, and it runs; or it has none, and
///   then no live node would admit it: none has the labels and the room, or the release
///   is accepted no more, or nobody has the component;
/// - executors run these and nothing else.
pub fn whole(cluster: &Cluster) -> Result<(), String> {
    members_agree(cluster)?;
    converged(cluster)?;
    (0..cluster.zones()).try_for_each(|zone| whole_in(cluster, zone))
}

fn whole_in(cluster: &Cluster, zone: usize) -> Result<(), String> {
    let Some((first, _)) = cluster.on_land_in(zone).next() else { return Ok(()) };
    let Some(node) = cluster.hosts[first].up() else { return Ok(()) };
    let mut names: BTreeSet<WorkloadName> = node.workloads().into_iter().map(|w| w.name).collect();
    let instances = cluster.up_in(zone).flat_map(|(_, host)| host.instances.values());
    names.extend(instances.map(|instance| instance.workload.clone()));
    let Some(authority) = cluster.authority_at(first, Known::Heard) else { return Ok(()) };
    for name in names {
        let spec = cluster.desired_at(first, Known::Heard, name.as_str(), &authority);
        let wanted = spec.as_ref().filter(|spec| !spec.deleted).map_or(0, |spec| spec.replicas);
        let holders = agreed(cluster, zone, &name)?;
        if let Some((slot, _)) = holders.range(wanted..).next() {
            return Err(format!("{name}/{slot} is held, and there are {wanted} slots"));
        }
        runs_as_held(cluster, zone, &name, &holders)?;
        let vacant = (0..wanted).find(|slot| !holders.contains_key(slot));
        if let (Some(slot), Some(spec)) = (vacant, spec) {
            let now = cluster.corrected(first);
            let guard = RollbackGuard::new();
            let release = Release::verify(&spec.release, &authority, &guard, now, &*cluster.check);
            let component = release.ok().map(|release| release.statement().blake3);
            let somewhere = |hash| cluster.up_in(zone).any(|(_, host)| host.blobs.contains(&hash));
            if component.is_some_and(somewhere)
                && let Some((_, host)) =
                    cluster.up_in(zone).find(|(_, host)| would_admit(cluster, host, &spec))
            {
                return Err(format!("{name}/{slot} has no holder, and {} would admit it", host.name));
            }
        }
    }
    Ok(())
}

/// The holder of each slot, if all views name the same one, which runs.
fn agreed(cluster: &Cluster, zone: usize, name: &WorkloadName) -> Result<BTreeMap<u32, NodeId>, String> {
    let mut agreed: Option<(&str, BTreeMap<u32, NodeId>)> = None;
    for (_, host) in cluster.on_land_in(zone) {
        let Some(node) = host.up() else { continue };
        let mut holders: BTreeMap<u32, NodeId> = BTreeMap::new();
        for report in node.slots(name) {
            let Some(Holding { holder, phase, .. }) = report.holding else { continue };
            if phase != Phase::Running {
                return Err(format!("{} sees {name}/{} {phase:?}", host.name, report.slot));
            }
            if holders.insert(report.slot, holder).is_some() {
                return Err(format!("{} sees rivals for {name}/{}", host.name, report.slot));
            }
        }
        match &agreed {
            Some((other, seen)) if *seen != holders => {
                return Err(format!("{other} and {} see other holders of {name}", host.name));
            }
            _ => agreed = Some((&host.name, holders)),
        }
    }
    Ok(agreed.map(|(_, holders)| holders).unwrap_or_default())
}

fn runs_as_held(
    cluster: &Cluster,
    zone: usize,
    name: &WorkloadName,
    holders: &BTreeMap<u32, NodeId>,
) -> Result<(), String> {
    let mut running = BTreeMap::new();
    for (_, host) in cluster.up_in(zone) {
        for instance in host.instances.values().filter(|instance| instance.workload == *name) {
            if running.insert(instance.slot, host.id).is_some() {
                return Err(format!("{name}/{} runs twice", instance.slot));
            }
        }
    }
    let differs = |(slot, holder): &(&u32, &NodeId)| running.get(slot) != Some(holder);
    if let Some((slot, _)) = holders.iter().find(differs) {
        return Err(format!("{name}/{slot} does not run where it is held"));
    }
    match running.keys().find(|slot| !holders.contains_key(slot)) {
        Some(slot) => Err(format!("{name}/{slot} runs, and nobody holds it")),
        None => Ok(()),
    }
}

/// Whether a host has the labels and the room for one more replica, by what its executor
/// runs, and does not fail at starting it.
fn would_admit(cluster: &Cluster, host: &Host, spec: &WorkloadSpec) -> bool {
    let Some(node) = host.up() else { return false };
    let specs: BTreeMap<WorkloadName, WorkloadSpec> =
        node.workloads().into_iter().map(|w| (w.name, w.spec)).collect();
    let place = |need: &Resources| Resources { instances: need.instances.max(1), ..*need };
    let slots: BTreeSet<(&WorkloadName, u32)> =
        host.instances.values().map(|instance| (&instance.workload, instance.slot)).collect();
    let needs = slots.iter().filter_map(|(name, _)| specs.get(*name)).map(|spec| place(&spec.need));
    let used = needs.fold(Resources::default(), |sum, need| sum.plus(&need));
    let lies = cluster.host_of(&host.id).is_some_and(|i| cluster.is_controlled(i));
    // A satellite takes something only in its contact.
    !host.is_scheduled()
        && !host.options.broken
        && !lies
        && spec.requires.matches(&host.options.labels)
        && host.options.capacity.minus(&used).fits(&place(&spec.need))
}

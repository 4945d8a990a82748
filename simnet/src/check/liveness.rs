//! What a healed mesh comes to: polled until it holds, and demanded at the end.

use super::Checker;
use super::knowledge::Known;
use super::settled::{converged, members_agree};
use super::yielding::View;
use crate::cluster::Cluster;
use crate::host::Host;
use orbweave_core::WorkloadSpec;
use orbweave_core::cordon::Service;
use orbweave_core::report::SlotReport;
use orbweave_model::{NodeId, Resources, WorkloadName};
use orbweave_scheduler::policy::OVER_NODES;
use orbweave_scheduler::rivals::{Holding, Phase};
use orbweave_trust::{Authority, Release, RollbackGuard};
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
/// - every slot has one holder, the same in all views, and it runs; or it has none, or one
///   where it should not be, and then no live node would admit it: none has the labels and
///   the room or may have one more, or the release is accepted no more, or nobody has the
///   component;
/// - executors run these and nothing else.
pub fn whole(cluster: &Cluster) -> Result<(), String> {
    members_agree(cluster)?;
    converged(cluster)?;
    (0..cluster.islands()).try_for_each(|island| whole_in(cluster, island))
}

fn whole_in(cluster: &Cluster, island: usize) -> Result<(), String> {
    let Some((first, _)) = cluster.on_land_in(island).next() else { return Ok(()) };
    let Some(node) = cluster.hosts[first].up() else { return Ok(()) };
    let mut names: BTreeSet<WorkloadName> = node.workloads().into_iter().map(|w| w.name).collect();
    let instances = cluster.up_in(island).flat_map(|(_, host)| host.instances.values());
    names.extend(instances.map(|instance| instance.workload.clone()));
    let Some(authority) = cluster.authority_at(first, Known::Heard) else { return Ok(()) };
    for name in names {
        let spec = cluster.desired_at(first, Known::Heard, name.as_str(), &authority);
        let wanted = spec.as_ref().filter(|spec| !spec.deleted).map_or(0, |spec| spec.replicas);
        let holders = agreed(cluster, island, &name)?;
        if let Some((slot, _)) = holders.range(wanted..).next() {
            return Err(format!("{name}/{slot} is held, and there are {wanted} slots"));
        }
        runs_as_held(cluster, island, &name, &holders)?;
        let Some(spec) = spec else { continue };
        all_on_one_revision(cluster, first, &name, &spec)?;
        runs_as_claimed(cluster, island, &name, &spec)?;
        // Rules between replicas are kept within a zone, by what its nodes know.
        let zones: Vec<Part<'_>> = cluster
            .zones_in(island)
            .into_iter()
            .filter_map(|zone| Part::of(cluster, island, zone, &holders))
            .collect();
        let misplaced = |slot: &u32| match holders.get(slot) {
            None => true,
            Some(holder) => {
                let part = zones.iter().find(|part| part.holders.contains_key(slot));
                part.is_some_and(|part| part.view(&authority).yields(name.as_str(), *slot, *holder, &spec))
            }
        };
        let now = cluster.corrected(first);
        let guard = RollbackGuard::new();
        let release = Release::verify(&spec.release, &authority, &guard, now, &*cluster.check);
        let component = release.ok().map(|release| release.statement().blake3);
        let somewhere = |hash| cluster.up_in(island).any(|(_, host)| host.blobs.contains(&hash));
        if !component.is_some_and(somewhere) {
            continue;
        }
        for slot in (0..wanted).filter(misplaced) {
            let admits = |part: &Part<'_>| {
                let view = part.view(&authority);
                let hosts = cluster.on_land_of(island, part.zone);
                let mut hosts = hosts.map(|(_, host)| host);
                let admits = |host: &&Host| would_admit(&view, host, &name, &spec, slot, &part.holders);
                hosts.find(admits).map(|host| host.name.clone())
            };
            if let Some(host) = zones.iter().find_map(admits) {
                return Err(format!("{name}/{slot} has no place of its own, and {host} would admit it"));
            }
        }
    }
    Ok(())
}

/// What one zone holds of a workload, and a node of it.
struct Part<'a> {
    cluster: &'a Cluster,
    zone: &'a str,
    first: usize,
    holders: BTreeMap<u32, NodeId>,
}

impl<'a> Part<'a> {
    fn of(
        cluster: &'a Cluster,
        island: usize,
        zone: &'a str,
        holders: &BTreeMap<u32, NodeId>,
    ) -> Option<Self> {
        let (first, _) = cluster.on_land_of(island, zone).next()?;
        let is_here =
            |id: &NodeId| cluster.host_of(id).is_some_and(|i| cluster.hosts[i].options.zone == zone);
        let holders = holders.iter().filter(|(_, id)| is_here(id)).map(|(slot, id)| (*slot, *id)).collect();
        Some(Self { cluster, zone, first, holders })
    }

    fn view<'b>(&'b self, authority: &'b Authority) -> View<'b> {
        View { cluster: self.cluster, host: self.first, known: Known::Heard, authority }
    }
}

/// A rollout that nobody says failed has reached every slot that is held.
fn all_on_one_revision(
    cluster: &Cluster,
    host: usize,
    name: &WorkloadName,
    spec: &WorkloadSpec,
) -> Result<(), String> {
    let Some(node) = cluster.hosts[host].up() else { return Ok(()) };
    let failed = node.progress(name).is_some_and(|progress| progress.failed.is_some());
    let accepted = node.workload(name).is_some_and(|workload| workload.release.is_ok());
    if spec.deleted || failed || !accepted || cluster.hosts[host].node.is_none() {
        return Ok(());
    }
    let other = |slot: &SlotReport| slot.generation.is_some_and(|generation| generation != spec.generation);
    match node.slots(name).into_iter().find(other) {
        Some(slot) => {
            let (slot, is) = (slot.slot, slot.generation);
            Err(format!("{name}/{slot} runs generation {is:?}, and {} is wanted", spec.generation))
        }
        None => Ok(()),
    }
}

/// What an executor runs of a slot that answers with the wanted generation is the wanted
/// release, in the wanted environment.
fn runs_as_claimed(
    cluster: &Cluster,
    island: usize,
    name: &WorkloadName,
    spec: &WorkloadSpec,
) -> Result<(), String> {
    let Ok(release) = Release::read(&spec.release, &*cluster.check) else { return Ok(()) };
    for (_, host) in cluster.up_in(island) {
        let Some(node) = host.up() else { continue };
        let wanted: BTreeSet<u32> = node
            .slots(name)
            .into_iter()
            .filter(|slot| slot.generation == Some(spec.generation))
            .filter(|slot| slot.holding.as_ref().is_some_and(|holding| holding.holder == host.id))
            .map(|slot| slot.slot)
            .collect();
        let here = host.instances.values().filter(|instance| instance.workload == *name);
        for instance in here.filter(|instance| wanted.contains(&instance.slot)) {
            let same = (instance.component, instance.sequence) == (release.blake3, release.sequence)
                && instance.env.iter().map(|(name, value)| (name, value)).eq(&spec.env);
            if !same || !instance.running {
                let slot = instance.slot;
                return Err(format!(
                    "{} says that {name}/{slot} runs generation {}, and it runs {instance:?}",
                    host.name, spec.generation
                ));
            }
        }
    }
    Ok(())
}

/// The holder of each slot, if all views of its zone name the same one, which runs, and no
/// two zones hold it.
pub(super) fn agreed(
    cluster: &Cluster,
    island: usize,
    name: &WorkloadName,
) -> Result<BTreeMap<u32, NodeId>, String> {
    let mut all = BTreeMap::new();
    for zone in cluster.zones_in(island) {
        for (slot, holder) in agreed_in(cluster, island, zone, name)? {
            if all.insert(slot, holder).is_some() {
                return Err(format!("{name}/{slot} is held in two zones"));
            }
        }
    }
    Ok(all)
}

fn agreed_in(
    cluster: &Cluster,
    island: usize,
    zone: &str,
    name: &WorkloadName,
) -> Result<BTreeMap<u32, NodeId>, String> {
    let mut agreed: Option<(&str, BTreeMap<u32, NodeId>)> = None;
    for (_, host) in cluster.on_land_of(island, zone) {
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

/// Executors run a workload's slots where they are held, and nothing else of it.
pub(super) fn runs_as_held(
    cluster: &Cluster,
    island: usize,
    name: &WorkloadName,
    holders: &BTreeMap<u32, NodeId>,
) -> Result<(), String> {
    let mut running = BTreeMap::new();
    for (_, host) in cluster.up_in(island) {
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
fn would_admit(
    view: &View<'_>,
    host: &Host,
    name: &WorkloadName,
    spec: &WorkloadSpec,
    slot: u32,
    holders: &BTreeMap<u32, NodeId>,
) -> bool {
    let cluster = view.cluster;
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
        && cluster.service_at(view.host, view.known, host.id, view.authority) == Service::Open
        && view.conflict(name.as_str(), host.id, spec).is_none()
        && may_join(cluster, host, spec, slot, holders)
        && !host.options.broken
        && !lies
        && spec.requires.matches(&host.options.labels)
        && host.options.capacity.minus(&used).fits(&place(&spec.need))
}

/// Whether one more replica on a host keeps to how they shall be spread.
fn may_join(
    cluster: &Cluster,
    host: &Host,
    spec: &WorkloadSpec,
    slot: u32,
    holders: &BTreeMap<u32, NodeId>,
) -> bool {
    let domain = |over: &str, host: &Host| match over {
        OVER_NODES => Some(host.id.to_string()),
        _ => host.options.labels.get(over).map(str::to_owned),
    };
    spec.policy().spread.iter().all(|spread| {
        if spread.at_most.is_none() && spread.max_skew.is_none() {
            return true;
        }
        let Some(here) = domain(&spread.over, host) else { return false };
        let mut replicas: BTreeMap<String, u32> = BTreeMap::new();
        let near = cluster.up().filter(|(_, other)| other.options.zone == host.options.zone);
        for (_, other) in near.filter(|(_, other)| spec.requires.matches(&other.options.labels)) {
            replicas.extend(domain(&spread.over, other).map(|value| (value, 0)));
        }
        let others = holders.iter().filter(|(other, _)| **other != slot);
        for holder in others.filter_map(|(_, id)| cluster.host_of(id)) {
            if let Some(value) = domain(&spread.over, &cluster.hosts[holder]) {
                *replicas.entry(value).or_default() += 1;
            }
        }
        let there = replicas.get(&here).copied().unwrap_or(0);
        let fewest = replicas.values().min().copied().unwrap_or(0);
        spread.at_most.is_none_or(|most| there < most)
            && spread.max_skew.is_none_or(|skew| there - fewest.min(there) < skew)
    })
}

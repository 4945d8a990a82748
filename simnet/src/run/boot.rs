//! The cluster of a schedule.

use crate::clock::ClockModel;
use crate::cluster::Cluster;
use crate::fault::Faults;
use crate::host::HostOptions;
use crate::link::{LinkModel, Loss, RoundTrips, Sites, Topology, Uniform};
use crate::schedule::{Hosts, Medium, Net, Schedule};
use orbweave_model::Labels;
use std::sync::Arc;
use std::time::Duration;

/// Hosts that are off, with links as the schedule says.
pub(super) fn cluster(schedule: &Schedule, seed: u64) -> Cluster {
    let plans = super::sky::plans(schedule);
    let mut hosts: Vec<HostOptions> = Vec::new();
    let mut site = Vec::new();
    for group in &schedule.hosts {
        for (k, name) in (0..).zip(group.names()) {
            let plan = plans[hosts.len()].clone();
            hosts.push(HostOptions { plan, ..options(group, k, name) });
            site.push(group.site_of(k));
        }
    }
    let net = &schedule.links;
    let surroundings = Faults::default();
    let gossip = if net.gossip { surroundings.gossip } else { None };
    let faults = Faults { link: model(net.inside), gossip, ..surroundings };
    let links = super::sky::links(schedule, &plans, topology(net, site));
    let mut cluster = Cluster::across(links, hosts, seed, faults);
    super::sky::catalogue(&mut cluster, schedule);
    cluster
}

/// Starts every host that is not spare.
pub(super) fn start_all(cluster: &mut Cluster, schedule: &Schedule) {
    let spare = schedule.hosts.iter().flat_map(|group| group.names().into_iter().map(|_| group.spare));
    for (i, spare) in spare.enumerate() {
        if !spare {
            cluster.join(i);
        }
    }
}

fn options(group: &Hosts, k: u32, name: String) -> HostOptions {
    let label = |(key, value): (&String, &String)| format!("{key}={value}").parse().ok();
    let labels: Labels = group.labels.iter().filter_map(label).collect();
    let mut options = HostOptions {
        name: Some(name),
        labels,
        clock: ClockModel { skew_ms: group.skew_ms, drift_ppm: group.drift_ppm },
        previous_version: group.previous_version,
        island: group.island_of(k),
        ..HostOptions::default()
    };
    let zone = group.zone_of(k);
    if !zone.is_empty() {
        options.zone = zone;
    }
    if let Some(hours) = group.certified_hours_ago {
        options.certified_ago = Duration::from_secs(u64::from(hours) * 3_600);
    }
    if let Some(cpu_milli) = group.cpu_milli {
        options.capacity.cpu_milli = cpu_milli;
    }
    options
}

fn model(medium: Medium) -> LinkModel {
    match medium {
        Medium::Lan => LinkModel::lan(),
        Medium::Wan => LinkModel::wan(),
        Medium::Orbit => LinkModel::orbit(),
    }
}

fn topology(net: &Net, site: Vec<u32>) -> Box<dyn Topology> {
    let inside = model(net.inside);
    let mut between = model(net.between);
    if let Some(ppm) = net.loss_ppm {
        between = between.loss(Loss::independent(ppm));
    }
    if net.matrix.is_some() {
        let (inside, between) = (Arc::new(inside), Arc::new(between.delay(Duration::ZERO)));
        let sites = (net.round_trip_us.len() as u64).isqrt() as usize;
        return Box::new(RoundTrips {
            site,
            sites,
            round_trip_us: net.round_trip_us.clone(),
            inside,
            between,
        });
    }
    if net.between_ms > 0 {
        between = between.delay(Duration::from_millis(net.between_ms));
    }
    if site.iter().all(|s| *s == site[0]) {
        return Box::new(Uniform::new(inside));
    }
    Box::new(Sites { site, inside: Arc::new(inside), between: Arc::new(between) })
}

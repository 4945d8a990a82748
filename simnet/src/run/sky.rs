//! Satellites of a run: their links, what the ground knows of them before they are up,
//! and how long they were in contact.

use crate::cluster::Cluster;
use crate::link::{Body, SkyLinks, Topology};
use crate::schedule::{Place, Schedule};
use crate::world::BEGIN;
use orbweave_core::EventKind;
use orbweave_core::link_plan::LinkPlan;
use orbweave_core::node_info::NodeInfo;
use orbweave_model::{Hlc, Mono};
use orbweave_state::record::{Record, RecordKind};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Contacts are computed so far beyond the longest end of a run.
const BEYOND: Duration = Duration::from_secs(120);
/// The ground heard of every satellite so long before the beginning.
const LAUNCHED: Duration = Duration::from_secs(60);

/// The links of hosts of which some are satellites.
pub(super) fn links(
    schedule: &Schedule,
    plans: &[Option<LinkPlan>],
    land: Box<dyn Topology>,
) -> Box<dyn Topology> {
    let Some(sky) = &schedule.sky else { return land };
    let body = |plan: &Option<LinkPlan>| {
        let chart = plan.as_ref().and_then(|plan| plan.chart("host").ok()).unwrap_or_default();
        match (chart.satellite, chart.station) {
            (Some(satellite), _) => Body::Satellite(Arc::new(satellite)),
            (None, Some(station)) => Body::Station(Arc::new(station)),
            (None, None) => Body::Land,
        }
    };
    let bodies: Vec<Body> = plans.iter().map(body).collect();
    let grid = if sky.grid { grid(schedule, &bodies) } else { Vec::new() };
    let limit = schedule.converge_within_s.map_or(super::CONVERGE_WITHIN, Duration::from_secs);
    let calm = schedule.calm_s.map_or(Duration::ZERO, |calm_s| super::calm::length(calm_s) + limit);
    let length = Duration::from_millis(schedule.faults_end_ms()) + limit + calm + super::STAYS * 2 + BEYOND;
    match SkyLinks::new(bodies, &grid, length, sky.spike, land) {
        Ok(links) => Box::new(links),
        Err(error) => panic!("the contacts of this scenario cannot be computed: {error}"),
    }
}

/// Pairs of hosts that the shell's grid links.
fn grid(schedule: &Schedule, bodies: &[Body]) -> Vec<(u32, u32)> {
    let Some(shell) = schedule.sky.as_ref().and_then(|sky| sky.shell) else { return Vec::new() };
    let walker = shell.walker(BEGIN);
    let up: Vec<u32> =
        (0..).zip(bodies).filter(|(_, body)| matches!(body, Body::Satellite(_))).map(|(i, _)| i).collect();
    let host = |satellite: usize| up.get(satellite).copied();
    let pairs = walker.grid().unwrap_or_default();
    pairs.into_iter().filter_map(|(a, b)| Some((host(a)?, host(b)?))).collect()
}

/// The contact plan of each host, in their order.
pub(super) fn plans(schedule: &Schedule) -> Vec<Option<LinkPlan>> {
    let of = |group: &crate::schedule::Hosts| {
        let (place, first) = (group.place, group.number);
        let sky = schedule.sky.clone();
        let count = group.names().len() as u32;
        (first..first + count).map(move |k| sky.as_ref().and_then(|sky| sky.plan(place, k, BEGIN)))
    };
    schedule.hosts.iter().flat_map(of).collect()
}

/// Every satellite was on the ground once: its zone knows its orbit before it starts.
pub(super) fn catalogue(cluster: &mut Cluster, schedule: &Schedule) {
    let places: Vec<Place> =
        schedule.hosts.iter().flat_map(|group| group.names().into_iter().map(|_| group.place)).collect();
    let mut records = Vec::new();
    for (i, _) in places.iter().enumerate().filter(|(_, place)| **place == Place::Orbit) {
        let host = &cluster.hosts[i];
        let info = NodeInfo {
            generation: 0,
            addresses: vec![cluster.address(i).to_string()],
            zone: host.options.zone.clone(),
            labels: host.options.labels.clone(),
            capacity: host.options.capacity,
            certificate: host.certificate.clone().into(),
            version: "0.0.0".into(),
            plan: host.options.plan.clone(),
            lives_ms: Some(7 * 24 * 3_600_000),
            denies: None,
        };
        let hlc = Hlc { wall: BEGIN - LAUNCHED, count: 0 };
        let (key, id) = (&host.key, host.id.to_string());
        let record = Record::sign(key, cluster.world.mesh, RecordKind::NODE, &id, hlc, info.encode());
        records.push((cluster.island_of[i], record));
    }
    for (i, _) in places.iter().enumerate().filter(|(_, place)| **place != Place::Orbit) {
        let zone = cluster.island_of[i];
        for (_, record) in records.iter().filter(|(of, _)| *of == zone) {
            cluster.plant(i, record);
        }
    }
}

/// How long satellites were linked to somebody.
#[derive(Debug, Default)]
pub(super) struct InContact(BTreeMap<usize, (u32, Mono, Duration)>);

impl InContact {
    pub fn observe(&mut self, cluster: &Cluster, host: usize, kind: EventKind) {
        if !cluster.is_satellite(host) {
            return;
        }
        let now = Mono(0) + cluster.time();
        let (links, since, total) = self.0.entry(host).or_insert((0, now, Duration::ZERO));
        match kind {
            EventKind::LinkUp => {
                if *links == 0 {
                    *since = now;
                }
                *links += 1;
            }
            EventKind::LinkDown if *links > 0 => {
                *links -= 1;
                if *links == 0 {
                    *total += now.since(*since);
                }
            }
            _ => {}
        }
    }

    pub fn killed(&mut self, cluster: &Cluster, host: usize) {
        if let Some((links, since, total)) = self.0.get_mut(&host).filter(|(links, ..)| *links > 0) {
            *links = 0;
            *total += (Mono(0) + cluster.time()).since(*since);
        }
    }

    /// Of all satellites together, until now.
    pub fn total(&self, now: Mono) -> Duration {
        let of = |(links, since, total): &(u32, Mono, Duration)| {
            *total + if *links > 0 { now.since(*since) } else { Duration::ZERO }
        };
        self.0.values().map(of).sum()
    }
}

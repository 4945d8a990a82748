//! How fast a run was, and what a window of it cost.

use super::report::Bytes;
use super::sky::InContact;
use crate::cluster::Cluster;
use crate::link::Class;
use orbweave_model::Mono;
use serde::Serialize;
use std::time::Duration;

/// What a part of a run took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Measurement {
    /// How much time passed in the run, in seconds.
    pub virtual_s: f64,
    /// How much passed outside, by the clock that the run was given.
    pub wall_s: f64,
    /// How many times real time that is.
    pub speed: f64,
    /// What happened: messages that arrived, timers, ends of writes and the like.
    pub events: u64,
    /// What nodes sent: of a window, for each that was up when it began. What satellites'
    /// links carried is shared by satellites, and what others did by the rest.
    pub bytes_per_node_s: Bytes,
}

/// A state of the run and of the clock outside.
#[derive(Debug, Clone, Copy)]
struct Mark {
    time: Duration,
    wall_s: f64,
    events: u64,
    land: u64,
    orbit: u64,
    /// How long satellites had a link, all together.
    contact: Duration,
    /// Hosts that are up, and how many of them are satellites.
    up: usize,
    satellites: usize,
}

pub(super) struct Stopwatch {
    clock: super::WallClock,
    begin: f64,
    marks: Vec<Mark>,
}

impl Stopwatch {
    pub fn new(clock: super::WallClock) -> Self {
        Self { begin: clock(), clock, marks: Vec::new() }
    }

    pub fn mark(&mut self, cluster: &Cluster, in_contact: &InContact) {
        self.marks.push(self.now(cluster, in_contact));
    }

    /// All of the run so far.
    pub fn whole(&self, cluster: &Cluster, in_contact: &InContact) -> Measurement {
        let begin = Mark {
            time: Duration::ZERO,
            wall_s: self.begin,
            events: 0,
            land: 0,
            orbit: 0,
            contact: Duration::ZERO,
            up: cluster.hosts.len(),
            satellites: cluster.hosts.iter().filter(|host| host.is_scheduled()).count(),
        };
        begin.until(&self.now(cluster, in_contact))
    }

    /// What lies between the two marks, if there were two.
    pub fn window(&self) -> Option<Measurement> {
        let [from, to] = self.marks.first_chunk()?;
        Some(from.until(to))
    }

    fn now(&self, cluster: &Cluster, in_contact: &InContact) -> Mark {
        let sent = |class: Class| -> u64 {
            (0..cluster.hosts.len()).map(|i| cluster.meter().of(i as u32, class).bytes).sum()
        };
        Mark {
            time: cluster.time(),
            wall_s: (self.clock)(),
            events: cluster.events(),
            land: sent(Class::Lan) + sent(Class::Wan),
            orbit: sent(Class::Orbit),
            contact: in_contact.total(Mono(0) + cluster.time()),
            up: cluster.up().count(),
            satellites: cluster.up().filter(|(_, host)| host.is_scheduled()).count(),
        }
    }
}

impl Mark {
    fn until(&self, end: &Self) -> Measurement {
        let virtual_s = end.time.saturating_sub(self.time).as_secs_f64();
        let wall_s = end.wall_s - self.wall_s;
        let per_node_s =
            |bytes: u64, nodes: usize| (bytes as f64 / virtual_s.max(1.0) / nodes.max(1) as f64) as u64;
        let orbit = end.orbit - self.orbit;
        let contact = end.contact.saturating_sub(self.contact).as_secs();
        // Without satellites, hosts may be linked by radio all the same.
        let by_radio = if self.satellites > 0 { self.satellites } else { self.up };
        let round = |x: f64, parts: f64| (x * parts).round() / parts;
        Measurement {
            virtual_s,
            wall_s: round(wall_s, 1_000.0),
            speed: if wall_s > 0.0 { round(virtual_s / wall_s, 100.0) } else { 0.0 },
            events: end.events - self.events,
            bytes_per_node_s: Bytes {
                land: per_node_s(end.land - self.land, self.up - self.satellites),
                orbit: per_node_s(orbit, by_radio),
                orbit_in_contact: orbit.checked_div(contact).unwrap_or(0),
            },
        }
    }
}

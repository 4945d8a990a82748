//! Nodes on scheduled links, as those on land see them: who dials them when, and what
//! their silence means.
//!
//! A node on scheduled links is no member of SWIM. Of the stations that see it and live,
//! the first [`HOSTS`] by rendezvous link to it, looked at anew at each reallocation.
//! What its silence means is said by [`crate::standing`].

use crate::event::{Event, EventKind};
use crate::io::Output;
use crate::link_plan::Chart;
use crate::node::Node;
use crate::node_info::NodeInfo;
use crate::standing::{SAMPLE, Silence, Standing};
use orbweave_contact::{GroundStation, Moment, Satellite, allocation};
use orbweave_model::{NodeId, Wall};
use orbweave_scheduler::rank;
use orbweave_state::membership::MemberState;
use std::collections::BTreeMap;
use std::time::Duration;

/// Hosts that a node on scheduled links has at once.
pub const HOSTS: usize = 3;
/// Nodes on scheduled links, and stations, that are watched.
pub(crate) const FLEET_MAX: usize = 16_384;
/// After a longer gap between two looks nobody's silence counts.
const GAP_MAX: Duration = Duration::from_secs(120);
/// How far ahead the next contact of a dark node is sought.
const AHEAD: Duration = Duration::from_secs(6 * 3_600);

/// What this node knows of scheduled links.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    /// Others on scheduled links.
    crafts: BTreeMap<NodeId, Craft>,
    /// Nodes that such ones pass over, this one too.
    stations: BTreeMap<NodeId, GroundStation>,
    /// The last moment that was looked at.
    looked: Wall,
}

/// Another node on scheduled links.
#[derive(Debug)]
struct Craft {
    chart: Chart,
    silence: Silence,
    standing: Standing,
}

impl Fleet {
    pub fn len(&self) -> usize {
        self.crafts.len().max(self.stations.len())
    }

    /// Whether a node is on scheduled links.
    pub fn has(&self, node: NodeId) -> bool {
        self.crafts.contains_key(&node)
    }

    pub fn forget(&mut self, node: NodeId) {
        self.crafts.remove(&node);
        self.stations.remove(&node);
    }

    fn knows(&self, node: NodeId) -> bool {
        self.crafts.contains_key(&node) || self.stations.contains_key(&node)
    }

    fn standing(&self, node: NodeId) -> Option<Standing> {
        self.crafts.get(&node).map(|craft| craft.standing)
    }
}

impl Craft {
    /// Whether one of these stations can hear it at a moment.
    fn in_reach(&self, at: Wall, stations: &[(NodeId, &GroundStation)]) -> bool {
        let seen = |satellite: &Satellite| {
            satellite
                .whereabouts(&Moment::at(at))
                .is_some_and(|p| stations.iter().any(|(_, station)| station.range_if_seen(p).is_some()))
        };
        self.chart.satellite.as_ref().is_some_and(seen) || self.chart.pass_at(at).is_some()
    }
}

impl Node {
    /// Whether this node itself is on scheduled links.
    pub(crate) fn is_carried(&self) -> bool {
        self.info.plan.as_ref().is_some_and(|plan| plan.is_scheduled())
    }

    /// A node record came: whoever it is about may be on scheduled links.
    pub(crate) fn chart(&mut self, node: NodeId, info: &NodeInfo, heard: Wall) {
        let chart = info.plan.as_ref().and_then(|plan| plan.chart(&node.short()).ok());
        let Some(chart) = chart.filter(|_| self.fleet.len() < FLEET_MAX || self.fleet.knows(node)) else {
            return self.fleet.forget(node);
        };
        match &chart.station {
            Some(station) => drop(self.fleet.stations.insert(node, station.clone())),
            None => drop(self.fleet.stations.remove(&node)),
        }
        if node == self.me || !info.is_scheduled() {
            self.fleet.crafts.remove(&node);
            return;
        }
        let since = self.wall();
        let before = self.fleet.crafts.get(&node);
        let standing = before.map_or(Standing::Well, |craft| craft.standing);
        // What was watched since an older word of it counts on; nothing else does.
        let silence = match before {
            Some(craft) if craft.silence.heard() >= heard => craft.silence,
            // News may be old: nobody watched for what it owes since then.
            _ => Silence::new(heard, since),
        };
        self.fleet.crafts.insert(node, Craft { chart, silence, standing });
        self.stand(node);
    }

    /// Looks at everybody on scheduled links, at each reallocation.
    pub(crate) fn tick_fleet(&mut self) {
        if self.is_carried() || self.fleet.crafts.is_empty() {
            return;
        }
        let now = self.wall();
        let at = allocation(now).begins;
        if at == self.fleet.looked {
            return;
        }
        // A clock that was set, or a process that stood still: nobody's silence was watched.
        let watched = self.fleet.looked + GAP_MAX >= at && at > self.fleet.looked;
        self.fleet.looked = at;
        let doubtful = !watched || self.membership.in_self_doubt() || !self.settled;
        let stations = self.live_stations();
        let mine = self.fleet.stations.get(&self.me);
        let moment = Moment::at(at);
        let mut dial = Vec::new();
        let mut silences = Vec::new();
        for (&node, craft) in &self.fleet.crafts {
            let linked = self.peers.get(&node).is_some_and(|peer| peer.up);
            if !linked && self.is_host_of(node, craft, &moment, mine, &stations) {
                dial.push(node);
            }
            if linked || doubtful {
                let mut silence = craft.silence;
                silence.skip(now);
                silences.push((node, silence));
            } else if craft.silence.is_due(now) {
                let mut silence = craft.silence;
                silence.advance(now, |at| craft.in_reach(at, &stations));
                silences.push((node, silence));
            }
        }
        for (node, silence) in silences {
            if let Some(craft) = self.fleet.crafts.get_mut(&node) {
                craft.silence = silence;
            }
            self.stand(node);
        }
        for peer in dial {
            let addresses = self.nodes.get(&peer).map(|info| info.socket_addresses()).unwrap_or_default();
            self.outputs.push_back(Output::Dial { peer, addresses });
        }
    }

    /// The stations that are alive in this node's view.
    fn live_stations(&self) -> Vec<(NodeId, &GroundStation)> {
        let alive = |node: NodeId| node == self.me || self.membership.is_alive(node);
        let all = self.fleet.stations.iter().map(|(node, station)| (*node, station));
        all.filter(|(node, _)| alive(*node)).collect()
    }

    /// Whether this node is one of the hosts of another now.
    fn is_host_of(
        &self,
        node: NodeId,
        craft: &Craft,
        moment: &Moment,
        mine: Option<&GroundStation>,
        stations: &[(NodeId, &GroundStation)],
    ) -> bool {
        if let Some(pass) = craft.chart.pass_at(moment.wall()) {
            let all = self.membership.alive();
            let first = || rank::is_placer(self.me, &node.short(), 0, all, HOSTS, |_| true);
            return pass.host.map_or_else(first, |host| host == self.me);
        }
        let position = craft.chart.satellite.as_ref().and_then(|s| s.whereabouts(moment));
        let (Some(mine), Some(position)) = (mine, position) else { return false };
        if mine.range_if_seen(position).is_none() {
            return false;
        }
        let see = stations.iter().filter(|(_, station)| station.range_if_seen(position).is_some());
        let all = see.map(|(host, _)| *host);
        rank::is_placer(self.me, &node.short(), 0, all, HOSTS, |_| true)
    }

    /// Says what became of a node on scheduled links, if that changed.
    fn stand(&mut self, node: NodeId) {
        let Some(craft) = self.fleet.crafts.get_mut(&node) else { return };
        let standing = craft.silence.standing();
        let before = std::mem::replace(&mut craft.standing, standing);
        if standing == before {
            return;
        }
        let lasted = craft.silence.lasted().as_secs() / 60;
        let name = self.name(node);
        let why = format!("it was in reach for {lasted} minutes, and was not heard");
        let event = match standing {
            Standing::Well => Event::new(EventKind::MemberUp, format!("{name} was heard")),
            Standing::Overdue => {
                Event::new(EventKind::MemberSuspect, format!("{name} is overdue")).because(why)
            }
            Standing::Lost => Event::new(EventKind::MemberDown, format!("{name} is lost")).because(why),
        };
        self.notify(event.about(node));
        if Standing::Lost == standing.max(before) {
            self.touch_claims_of(node);
        }
    }

    /// Nothing that happened meanwhile was watched.
    pub(crate) fn overlook(&mut self) {
        self.fleet.looked = Wall(0);
    }

    /// Whether the claims of a node on scheduled links count; `None` for any other node.
    pub(crate) fn carried_counts(&self, node: NodeId) -> Option<bool> {
        // What a host gave is what counted there; this node judges nobody.
        if self.is_carried() {
            return Some(self.nodes.contains_key(&node));
        }
        self.fleet.standing(node).map(|standing| standing != Standing::Lost)
    }

    /// What a node on scheduled links is; `None` for any other. Seeking the next contact
    /// costs milliseconds: for people, not for decisions.
    pub(crate) fn carried_state(&self, node: NodeId) -> Option<MemberState> {
        let craft = self.fleet.crafts.get(&node)?;
        Some(match craft.standing {
            Standing::Lost => MemberState::Down,
            Standing::Overdue => MemberState::Overdue,
            Standing::Well if self.peers.get(&node).is_some_and(|peer| peer.up) => MemberState::Alive,
            Standing::Well => self.darkness(craft),
        })
    }

    fn darkness(&self, craft: &Craft) -> MemberState {
        let now = self.wall();
        let stations = self.live_stations();
        if craft.in_reach(now, &stations) {
            return MemberState::Alive;
        }
        let step = SAMPLE.as_millis() as usize;
        let mut ahead = (now.0..(now + AHEAD).0).step_by(step).map(Wall);
        MemberState::Dark { until: ahead.find(|at| craft.in_reach(*at, &stations)) }
    }
}

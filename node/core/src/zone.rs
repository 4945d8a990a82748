//! The zones of the mesh, as this node sees them: who speaks for each, and whose word
//! counts.
//!
//! Inside a zone everybody knows everybody. Between zones a few gateways talk, and of each
//! zone's gateways one leads: what its summary and its allotments say holds for the zone.
//! The members of a zone follow the one leader that they have in common, their *voice*, in
//! which leaders of other zones count: so all of them go by the same word. A mesh of one
//! zone has none of this.

use crate::allotment::{Allotment, Seat};
use crate::claim::ClaimRange;
use crate::event::{Event, EventKind};
use crate::gateway::Gate;
use crate::node::Node;
use crate::summary::{Office, Summary};
use orbweave_model::plant::{self, Plant};
use orbweave_model::{Mono, NodeId, WorkloadName, limit};
use orbweave_scheduler::rank;
use orbweave_scheduler::rivals::Phase;
use orbweave_state::membership::Timing;
use orbweave_state::record::Record;
use orbweave_trust::Certificate;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Gateways that a zone has.
pub const GATEWAYS: usize = 3;

/// What a zone is to this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ZoneState {
    /// Somebody speaks for it.
    Alive,
    /// It fell into parts that do not hear one another, and hear others.
    Split,
    /// Nobody of it was heard for so long that others take over what it held.
    Lost,
}

/// A zone as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneReport {
    /// Its name.
    pub name: String,
    /// Whether it is this node's own.
    pub own: bool,
    /// What it is.
    pub state: ZoneState,
    /// Who speaks for it: one node, or one a part.
    pub leaders: Vec<NodeId>,
    /// Its gateways, the leaders among them.
    pub gateways: Vec<NodeId>,
    /// Nodes in it, by its own word.
    pub members: u32,
    /// Slots that are allotted to it.
    pub replicas: u32,
    /// Those of them that run.
    pub running: u32,
}

/// A gateway, as it said last.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub summary: Arc<Summary>,
    /// Since when this node knows it.
    pub since: Mono,
    /// Since when it leads, as far as this node heard.
    pub leads_since: Option<Mono>,
}

impl Gateway {
    pub fn leads(&self) -> bool {
        self.summary.office == Office::Leader
    }
}

/// What this node knows of zones.
#[derive(Default)]
pub(crate) struct Zones {
    pub gateways: BTreeMap<NodeId, Gateway>,
    pub allotments: BTreeMap<WorkloadName, BTreeMap<NodeId, Arc<Allotment>>>,
    /// Slots of all workloads that each leader says its zone holds.
    pub loads: BTreeMap<NodeId, u32>,
    /// Where each slot of a workload has its place.
    pub seats: BTreeMap<WorkloadName, Vec<Seat>>,
    /// Who should be this zone's gateways, the leader first.
    pub ranks: Vec<NodeId>,
    /// Linked peers of which it is not known yet of what zone they are; and whether they
    /// were linked before.
    pub strangers: BTreeMap<NodeId, (Mono, bool)>,
    /// This node as a gateway.
    pub gate: Option<Gate>,
    pub timing: Timing,
    /// Whether something changed that the rest depends on.
    pub changed: bool,
    many: bool,
    /// Since when there is any other zone.
    pub many_since: Mono,
    voice: Option<NodeId>,
    /// Who took office last of all that led, and when by its word: what it held is taken over
    /// from it.
    predecessor: Option<(u64, NodeId)>,
    counted: BTreeSet<NodeId>,
    states: BTreeMap<String, ZoneState>,
}

impl Zones {
    pub fn new(timing: Timing) -> Self {
        Self { timing, ..Self::default() }
    }

    /// Whether there is any other zone.
    pub fn is_many(&self) -> bool {
        self.many
    }

    /// Whose word holds for this zone.
    pub fn voice(&self) -> Option<NodeId> {
        self.voice
    }

    /// Who led this zone last.
    pub fn predecessor(&self) -> Option<NodeId> {
        self.predecessor.map(|(_, node)| node)
    }

    /// Whether what a leader allots counts.
    pub fn counts(&self, leader: NodeId) -> bool {
        self.counted.contains(&leader)
    }

    /// The zone that a gateway says it is of.
    pub fn zone_of(&self, gateway: NodeId) -> Option<&str> {
        self.gateways.get(&gateway).map(|gateway| gateway.summary.zone.as_str())
    }
}

impl Node {
    /// This node's zone.
    pub fn zone(&self) -> &str {
        &self.info.zone
    }

    /// Whether a peer is of another zone.
    pub(crate) fn is_beyond(&self, peer: NodeId) -> bool {
        self.peers.get(&peer).is_some_and(|peer| peer.zone.is_some())
    }

    /// Linked peers of other zones.
    pub(crate) fn linked_beyond(&self) -> impl Iterator<Item = NodeId> {
        self.peers.iter().filter(|(_, peer)| peer.up && peer.zone.is_some()).map(|(id, _)| *id)
    }

    /// Whether it falls to this node to talk with other zones: it is a gateway, or the zone
    /// knows of no other yet.
    pub(crate) fn speaks_beyond(&self) -> bool {
        let foreign = |gateway: &Gateway| gateway.summary.zone != self.info.zone;
        self.zones.gate.is_some() || !self.zones.gateways.values().any(foreign)
    }

    /// Whether a record may say what a zone is.
    pub(crate) fn authorise_summary(&self, record: &Record) -> Result<(), String> {
        let author = NodeId::from(record.id().author);
        if record.id().key != author.to_string() {
            return Err("a zone's summary in the name of another node".to_owned());
        }
        let summary = record.read(Summary::decode).map_err(|e| e.to_string())?;
        let certificate =
            Certificate::verify(&summary.certificate, &self.authority, self.wall(), &*self.check)
                .map_err(|e| e.to_string())?;
        if certificate.node == author { Ok(()) } else { Err("the certificate of another node".to_owned()) }
    }

    /// Whether a record may say what a zone holds.
    pub(crate) fn authorise_allotment(&self, record: &Record) -> Result<(), String> {
        let author = NodeId::from(record.id().author);
        record.id().key.parse::<WorkloadName>().map_err(|e| e.to_string())?;
        let allotment = record.read(Allotment::decode).map_err(|e| e.to_string())?;
        match self.zones.zone_of(author) {
            None => Err("an allotment of a node that is no gateway here".to_owned()),
            Some(zone) if zone == allotment.zone => Ok(()),
            Some(_) => Err("an allotment to another zone than its author's".to_owned()),
        }
    }

    /// A node of another zone said who it is. Its record is for its own zone: what counts
    /// here is that it is of another.
    pub(crate) fn on_stranger(&mut self, node: NodeId, zone: &str, certificate: &[u8]) {
        let Some(peer) = self.peers.get_mut(&node) else { return };
        let news = peer.zone.as_deref() != Some(zone);
        peer.zone = Some(zone.to_owned());
        if !news {
            return;
        }
        self.zones.changed = true;
        self.name_after(node, certificate);
        if let Some((_, again)) = self.zones.strangers.remove(&node) {
            self.greet_beyond(node, again);
        }
    }

    fn name_after(&mut self, node: NodeId, certificate: &[u8]) {
        let verified = Certificate::verify(certificate, &self.authority, self.wall(), &*self.check);
        if let Ok(certificate) = verified
            && node != self.me
            && !self.nodes.contains_key(&node)
        {
            self.certificates.insert(node, Arc::new(certificate));
        }
    }

    /// A gateway said what its zone is.
    pub(crate) fn on_summary(&mut self, node: NodeId, summary: Arc<Summary>) {
        let now = self.now.mono;
        let before = self.zones.gateways.get(&node);
        let since = before.map_or(now, |gateway| gateway.since);
        let same_life = before.filter(|gateway| gateway.summary.life == summary.life);
        let led = same_life.and_then(|gateway| gateway.leads_since);
        let leads_since = (summary.office == Office::Leader).then(|| led.unwrap_or(now));
        self.name_after(node, &summary.certificate);
        self.zones.gateways.insert(node, Gateway { summary: summary.clone(), since, leads_since });
        self.zones.changed = true;
        self.meet_gateway(node, &summary);
    }

    /// A gateway's word expired, or its key was revoked.
    pub(crate) fn drop_summary(&mut self, node: NodeId) {
        self.zones.gateways.remove(&node);
        self.zones.changed = true;
        if let Some(gate) = &mut self.zones.gate {
            gate.between.forget(node);
        }
    }

    /// Looks anew at who speaks for which zone, after something changed.
    /// Whether anything did.
    pub(crate) fn review_zones(&mut self) -> bool {
        if !std::mem::take(&mut self.zones.changed) {
            return false;
        }
        let own = self.info.zone.clone();
        let many = self.linked_beyond().next().is_some()
            || self.zones.gateways.values().any(|gateway| gateway.summary.zone != own);
        if !many && !self.zones.many {
            return false;
        }
        self.review_ranks(&own);
        // An office is dated by a clock: one from far ahead would stay the last for good.
        let horizon = (self.wall() + limit::CLOCK_AHEAD_MAX).0;
        let led = |(_, gateway): &(&NodeId, &Gateway)| {
            let Summary { zone, generation, .. } = &*gateway.summary;
            gateway.leads() && *zone == own && *generation <= horizon
        };
        let led = self.zones.gateways.iter().filter(led);
        let led = led.map(|(node, gateway)| (gateway.summary.generation, *node)).max();
        self.zones.predecessor = self.zones.predecessor.max(led);
        let voice = self.choose_voice(&own);
        let counted = self.choose_counted(&own, voice);
        let zones = &mut self.zones;
        if many && !zones.many {
            zones.many_since = self.now.mono;
        }
        let differs = (zones.many, zones.voice, &zones.counted) != (many, voice, &counted);
        (zones.many, zones.voice, zones.counted) = (many, voice, counted);
        self.tell_of_zones();
        if differs {
            let names = self.zones.allotments.keys().chain(self.zones.seats.keys()).cloned();
            for name in names.collect::<BTreeSet<_>>() {
                self.reseat(&name);
            }
            self.touch_all();
        }
        true
    }

    /// The first live members by rendezvous are the gateways; the first of them that leads
    /// goes on, though one before it came: a new leader says anew all that the zone holds. A
    /// node that doubts itself changes nothing: what it sees is not the zone.
    fn review_ranks(&mut self, own: &str) {
        if self.is_carried() || (self.membership.in_self_doubt() && !self.zones.ranks.is_empty()) {
            return;
        }
        // The version before knows nothing of zones.
        let knows = |node: &NodeId| self.nodes.get(node).is_some_and(|info| info.lives_ms.is_some());
        let members = self.membership.alive().filter(knows);
        let mut ranks = rank::placers(own, 0, members, GATEWAYS);
        if let Some(leader) = ranks.iter().position(|node| self.leads_here(*node)) {
            ranks[..=leader].rotate_right(1);
        }
        self.zones.ranks = ranks;
    }

    /// Whether a node leads this zone, by what it said in this life of its: one that starts
    /// anew knows nothing of what it led before.
    pub(crate) fn leads_here(&self, node: NodeId) -> bool {
        let life = self.membership.generation_of(node);
        self.zones.gateways.get(&node).is_some_and(|gateway| {
            let said = gateway.summary.life;
            gateway.leads()
                && gateway.summary.zone == self.info.zone
                && said.zip(life).is_none_or(|(said, life)| said >= life)
        })
    }

    /// The first by rank, once it leads; until then whoever led before. The word of one that
    /// is dead is not the last if another led after it.
    ///
    /// What a leader said in a life before goes on holding until it says something else or
    /// another leads: nothing moves because a leader starts anew, or was accused.
    fn choose_voice(&self, own: &str) -> Option<NodeId> {
        let leads = |node: &NodeId| {
            let leads = |gateway: &Gateway| gateway.leads() && gateway.summary.zone == own;
            self.nodes.contains_key(node) && self.zones.gateways.get(node).is_some_and(leads)
        };
        let first = self.zones.ranks.first().copied().filter(leads);
        let before = || self.zones.voice.filter(leads);
        let last = || {
            let is_last = |node: &NodeId, gateway: &Gateway| {
                let generation = gateway.summary.generation;
                let followed = self.zones.predecessor.is_some_and(|(last, _)| generation < last);
                self.membership.is_alive(*node) || !followed
            };
            let leaders = self.zones.gateways.iter();
            let leaders = leaders.filter(|(node, gateway)| leads(node) && is_last(node, gateway));
            let order = |(node, gateway): &(&NodeId, &Gateway)| {
                (self.membership.is_alive(**node), gateway.summary.generation, **node)
            };
            leaders.max_by_key(order).map(|(node, _)| *node)
        };
        first.or_else(before).or_else(last)
    }

    /// Of this zone its voice counts, and whoever leads a part of it that is apart; of other
    /// zones all leaders but those that the voice says are gone.
    fn choose_counted(&self, own: &str, voice: Option<NodeId>) -> BTreeSet<NodeId> {
        let word = voice.and_then(|voice| self.zones.gateways.get(&voice)).map(|gateway| &gateway.summary);
        let counts = |(node, gateway): (&NodeId, &Gateway)| {
            let named = |list: fn(&Summary) -> &[NodeId]| word.is_some_and(|word| list(word).contains(node));
            let counts = gateway.leads()
                && if gateway.summary.zone == own {
                    voice == Some(*node)
                        || named(|word| &word.apart)
                        || plant::on(Plant::AllotmentsAddedTwice)
                } else {
                    !named(|word| &word.gone) && !self.is_planted_away(*node)
                };
            counts.then_some(*node)
        };
        self.zones.gateways.iter().filter_map(counts).collect()
    }

    /// Whether another leader of its zone counts in its place, where that is planted.
    fn is_planted_away(&self, leader: NodeId) -> bool {
        plant::on(Plant::SplitZoneCountedOnce)
            && self.zones.gateways.iter().any(|(other, gateway)| {
                *other < leader
                    && gateway.leads()
                    && Some(gateway.summary.zone.as_str()) == self.zones.zone_of(leader)
            })
    }

    fn state_of_zone(&self, name: &str) -> ZoneState {
        let leaders = || {
            let leads = |(_, gateway): &(&NodeId, &Gateway)| gateway.summary.zone == name && gateway.leads();
            self.zones.gateways.iter().filter(leads)
        };
        let mut counted = leaders().filter(|(node, _)| self.zones.counts(**node)).peekable();
        if counted.peek().is_none() && leaders().next().is_some() && name != self.info.zone {
            return ZoneState::Lost;
        }
        if counted.any(|(_, gateway)| !gateway.summary.apart.is_empty()) {
            ZoneState::Split
        } else {
            ZoneState::Alive
        }
    }

    fn zone_names(&self) -> BTreeSet<String> {
        let named = self.zones.gateways.values().map(|gateway| gateway.summary.zone.clone());
        named.chain([self.info.zone.clone()]).collect()
    }

    /// Tells people what became of zones.
    fn tell_of_zones(&mut self) {
        let names = self.zone_names().into_iter();
        let states: BTreeMap<String, ZoneState> =
            names.map(|name| (name.clone(), self.state_of_zone(&name))).collect();
        let before = std::mem::replace(&mut self.zones.states, states.clone());
        for (name, state) in states {
            let was = before.get(&name).copied();
            if was == Some(state) || (was.is_none() && name == self.info.zone && state == ZoneState::Alive) {
                continue;
            }
            self.notify(match state {
                ZoneState::Alive => Event::new(EventKind::ZoneUp, format!("zone {name} is heard")),
                ZoneState::Split => Event::new(EventKind::ZoneSplit, format!("zone {name} is split"))
                    .because("parts of it hear one another by other zones alone"),
                ZoneState::Lost => Event::new(
                    EventKind::ZoneLost,
                    format!("zone {name} is lost: others take over its slots"),
                )
                .because("no gateway of it was heard for too long"),
            });
        }
    }

    /// Every zone that is known, its own first, the others by their names.
    pub fn zones(&self) -> Vec<ZoneReport> {
        let mut reports: Vec<ZoneReport> =
            self.zone_names().into_iter().map(|name| self.zone_report(name)).collect();
        reports.sort_by_key(|report| !report.own);
        reports
    }

    fn zone_report(&self, name: String) -> ZoneReport {
        let (own, state) = (name == self.info.zone, self.state_of_zone(&name));
        let of = || self.zones.gateways.iter().filter(|(_, gateway)| gateway.summary.zone == name);
        let gateways = of().filter(|(_, gateway)| gateway.summary.office != Office::None);
        // Of a zone that is lost its last words are told.
        let speaks = |node: &NodeId| state == ZoneState::Lost || self.zones.counts(*node);
        let leaders = of().filter(|(node, gateway)| gateway.leads() && speaks(node));
        let members =
            leaders.clone().map(|(_, gateway)| gateway.summary.members).fold(0, u32::saturating_add);
        let leaders: Vec<NodeId> = leaders.map(|(node, _)| *node).collect();
        let allotted = self.zones.allotments.values().flat_map(|all| {
            leaders.iter().filter_map(|leader| all.get(leader)).flat_map(|a| &a.claim.ranges)
        });
        let here = self.claims.values().flatten().filter(|(holder, _)| self.counts(**holder));
        let here = here.flat_map(|(_, claim)| &claim.ranges).filter(|_| own && !self.zones.many);
        let count = |(held, running): (u32, u32), range: &ClaimRange| {
            let slots = range.slots.end - range.slots.start;
            let runs = range.phase == Phase::Running && state != ZoneState::Lost;
            (held.saturating_add(slots), running.saturating_add(if runs { slots } else { 0 }))
        };
        let (replicas, running) = allotted.chain(here).fold((0, 0), count);
        let alive = u32::try_from(self.alive_count()).unwrap_or(u32::MAX);
        ZoneReport {
            own,
            state,
            leaders,
            gateways: gateways.map(|(node, _)| *node).collect(),
            members: if own { alive } else { members },
            replicas,
            running,
            name,
        }
    }

    /// Whether what a leader of a zone allots counts here.
    pub fn counts_leader(&self, leader: NodeId) -> bool {
        self.zones.counts(leader)
    }

    /// Whose word holds for this node's zone, where there are several.
    pub fn voice(&self) -> Option<NodeId> {
        self.zones.voice()
    }
}

//! This node as a gateway: one of the few that link to the gateways of other zones, and
//! say what this zone is.
//!
//! All gateways of all zones are members of a membership of their own, so that the loss of
//! a zone is seen as quickly, and doubted as carefully, as the loss of a node.

use crate::allotting::Taken;
use crate::claim::Claim;
use crate::cordon::Service;
use crate::io::Output;
use crate::message::Message;
use crate::node::Node;
use crate::summary::{NAMED_MAX, Office, ROOMS_MAX, Room, Summary, VALUES_MAX};
use crate::zone::{GATEWAYS, Gateway};
use minicbor::bytes::ByteVec;
use orbweave_model::{Labels, Mono, NodeId, Resources, WorkloadName};
use orbweave_scheduler::rivals::Phase;
use orbweave_state::membership::{self, MemberState, Membership, MembershipConfig, Timing};
use orbweave_state::record::RecordKind;
use orbweave_state::sync::WireVersion;
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A zone of which no gateway was heard for so long is lost: time for its members to see
/// that its gateways died, and for others of them to take their place.
pub const ZONE_GRACE: Duration = Duration::from_secs(10);
/// A new leader is known everywhere after this: what the one before it said no longer counts.
pub(crate) const HANDOVER: Duration = Duration::from_secs(5);
/// A gateway that is held for dead and says otherwise adds one to its generation, and one that
/// takes office anew the milliseconds since: more than this is a new office.
const NEW_OFFICE: u64 = 100;
/// A gateway that was never heard is as good as down after this.
const UNHEARD: Duration = Duration::from_secs(30);
/// A leader has met the gateways of other zones within this.
const MEETING: Duration = Duration::from_secs(30);
/// Between taking office and leading, so that others know whose word they get.
const INTRODUCTION: Duration = Duration::from_secs(1);
/// What changed is said at most this often: who it is; and where it leads, how many there
/// are and where there is room.
const SAY_AGAIN: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(30)];
/// A summary is said anew after this, which is a third of its life.
const REFRESH: Duration = Duration::from_secs(15 * 60);

/// What a gateway keeps.
pub(crate) struct Gate {
    pub since: Mono,
    pub generation: u64,
    /// The gateways of all zones.
    pub between: Membership,
    pub leads: bool,
    /// What it said last, and when.
    said: Option<(Summary, Mono)>,
    /// Since when gateways are down.
    down: BTreeMap<NodeId, Mono>,
    /// Since when leaders of this zone are not alive in it.
    missing: BTreeMap<NodeId, Mono>,
    /// Leaders whose word counts no more.
    gone: BTreeSet<NodeId>,
    /// Leaders of other parts of this zone.
    pub apart: BTreeSet<NodeId>,
    /// What this zone holds, while this node leads.
    pub taken: BTreeMap<WorkloadName, BTreeMap<u32, Taken>>,
    /// Slots that no zone holds, since when.
    pub vacant: BTreeMap<(WorkloadName, u32), Mono>,
    /// Workloads that found no place in this zone a moment ago.
    pub no_place: BTreeMap<WorkloadName, Mono>,
    /// When it last said of a workload which slots this zone holds.
    pub said_of: BTreeMap<WorkloadName, Mono>,
    /// Workloads to be looked at, and when.
    pub stale: BTreeSet<WorkloadName>,
    pub next_look: Mono,
}

impl Gate {
    /// What it said last of its zone while it led, as all others know it.
    pub fn said(&self) -> Option<&Summary> {
        self.said.as_ref().map(|(summary, _)| summary).filter(|summary| summary.office == Office::Leader)
    }

    /// When something is to be done.
    pub fn due(&self) -> Option<Mono> {
        let look = (self.leads && !self.stale.is_empty()).then_some(self.next_look);
        [self.between.next_timeout(), look].into_iter().flatten().min()
    }
}

impl Node {
    /// Does what a gateway has to do: once a second, and when something changed.
    pub(crate) fn tick_gate(&mut self) {
        if self.is_carried() || self.leaving {
            return;
        }
        let wanted = self.zones.is_many()
            && self.settled
            && self.speaks == WireVersion::Current
            && (self.zones.ranks.contains(&self.me) || self.is_finder());
        match &self.zones.gate {
            None if wanted => self.take_office(),
            Some(gate) if !wanted && !gate.leads => self.leave_office(),
            _ => {}
        }
        if self.zones.gate.is_none() {
            return;
        }
        self.judge_gateways();
        self.review_leadership();
        self.say_summary();
    }

    /// Whether this node found another zone before its own has gateways that know of it: it
    /// stands in for them until they had the time to meet.
    fn is_finder(&self) -> bool {
        let now = self.now.mono;
        let own = |gateway: &&Gateway| gateway.summary.zone == self.info.zone;
        let mut leaders = self.zones.gateways.values().filter(own).filter_map(|g| g.leads_since);
        if leaders.any(|since| since + MEETING <= now) || self.linked_beyond().next().is_none() {
            return false;
        }
        let others = self.zones.gateways.iter().filter(|(node, g)| **node != self.me && own(g));
        let others = others.filter(|(_, gateway)| gateway.summary.office != Office::None).count();
        // Of many that find one at once, few should.
        let turn = Duration::from_millis(u64::from(self.me.as_bytes()[0]) * 10);
        self.zones.gate.is_some() || (others < GATEWAYS && self.zones.many_since + turn <= now)
    }

    fn take_office(&mut self) {
        let now = self.now.mono;
        let generation = self.wall().0;
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let timing = self.zones.timing.clone();
        let between = Membership::new(MembershipConfig { me: self.me, generation, seed, timing }, now);
        self.zones.gate = Some(Gate {
            since: now,
            generation,
            between,
            leads: false,
            said: None,
            down: BTreeMap::new(),
            missing: BTreeMap::new(),
            gone: BTreeSet::new(),
            apart: BTreeSet::new(),
            taken: BTreeMap::new(),
            vacant: BTreeMap::new(),
            no_place: BTreeMap::new(),
            said_of: BTreeMap::new(),
            stale: BTreeSet::new(),
            next_look: now,
        });
        let known = self.zones.gateways.iter().map(|(node, gateway)| (*node, gateway.summary.clone()));
        for (node, summary) in known.collect::<Vec<_>>() {
            self.meet_gateway(node, &summary);
        }
    }

    fn leave_office(&mut self) {
        if let Some(mut gate) = self.zones.gate.take() {
            gate.between.leave(self.now.mono);
            self.send_between(&mut gate.between);
            let summary = Summary { office: Office::None, ..self.summary(gate.generation, false) };
            self.say(RecordKind::SUMMARY, &self.me.to_string(), summary.encode(), Vec::new());
        }
    }

    /// Says goodbye to other gateways, if this node is one.
    pub(crate) fn leave_gateways(&mut self) {
        if let Some(mut gate) = self.zones.gate.take() {
            gate.between.leave(self.now.mono);
            self.send_between(&mut gate.between);
        }
    }

    /// Seeks a gateway: every other gateway as one, and whoever does not know its own zone's.
    pub(crate) fn meet_gateway(&mut self, node: NodeId, summary: &Summary) {
        if node == self.me {
            return;
        }
        let foreign = summary.zone != self.info.zone;
        if let Some(gate) = &mut self.zones.gate {
            if summary.office == Office::None {
                gate.between.forget(node);
            } else {
                gate.between.set_known_generation(node, summary.generation);
            }
        }
        let dials = if foreign { self.zones.gate.is_some() } else { !self.nodes.contains_key(&node) };
        if !dials || summary.office == Office::None {
            return;
        }
        let at = self.dial_turn(node);
        let peer = self.peers.entry(node).or_default();
        peer.published = summary.socket_addresses().into();
        if foreign && peer.zone.is_none() {
            peer.zone = Some(summary.zone.clone());
        }
        if peer.up {
            if let Some(gate) = &mut self.zones.gate {
                gate.between.announce(self.now.mono, node);
            }
        } else {
            peer.next_dial.get_or_insert(at);
            self.unlinked.insert(node);
        }
    }

    /// A gateway's word to this one, about who of them lives.
    pub(crate) fn on_between(&mut self, from: NodeId, bytes: &[u8]) {
        let known = self.zones.gateways.contains_key(&from);
        if let Some(gate) = self.zones.gate.as_mut().filter(|_| known) {
            // A peer that sends nonsense harms nobody but itself.
            let _ = gate.between.handle_datagram(self.now.mono, from, bytes);
        }
    }

    /// Whom else to ask for a workload's component: this zone's gateways, and where this node
    /// is one, those of other zones, the likeliest first.
    pub(crate) fn providers_beyond(&self, name: &WorkloadName) -> Vec<NodeId> {
        if !self.zones.is_many() {
            return Vec::new();
        }
        let own = self.zones.ranks.iter().copied().filter(|node| *node != self.me);
        let linked = |node: &NodeId| self.is_beyond(*node) && self.peers.get(node).is_some_and(|p| p.up);
        let leaders = self.allotted_elsewhere(name).map(|(leader, _)| leader);
        let others = self.linked_beyond();
        let mut providers: Vec<NodeId> = Vec::new();
        for node in own.chain(leaders.filter(linked)).chain(others) {
            if !providers.contains(&node) {
                providers.push(node);
            }
        }
        providers
    }

    /// Whom to ask for what another zone runs, with the round trip: on a gateway one of that
    /// zone, elsewhere those of this zone.
    pub(crate) fn way_beyond(&self, name: &WorkloadName) -> Vec<(NodeId, Option<Duration>)> {
        let runs = |claim: &Claim| claim.ranges.iter().any(|range| range.phase == Phase::Running);
        let zones: BTreeSet<&str> = self
            .allotted_elsewhere(name)
            .filter(|(_, allotment)| runs(&allotment.claim))
            .filter_map(|(leader, _)| self.zones.zone_of(leader))
            .collect();
        if zones.is_empty() {
            return Vec::new();
        }
        let here = self.zones.gate.is_none();
        let is_way = |(node, gateway): &(&NodeId, &Gateway)| {
            let zone = gateway.summary.zone.as_str();
            let fits = if here { zone == self.info.zone } else { zones.contains(zone) };
            fits && **node != self.me && gateway.summary.office != Office::None
        };
        let gateways = self.zones.gateways.iter().filter(is_way);
        let linked =
            gateways.filter_map(|(node, _)| Some((*node, self.peers.get(node).filter(|p| p.up)?.rtt)));
        let mut linked: Vec<_> = linked.collect();
        linked.sort_by_key(|(_, rtt)| rtt.unwrap_or(Duration::MAX));
        linked
    }

    /// Carries out what the membership of gateways wants.
    pub(crate) fn drain_between(&mut self) {
        if let Some(mut gate) = self.zones.gate.take() {
            if let Some(generation) = self.send_between(&mut gate.between) {
                gate.generation = generation;
                self.zones.changed = true;
            }
            self.zones.gate = Some(gate);
        }
    }

    /// Sends what is to be sent. A generation of our own if we were held for dead.
    fn send_between(&mut self, between: &mut Membership) -> Option<u64> {
        let mut renewed = None;
        while let Some(output) = between.poll_output() {
            match output {
                membership::Output::Send { to, bytes } => {
                    let bytes = Message::Between(&bytes).encode();
                    self.outputs.push_back(Output::Datagram { to, bytes });
                }
                membership::Output::Event(membership::Event::Renewed { generation }) => {
                    renewed = Some(generation);
                }
                membership::Output::Event(_) => {}
            }
        }
        renewed
    }

    /// Looks which gateways live, and whose word counts.
    fn judge_gateways(&mut self) {
        let now = self.now.mono;
        let Some(mut gate) = self.zones.gate.take() else { return };
        let mut down = BTreeMap::new();
        for (&node, gateway) in &self.zones.gateways {
            let is_down = match gate.between.state(node) {
                _ if node == self.me || gateway.summary.office == Office::None => false,
                MemberState::Down | MemberState::Left => true,
                MemberState::Unknown => gateway.since.max(gate.since) + UNHEARD <= now,
                _ => false,
            };
            if is_down {
                down.insert(node, gate.down.get(&node).copied().unwrap_or(now));
            }
        }
        gate.down = down;
        let missing = self.zones.gateways.iter().filter(|(node, gateway)| {
            let own = gateway.leads() && gateway.summary.zone == self.info.zone;
            own && **node != self.me && !self.membership.is_alive(**node)
        });
        gate.missing =
            missing.map(|(node, _)| (*node, gate.missing.get(node).copied().unwrap_or(now))).collect();
        let is_gone = |(node, gateway): (&NodeId, &Gateway)| {
            let since = gate.down.get(node)?;
            let zone = &gateway.summary.zone;
            let others = || {
                let of = |(other, gateway): &(&NodeId, &Gateway)| {
                    *other != node && gateway.summary.zone == *zone && gateway.summary.office != Office::None
                };
                self.zones.gateways.iter().filter(of)
            };
            let led = |(other, gateway): (&NodeId, &Gateway)| {
                !gate.down.contains_key(other) && gateway.leads_since.is_some_and(|at| at + HANDOVER <= now)
            };
            // Nobody of its zone is there, or somebody else speaks for it.
            let all_down = others().all(|(other, _)| gate.down.contains_key(other));
            let last = others().filter_map(|(other, _)| gate.down.get(other)).max().max(Some(since))?;
            let is_gone = others().any(led) || (all_down && *last + ZONE_GRACE <= now);
            (gateway.leads() && *zone != self.info.zone && is_gone).then_some(*node)
        };
        // A leader of this zone that is dead here, and lives for other zones. Whom this gateway
        // never met, they know: by now they would have said that it is gone.
        let led_long = self.zones.gateways.get(&self.me).and_then(|own| own.leads_since);
        let led_long = led_long.is_some_and(|since| since + HANDOVER * 3 <= now);
        let is_apart = |(node, gateway): (&NodeId, &Gateway)| {
            let mut foreign = self
                .zones
                .gateways
                .values()
                .filter(|g| g.leads() && g.summary.zone != self.info.zone)
                .peekable();
            let lives = || match gate.between.state(*node) {
                MemberState::Unknown => {
                    led_long && foreign.peek().is_some() && foreign.all(|g| !g.summary.gone.contains(node))
                }
                _ => gate.between.is_alive(*node),
            };
            // One that took office anew since does not know yet that it led.
            let in_office = gate.between.generation_of(*node);
            let apart = gateway.leads()
                && in_office
                    .is_none_or(|known| known <= gateway.summary.generation.saturating_add(NEW_OFFICE))
                && gate.missing.get(node).is_some_and(|since| *since + self.told_apart_after() <= now)
                && { lives }();
            apart.then_some(*node)
        };
        gate.gone = self.zones.gateways.iter().filter_map(is_gone).take(NAMED_MAX).collect();
        gate.apart = self.zones.gateways.iter().filter_map(is_apart).take(NAMED_MAX).collect();
        self.zones.gate = Some(gate);
    }

    /// The gateways of other zones see the death of one of this zone's within this: who is
    /// alive for them longer than that was cut off from its zone, and did not die.
    fn told_apart_after(&self) -> Duration {
        let Timing { wan, gossip_period, .. } = &self.zones.timing;
        wan.interval + wan.timeout_min.saturating_mul(wan.attempts.into()) + gossip_period.saturating_mul(2)
    }

    /// Whether it is not clear yet if the leader before died, or leads another part of the
    /// zone: what it said holds until then.
    fn is_in_doubt(&self, gate: &Gate) -> bool {
        let missing = self.zones.voice().and_then(|voice| Some((voice, *gate.missing.get(&voice)?)));
        missing.is_some_and(|(voice, since)| {
            gate.between.is_alive(voice) && self.now.mono < since + self.told_apart_after()
        })
    }

    /// The first by rank leads, once others know it; and leads on until the next one does.
    fn review_leadership(&mut self) {
        let now = self.now.mono;
        let first = self.zones.ranks.first().copied();
        let Some(gate) = &self.zones.gate else { return };
        let introduced = gate.said.is_some() && gate.since + INTRODUCTION <= now;
        if first == Some(self.me) {
            if !gate.leads && introduced && !self.is_in_doubt(gate) {
                self.begin_to_lead();
            }
        } else if gate.leads && first.is_some_and(|first| self.is_relieved_by(first)) {
            self.cease_to_lead();
        }
    }

    /// Says what this zone is, where that changed or is due.
    fn say_summary(&mut self) {
        let now = self.now.mono;
        let Some(gate) = &self.zones.gate else { return };
        let (leads, generation) = (gate.leads, gate.generation);
        let due = match &gate.said {
            None => true,
            Some((_, at)) if now.since(*at) < SAY_AGAIN[0] => false,
            Some((said, at)) => {
                // Where there is room takes a look at every node.
                let looks = leads && now.since(*at) >= SAY_AGAIN[1];
                let new = self.summary(generation, looks);
                let wait = if of_itself(&new) != of_itself(said) {
                    SAY_AGAIN[0]
                } else if looks && (new.members, &new.rooms) != (said.members, &said.rooms) {
                    SAY_AGAIN[1]
                } else {
                    REFRESH
                };
                now.since(*at) >= wait
            }
        };
        if due {
            let summary = self.summary(generation, leads);
            self.say(RecordKind::SUMMARY, &self.me.to_string(), summary.encode(), Vec::new());
            if let Some(gate) = &mut self.zones.gate {
                gate.said = Some((summary, now));
            }
        }
    }

    fn summary(&self, generation: u64, looks: bool) -> Summary {
        let gate = self.zones.gate.as_ref();
        let named = |list: fn(&Gate) -> &BTreeSet<NodeId>| {
            gate.map(|gate| list(gate).iter().copied().collect()).unwrap_or_default()
        };
        let leads = gate.is_some_and(|gate| gate.leads);
        Summary {
            zone: self.info.zone.clone(),
            office: if leads { Office::Leader } else { Office::Gateway },
            generation,
            addresses: self.info.addresses.clone(),
            certificate: ByteVec::from(self.info.certificate.to_vec()),
            members: u32::try_from(self.alive_count()).unwrap_or(u32::MAX),
            slots: self.zones.loads.get(&self.me).copied().unwrap_or(0),
            rooms: if looks { self.rooms() } else { Vec::new() },
            // What others of this zone said of a leader is theirs to say.
            gone: if leads { named(|gate| &gate.gone) } else { Vec::new() },
            apart: if leads { named(|gate| &gate.apart) } else { Vec::new() },
            life: Some(self.info.generation),
        }
    }

    /// The kinds of place in this zone, and what is free there.
    pub(crate) fn rooms(&self) -> Vec<Room> {
        let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let places = self.free_places();
        for (key, value) in places.iter().flat_map(|(_, labels, _)| labels.iter()) {
            let values = values.entry(key).or_default();
            if values.len() <= VALUES_MAX {
                values.insert(value);
            }
        }
        let mut rooms: BTreeMap<Vec<(&str, &str)>, Room> = BTreeMap::new();
        for (_, labels, free) in &places {
            let kind: Vec<(&str, &str)> =
                labels.iter().filter(|(key, _)| values[key].len() <= VALUES_MAX).collect();
            let room = rooms.entry(kind).or_insert_with_key(|kind| Room {
                labels: kind
                    .iter()
                    .filter_map(|(key, value)| format!("{key}={value}").parse().ok())
                    .collect(),
                nodes: 0,
                most: Resources::default(),
                total: Resources::default(),
            });
            room.nodes += 1;
            room.total = room.total.plus(free);
            room.most = most(&room.most, free);
        }
        let mut rooms: Vec<Room> = rooms.into_values().collect();
        rooms.sort_by_key(|room| std::cmp::Reverse(room.nodes));
        rooms.truncate(ROOMS_MAX);
        rooms
    }

    /// What is free on every node that takes new work, by what claims say.
    pub(crate) fn free_places(&self) -> Vec<(NodeId, &Labels, Resources)> {
        let mut used: BTreeMap<NodeId, Resources> = BTreeMap::new();
        for (name, holders) in &self.claims {
            let need = self.need_of(name);
            for (holder, claim) in holders {
                let used = used.entry(*holder).or_default();
                *used = used.plus(&need.times(claim.len()));
            }
        }
        let place = |node: NodeId| {
            let info = self.nodes.get(&node).filter(|_| self.service(node) == Service::Open)?;
            let used = used.get(&node).copied().unwrap_or_default();
            Some((node, &info.labels, info.capacity.minus(&used)))
        };
        self.membership.alive().filter_map(place).collect()
    }
}

/// The greater of each.
fn most(one: &Resources, other: &Resources) -> Resources {
    Resources {
        cpu_milli: one.cpu_milli.max(other.cpu_milli),
        memory_bytes: one.memory_bytes.max(other.memory_bytes),
        instances: one.instances.max(other.instances),
        accelerator_milli: one.accelerator_milli.max(other.accelerator_milli),
    }
}

/// What others must know of a gateway at once.
fn of_itself(summary: &Summary) -> impl PartialEq {
    let Summary { office, generation, addresses, certificate, gone, apart, life, .. } = summary;
    (*office, *generation, *life, addresses.clone(), certificate.to_vec(), gone.clone(), apart.clone())
}

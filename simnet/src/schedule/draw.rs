//! Drawing a schedule: which kinds of fault are on, how often they come, whom they hit,
//! and what people do meanwhile.

mod people;

use super::{Action, FaultOptions, Hosts, Kind, Net, Schedule, Timed, WeatherLine};
use crate::adversary;
use crate::dice::Dice;
use std::collections::BTreeSet;
use std::time::Duration;

/// The second half of a certificate's life of 90 days, its last two days aside.
const SECOND_HALF_HOURS: (u64, u64) = (45 * 24, 88 * 24);

/// How long a mesh stays calm afterwards, where it does: traffic is judged after two minutes
/// of calm, over one.
const CALM_S: u64 = 190;
/// One host of so many lies at most.
const LIARS_ONE_IN: usize = 5;

/// Each part of a drawing has dice of its own, so that one does not change another.
mod luck {
    pub const FLEET: u64 = 11;
    pub const FAULTS: u64 = 12;
    pub const PEOPLE: u64 = 13;
}

impl Schedule {
    /// What a seed gives: a fleet of so many nodes, faults, and what people do.
    pub fn draw(seed: u64, nodes: u32, options: &FaultOptions) -> Self {
        let dice = Dice::new(seed);
        let mut fleet = dice.child(luck::FLEET);
        let on = kinds(&mut fleet, options);
        let sites = u64::from(options.sites.0.max(1)).max(1);
        let sites = fleet.between(sites, u64::from(options.sites.1).max(sites)) as u32;
        let sites = if on.contains(&Kind::Zones) { sites.max(2) } else { sites };
        let tight = fleet.chance(options.tight_ppm);
        let mut hosts: Vec<Hosts> = (0..nodes)
            .map(|i| host(&mut fleet, format!("node-{i}"), i % sites, &on, tight, options))
            .collect();
        let mut draw = Draw::new(dice.child(luck::FAULTS), hosts.clone(), on.clone(), options);
        draw.faults();
        draw.people(&mut dice.child(luck::PEOPLE));
        hosts = std::mem::take(&mut draw.hosts);
        let links = Net { gossip: !on.contains(&Kind::GossipOff), ..Net::default() };
        Self {
            name: format!("seed-{seed}"),
            seed: Some(seed),
            faults_s: options.faults_s,
            converge_within_s: None,
            calm_s: fleet.chance(options.calm_ppm).then_some(CALM_S),
            links,
            sky: None,
            hosts,
            events: draw.finished(),
            repeats: Vec::new(),
            kills: None,
            measured: None,
            watched: true,
            random: None,
            expectations: Vec::new(),
        }
    }

    /// The same with its random faults drawn from a seed, beside its own events.
    pub fn with_random_faults(mut self, seed: u64) -> Self {
        let Some(options) = self.random.take() else { return self };
        let dice = Dice::new(seed);
        let on = kinds(&mut dice.child(luck::FLEET), &options);
        let hosts = self.hosts.iter().flat_map(|group| {
            (0..).zip(group.names()).map(|(k, name)| Hosts { site: group.site_of(k), ..Hosts::one(name) })
        });
        let mut draw = Draw::new(dice.child(luck::FAULTS), hosts.collect(), on, &options);
        draw.spares_max = 0;
        draw.faults();
        self.faults_s = self.faults_s.max(options.faults_s);
        self.events.extend(draw.finished());
        self.events.sort_by_key(|event| event.at_ms);
        self
    }
}

/// The kinds that are on: each by its own luck, and never none.
fn kinds(dice: &mut Dice, options: &FaultOptions) -> BTreeSet<Kind> {
    let all = Kind::EVENTS.into_iter().chain(Kind::LASTING);
    let possible: Vec<Kind> = all.filter(|kind| options.weight(*kind) > 0 && available(*kind)).collect();
    let mut on: BTreeSet<Kind> =
        possible.iter().copied().filter(|_| dice.chance(options.kind_on_ppm)).collect();
    if on.iter().all(|kind| Kind::LASTING.contains(kind)) {
        let events: Vec<Kind> = possible.into_iter().filter(|kind| !Kind::LASTING.contains(kind)).collect();
        on.extend(dice.pick(&events));
    }
    on
}

/// Whether there is anything to draw of this kind.
fn available(kind: Kind) -> bool {
    let any = |of: &[&str]| !of.is_empty();
    match kind {
        Kind::Stranger => any(&adversary::STRANGERS),
        Kind::Liar => any(&adversary::LIARS),
        _ => true,
    }
}

fn host(
    dice: &mut Dice,
    name: String,
    site: u32,
    on: &BTreeSet<Kind>,
    tight: bool,
    options: &FaultOptions,
) -> Hosts {
    let tier = if dice.chance(500_000) { "edge" } else { "cloud" };
    let drift = dice.between(0, u64::from(options.drift_ppm) * 2) as i32 - options.drift_ppm as i32;
    let old = dice.chance(300_000);
    let aged = dice.chance(300_000).then(|| dice.between(SECOND_HALF_HOURS.0, SECOND_HALF_HOURS.1) as u32);
    let zoned = on.contains(&Kind::Zones);
    // Little room: one or two replicas each, so that placers with stale views collide.
    let room = dice.between(1, 2) as u32 * 100;
    Hosts {
        site,
        zone: if zoned { format!("zone-{site}") } else { String::new() },
        labels: [("tier".to_owned(), tier.to_owned())].into(),
        drift_ppm: if on.contains(&Kind::Drift) { drift } else { 0 },
        // A zone of which some do not know of zones is no zone.
        previous_version: old && on.contains(&Kind::PreviousVersion) && !zoned,
        certified_hours_ago: aged.filter(|_| on.contains(&Kind::OldCertificates)),
        cpu_milli: tight.then_some(room),
        ..Hosts::one(name)
    }
}

struct Draw<'a> {
    dice: Dice,
    hosts: Vec<Hosts>,
    /// How many hosts there are beside spare ones.
    first: usize,
    /// Hosts that never come back.
    lost: BTreeSet<usize>,
    spares_max: usize,
    /// Hosts that lie at some time.
    liars: BTreeSet<usize>,
    on: BTreeSet<Kind>,
    options: &'a FaultOptions,
    events: Vec<Timed>,
}

impl<'a> Draw<'a> {
    fn new(dice: Dice, hosts: Vec<Hosts>, on: BTreeSet<Kind>, options: &'a FaultOptions) -> Self {
        let first = hosts.len();
        let spares_max = first * options.lost_disks_percent as usize / 100;
        let (lost, liars, events) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        Self { dice, hosts, first, lost, spares_max, liars, on, options, events }
    }

    fn finished(mut self) -> Vec<Timed> {
        let end = self.options.faults_s * 1_000;
        self.events.retain(|event| event.at_ms <= end);
        self.events.sort_by_key(|event| event.at_ms);
        self.events
    }

    fn faults(&mut self) {
        let on: Vec<Kind> = Kind::EVENTS.into_iter().filter(|kind| self.on.contains(kind)).collect();
        let total: u64 = on.iter().map(|kind| u64::from(self.options.weight(*kind))).sum();
        if total == 0 || self.first == 0 {
            return;
        }
        let mean = Duration::from_millis(self.dice.between(self.options.every_ms.0, self.options.every_ms.1));
        let mut at = self.options.quiet_s * 1_000;
        loop {
            at += self.dice.exponential(mean).as_millis() as u64 + 1;
            if at >= self.options.faults_s * 1_000 {
                return;
            }
            let mut left = self.dice.below(total);
            for kind in &on {
                let weight = u64::from(self.options.weight(*kind));
                if left < weight {
                    self.fault(*kind, at);
                    break;
                }
                left -= weight;
            }
        }
    }

    /// A duration of a fault: short ones as often as long ones.
    fn lasts(&mut self) -> u64 {
        let (least, most) = self.options.lasts_ms;
        let doublings = u64::from((most / least.max(1)).max(1).ilog2());
        let base = least << self.dice.below(doublings + 1);
        self.dice.between(base, base * 2).min(most)
    }

    fn anybody(&mut self) -> usize {
        loop {
            let i = self.dice.below(self.hosts.len() as u64) as usize;
            if !self.lost.contains(&i) {
                return i;
            }
        }
    }

    fn name(&self, i: usize) -> String {
        self.hosts[i].name.clone()
    }

    fn one(&mut self) -> String {
        let i = self.anybody();
        self.name(i)
    }

    /// Some hosts: at least one, at most half of all.
    fn some(&mut self) -> Vec<String> {
        let mut all: Vec<String> =
            (0..self.hosts.len()).filter(|i| !self.lost.contains(i)).map(|i| self.name(i)).collect();
        self.dice.shuffle(&mut all);
        let count = self.dice.between(1, (all.len() as u64 / 2).max(1));
        all.truncate(count as usize);
        all
    }

    fn site(&mut self) -> Vec<String> {
        let i = self.anybody();
        let site = self.hosts[i].site;
        let mut all: Vec<String> =
            self.hosts.iter().filter(|host| host.site == site).map(|host| host.name.clone()).collect();
        // A site that is the whole mesh: a rack of it.
        if all.len() == self.hosts.len() {
            all.truncate(all.len().div_ceil(4));
        }
        all
    }

    fn put(&mut self, kind: Kind, at_ms: u64, action: Action) {
        self.events.push(Timed { at_ms, action, part_of: Some(kind) });
    }

    fn put_pair(&mut self, kind: Kind, at: u64, on: Action, off: Action) -> u64 {
        let end = at + self.lasts();
        self.put(kind, at, on);
        self.put(kind, end, off);
        end
    }

    fn fault(&mut self, kind: Kind, at: u64) {
        match kind {
            Kind::Crash => {
                let node = vec![self.one()];
                self.put_pair(kind, at, Action::Crash(node.clone()), Action::Start(node));
            }
            Kind::LostWrites => {
                let node = self.one();
                let ms = self.slow();
                self.put(kind, at, Action::SlowDisk { node: node.clone(), ms });
                self.put(kind, at + ms * 2, Action::Crash(vec![node.clone()]));
                self.put(kind, at + ms * 2 + 1, Action::SlowDisk { node: node.clone(), ms: 0 });
                let end = at + ms * 2 + self.lasts();
                self.put(kind, end, Action::Start(vec![node]));
            }
            Kind::LostDisk => self.lose_disk(at),
            Kind::SlowDisk => {
                let (node, ms) = (self.one(), self.slow());
                let slow = |ms| Action::SlowDisk { node: node.clone(), ms };
                self.put_pair(kind, at, slow(ms), slow(0));
            }
            Kind::FullDisk => {
                let node = self.one();
                let (full, free) = (Action::FillDisk(node.clone()), Action::FreeDisk(node.clone()));
                let end = self.put_pair(kind, at, full, free);
                self.put(kind, end + 1, Action::Start(vec![node]));
            }
            Kind::ClockJump => {
                let node = self.one();
                let ahead = self.dice.chance(500_000);
                let most = if ahead { self.options.jump_ahead_ms } else { self.options.jump_back_ms };
                let ms = self.dice.between(100, most.max(100)) as i64;
                self.put(kind, at, Action::JumpClock { node, ms: if ahead { ms } else { -ms } });
            }
            Kind::Epoch => {
                let node = self.one();
                let list = vec![node.clone()];
                let end = self.put_pair(kind, at, Action::Crash(list.clone()), Action::Start(list));
                self.put(kind, end - 1, Action::ForgetTime(node));
            }
            Kind::Freeze => {
                let nodes = if self.dice.chance(200_000) { self.some() } else { vec![self.one()] };
                self.put_pair(kind, at, Action::Freeze(nodes.clone()), Action::Thaw(nodes));
            }
            Kind::Leave => {
                let node = self.one();
                self.put(kind, at, Action::Leave(node.clone()));
                let gone = at + self.dice.between(1_000, 10_000);
                self.put_pair(kind, gone, Action::Crash(vec![node.clone()]), Action::Start(vec![node]));
            }
            Kind::Flap => self.flap(at),
            Kind::OneWay => {
                let (from, to) = (self.some(), self.some());
                let to: Vec<String> = to.into_iter().filter(|name| !from.contains(name)).collect();
                let (from, to) = if to.is_empty() { (from, vec![self.one()]) } else { (from, to) };
                let cut = Action::Cut { from: from.clone(), to: to.clone() };
                self.put_pair(kind, at, cut, Action::Mend { from, to });
            }
            Kind::Partition => {
                let side = self.some();
                self.put_pair(kind, at, Action::Split(side.clone()), Action::Join(side));
            }
            Kind::Swizzle => self.swizzle(at),
            Kind::SiteCut => {
                let side = self.site();
                self.put_pair(kind, at, Action::Split(side.clone()), Action::Join(side));
            }
            Kind::SitePower => {
                let side = self.site();
                self.put_pair(kind, at, Action::Crash(side.clone()), Action::Start(side));
            }
            Kind::Weather => {
                let weather = self.weather();
                self.put_pair(kind, at, Action::Weather(weather), Action::Weather(WeatherLine::default()));
            }
            Kind::Refusal => {
                let node = self.one();
                self.put_pair(kind, at, Action::Break(node.clone()), Action::Repair(node));
            }
            Kind::InstanceFails => {
                let node = self.one();
                self.put(kind, at, Action::FailInstances { node, workload: None });
            }
            Kind::Stranger => {
                let node = self.one();
                self.admit(kind, at, node, &adversary::STRANGERS);
            }
            Kind::Liar => self.lie(at),
            Kind::GatewaysLost => {
                if self.on.contains(&Kind::Zones) {
                    let node = self.one();
                    let (lose, back) = (Action::LoseGateways(node.clone()), Action::ReturnGateways(node));
                    self.put_pair(kind, at, lose, back);
                }
            }
            Kind::Drift | Kind::GossipOff | Kind::PreviousVersion | Kind::OldCertificates | Kind::Zones => {}
        }
    }

    fn slow(&mut self) -> u64 {
        self.dice.between(self.options.slow_disk_ms.0, self.options.slow_disk_ms.1)
    }

    /// One more of the few that lie, or somebody else on one of them.
    fn lie(&mut self, at: u64) {
        let node = self.anybody();
        if (self.liars.len() + 1) * LIARS_ONE_IN <= self.first || self.liars.contains(&node) {
            self.liars.insert(node);
            let node = self.name(node);
            self.admit(Kind::Liar, at, node, &adversary::LIARS);
        }
    }

    fn admit(&mut self, kind: Kind, at: u64, node: String, of: &[&str]) {
        let seed = self.dice.below(1 << 32);
        if let Some(adversary) = self.dice.pick(of) {
            self.put(kind, at, Action::Admit { adversary: (*adversary).to_owned(), node, seed });
        }
    }

    fn lose_disk(&mut self, at: u64) {
        // Not the first: it signs certificates, and people keep its key elsewhere.
        let i = self.anybody();
        if i == 0 || self.hosts.len() - self.first >= self.spares_max {
            return;
        }
        self.lost.insert(i);
        let (node, by) = (self.name(i), format!("spare-{}", self.hosts.len() - self.first));
        self.hosts.push(Hosts { name: by.clone(), spare: true, ..self.hosts[i].clone() });
        self.put(Kind::LostDisk, at, Action::Crash(vec![node.clone()]));
        let begins = at + self.lasts();
        self.put(Kind::LostDisk, begins, Action::Replace { node, by });
    }

    fn flap(&mut self, at: u64) {
        let (a, b) = (self.one(), self.one());
        if a == b {
            return;
        }
        let mut at = at;
        for _ in 0..self.dice.between(2, 8) {
            let (down, up) = (self.dice.between(50, 15_000), self.dice.between(50, 15_000));
            for (from, to) in [(&a, &b), (&b, &a)] {
                let (from, to) = (vec![from.clone()], vec![to.clone()]);
                self.put(Kind::Flap, at, Action::Cut { from: from.clone(), to: to.clone() });
                self.put(Kind::Flap, at + down, Action::Mend { from, to });
            }
            at += down + up;
        }
    }

    fn swizzle(&mut self, at: u64) {
        let mut nodes = self.some();
        let mut at = at;
        for node in &nodes {
            self.put(Kind::Swizzle, at, Action::Split(vec![node.clone()]));
            at += self.dice.between(100, 5_000);
        }
        at += self.lasts();
        self.dice.shuffle(&mut nodes);
        for node in nodes {
            self.put(Kind::Swizzle, at, Action::Join(vec![node]));
            at += self.dice.between(100, 5_000);
        }
    }

    fn weather(&mut self) -> WeatherLine {
        let o = self.options;
        let mut ppm = |(least, most): (u32, u32)| self.dice.between(least.into(), most.into()) as u32;
        let (loss_ppm, duplicate_ppm, reorder_ppm) =
            (ppm(o.loss_ppm), ppm(o.duplicate_ppm), ppm(o.reorder_ppm));
        let reorder_ms = self.dice.between(o.reorder_ms.0, o.reorder_ms.1);
        WeatherLine { loss_ppm, duplicate_ppm, reorder_ppm, reorder_ms }
    }
}

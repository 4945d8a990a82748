//! Actions, done to the cluster.

use super::Stage;
use crate::adversary;
use crate::check::order;
use crate::outputs::BAD;
use crate::schedule::{Action, Deploy, Kind, ServiceLine, Timed, WeatherLine};
use crate::world::{BEGIN, World};
use orbweave_core::cordon::Cordon;
use orbweave_core::quota::Quota;
use orbweave_core::workload::{Revision, Rollout};
use orbweave_core::{Input, WorkloadSpec};
use orbweave_model::{Namespace, Wall};
use orbweave_scheduler::quota::Bounds;
use orbweave_state::record::RecordId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What people know of what they did.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The last specification of each workload that they handed in.
    pub workloads: BTreeMap<String, WorkloadSpec>,
    /// The last revision of each that comes up.
    pub good: BTreeMap<String, Revision>,
    /// Hosts that never come back.
    pub gone: BTreeSet<usize>,
    /// Hosts whose key is revoked.
    pub revoked: BTreeSet<usize>,
    /// Hosts that said goodbye, and in which life.
    pub left: BTreeSet<(usize, u32)>,
    /// Gateways that were lost, by a host of their zone.
    pub gateways: BTreeMap<String, Vec<usize>>,
    /// How often something was said of a host as a place for work.
    pub cordons: BTreeMap<usize, u64>,
    /// How often something was said of a namespace.
    pub quotas: BTreeMap<Namespace, u64>,
    /// When each workload was handed in last.
    pub said: BTreeMap<String, Wall>,
    /// Where they handed in the last record about each thing, and under which number.
    pub words: BTreeMap<RecordId, (usize, u64)>,
}

impl Stage {
    /// Does what an event says.
    pub fn apply(&mut self, event: &Timed) {
        self.cluster.disturb();
        let took_effect = self.act(&event.action);
        let counts = match event.part_of {
            // Counted where a crash loses what was not durable, whoever made the disk slow.
            Some(Kind::LostWrites) => false,
            // A disk that had room again before anything was written stopped nobody.
            Some(Kind::FullDisk) => matches!(event.action, Action::FreeDisk(_)),
            _ => true,
        };
        if let Some(kind) = event.part_of.filter(|_| took_effect && counts) {
            self.measured.borrow_mut().fault(kind);
        }
    }

    fn host(&self, name: &str) -> Option<usize> {
        self.cluster.host_named(name)
    }

    fn hosts(&self, names: &[String]) -> Vec<usize> {
        names.iter().filter_map(|name| self.host(name)).collect()
    }

    /// Does it, and says whether anything changed by it.
    fn act(&mut self, action: &Action) -> bool {
        match action {
            Action::Crash(nodes) => self.each(nodes, |stage, i| {
                let lost = stage.cluster.hosts[i].disk.pending() > 0;
                let on = stage.cluster.hosts[i].node.is_some();
                stage.cluster.kill(i);
                if lost {
                    stage.measured.borrow_mut().fault(Kind::LostWrites);
                }
                on
            }),
            Action::Start(nodes) => self.each(nodes, |stage, i| stage.start(i)),
            Action::Freeze(nodes) => self.each(nodes, |stage, i| {
                let up = stage.cluster.hosts[i].is_up();
                if up {
                    stage.cluster.freeze(i);
                }
                up
            }),
            Action::Thaw(nodes) => self.each(nodes, |stage, i| {
                let frozen = stage.cluster.hosts[i].frozen;
                if frozen {
                    stage.cluster.thaw(i);
                }
                frozen
            }),
            Action::LoseGateways(node) => self.lose_gateways(node),
            Action::ReturnGateways(node) => self.return_gateways(node),
            Action::Replace { node, by } => self.replace(node, by),
            Action::Cut { from, to } => self.pairs(from, to, |stage, a, b| stage.cluster.cut(a, b)),
            Action::Mend { from, to } => self.pairs(from, to, |stage, a, b| stage.cluster.mend(a, b)),
            Action::Split(side) => self.around(side, |stage, a, b| stage.cluster.cut(a, b)),
            Action::Join(side) => {
                let hosts = self.hosts(side).into_iter().collect();
                self.measured.borrow_mut().reunites(&self.cluster, hosts);
                self.around(side, |stage, a, b| stage.cluster.mend(a, b))
            }
            Action::MendAll => {
                self.cluster.heal();
                true
            }
            Action::Weather(weather) => {
                self.cluster.set_weather((*weather).into());
                *weather != WeatherLine::default()
            }
            Action::Admit { adversary, node, seed } => self.admit(adversary, node, *seed),
            Action::Deploy(deploy) => self.deploy(deploy),
            Action::Delete { workload, node } => self.delete(workload, node),
            Action::RevokeNode { node, at } => self.revoke_node(node, at),
            Action::Cordon { node, service, at } => self.cordon(node, *service, at),
            Action::Quota { namespace, bounds, at } => self.quota(namespace, *bounds, at),
            Action::RevokePublisher { at } => {
                let key = self.cluster.world.second_publisher_key();
                self.submit_revocation(at, key)
            }
            Action::Leave(node)
            | Action::FillDisk(node)
            | Action::FreeDisk(node)
            | Action::ForgetTime(node)
            | Action::Break(node)
            | Action::Repair(node)
            | Action::SlowDisk { node, .. }
            | Action::JumpClock { node, .. }
            | Action::FailInstances { node, .. } => match self.host(node) {
                Some(i) => self.act_on_one(action, i),
                None => false,
            },
        }
    }

    fn act_on_one(&mut self, action: &Action, i: usize) -> bool {
        let (time, now_ms) = (self.cluster.time, BEGIN.0 + self.at_ms());
        let host = &mut self.cluster.hosts[i];
        match action {
            Action::Leave(_) if host.is_up() => {
                self.ledger.left.insert((i, host.life));
                self.cluster.feed(i, Input::Leave);
            }
            // A fault of a host that is off is none.
            Action::FillDisk(_) | Action::Break(_) | Action::JumpClock { .. } if host.node.is_none() => {
                return false;
            }
            // Whoever set a machine up that never ran set its clock too.
            Action::ForgetTime(_) if host.life == 0 => return false,
            Action::SlowDisk { ms: 1.., .. } if host.node.is_none() => return false,
            Action::FillDisk(_) => host.disk_full = true,
            Action::FreeDisk(_) => {
                host.disk_full = false;
                return host.disk.take_failure();
            }
            Action::SlowDisk { ms: 0, .. } => host.slow_disk = None,
            Action::SlowDisk { ms, .. } => host.slow_disk = Some(Duration::from_millis(*ms)),
            Action::Break(_) => host.options.broken = true,
            Action::Repair(_) => host.options.broken = false,
            Action::JumpClock { ms, .. } => {
                let shown = host.now(time).wall;
                host.options.clock.jump(*ms, shown);
            }
            Action::ForgetTime(_) => {
                host.options.clock.skew_ms = i64::try_from(now_ms).map_or(i64::MIN, |ms| -ms);
            }
            Action::FailInstances { workload, .. } => {
                let any = host.instances.values().any(|instance| instance.running);
                self.cluster.fail_instances(i, workload.as_deref());
                return any;
            }
            _ => return false,
        }
        true
    }

    fn each(&mut self, nodes: &[String], act: impl Fn(&mut Self, usize) -> bool) -> bool {
        let mut any = false;
        for i in self.hosts(nodes) {
            any |= act(self, i);
        }
        any
    }

    fn pairs(&mut self, from: &[String], to: &[String], act: impl Fn(&mut Self, usize, usize)) -> bool {
        let mut any = false;
        for a in self.hosts(from) {
            for b in self.hosts(to) {
                if a != b {
                    act(self, a, b);
                    any = true;
                }
            }
        }
        any
    }

    fn around(&mut self, side: &[String], act: impl Fn(&mut Self, usize, usize)) -> bool {
        let side: BTreeSet<usize> = self.hosts(side).into_iter().collect();
        let mut any = false;
        for a in 0..self.cluster.hosts.len() {
            for b in 0..self.cluster.hosts.len() {
                if side.contains(&a) != side.contains(&b) {
                    act(self, a, b);
                    any = true;
                }
            }
        }
        any
    }

    /// Starts a host that is off and may start.
    pub fn start(&mut self, i: usize) -> bool {
        let may = self.cluster.hosts[i].node.is_none()
            && !self.ledger.gone.contains(&i)
            && !self.ledger.revoked.contains(&i);
        if may {
            self.cluster.boot(i);
        }
        may
    }

    fn lose_gateways(&mut self, node: &str) -> bool {
        let Some(i) = self.host(node) else { return false };
        let (island, zone) = (self.cluster.island_of[i], self.cluster.hosts[i].options.zone.clone());
        let entry = self.cluster.on_land_of(island, &zone).find_map(|(_, host)| host.up());
        let own = entry.and_then(|node| node.zones().into_iter().find(|zone| zone.own));
        let gateways = own.map(|own| own.gateways).unwrap_or_default();
        let lost: Vec<usize> = gateways.iter().filter_map(|id| self.cluster.host_of(id)).collect();
        lost.iter().for_each(|i| self.cluster.kill(*i));
        let any = !lost.is_empty();
        self.ledger.gateways.entry(node.to_owned()).or_default().extend(lost);
        any
    }

    fn return_gateways(&mut self, node: &str) -> bool {
        let lost = self.ledger.gateways.remove(node).unwrap_or_default();
        lost.into_iter().map(|i| self.start(i)).fold(false, |any, started| any | started)
    }

    fn replace(&mut self, node: &str, by: &str) -> bool {
        let (Some(old), Some(new)) = (self.host(node), self.host(by)) else { return false };
        self.cluster.kill(old);
        self.ledger.gone.insert(old);
        self.start(new)
    }

    fn admit(&mut self, adversary: &str, node: &str, seed: u64) -> bool {
        let Some(i) = self.host(node).filter(|i| self.cluster.hosts[*i].is_up()) else { return false };
        let Some(adversary) = adversary::by_name(adversary, seed, i) else { return false };
        self.cluster.admit_adversary(adversary);
        true
    }

    /// The host of this name, or the next one of its island that is up.
    fn entry(&self, node: &str) -> Option<usize> {
        let first = self.host(node)?;
        let island = &self.cluster.islands[self.cluster.island_of[first]];
        let from = island.partition_point(|i| *i < first);
        let fit = |i: &usize| {
            self.cluster.hosts[*i].is_up()
                && !self.ledger.revoked.contains(i)
                && !self.cluster.is_controlled(*i)
        };
        island[from..].iter().chain(&island[..from]).copied().find(fit)
    }

    fn deploy(&mut self, deploy: &Deploy) -> bool {
        let world = &self.cluster.world;
        let mut spec = world.spec(&deploy.workload, deploy.replicas);
        let sequence = deploy.release;
        spec.release = world.release_of(&deploy.workload, sequence, deploy.bytes, deploy.second_publisher);
        spec.requires = deploy.requires.parse().unwrap_or_default();
        spec.need.cpu_milli = deploy.cpu_milli;
        spec.namespace = deploy.namespace.clone();
        spec.policy = (!deploy.policy.is_empty()).then(|| deploy.policy.clone());
        if deploy.variable > 0 {
            spec.env.insert("VARIABLE".into(), deploy.variable.to_string());
        }
        let bad = deploy.bad && self.ledger.good.contains_key(&deploy.workload);
        if bad {
            spec.env.insert(BAD.into(), "yes".into());
        }
        spec.rollout = deploy.rollout.map(|line| Rollout {
            max_unavailable: line.at_a_time,
            settle_ms: line.settle_ms,
            paused: false,
            previous: self.ledger.good.get(&deploy.workload).cloned(),
            attempt: None,
        });
        let revision = spec.revision();
        let handed_in = self.hand_in(&deploy.workload, spec, &deploy.node);
        if handed_in && !bad {
            let generation = self.ledger.workloads.get(&deploy.workload).map_or(0, |spec| spec.generation);
            let revision = Revision { generation, ..revision };
            self.ledger.good.insert(deploy.workload.clone(), revision);
        }
        handed_in
    }

    /// Hands the next generation of a workload in.
    pub fn hand_in(&mut self, workload: &str, mut spec: WorkloadSpec, node: &str) -> bool {
        let Some(i) = self.entry(node) else { return false };
        let before = self.ledger.workloads.get(workload);
        spec.generation = before.map_or(0, |before| before.generation) + 1;
        let now = self.cluster.wall();
        spec.grow_from(before.zip(self.ledger.said.get(workload).copied()), now);
        self.ledger.said.insert(workload.to_owned(), now);
        spec.origin = Some(self.cluster.hosts[i].id);
        let command = self.cluster.submit(i, workload, &spec);
        self.note_words(i, command);
        self.ledger.workloads.insert(workload.to_owned(), spec);
        true
    }

    fn delete(&mut self, workload: &str, node: &str) -> bool {
        if self.ledger.workloads.get(workload).is_none_or(|spec| spec.deleted) {
            return false;
        }
        let Some(i) = self.entry(node) else { return false };
        let before = self.ledger.workloads.get(workload).map_or(0, |spec| spec.generation);
        let spec = WorkloadSpec::deletion(before + 1);
        let record = self.cluster.world.record(workload, &spec, self.cluster.wall());
        self.say(i, record);
        self.ledger.workloads.insert(workload.to_owned(), spec);
        true
    }

    fn cordon(&mut self, node: &str, service: ServiceLine, at: &str) -> bool {
        let (Some(which), Some(i)) = (self.host(node), self.entry(at)) else { return false };
        let generation = self.ledger.cordons.entry(which).or_default();
        *generation += 1;
        let cordon = Cordon { generation: *generation, service: service.into() };
        let id = self.cluster.hosts[which].id;
        let record = self.cluster.world.cordon(id, &cordon, self.cluster.wall());
        self.say(i, record);
        true
    }

    fn quota(&mut self, namespace: &Namespace, bounds: Bounds, at: &str) -> bool {
        let Some(i) = self.entry(at) else { return false };
        let generation = self.ledger.quotas.entry(namespace.clone()).or_default();
        *generation += 1;
        let quota = Quota { generation: *generation, bounds };
        let record = self.cluster.world.quota(namespace, &quota, self.cluster.wall());
        self.say(i, record);
        true
    }

    fn revoke_node(&mut self, node: &str, at: &str) -> bool {
        let Some(victim) = self.host(node) else { return false };
        if self.entry(at).is_none_or(|entry| entry == victim) {
            return false;
        }
        self.ledger.revoked.insert(victim);
        let key = self.cluster.hosts[victim].key.public();
        self.submit_revocation(at, key)
    }

    fn submit_revocation(&mut self, at: &str, key: orbweave_model::PublicKey) -> bool {
        let Some(i) = self.entry(at) else { return false };
        let record = self.cluster.world.revocation(key, self.cluster.wall());
        self.say(i, record);
        true
    }

    /// Hands a record in, and remembers that.
    pub fn say(&mut self, i: usize, record: Vec<u8>) {
        let command = self.cluster.submit_record(i, record);
        self.note_words(i, command);
    }

    fn note_words(&mut self, i: usize, command: u64) {
        let read = |(i, command): (usize, u64)| {
            self.cluster.hosts[i].submission(command).and_then(|bytes| self.cluster.read(bytes))
        };
        let Some(record) = read((i, command)) else { return };
        // Of two words in one millisecond nodes keep one, whichever came last.
        let before = self.ledger.words.get(record.id()).copied().and_then(read);
        if before.is_none_or(|before| order(&record) >= order(&before)) {
            self.ledger.words.insert(record.id().clone(), (i, command));
        }
    }

    /// Whether a host could give others this component.
    pub fn has_component(&self, i: usize, workload: &str) -> bool {
        self.cluster.hosts[i].blobs.contains(&World::component(workload))
    }
}

//! What a picture is drawn from: looked at once a second, from outside the nodes.

use crate::check::{Checker, Observed};
use crate::cluster::Cluster;
use orbweave_core::{EventKind, Output, WorkloadSpec};
use orbweave_model::Mono;
use orbweave_state::membership::MemberState;
use orbweave_state::record::RecordKind;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How a host is, and how right it is about the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// Its node knows who is there.
    Right,
    /// It is wrong about some.
    Wrong,
    /// It is wrong about more than a quarter of the hosts.
    Lost,
    /// It doubts itself.
    Doubts,
    /// It stands still.
    Frozen,
    /// It has no power, or has not begun.
    Off,
}

/// Something, from a time of the run on, in milliseconds.
pub(super) type From<T> = (u64, T);

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Recording {
    /// How each host was, by changes.
    pub hosts: Vec<Vec<From<State>>>,
    /// Instances that ran of each workload, and how many should, by changes.
    pub workloads: BTreeMap<String, Vec<From<(u32, u32)>>>,
    /// Whether any link was cut, by changes.
    pub cut: Vec<From<bool>>,
    /// Whether the weather was bad, by changes.
    pub weather: Vec<From<bool>>,
    /// Bytes that each host had sent, at each look.
    pub sent: Vec<From<Vec<u64>>>,
    /// Hosts that lost their power or were asked to leave.
    pub deaths: Vec<From<String>>,
    /// Hosts that started; the first start is none.
    pub starts: Vec<From<String>>,
    /// When a host died under a replica, and after how many milliseconds that ran again.
    pub recoveries: Vec<From<u64>>,
    /// Replicas whose host died, and when.
    lost: BTreeMap<(String, u32), u64>,
    wanted: BTreeMap<String, (u64, u32)>,
    doubting: BTreeSet<usize>,
    begun: BTreeSet<usize>,
    look_at: Mono,
}

/// Records a run.
pub(super) struct Recorder(pub Rc<RefCell<Recording>>);

impl Checker for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    fn observe(&mut self, cluster: &Cluster, host: usize, event: &Observed<'_>) -> Result<(), String> {
        let mut recording = self.0.borrow_mut();
        recording.note(cluster, host, event);
        if cluster.time >= recording.look_at {
            recording.look_at = cluster.time + LOOK_EVERY;
            recording.look(cluster);
        }
        Ok(())
    }

    fn at_end(&mut self, cluster: &Cluster) -> Result<(), String> {
        self.0.borrow_mut().look(cluster);
        Ok(())
    }
}

impl Recording {
    fn note(&mut self, cluster: &Cluster, host: usize, event: &Observed<'_>) {
        let (now, machine) = (cluster.time().as_millis() as u64, &cluster.hosts[host]);
        match event {
            Observed::Killed => {
                self.doubting.remove(&host);
                self.deaths.push((now, machine.name.clone()));
                for instance in machine.instances.values().filter(|instance| instance.running) {
                    self.lost.entry((instance.workload.as_str().to_owned(), instance.slot)).or_insert(now);
                }
            }
            Observed::Started if !self.begun.insert(host) => self.starts.push((now, machine.name.clone())),
            Observed::Output(Output::Notify(event)) => match event.kind {
                EventKind::SelfDoubt => drop(self.doubting.insert(host)),
                EventKind::SelfDoubtOver => drop(self.doubting.remove(&host)),
                EventKind::Started => {
                    if let (Some(workload), Some(slot)) = (&event.workload, event.slot)
                        && let Some(died) = self.lost.remove(&(workload.as_str().to_owned(), slot))
                    {
                        self.recoveries.push((died, now - died));
                    }
                }
                _ => {}
            },
            Observed::Submitted { record, .. } => {
                let record = cluster.read(record).filter(|record| record.id().kind == RecordKind::WORKLOAD);
                if let Some(record) = record
                    && let Ok(spec) = WorkloadSpec::decode(record.body())
                {
                    let wanted = (spec.generation, if spec.deleted { 0 } else { spec.replicas });
                    let newest = self.wanted.entry(record.id().key.clone()).or_default();
                    *newest = wanted.max(*newest);
                    // From now on something else shall run.
                    self.lost.retain(|(workload, _), _| *workload != record.id().key);
                }
            }
            _ => {}
        }
    }

    fn look(&mut self, cluster: &Cluster) {
        let at = cluster.time().as_millis() as u64;
        self.hosts.resize(cluster.hosts.len(), Vec::new());
        for i in 0..cluster.hosts.len() {
            changed(&mut self.hosts[i], at, state(cluster, i, self.doubting.contains(&i)));
        }
        changed(&mut self.cut, at, !cluster.links.is_whole());
        changed(&mut self.weather, at, cluster.links.weather != Default::default());
        let mut running: BTreeMap<&str, u32> = BTreeMap::new();
        for instance in cluster.up().flat_map(|(_, host)| host.instances.values()) {
            *running.entry(instance.workload.as_str()).or_default() += u32::from(instance.running);
        }
        for (name, (_, wanted)) in &self.wanted {
            let running = running.get(name.as_str()).copied().unwrap_or(0);
            changed(self.workloads.entry(name.clone()).or_default(), at, (running, *wanted));
        }
        let sent = |i: usize| cluster.meter().total(i as u32);
        self.sent.push((at, (0..cluster.hosts.len()).map(sent).collect()));
    }
}

fn changed<T: PartialEq>(all: &mut Vec<From<T>>, at: u64, now: T) {
    if all.last().is_none_or(|(_, last)| *last != now) {
        all.push((at, now));
    }
}

fn state(cluster: &Cluster, i: usize, doubts: bool) -> State {
    let host = &cluster.hosts[i];
    let Some(node) = host.node.as_ref() else { return State::Off };
    if host.frozen {
        return State::Frozen;
    }
    if doubts {
        return State::Doubts;
    }
    let wrong = |other: &&crate::Host| {
        let alive = matches!(node.member_state(other.id), MemberState::Alive | MemberState::Suspect);
        other.id != host.id && alive != other.is_up()
    };
    match cluster.hosts.iter().filter(wrong).count() {
        0 => State::Right,
        wrong if wrong * 4 > cluster.hosts.len() => State::Lost,
        _ => State::Wrong,
    }
}

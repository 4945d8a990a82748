//! What a run covered, and how long recovery took: seen from outside, as checkers see it.

use crate::check::{Checker, Observed};
use crate::cluster::Cluster;
use crate::schedule::{Kind, Schedule};
use orbweave_core::io::Write;
use orbweave_core::{EventKind, Output};
use orbweave_model::{Mono, NodeId, WorkloadName, wire};
use orbweave_scheduler::rank;
use orbweave_state::record::{Record, RecordId, RecordKind};
use serde::Serialize;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

/// False deaths of which the words are kept.
const FALSE_DEATHS_MAX: usize = 100;

/// How often each thing happened in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Coverage(pub BTreeMap<String, u64>);

impl Coverage {
    pub(super) fn fault(&mut self, kind: Kind) {
        *self.0.entry(format!("fault:{}", kind.name())).or_default() += 1;
    }

    fn record(&mut self, kind: RecordKind) {
        let name = match kind {
            RecordKind::NODE => "node",
            RecordKind::WORKLOAD => "workload",
            RecordKind::CLAIM => "claim",
            RecordKind::TRUST => "trust",
            RecordKind::CERTIFICATE => "certificate",
            _ => "other",
        };
        *self.0.entry(format!("record:{name}")).or_default() += 1;
    }

    fn transition(&mut self, kind: EventKind) {
        *self.0.entry(format!("event:{kind:?}")).or_default() += 1;
    }
}

/// A middle and a high value of many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    /// The median.
    pub p50: Option<u64>,
    /// 99 of 100 are not above it.
    pub p99: Option<u64>,
}

impl Quantiles {
    pub(super) fn of(mut all: Vec<u64>) -> Self {
        all.sort_unstable();
        let at = |percent: usize| all.get((all.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Self { p50: at(50), p99: at(99) }
    }

    pub(super) fn within(self, what: &str, p50_ms: u64, p99_ms: u64) -> Result<(), String> {
        match (self.p50, self.p99) {
            (Some(p50), Some(p99)) if p50 <= p50_ms && p99 <= p99_ms => Ok(()),
            (Some(p50), Some(p99)) => Err(format!(
                "{what} took {p50} ms in the median and {p99} ms at most in 99 of 100 cases, not {p50_ms} and {p99_ms}"
            )),
            _ => Err(format!("{what} was never measured")),
        }
    }
}

/// A host that was killed to see who learns of it.
#[derive(Debug)]
struct Death {
    victim: NodeId,
    at: Mono,
    /// Who places first in its stead.
    placers: BTreeSet<NodeId>,
    others: usize,
    /// When each other one learned of it.
    learned: BTreeMap<NodeId, Duration>,
}

type Slot = (WorkloadName, u32);

#[derive(Debug, Default)]
pub(super) struct Measured {
    pub coverage: Coverage,
    pub false_deaths: Vec<String>,
    /// Everything that nodes told, if that is wanted.
    pub told: Option<String>,
    /// Slots that ran on a host that died, and since when they run nowhere.
    open: BTreeMap<Slot, Mono>,
    /// When something died, and how long it took until it ran again, in milliseconds.
    recovered: Vec<(u64, u64)>,
    deaths: Vec<Death>,
}

impl Measured {
    pub fn of(schedule: &Schedule, tell_all: bool) -> Self {
        let told = tell_all.then(String::new);
        let mut measured = Self { told, ..Self::default() };
        let hosts = &schedule.hosts;
        let lasting = [
            (Kind::GossipOff, !schedule.links.gossip),
            (Kind::Drift, hosts.iter().any(|host| host.drift_ppm != 0)),
            (Kind::PreviousVersion, hosts.iter().any(|host| host.previous_version)),
        ];
        for (kind, _) in lasting.into_iter().filter(|(_, on)| *on) {
            measured.coverage.fault(kind);
        }
        measured
    }

    /// Milliseconds from a death until what ran there ran again.
    pub fn recovery(&self) -> Quantiles {
        Quantiles::of(self.recovered.iter().map(|(_, took)| *took).collect())
    }

    /// Each death of something that ran again later, and how long that took.
    pub fn recoveries(&self) -> Vec<(u64, u64)> {
        self.recovered.clone()
    }

    /// Milliseconds from a death until the first placer knew.
    pub fn first_placer(&self) -> Quantiles {
        let of = |death: &Death| -> Vec<u64> {
            let took = |placer: &NodeId| death.learned.get(placer).map_or(u64::MAX, |d| d.as_millis() as u64);
            death.placers.iter().map(took).collect()
        };
        Quantiles::of(self.deaths.iter().flat_map(of).collect())
    }

    /// Whether 99 of 100 nodes knew of each death within this.
    pub fn nearly_all(&self, ms: u64) -> Result<(), String> {
        let limit = Duration::from_millis(ms);
        for death in &self.deaths {
            let knew = death.learned.values().filter(|took| **took <= limit).count();
            if knew * 100 < death.others * 99 {
                let at = death.at.0 / 1_000_000;
                return Err(format!(
                    "{knew} of {} knew of the death at {at} ms within {ms} ms",
                    death.others
                ));
            }
        }
        if self.deaths.is_empty() { Err("nobody died".into()) } else { Ok(()) }
    }

    /// A host is about to be killed: notes who shall learn of it.
    pub fn death(&mut self, cluster: &Cluster, victim: usize) {
        let others: Vec<NodeId> =
            cluster.up().filter(|(i, _)| *i != victim).map(|(_, host)| host.id).collect();
        let slots: BTreeSet<Slot> =
            cluster.hosts[victim].instances.values().map(|x| (x.workload.clone(), x.slot)).collect();
        let first = |(workload, slot): &Slot| {
            rank::placers(workload.as_str(), *slot, others.iter().copied(), 1).into_iter().next()
        };
        self.deaths.push(Death {
            victim: cluster.hosts[victim].id,
            at: Mono(0) + cluster.time(),
            placers: slots.iter().filter_map(first).collect(),
            others: others.len(),
            learned: BTreeMap::new(),
        });
    }

    fn killed(&mut self, cluster: &Cluster, i: usize) {
        let now = Mono(0) + cluster.time();
        for instance in cluster.hosts[i].instances.values().filter(|instance| instance.running) {
            let slot = (instance.workload.clone(), instance.slot);
            self.open.entry(slot).or_insert(now);
        }
    }

    fn event(&mut self, cluster: &Cluster, host: usize, event: &orbweave_core::Event) {
        self.coverage.transition(event.kind);
        let now = Mono(0) + cluster.time();
        if let Some(told) = &mut self.told {
            let (ms, name) = (now.0 / 1_000_000, &cluster.hosts[host].name);
            let cause = event.cause.as_deref().unwrap_or_default();
            // Writing to a text never fails.
            let _ = writeln!(
                told,
                "{:6}.{:03} {name} {:?}: {} {cause}",
                ms / 1_000,
                ms % 1_000,
                event.kind,
                event.text
            );
        }
        match (event.kind, &event.workload, event.slot, event.about) {
            (EventKind::Started, Some(workload), Some(slot), _) => {
                if let Some(since) = self.open.remove(&(workload.clone(), slot)) {
                    self.recovered.push((since.0 / 1_000_000, now.since(since).as_millis() as u64));
                }
            }
            (EventKind::MemberDown, _, _, Some(about)) => {
                let me = cluster.hosts[host].id;
                if let Some(death) = self.deaths.iter_mut().rfind(|death| death.victim == about) {
                    death.learned.entry(me).or_insert_with(|| now.since(death.at));
                }
                let alive = cluster.host_of(&about).filter(|i| cluster.hosts[*i].is_up());
                if let Some(i) = alive
                    && self.false_deaths.len() < FALSE_DEATHS_MAX
                {
                    let (who, whom) = (&cluster.hosts[host].name, &cluster.hosts[i].name);
                    self.false_deaths.push(format!("{who} declared {whom} dead at {} ms", now.0 / 1_000_000));
                }
            }
            _ => {}
        }
    }
}

/// Shows a run to what measures it.
pub(super) struct Watch(pub Rc<RefCell<Measured>>);

impl Checker for Watch {
    fn name(&self) -> &'static str {
        "measured"
    }

    fn observe(&mut self, cluster: &Cluster, host: usize, event: &Observed<'_>) -> Result<(), String> {
        let mut measured = self.0.borrow_mut();
        match event {
            Observed::Output(Output::Notify(event)) => measured.event(cluster, host, event),
            Observed::Output(Output::Persist { writes, .. }) => {
                for write in writes {
                    if let Write::PutRecord { key, .. } = write
                        && let Ok(id) = wire::decode_open::<RecordId>("an identity", key, key.len())
                    {
                        measured.coverage.record(id.kind);
                    }
                }
            }
            Observed::Killed => measured.killed(cluster, host),
            Observed::Submitted { record, .. } => {
                // Whatever was to run before: from now on something else shall.
                if let Some(id) = cluster.read(record).as_ref().map(Record::id) {
                    measured.open.retain(|(workload, _), _| workload.as_str() != id.key);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

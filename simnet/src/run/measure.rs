//! What a run covered, and how long recovery took: seen from outside, as checkers see it.

use super::deaths::Deaths;
use super::reunion::{Measuring, Reunion};
use super::sky::InContact;
use crate::check::{Checker, Observed};
use crate::cluster::Cluster;
use crate::host::Instance;
use crate::schedule::{Expect, Kind, Schedule};
use orbweave_core::io::Write;
use orbweave_core::{EventKind, Output};
use orbweave_model::{Mono, WorkloadName, wire};
use orbweave_state::record::{Record, RecordId, RecordKind};
use serde::Serialize;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::rc::Rc;

/// False deaths of which the words are kept.
const FALSE_DEATHS_MAX: usize = 100;

/// How often each thing happened in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Coverage(pub BTreeMap<String, u64>);

impl Coverage {
    fn fault(&mut self, kind: Kind) {
        *self.0.entry(format!("fault:{}", kind.name())).or_default() += 1;
    }

    /// Adds what was counted of a kind of record.
    fn records(&mut self, kind: RecordKind, count: u64) {
        let name = match kind {
            RecordKind::NODE => "node",
            RecordKind::WORKLOAD => "workload",
            RecordKind::CLAIM => "claim",
            RecordKind::TRUST => "trust",
            RecordKind::CERTIFICATE => "certificate",
            RecordKind::CORDON => "cordon",
            RecordKind::QUOTA => "quota",
            RecordKind::SUMMARY => "summary",
            RecordKind::ALLOTMENT => "allotment",
            _ => "other",
        };
        *self.0.entry(format!("record:{name}")).or_default() += count;
    }

    fn transitions(&mut self, kind: EventKind, count: u64) {
        *self.0.entry(format!("event:{kind:?}")).or_default() += count;
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

    /// Whether nothing was measured.
    pub(super) fn is_empty(&self) -> bool {
        self.p50.is_none()
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

/// A slot that ran on a host which died, until it ran again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recovery {
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// Which slot.
    pub slot: String,
    /// When its host died, in milliseconds of the run.
    pub at_ms: u64,
}

type Slot = (WorkloadName, u32);

#[derive(Debug, Default)]
pub(super) struct Measured {
    faults: Coverage,
    /// How often nodes told of what, and wrote records of which kind.
    told_of: BTreeMap<EventKind, u64>,
    written: BTreeMap<RecordKind, u64>,
    pub false_deaths: Vec<String>,
    /// Everything that nodes told, if that is wanted.
    pub told: Option<String>,
    /// Slots that ran on a host that died, and since when they run nowhere.
    open: BTreeMap<Slot, Mono>,
    recovered: Vec<Recovery>,
    /// Hosts that said goodbye and are held for gone rightly.
    leaving: BTreeSet<usize>,
    pub deaths: Deaths,
    /// A partition that ended and is not overcome yet, and those that are.
    pub measuring: Option<Measuring>,
    /// Whether anybody wants to know of them.
    reunions_wanted: bool,
    reunions: Vec<Reunion>,
    pub in_contact: InContact,
}

impl Measured {
    pub fn of(schedule: &Schedule, tell_all: bool) -> Self {
        let told = tell_all.then(String::new);
        let reunions_wanted = schedule.expectations.iter().any(|e| matches!(e.that, Expect::Reunited { .. }));
        let mut measured = Self { told, reunions_wanted, ..Self::default() };
        let hosts = &schedule.hosts;
        let lasting = [
            (Kind::GossipOff, !schedule.links.gossip),
            (Kind::Drift, hosts.iter().any(|host| host.drift_ppm != 0)),
            (Kind::PreviousVersion, hosts.iter().any(|host| host.previous_version)),
            (Kind::OldCertificates, hosts.iter().any(|host| host.certified_hours_ago.is_some())),
            (Kind::Zones, hosts.iter().any(|host| !host.zone.is_empty())),
        ];
        for (kind, _) in lasting.into_iter().filter(|(_, on)| *on) {
            measured.fault(kind);
        }
        measured
    }

    /// A fault took effect.
    pub fn fault(&mut self, kind: Kind) {
        self.faults.fault(kind);
    }

    /// What the run covered so far.
    pub fn coverage(&self) -> Coverage {
        let mut coverage = self.faults.clone();
        self.written.iter().for_each(|(kind, count)| coverage.records(*kind, *count));
        self.told_of.iter().for_each(|(kind, count)| coverage.transitions(*kind, *count));
        coverage
    }

    /// Milliseconds from a death until what ran there ran again.
    pub fn recovery(&self) -> Quantiles {
        Quantiles::of(self.recovered.iter().map(|recovery| recovery.ms).collect())
    }

    /// The one that took longest.
    pub fn slowest_recovery(&self) -> Option<Recovery> {
        self.recovered.iter().max().cloned()
    }

    /// The cut around a side is about to be taken away.
    pub fn reunites(&mut self, cluster: &Cluster, side: BTreeSet<usize>) {
        if !self.reunions_wanted {
            return;
        }
        self.reunions.extend(self.measuring.take().map(|before| before.reunion()));
        self.measuring = Some(Measuring::of(cluster, side));
    }

    /// Looks whether the sides of a partition that ended hold the same by now.
    pub fn look(&mut self, cluster: &Cluster) {
        if let Some(reunion) = self.measuring.as_ref().and_then(|measuring| measuring.ended(cluster)) {
            self.measuring = None;
            self.reunions.push(reunion);
        }
    }

    /// Partitions that ended, those that are not overcome too.
    pub fn reunions(&self) -> Vec<Reunion> {
        self.reunions.iter().cloned().chain(self.measuring.as_ref().map(Measuring::reunion)).collect()
    }

    /// A host is about to lose its power. A slot of it that has two holders, as after a
    /// partition, goes on at the other.
    fn killed(&mut self, cluster: &Cluster, i: usize) {
        let now = Mono(0) + cluster.time();
        let others = cluster.up().filter(|(k, _)| *k != i);
        let elsewhere: BTreeSet<Slot> =
            others.flat_map(|(_, host)| host.instances.values()).filter_map(running).collect();
        let lost = cluster.hosts[i].instances.values().filter_map(running);
        for slot in lost.filter(|slot| !elsewhere.contains(slot)) {
            self.open.entry(slot).or_insert(now);
        }
    }

    fn event(&mut self, cluster: &Cluster, host: usize, event: &orbweave_core::Event) {
        *self.told_of.entry(event.kind).or_default() += 1;
        self.in_contact.observe(cluster, host, event.kind);
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
                    self.recovered.push(Recovery {
                        ms: now.since(since).as_millis() as u64,
                        slot: format!("{workload}/{slot}"),
                        at_ms: since.0 / 1_000_000,
                    });
                }
            }
            (EventKind::MemberDown, _, _, Some(about)) => {
                let me = cluster.hosts[host].id;
                self.deaths.learned(me, about, now);
                let alive = cluster
                    .host_of(&about)
                    .filter(|i| cluster.hosts[*i].is_up() && !self.leaving.contains(i));
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

fn running(instance: &Instance) -> Option<Slot> {
    instance.running.then(|| (instance.workload.clone(), instance.slot))
}

/// Shows a run to what measures it.
pub(super) struct Watch(pub Rc<RefCell<Measured>>);

impl Checker for Watch {
    fn name(&self) -> &'static str {
        "measured"
    }

    fn reads_messages(&self) -> bool {
        false
    }

    fn observe(&mut self, cluster: &Cluster, host: usize, event: &Observed<'_>) -> Result<(), String> {
        let mut measured = self.0.borrow_mut();
        match event {
            Observed::Output(Output::Sync { id, bytes }) => {
                if let Some(measuring) = &mut measured.measuring {
                    measuring.frame(cluster, host, *id, bytes.len());
                }
            }
            Observed::Output(Output::Notify(event)) => measured.event(cluster, host, event),
            Observed::Output(Output::Persist { writes, .. }) => {
                for write in writes {
                    if let Write::PutRecord { key, .. } = write
                        && let Ok(id) = wire::decode_open::<RecordId>("an identity", key, key.len())
                    {
                        *measured.written.entry(id.kind).or_default() += 1;
                    }
                }
            }
            Observed::Leaving => {
                measured.leaving.insert(host);
            }
            Observed::Started => {
                measured.leaving.remove(&host);
            }
            Observed::Killed => {
                measured.killed(cluster, host);
                measured.in_contact.killed(cluster, host);
            }
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

//! How fast the simulator is under a steady load: a third as many workloads as nodes,
//! three replicas each, reconciliation on, one node a minute leaving and one joining.
//!
//! `cargo run --release -p orbweave-simnet --example steady -- NODES [MINUTES] [ZONE]`
//! prints virtual seconds for each wall second, and what they were spent on. Zones of
//! at most ZONE nodes (300) know nothing of one another.

use orbweave_core::{EventKind, Output};
use orbweave_simnet::check::{self, Checker, Observed};
use orbweave_simnet::link::Class;
use orbweave_simnet::{Cluster, Faults, HostOptions};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// Between two nodes that are switched on, in the beginning.
const SECOND: Duration = Duration::from_secs(1);

struct Load {
    nodes: usize,
    minutes: usize,
    zone: usize,
    checked: bool,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let checked = arguments.iter().any(|a| a == "--checked");
    let numbers: Vec<usize> = arguments.iter().filter_map(|a| a.parse().ok()).collect();
    let number = |k: usize, otherwise| numbers.get(k).copied().unwrap_or(otherwise);
    run(&Load { nodes: number(0, 100), minutes: number(1, 10), zone: number(2, 300), checked });
}

#[expect(clippy::disallowed_methods, reason = "it measures the program itself")]
fn run(load: &Load) {
    let zones = load.nodes.div_ceil(load.zone);
    // One more host a minute, which joins then.
    let options = |i: usize| HostOptions { zone: format!("zone-{}", i % zones), ..HostOptions::default() };
    let hosts: Vec<HostOptions> = (0..load.nodes + load.minutes).map(options).collect();
    let mut cluster = Cluster::strangers(hosts, 1, Faults::default());
    let counts = Rc::new(RefCell::new(BTreeMap::new()));
    if !load.checked {
        cluster = cluster.watched_by(vec![Box::new(Count(counts.clone()))]);
    }
    let begun = std::time::Instant::now();
    let mut last = begun;
    let mut say = |what: &str, cluster: &Cluster, virtual_s: f64, events: u64| {
        let wall = last.elapsed().as_secs_f64();
        last = std::time::Instant::now();
        println!(
            "{what:12} {virtual_s:7.1} virtual s in {wall:7.2} s: {:8.1} times real time, {events:9} events, {:6.2} us each, up {}",
            virtual_s / wall,
            wall * 1e6 / events.max(1) as f64,
            cluster.up().count(),
        );
    };

    for i in 0..load.nodes {
        cluster.join(i);
    }
    cluster.run(SECOND * 30);
    say("boot", &cluster, 30.0, cluster.events());
    let before = cluster.events();
    for w in 0..load.nodes / 3 {
        let name = format!("app-{w}");
        let spec = cluster.spec(&name, 3);
        cluster.submit(w, &name, &spec);
    }
    cluster.run(SECOND * 60);
    say("deploy", &cluster, 60.0, cluster.events() - before);
    let placed = (0..load.nodes / 3).filter(|w| running(&cluster, &format!("app-{w}")) == 3).count();
    println!("placed {placed} of {}", load.nodes / 3);

    counts.borrow_mut().clear();
    let (before, outputs) = (cluster.events(), cluster.outputs());
    let sent = bytes(&cluster);
    for minute in 0..load.minutes {
        let leaves = load.nodes - 1 - minute;
        cluster.feed(leaves, orbweave_core::Input::Leave);
        cluster.join(load.nodes + minute);
        cluster.run(SECOND * 5);
        cluster.kill(leaves);
        cluster.run(SECOND * 55);
    }
    let virtual_s = load.minutes as f64 * 60.0;
    say("steady", &cluster, virtual_s, cluster.events() - before);
    println!(
        "outputs {}, {:.0} bytes/s a node, at most {} events at once, trace {}",
        cluster.outputs() - outputs,
        (bytes(&cluster) - sent) as f64 / virtual_s / load.nodes as f64,
        cluster.queued_max(),
        cluster.trace(),
    );
    println!("outputs: {:?}", counts.borrow());
    if std::env::args().any(|a| a == "--story") {
        println!("{}", cluster.story(3_000));
    }
    println!("peak memory {} MiB, violations {}", peak_mib(), cluster.violations().len());
    println!("equal records: {:?}", if zones == 1 { check::converged(&cluster) } else { Ok(()) });
    println!("all in {:.1} s", begun.elapsed().as_secs_f64());
}

/// Counts outputs by what they are; of events their kind.
struct Count(Rc<RefCell<BTreeMap<String, u64>>>);

impl Checker for Count {
    fn name(&self) -> &'static str {
        "count"
    }

    fn observe(&mut self, _: &Cluster, _: usize, event: &Observed<'_>) -> Result<(), String> {
        let Observed::Output(output) = event else { return Ok(()) };
        let kind = match output {
            Output::Datagram { .. } => "datagram",
            Output::Publish { .. } => "publish",
            Output::Sync { .. } => "sync",
            Output::Dial { .. } => "dial",
            Output::Persist { .. } => "persist",
            Output::Start(_) => "start",
            Output::Notify(event) => match event.kind {
                EventKind::MemberDown => "down",
                EventKind::Claim => "claim",
                EventKind::OfferSent => "offer",
                _ => "other event",
            },
            _ => "other",
        };
        *self.0.borrow_mut().entry(kind.to_owned()).or_default() += 1;
        Ok(())
    }
}

fn running(cluster: &Cluster, workload: &str) -> usize {
    let of = |i: &orbweave_simnet::Instance| i.running && i.workload.as_str() == workload;
    cluster.hosts.iter().map(|host| host.instances.values().filter(|i| of(i)).count()).sum()
}

fn bytes(cluster: &Cluster) -> u64 {
    (0..cluster.hosts.len() as u32).map(|i| cluster.meter().of(i, Class::Lan).bytes).sum()
}

/// The most memory that this process had, where the system tells (Linux).
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()).unwrap_or(0) / 1_024
}

//! How soon a killed node is known, in one zone on a LAN.
//!
//! `cargo run --release -p orbweave-simnet --example failover -- NODES [KILLS]` kills one
//! node after the other and prints after what time the first placer of a slot, and 99 %
//! of all nodes, held it for dead.

use orbweave_core::EventKind;
use orbweave_model::{Mono, NodeId};
use orbweave_scheduler::rank;
use orbweave_simnet::{Cluster, Faults};
use std::time::Duration;

/// From a kill until everybody should know.
const WATCHED: Duration = Duration::from_secs(10);
/// For the killed node to be back.
const BACK: Duration = Duration::from_secs(8);

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|a| a.parse::<usize>().ok());
    let (nodes, kills) = (numbers.next().unwrap_or(300), numbers.next().unwrap_or(200));
    let mut cluster = Cluster::of(nodes, 1, Faults::default());
    cluster.run(Duration::from_secs(60));
    let (mut placer, mut most, mut missed, mut wrong) = (Vec::new(), Vec::new(), 0, 0);
    for kill in 0..kills {
        // The first node of the zone introduces those that come back.
        let victim = 1 + kill % (nodes - 1);
        // At any phase of the probes.
        cluster.run(Duration::from_millis(kill as u64 * 37 % 1_000));
        let (at, id) = (cluster.time(), cluster.hosts[victim].id);
        cluster.kill(victim);
        cluster.run(WATCHED);
        let others = (0..nodes).filter(|i| *i != victim);
        let mut known: Vec<Duration> = Vec::new();
        for i in others.clone() {
            match downs(&cluster, i, at).find(|(_, about)| *about == Some(id)) {
                Some((after, _)) => known.push(after),
                None => missed += 1,
            }
            wrong += downs(&cluster, i, at).filter(|(_, about)| *about != Some(id)).count();
        }
        let ids = others.map(|i| cluster.hosts[i].id);
        let first = rank::placers("app", kill as u32, ids, 1).into_iter().find_map(|id| cluster.host_of(&id));
        placer.extend(
            first.and_then(|i| downs(&cluster, i, at).find(|(_, about)| *about == Some(id))).map(|d| d.0),
        );
        known.sort_unstable();
        most.extend(known.get((nodes - 1) * 99 / 100).copied());
        cluster.start(victim);
        cluster.introduce(victim, 0);
        cluster.run(BACK);
    }
    print("known to the first placer", placer);
    print("known to 99 % of nodes", most);
    println!("{kills} kills, {missed} times a node did not know in time, {wrong} false deaths");
}

/// Deaths that a host noticed since `at`, and how long after that.
fn downs(cluster: &Cluster, host: usize, at: Duration) -> impl Iterator<Item = (Duration, Option<NodeId>)> {
    let since = Mono(0) + at;
    let events = cluster.hosts[host].events.iter().filter(move |(time, _)| *time >= since);
    events.filter(|(_, e)| e.kind == EventKind::MemberDown).map(move |(time, e)| (time.since(since), e.about))
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at =
        |share: usize| times.get((times.len() * share / 100).min(times.len().saturating_sub(1))).copied();
    let (median, late, last) = (at(50), at(99), times.last());
    println!("{what}: median {median:?}, p99 {late:?}, last {last:?}, of {}", times.len());
}

//! `orbweave demo`: a mesh of five node processes on this machine that loses some of
//! them under load. It drives the real executable as a user would and measures from
//! outside: by what requests came back with, and by what each node says it did.
//!
//! All is on loopback and no link is emulated. See `docs/DEMO.md`.

mod attack;
mod error;
mod faults;
mod files;
mod fleet;
mod journal;
mod load;
mod outcome;
mod show;

pub use error::DemoError;

use crate::api::event::EventKind;
use crate::api::types::{InstanceView, Phase};
use crate::cli::DemoArgs;
use bytes::Bytes;
use fleet::{Fleet, POLL_PAUSE};
use journal::Journal;
use load::{Load, REQUESTS};
use orbweave_model::NodeId;
use outcome::{Outcome, failures, percentile};
use show::Show;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until};

/// What is waited for before the load begins has this long.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(60);
/// After the load began.
const KILL_AT: Duration = Duration::from_secs(6);
/// After the load began, and not before the first recovery is over.
const FREEZE_AT: Duration = Duration::from_secs(14);
/// How long the frozen node stays frozen at least.
const FROZEN: Duration = Duration::from_secs(8);

/// Plays the demo, says how it went, and leaves nothing behind unless it is told to.
pub async fn run(args: DemoArgs) -> Result<(), DemoError> {
    let show = Arc::new(Show::new());
    let mut fleet = Fleet::prepare()?;
    let played = tokio::select! {
        biased;
        interrupted = interrupted() => interrupted,
        played = play(&mut fleet, &show) => played,
    };
    show.done();
    if args.keep && played.is_ok() {
        say_how_to_reach(&fleet, &show);
        fleet.keep();
    } else {
        fleet.stop().await;
    }
    let outcome = played?;
    if args.json {
        let line = serde_json::to_string(&outcome).unwrap_or_default();
        // Nobody may be reading any more: the exit code still says how it went.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
    let faults = outcome.faults();
    if faults.is_empty() { Ok(()) } else { Err(DemoError::DidNotHold(faults)) }
}

/// Done at Ctrl-C, at a polite kill, and when the terminal closes.
async fn interrupted() -> Result<Outcome, DemoError> {
    let on = |kind| signal(kind).map_err(DemoError::io("listen for signals"));
    let mut terminate = on(SignalKind::terminate())?;
    let mut hang_up = on(SignalKind::hangup())?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    Err(DemoError::Interrupted)
}

async fn play(fleet: &mut Fleet, show: &Arc<Show>) -> Result<Outcome, DemoError> {
    show.plain(
        "Five real node processes on this machine, labelled cloud, edge, edge, ground and orbit.\n\
         All is on loopback: no delay, loss or contact of any link is emulated here.\n",
    );
    fleet.start(show).await?;
    show.line("every node sees every other");
    let journal = Arc::new(Journal::default());
    let _following: Vec<_> =
        fleet.nodes.iter().map(|n| journal.follow(n.client.clone(), show.clone())).collect();

    let manifest = files::write(fleet.root())?.display().to_string();
    show.line("orbweave deploy -f sea-watch.yaml --wait   (three replicas)");
    let said = fleet.command(0, &["deploy", "-f", &manifest, "--wait", "--timeout", "60s"]).await?;
    said.lines().for_each(|line| show.line(line));
    let holders = placed(fleet).await?;
    let names: Vec<_> =
        holders.iter().map(|(slot, id)| format!("slot {slot} on {}", show.name_of(*id))).collect();
    show.line(&format!("it runs: {}", names.join(", ")));

    let entry = entry_other_than(fleet, &holders.values().copied().collect(), show)?;
    let load = Load::new(Bytes::from_static(files::IMAGE), entry.1);
    let targets = warm_up(&load, &holders, show).await?;

    let every = load.pace().await;
    let rate = 1_000 / every.as_millis().max(1);
    show.line(&format!(
        "{rate} requests a second with a satellite image of {} bytes begin",
        files::IMAGE.len()
    ));
    let began = Instant::now();
    let loading = load.begin(every, show.clone());
    let replaced = BTreeSet::new();
    let mut scene =
        faults::Scene { fleet, show, journal: &journal, load: &load, holders, replaced, entry: entry.0 };

    sleep_until(began + KILL_AT).await;
    let kill = scene.kill_one().await?;
    sleep_until(began + FREEZE_AT).await;
    let freeze = scene.freeze_one(FROZEN).await?;
    let faulted = BTreeSet::from([kill.victim, freeze.victim]);
    let after_thaw_replicas = scene.settled_replicas().await;
    load.enough();
    let _ = loading.await;

    let refusals = attack::attack(fleet, show).await?;
    let exchanges = load.exchanges().clone();
    let failed = failures(&exchanges, targets);
    for (sent_ms, why) in failed.iter().take(10) {
        show.at(*sent_ms, "demo", &format!("this request failed: {why}"));
    }
    let retried = exchanges.iter().filter(|e| e.outcome.as_ref().is_ok_and(|a| a.attempt > 1)).count();
    let outcome = Outcome {
        nodes: fleet.nodes.len(),
        replicas: files::REPLICAS,
        requests: exchanges.len().min(REQUESTS),
        failed: failed.len(),
        retried,
        detect_ms: journal
            .first(|e| {
                e.kind == EventKind::MemberDown && e.about == Some(kill.victim) && e.at_ms >= kill.at_ms
            })
            .map(|e| e.at_ms - kill.at_ms),
        failover_ms: kill.failover_ms,
        failover_stop_ms: freeze.failover_ms,
        after_thaw_replicas,
        healthy_restarts: journal.restarts(files::WORKLOAD, &faulted),
        tampered_refused: refusals.tampered,
        unsigned_refused: refusals.unsigned,
        targets,
    };
    sum_up(&outcome, &exchanges, show);
    Ok(outcome)
}

/// Waits until the three slots run, as the first node sees it.
async fn placed(fleet: &mut Fleet) -> Result<BTreeMap<u32, NodeId>, DemoError> {
    let until = Instant::now() + SETTLE_TIME_MAX;
    loop {
        let Some(node) = fleet.nodes.first_mut() else { return Ok(BTreeMap::new()) };
        let instances: Vec<InstanceView> =
            node.client.get("/v1/instances").await.map_err(DemoError::api(node.name))?;
        let holders: BTreeMap<u32, NodeId> = instances
            .iter()
            .filter(|i| i.workload.as_str() == files::WORKLOAD && i.phase == Phase::Running)
            .filter_map(|i| Some((i.slot, i.node?)))
            .collect();
        if holders.len() == files::REPLICAS as usize {
            return Ok(holders);
        }
        node.check_alive()?;
        if Instant::now() > until {
            let what = format!("{} running replicas", files::REPLICAS);
            return Err(DemoError::TooLate { what, within: SETTLE_TIME_MAX });
        }
        sleep(POLL_PAUSE).await;
    }
}

/// A healthy node that holds no replica, as place and port.
fn entry_other_than(
    fleet: &Fleet,
    holders: &BTreeSet<NodeId>,
    show: &Show,
) -> Result<(usize, u16), DemoError> {
    let mut free = fleet.healthy().filter(|(_, n)| !holders.contains(&n.id));
    let Some((place, node)) = free.next() else {
        let what = "a node without a replica, to send requests through".to_owned();
        return Err(DemoError::TooLate { what, within: Duration::ZERO });
    };
    show.line(&format!("requests go through {}, which holds no replica", node.name));
    Ok((place, node.port))
}

/// Sends until every replica has answered once; gives the number of targets.
async fn warm_up(load: &Load, holders: &BTreeMap<u32, NodeId>, show: &Show) -> Result<usize, DemoError> {
    let until = Instant::now() + SETTLE_TIME_MAX;
    let mut silent: BTreeSet<u32> = holders.keys().copied().collect();
    let (mut targets, mut last) = (0, String::new());
    while !silent.is_empty() {
        let exchange = load.send().await;
        match exchange.outcome {
            Ok(answer) => {
                targets = answer.targets;
                if silent.remove(&answer.slot) {
                    let took = exchange.answered_ms - exchange.sent_ms;
                    let text = format!("slot {} answers in {took} ms: {targets} targets", answer.slot);
                    show.line(&text);
                }
            }
            Err(why) => last = why,
        }
        if Instant::now() > until {
            let what = format!("an answer of each replica (last: {last})");
            return Err(DemoError::TooLate { what, within: SETTLE_TIME_MAX });
        }
    }
    Ok(targets)
}

fn sum_up(outcome: &Outcome, exchanges: &[load::Exchange], show: &Show) {
    let ms = |ms: Option<u64>| ms.map_or("never".to_owned(), |ms| format!("{ms} ms"));
    let refused = |yes: bool| if yes { "refused" } else { "NOT REFUSED" };
    show.plain(&format!(
        "\nAll on loopback, five processes on one machine:\n\
         \x20 requests                 {} sent, {} failed, {} answered by another replica than the first asked\n\
         \x20 answer times             {} ms at the median, {} ms at the 99th percentile\n\
         \x20 kill -9                  noticed after {}, its replacement answered after {}\n\
         \x20 freeze                   its replacement answered after {}\n\
         \x20 after the thaw           {} replicas, {} restarts on healthy nodes\n\
         \x20 tampered, unsigned       {}, {}\n\
         \x20 targets in the image     {}",
        exchanges.len(),
        outcome.failed,
        outcome.retried,
        percentile(exchanges, 50),
        percentile(exchanges, 99),
        ms(outcome.detect_ms),
        ms(outcome.failover_ms),
        ms(outcome.failover_stop_ms),
        outcome.after_thaw_replicas,
        outcome.healthy_restarts,
        refused(outcome.tampered_refused),
        refused(outcome.unsigned_refused),
        outcome.targets,
    ));
}

fn say_how_to_reach(fleet: &Fleet, show: &Show) {
    let root = fleet.root().display();
    show.plain(&format!("\nThe nodes go on running; everything is in {root}. To reach them:"));
    for (_, node) in fleet.healthy() {
        let dir = node.dir.path().display();
        show.plain(&format!("  {}  http://127.0.0.1:{}  orbweave --dir {dir} ps", node.name, node.port));
    }
    if let Some((_, node)) = fleet.healthy().next() {
        show.plain(&format!(
            "  curl -H 'Host: {}' --data-binary @{root}/RGB.byte.tif http://127.0.0.1:{}/",
            files::HOST,
            node.port
        ));
    }
    show.plain("To stop them: orbweave --dir DIR down, for each directory above.");
}

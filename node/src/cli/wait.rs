//! `deploy --wait`: what becomes of each slot, and why not, when the time is over.

use super::deploy::describe;
use super::failure::Failure;
use super::output::{self, colour_on_stderr, paint, phase_paint};
use crate::api::Client;
use crate::api::event::{Event, EventKind};
use crate::api::types::{Describe, InstanceView, Phase, RolloutState};
use crate::manifest::quantity::Span;
use indicatif::{ProgressBar, ProgressStyle};
use orbweave_model::{NodeId, WorkloadName};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// How often the node is asked.
const INTERVAL: Duration = Duration::from_millis(150);
/// Slots and nodes that are named one by one when the time is over.
const NAMED_MAX: usize = 20;

/// Returns once every replica that this generation wants runs what `oldest` brought, or
/// what is newer.
pub async fn until_running(
    client: &Client,
    name: &WorkloadName,
    generation: u64,
    oldest: u64,
    timeout: Duration,
) -> Result<(), Failure> {
    let mut progress = Progress::new();
    let deadline = Instant::now() + timeout;
    loop {
        let known = describe(client, name).await?;
        if let Some(known) = &known {
            if known.workload.generation > generation || known.workload.deleted {
                return Err(Failure::new(format!(
                    "{name} was changed by somebody else while it was waited for"
                )));
            }
            progress.show(known, oldest);
            let brought = known.workload.generation == oldest;
            let rollout = known.rollout.as_ref().filter(|_| brought);
            if let Some(rollout) = rollout.filter(|r| r.state == RolloutState::RolledBack) {
                progress.end();
                return Err(Failure::new(format!(
                    "generation {generation} of {name} did not come up, and replicas run generation {} again",
                    rollout.previous
                ))
                .fix(format!(
                    "see `orbweave events {name}`; mend it and deploy again, or `orbweave rollout undo {name}`"
                )));
            }
            if rollout.is_some_and(|rollout| rollout.state == RolloutState::Paused) {
                progress.end();
                return Err(Failure::new(format!("the rollout of {name} is paused"))
                    .fix(format!("go on with `orbweave rollout resume {name}`")));
            }
            if known.workload.generation == generation && running(known, oldest) >= known.workload.replicas {
                progress.end();
                output::note(&format!("{0} of {0} replicas of {name} run", known.workload.replicas));
                return Ok(());
            }
        }
        if Instant::now() >= deadline {
            progress.end();
            return Err(overdue(name, known.as_ref(), oldest, timeout));
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Slots with a running holder, of this generation as far as that is known.
fn running(known: &Describe, generation: u64) -> u32 {
    let slots: BTreeSet<u32> = known
        .instances
        .iter()
        .filter(|i| runs(i, generation))
        .map(|i| i.slot)
        .filter(|slot| *slot < known.workload.replicas)
        .collect();
    u32::try_from(slots.len()).unwrap_or(u32::MAX)
}

fn runs(instance: &InstanceView, generation: u64) -> bool {
    let running = instance.phase == Phase::Running || instance.elsewhere_runs;
    running && instance.generation.is_none_or(|g| g >= generation)
}

fn holder(instance: &InstanceView) -> String {
    match instance.node {
        Some(node) if instance.node_name.is_empty() => node.short(),
        Some(_) => instance.node_name.clone(),
        None => "no node".to_owned(),
    }
}

struct Progress {
    bar: ProgressBar,
    shown: BTreeMap<(u32, Option<NodeId>), Phase>,
    told: BTreeSet<(u64, String)>,
    since_ms: u64,
}

impl Progress {
    fn new() -> Self {
        // Draws on standard error, and only where that is a terminal.
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, shown: BTreeMap::new(), told: BTreeSet::new(), since_ms: output::now_ms() }
    }

    fn say(&self, line: &str) {
        self.bar.suspend(|| output::note(line));
    }

    fn show(&mut self, known: &Describe, generation: u64) {
        let colour = colour_on_stderr();
        for instance in &known.instances {
            let key = (instance.slot, instance.node);
            if instance.node.is_some() && self.shown.insert(key, instance.phase) != Some(instance.phase) {
                let phase = paint(
                    colour,
                    phase_paint(instance.phase),
                    &format!("{:?}", instance.phase).to_lowercase(),
                );
                self.say(&format!("  slot {}: {phase} on {}", instance.slot, holder(instance)));
            }
        }
        for event in known.events.iter().filter(|e| e.at_ms >= self.since_ms && is_trouble(e)) {
            if self.told.insert((event.at_ms, event.text.clone())) {
                let cause = event.cause.as_ref().map(|c| format!(": {c}")).unwrap_or_default();
                self.say(&format!("  {}{cause}", event.text));
            }
        }
        let replicas = known.workload.replicas;
        self.bar.set_message(format!("{} of {replicas} replicas run", running(known, generation)));
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn is_trouble(event: &Event) -> bool {
    matches!(
        event.kind,
        EventKind::ReleaseRefused
            | EventKind::RecordRefused
            | EventKind::Failed
            | EventKind::FetchFailed
            | EventKind::RolledBack
    )
}

/// The time is over: what runs, what does not, and why each node does not hold it.
fn overdue(name: &WorkloadName, known: Option<&Describe>, generation: u64, timeout: Duration) -> Failure {
    let within = Span(timeout);
    let Some(known) = known else {
        return Failure::new(format!("{name} is not known to the node after {within}"));
    };
    let replicas = known.workload.replicas;
    let mut text =
        format!("after {within}, {} of {replicas} replicas of {name} run", running(known, generation));
    let waiting = known.instances.iter().filter(|i| !runs(i, generation) && i.phase != Phase::Draining);
    for instance in waiting.take(NAMED_MAX) {
        let phase = format!("{:?}", instance.phase).to_lowercase();
        let on = match instance.node {
            Some(_) => format!(" on {}", holder(instance)),
            None if instance.node_name.is_empty() => String::new(),
            None => format!(" in {}", instance.node_name),
        };
        text.push_str(&format!("\n  slot {}: {phase}{on}", instance.slot));
    }
    for verdict in known.verdicts.iter().filter(|v| !v.eligible).take(NAMED_MAX) {
        let node =
            if verdict.node_name.is_empty() { verdict.node.short() } else { verdict.node_name.clone() };
        text.push_str(&format!("\n  node {node}: {}", verdict.text));
    }
    Failure::new(text).fix(format!(
        "it stands, and goes on as nodes allow: see `orbweave why {name}` and `orbweave describe {name}`"
    ))
}

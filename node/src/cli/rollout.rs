//! `rollout`: how far a change is, and how to stop it, go on with it, or take it back.

use super::args::{RolloutArgs, RolloutChangeArgs, RolloutCommand};
use super::deploy::{describe, submit, wanted};
use super::failure::Failure;
use super::output::{self, Format};
use super::release;
use crate::api::Client;
use crate::api::types::{Describe, RolloutState, RolloutView, Status};
use crate::manifest::quantity::Span;
use crate::state_dir::StateDir;
use orbweave_core::workload::{Revision, Rollout, WorkloadSpec};
use orbweave_model::{Hash, Wall, WorkloadName};
use orbweave_trust::{Release, ReleaseStatement, Strict};
use std::time::Duration;
use tokio::time::Instant;

/// How often the node is asked.
const INTERVAL: Duration = Duration::from_millis(200);

/// Does what was said.
pub async fn run(client: &Client, dir: &StateDir, command: RolloutCommand) -> Result<(), Failure> {
    match command {
        RolloutCommand::Status(args) => status(client, args).await,
        RolloutCommand::Pause(args) => pause(client, dir, args, true).await,
        RolloutCommand::Resume(args) => pause(client, dir, args, false).await,
        RolloutCommand::Undo(args) => undo(client, dir, args).await,
    }
}

/// What a new generation takes over from the rollout before: what it can go back to, and
/// where it runs the same, whether that is paused and how often it was tried.
pub fn carry_on(rollout: &mut Rollout, run_key: Hash, known: &WorkloadSpec, state: Option<RolloutState>) {
    let before = known.rollout.as_ref();
    if known.deleted || known.run_key() != run_key {
        rollout.previous = previous(known, state);
        return;
    }
    rollout.previous = before.and_then(|before| before.previous.clone());
    let attempt = before.and_then(|before| before.attempt);
    rollout.attempt = match state {
        Some(RolloutState::RolledBack) => Some(attempt.unwrap_or(0) + 1),
        _ => {
            rollout.paused = before.is_some_and(|before| before.paused);
            attempt
        }
    };
}

/// What the next revision can go back to: what ran before, if it had come up, and else
/// what that could have gone back to.
fn previous(known: &WorkloadSpec, state: Option<RolloutState>) -> Option<Revision> {
    match state {
        _ if known.deleted => None,
        None | Some(RolloutState::Complete) => Some(known.revision()),
        Some(_) => known.rollout.as_ref()?.previous.clone(),
    }
}

async fn status(client: &Client, args: RolloutArgs) -> Result<(), Failure> {
    let deadline = Instant::now() + args.timeout.0;
    loop {
        let known = describe(client, &args.name).await?.filter(|d| !d.workload.deleted);
        let known = known.ok_or_else(|| unknown(&args.name))?;
        let state = known.rollout.as_ref().map(|rollout| rollout.state);
        let over = !matches!(state, Some(RolloutState::Progressing | RolloutState::Paused));
        if over || !args.wait {
            match args.output.format {
                Format::Json => output::say_json(&known.rollout)?,
                Format::Text => output::say(&format!("{}\n", text(&known)))?,
            }
            let failed = args.wait && state == Some(RolloutState::RolledBack);
            return if failed { Err(Failure::only_code(1)) } else { Ok(()) };
        }
        if Instant::now() >= deadline {
            let name = &args.name;
            let fix = match state {
                Some(RolloutState::Paused) => format!("go on with `orbweave rollout resume {name}`"),
                _ => format!(
                    "it goes on: see `orbweave why {name}`, or take it back with `orbweave rollout undo {name}`"
                ),
            };
            return Err(Failure::new(format!("after {}: {}", Span(args.timeout.0), text(&known))).fix(fix));
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn unknown(name: &WorkloadName) -> Failure {
    Failure::new(format!("no workload is called {name}")).fix("see `orbweave get`")
}

/// A rollout in words.
fn text(known: &Describe) -> String {
    let (name, replicas) = (&known.workload.name, known.workload.replicas);
    let Some(rollout) = &known.rollout else {
        return format!(
            "{name}: nothing is rolled out: generation {} runs, and there is nothing to go back to",
            known.workload.generation
        );
    };
    let RolloutView { generation, previous, updated, settled, .. } = rollout;
    let progress = format!("{updated} of {replicas} replicas run it, {settled} have settled");
    match rollout.state {
        RolloutState::Complete => format!("{name}: generation {generation} is rolled out; {progress}"),
        RolloutState::Progressing => format!(
            "{name}: generation {generation} takes the place of {previous}, {} at a time; {progress}",
            rollout.max_unavailable
        ),
        RolloutState::Paused => format!("{name}: generation {generation} is paused; {progress}"),
        RolloutState::RolledBack => {
            format!("{name}: generation {generation} did not come up, and replicas run {previous} again")
        }
    }
}

async fn pause(
    client: &Client,
    dir: &StateDir,
    args: RolloutChangeArgs,
    paused: bool,
) -> Result<(), Failure> {
    let operator = release::operator_key(dir, args.operator_key.as_deref())?;
    let status: Status = client.get("/v1/status").await?;
    let name = &args.name;
    let known = wanted(client, name).await?;
    let under_way = known.rollout.clone().filter(|rollout| rollout.previous.is_some());
    let Some(rollout) = under_way else {
        return Err(Failure::new(format!("nothing of {name} is rolled out")).fix("deploy a change first"));
    };
    let state = describe(client, name).await?.and_then(|d| d.rollout).map(|rollout| rollout.state);
    if state == Some(RolloutState::RolledBack) && !paused {
        let attempt = Some(rollout.attempt.unwrap_or(0) + 1);
        let generation = known.generation + 1;
        let spec =
            WorkloadSpec { generation, rollout: Some(Rollout { attempt, paused, ..rollout }), ..known };
        submit(client, &operator, status.mesh, name, &spec).await?;
        return output::say(&format!("Tries once more to roll {name} out, as generation {generation}\n"));
    }
    if matches!(state, Some(RolloutState::RolledBack | RolloutState::Complete)) {
        return Err(Failure::new(format!("the rollout of {name} is over"))
            .fix(format!("see `orbweave rollout status {name}`")));
    }
    if rollout.paused == paused {
        let state = if paused { "is paused" } else { "goes on" };
        return output::say(&format!("The rollout of {name} {state} already\n"));
    }
    let generation = known.generation + 1;
    let spec = WorkloadSpec { generation, rollout: Some(Rollout { paused, ..rollout }), ..known };
    submit(client, &operator, status.mesh, name, &spec).await?;
    let done = if paused { "Paused the rollout of" } else { "Goes on with the rollout of" };
    output::say(&format!("{done} {name}\n"))
}

async fn undo(client: &Client, dir: &StateDir, args: RolloutChangeArgs) -> Result<(), Failure> {
    let operator = release::operator_key(dir, args.operator_key.as_deref())?;
    let publisher = release::publisher_key(dir, args.key.as_deref())?;
    let status: Status = client.get("/v1/status").await?;
    let name = &args.name;
    let known = wanted(client, name).await?;
    let state = describe(client, name).await?.and_then(|d| d.rollout).map(|rollout| rollout.state);
    let back = known.rollout.as_ref().and_then(|rollout| rollout.previous.clone());
    let (Some(back), Some(rollout)) = (back, known.rollout.clone()) else {
        return Err(Failure::new(format!("there is nothing that {name} could go back to"))
            .fix("deploy what should run"));
    };
    let now = Wall(output::now_ms());
    let stated =
        Release::read(&back.release, &Strict).map_err(|e| Failure::new(format!("what ran before: {e}")))?;
    // Signed anew: nodes refuse a release that is older than one they know.
    let statement = ReleaseStatement {
        publisher: publisher.public(),
        sequence: now.0,
        expires: now + release::DEPLOY_LIFE,
        ..stated
    };
    let previous = previous(&known, state);
    let spec = WorkloadSpec {
        generation: known.generation + 1,
        release: statement.sign(&publisher),
        need: back.need,
        env: back.env,
        call_time_ms: back.call_time_ms,
        concurrency: back.concurrency,
        health: back.health,
        rollout: Some(Rollout { previous, paused: false, attempt: None, ..rollout }),
        ..known
    };
    submit(client, &operator, status.mesh, name, &spec).await?;
    let (generation, before) = (spec.generation, back.generation);
    output::say(&format!("{name} goes back to what generation {before} was, as generation {generation}\n"))
}

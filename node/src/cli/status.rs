//! `status` and `down`.

use super::args::ListArgs;
use super::describe::resources;
use super::failure::Failure;
use super::output::{self, Format};
use crate::api::types::Status;
use crate::api::{Client, ClientError};
use crate::state_dir::StateDir;
use bytes::Bytes;
use orbweave_model::WorkloadName;
use std::time::Duration;

/// How long a node may take to stop.
const STOP_MAX: Duration = Duration::from_secs(30);

/// How the node is.
pub async fn run(client: &Client, args: ListArgs) -> Result<(), Failure> {
    let status: Status = client.get("/v1/status").await?;
    match args.output.format {
        Format::Json => output::say_json(&status),
        Format::Text => output::say(&told(&status)),
    }
}

fn told(s: &Status) -> String {
    let mut text = super::up::told(s);
    text.push_str(&format!(
        "  members       {} alive, {} suspected, {} down; {} linked\n  \
           mesh id       {}\n  \
           process       {}, version {}, up for {}, {} resident\n",
        s.members.alive,
        s.members.suspect,
        s.members.down,
        s.peers,
        s.mesh,
        s.pid,
        s.version,
        output::age(s.uptime_ms),
        output::bytes(s.memory_bytes),
    ));
    if let Some(told) = &s.settings {
        let labels = if told.labels.is_empty() { "none".to_owned() } else { told.labels.to_string() };
        let on = |on: bool| if on { "on" } else { "off" };
        text.push_str(&format!(
            "  zone          {}\n  \
               labels        {labels}\n  \
               offers        {}, {} replicas\n  \
               discovery     mDNS {}, gossip {}, {} peers to ask first\n",
            told.zone,
            resources(&told.capacity),
            told.capacity.instances,
            on(told.mdns),
            on(told.gossip),
            told.peers.len(),
        ));
    }
    for conflict in &s.conflicts {
        text.push_str(&format!("  conflict      {}\n", conflict_text(&conflict.route, &conflict.workloads)));
    }
    let width = s.counters.keys().map(String::len).max().unwrap_or(0);
    for (name, count) in &s.counters {
        text.push_str(&format!("  {name:<width$}  {count}\n"));
    }
    text
}

/// Who has a route that several workloads name.
pub fn conflict_text(route: &str, workloads: &[WorkloadName]) -> String {
    let names: Vec<_> = workloads.iter().map(WorkloadName::as_str).collect();
    let first = names.first().copied().unwrap_or_default();
    format!("{route} is the route of {}: {first} answers, as the first by name", names.join(" and "))
}

/// Stops the node and returns once its process has ended.
pub async fn down(client: &Client, dir: &StateDir) -> Result<(), Failure> {
    match client.post_bytes("/v1/shutdown", Bytes::new()).await {
        Ok(_) => {}
        Err(ClientError::NotRunning(dir)) => {
            output::note(&format!("No node runs in {}", dir.display()));
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    }
    let pid = dir.running_pid();
    let waiting = dir.clone();
    // The operating system gives the lock back when the process ends, however it ends.
    let ended = tokio::task::spawn_blocking(move || waiting.wait_unlocked());
    match tokio::time::timeout(STOP_MAX, ended).await {
        Ok(Ok(unlocked)) => unlocked?,
        Ok(Err(e)) => return Err(Failure::new(e)),
        Err(_) => {
            let process = pid.map_or_else(|| "its process".to_owned(), |pid| format!("process {pid}"));
            return Err(Failure::new(format!("the node has not stopped within {} s", STOP_MAX.as_secs()))
                .fix(format!("see node.log; end {process} yourself if need be")));
        }
    }
    output::say("The node is down\n")
}

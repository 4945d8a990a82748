//! `cordon`, `drain` and `uncordon`: nodes are taken out of service and back into it.

use super::args::{CordonArgs, DrainArgs};
use super::describe::find_node;
use super::failure::Failure;
use super::output;
use super::release;
use crate::api::Client;
use crate::api::types::{InstanceView, NodeView, Service as ServiceView, Status, Why};
use crate::manifest::quantity::Span;
use crate::state_dir::StateDir;
use orbweave_core::cordon::{Cordon, Service};
use orbweave_model::{Hlc, Wall};
use orbweave_state::record::{Record, RecordKind};
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// How often the node is asked what is left.
const INTERVAL: Duration = Duration::from_millis(200);
/// Replicas that are named one by one when the time is over.
const NAMED_MAX: usize = 20;

/// A node takes nothing new.
pub async fn cordon(client: &Client, dir: &StateDir, args: CordonArgs) -> Result<(), Failure> {
    let (node, changed) =
        say(client, dir, &args.node, args.operator_key.as_deref(), Service::Cordoned).await?;
    let name = &node.name;
    output::say(&match changed {
        true => format!("Cordoned {name}: it takes nothing new\n"),
        false => format!("{name} is cordoned already\n"),
    })
}

/// A node is a place for work again.
pub async fn uncordon(client: &Client, dir: &StateDir, args: CordonArgs) -> Result<(), Failure> {
    let (node, changed) = say(client, dir, &args.node, args.operator_key.as_deref(), Service::Open).await?;
    let name = &node.name;
    output::say(&match changed {
        true => format!("{name} is a place for work again\n"),
        false => format!("{name} is in service already\n"),
    })
}

/// A node takes nothing new, and what it holds goes to others.
pub async fn drain(client: &Client, dir: &StateDir, args: DrainArgs) -> Result<(), Failure> {
    let (node, changed) =
        say(client, dir, &args.node, args.operator_key.as_deref(), Service::Drained).await?;
    let name = &node.name;
    output::say(&match changed {
        true => format!("Drains {name}: what it holds goes to others\n"),
        false => format!("{name} is drained already\n"),
    })?;
    if args.wait { until_empty(client, &node, args.timeout.0).await } else { Ok(()) }
}

/// Says what a node is to be from now on; whether that changed anything.
async fn say(
    client: &Client,
    dir: &StateDir,
    node: &str,
    key: Option<&Path>,
    service: Service,
) -> Result<(NodeView, bool), Failure> {
    let operator = release::operator_key(dir, key)?;
    let node = find_node(client, node).await?;
    let before = match node.service {
        ServiceView::Open => Service::Open,
        ServiceView::Cordoned => Service::Cordoned,
        ServiceView::Drained => Service::Drained,
    };
    if before == service {
        return Ok((node, false));
    }
    let status: Status = client.get("/v1/status").await?;
    let cordon = Cordon { generation: node.service_generation + 1, service };
    // After the one that it replaces, also where this machine's clock is behind.
    let wall = Wall(output::now_ms().max(node.service_since_ms + 1));
    let hlc = Hlc { wall, count: 0 };
    let key = node.id.to_string();
    let record = Record::sign(&operator, status.mesh, RecordKind::CORDON, &key, hlc, cordon.encode());
    client.post_bytes("/v1/records", record.into()).await?;
    Ok((node, true))
}

/// Returns once a node holds nothing any more; else says what is left, and why.
async fn until_empty(client: &Client, node: &NodeView, timeout: Duration) -> Result<(), Failure> {
    let deadline = Instant::now() + timeout;
    loop {
        let instances: Vec<InstanceView> = client.get("/v1/instances").await?;
        let left: Vec<_> = instances.into_iter().filter(|i| i.node == Some(node.id)).collect();
        if left.is_empty() {
            output::note(&format!("{} holds nothing any more", node.name));
            return Ok(());
        }
        if Instant::now() < deadline {
            tokio::time::sleep(INTERVAL).await;
            continue;
        }
        let mut text = format!("after {}, {} still holds {}", Span(timeout), node.name, left.len());
        for instance in left.iter().take(NAMED_MAX) {
            let (name, slot) = (&instance.workload, instance.slot);
            let why: Why = client.get(&format!("/v1/workloads/{name}/why?slot={slot}")).await?;
            let reasons =
                why.reasons.iter().map(|r| format!("{} of {}: {}", r.nodes, why.places.len(), r.text));
            let reasons: Vec<String> = reasons.collect();
            text.push_str(&format!("\n  {name}/{slot}: {}", reasons.join("; ")));
        }
        return Err(Failure::new(text).fix(format!(
            "nothing is lost, and it goes on; make room elsewhere, or take it back with `orbweave uncordon {}`",
            node.name
        )));
    }
}

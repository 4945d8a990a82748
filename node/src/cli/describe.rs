//! `describe`: all about one workload or node, with the reasons.

use super::args::DescribeArgs;
use super::failure::Failure;
use super::follow::event_line;
use super::list::{generation_text, instance_cells, named, route_text, state_text};
use super::output::{self, Format, Paint, cell, table};
use super::status::conflict_text;
use crate::api::Client;
use crate::api::types::{Describe, InstanceView, NodeView, ReleaseView};
use crate::manifest::quantity::{Cpu, Memory, Span};
use orbweave_model::Resources;
use serde::Serialize;
use std::time::Duration;

/// A workload of that name, or else a node.
pub async fn run(client: &Client, args: DescribeArgs) -> Result<(), Failure> {
    if !args.node
        && let Ok(name) = args.name.parse()
        && let Some(known) = super::deploy::describe(client, &name).await?
    {
        return match args.output.format {
            Format::Json => output::say_json(&known),
            Format::Text => output::say(&workload(&known)),
        };
    }
    let node = find_node(client, &args.name).await.map_err(|failure| match args.node {
        true => failure,
        false => failure.fix("see `orbweave nodes`, and `orbweave get` for workloads"),
    })?;
    let instances: Vec<InstanceView> = client.get("/v1/instances").await?;
    let held: Vec<_> = instances.into_iter().filter(|i| i.node == Some(node.id)).collect();
    match args.output.format {
        Format::Json => output::say_json(&DescribedNode { node: &node, instances: &held }),
        Format::Text => output::say(&described_node(&node, &held)),
    }
}

#[derive(Serialize)]
struct DescribedNode<'a> {
    node: &'a NodeView,
    instances: &'a [InstanceView],
}

/// Digits of an id that name a node, at least: a slip of the finger should not.
const ID_DIGITS_MIN: usize = 4;

/// The node of this name, or whose id begins so.
pub async fn find_node(client: &Client, name: &str) -> Result<NodeView, Failure> {
    let nodes: Vec<NodeView> = client.get("/v1/nodes").await?;
    let by_name = nodes.iter().any(|n| n.name == name);
    let matches = |n: &NodeView| match by_name {
        true => n.name == name,
        false => name.len() >= ID_DIGITS_MIN && n.id.to_string().starts_with(&name.to_lowercase()),
    };
    let mut found = nodes.into_iter().filter(matches);
    match (found.next(), found.count()) {
        (Some(node), 0) => Ok(node),
        (Some(_), more) => Err(Failure::new(format!("{} nodes are meant by {name:?}", more + 1))
            .fix("give more of the id: see `orbweave nodes`")),
        (None, _) => Err(Failure::new(format!("no node is called {name:?}")).fix("see `orbweave nodes`")),
    }
}

struct Page(String);

impl Page {
    fn line(&mut self, what: &str, value: impl std::fmt::Display) {
        self.0.push_str(&format!("{what:<13}{value}\n"));
    }

    fn part(&mut self, title: &str, body: &str) {
        self.0.push_str(&format!("\n{title}\n"));
        for line in body.lines() {
            self.0.push_str(&format!("  {line}\n"));
        }
    }
}

/// Processor time and memory in words.
pub fn resources(r: &Resources) -> String {
    format!("{} CPU, {} memory", Cpu(r.cpu_milli), Memory(r.memory_bytes))
}

fn workload(d: &Describe) -> String {
    let w = &d.workload;
    let mut page = Page(String::new());
    page.line("Workload", w.name.as_str());
    page.line(
        "State",
        match w.deleted {
            true => "deleted".to_owned(),
            false => format!("{} of {} replicas run", w.running, w.replicas),
        },
    );
    page.line("Generation", format!("{}, of {} UTC", generation_text(w), output::moment(w.created_ms)));
    page.line("Namespace", w.namespace.as_str());
    page.line("Component", w.component);
    page.line("Requires", if d.requires.is_empty() { "nothing".to_owned() } else { d.requires.to_string() });
    page.line("Needs", format!("{} a replica", resources(&d.need)));
    let call_time = Span(Duration::from_millis(d.call_time_ms));
    page.line("Limits", format!("{call_time} a call, {} calls at once a replica", d.concurrency));
    if let Some(route) = &w.route {
        let again = if route.idempotent { ", repeated on another replica if one dies" } else { "" };
        let deadline = Span(Duration::from_millis(route.deadline_ms));
        page.line("Route", format!("{} within {deadline}{again}", route_text(Some(route))));
    }
    if !w.rivals.is_empty() {
        let mut names: Vec<_> = w.rivals.iter().chain([&w.name]).cloned().collect();
        names.sort();
        page.line("Conflict", conflict_text(&route_text(w.route.as_ref()), &names));
    }
    for (name, value) in &d.env {
        page.line("Environment", format!("{name}={value}"));
    }
    if let Some(release) = &d.release {
        page.part("Release", &release_text(release));
    }
    let rows: Vec<_> = d.instances.iter().map(instance_cells).collect();
    if !rows.is_empty() {
        page.part("Replicas", &table(&["SLOT", "PHASE", "NODE", "EPOCH", "SINCE", "NOTE"], rows));
    }
    if !d.functions.is_empty() {
        page.part("Functions", &d.functions.join("\n"));
    }
    let rows = d.verdicts.iter().map(|v| {
        let paint = if v.eligible { Paint::Green } else { Paint::Yellow };
        let slot = v.slot.map_or("any".to_owned(), |slot| slot.to_string());
        vec![cell(named(&v.node_name, &v.node.short()), None), cell(slot, None), cell(&*v.text, Some(paint))]
    });
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        page.part("Why", &table(&["NODE", "SLOT", "VERDICT"], rows));
    }
    if !d.events.is_empty() {
        let lines: Vec<_> = d.events.iter().map(|e| event_line(e, output::colour_on_stdout())).collect();
        page.part("Events on this node", &lines.join("\n"));
    }
    page.0
}

fn release_text(r: &ReleaseView) -> String {
    let list = |names: &[String]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    format!(
        "{} {} ({}), sequence {}\npublisher {}\ngood from {} to {} UTC\nimports {}\nexports {}",
        r.name,
        r.version,
        output::bytes(r.size),
        r.sequence,
        r.publisher,
        output::moment(r.not_before_ms),
        output::moment(r.expires_ms),
        list(&r.imports),
        list(&r.exports),
    )
}

fn described_node(node: &NodeView, held: &[InstanceView]) -> String {
    let mut page = Page(String::new());
    page.line("Node", &node.name);
    page.line("Id", node.id);
    page.line(
        "State",
        format!("{}{}", state_text(node), if node.this { ", the one that answers" } else { "" }),
    );
    page.line("Generation", node.generation);
    page.line("Zone", &node.zone);
    page.line("Labels", if node.labels.is_empty() { "none".to_owned() } else { node.labels.to_string() });
    for address in &node.addresses {
        page.line("Address", address);
    }
    page.line("Capacity", format!("{}, {} replicas", resources(&node.capacity), node.capacity.instances));
    page.line("Free", format!("{}, {} replicas", resources(&node.free), node.free.instances));
    if let Some(rtt) = node.rtt_us {
        page.line("Round trip", output::round_trip(rtt));
    }
    if let Some(heard) = node.last_heard_ms {
        page.line("Heard", format!("{} ago", output::age(heard)));
    }
    let rows = held.iter().map(|i| {
        let mut row = vec![cell(i.workload.as_str(), None)];
        row.extend(instance_cells(i));
        row
    });
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        page.part("Replicas", &table(&["WORKLOAD", "SLOT", "PHASE", "NODE", "EPOCH", "SINCE", "NOTE"], rows));
    }
    page.0
}

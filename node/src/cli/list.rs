//! `ps`, `get` and `nodes`.

use super::args::{GetArgs, ListArgs};
use super::failure::Failure;
use super::output::{self, Format, Paint, cell, phase_paint, state_paint, table};
use crate::api::Client;
use crate::api::types::{InstanceView, NodeView, RouteView, Service, WorkloadView};
use crate::manifest::quantity::Cpu;
use comfy_table::Cell;

/// Every slot of every workload and who holds it.
pub async fn ps(client: &Client, args: ListArgs) -> Result<(), Failure> {
    let mut instances: Vec<InstanceView> = client.get("/v1/instances").await?;
    instances.sort_by(|a, b| (&a.workload, a.slot, a.node).cmp(&(&b.workload, b.slot, b.node)));
    if args.output.format == Format::Json {
        return output::say_json(&instances);
    }
    if instances.is_empty() {
        output::note("Nothing runs in this mesh; deploy something with `orbweave deploy -f FILE`");
        return Ok(());
    }
    let rows = instances.iter().map(|i| {
        let mut row = vec![cell(i.workload.as_str(), None)];
        row.extend(instance_cells(i));
        row
    });
    output::say(&table(&["WORKLOAD", "SLOT", "PHASE", "NODE", "EPOCH", "SINCE", "NOTE"], rows.collect()))
}

/// Slot, phase, node, epoch, age and note.
pub fn instance_cells(i: &InstanceView) -> Vec<Cell> {
    let node = named(&i.node_name, &i.node.map_or_else(|| "-".to_owned(), |id| id.short()));
    let (epoch, since) = match i.node {
        // Zero is what a node says that does not know since when.
        Some(_) if i.since_ms == 0 => (i.epoch.to_string(), "-".to_owned()),
        Some(_) => (i.epoch.to_string(), output::age(i.since_ms)),
        None => ("-".to_owned(), "-".to_owned()),
    };
    vec![
        cell(i.slot.to_string(), None),
        cell(format!("{:?}", i.phase), Some(phase_paint(i.phase))),
        cell(node, None),
        cell(epoch, None),
        cell(since, None),
        cell(&*i.note, Some(Paint::Dim)),
    ]
}

/// A name, or what else there is.
pub fn named(name: &str, otherwise: &str) -> String {
    if name.is_empty() { otherwise.to_owned() } else { name.to_owned() }
}

/// The workloads.
pub async fn get(client: &Client, args: GetArgs) -> Result<(), Failure> {
    let mut workloads: Vec<WorkloadView> = client.get("/v1/workloads").await?;
    workloads.sort_by(|a, b| a.name.cmp(&b.name));
    match &args.name {
        Some(name) => workloads.retain(|w| w.name == *name),
        None => workloads.retain(|w| args.all || !w.deleted),
    }
    match (&args.name, workloads.first()) {
        (Some(name), None) => {
            Err(Failure::new(format!("no workload is called {name}")).fix("see `orbweave get --all`"))
        }
        (Some(_), Some(workload)) if args.output.format == Format::Json => output::say_json(workload),
        _ if args.output.format == Format::Json => output::say_json(&workloads),
        (None, None) => {
            output::note("No workload in this mesh; deploy one with `orbweave deploy -f FILE`");
            Ok(())
        }
        _ => output::say(&workload_table(&workloads)),
    }
}

fn workload_table(workloads: &[WorkloadView]) -> String {
    let now = output::now_ms();
    let rows = workloads.iter().map(|w| {
        let (running, paint) = match w {
            _ if w.deleted => ("deleted".to_owned(), Paint::Dim),
            _ if w.running >= w.replicas => (format!("{}/{}", w.running, w.replicas), Paint::Green),
            _ => (format!("{}/{}", w.running, w.replicas), Paint::Yellow),
        };
        vec![
            cell(w.name.as_str(), None),
            cell(running, Some(paint)),
            cell(&*w.version, None),
            cell(generation_text(w), None),
            cell(route_text(w.route.as_ref()), None),
            cell(w.component.short(), None),
            cell(output::age(now.saturating_sub(w.created_ms)), None),
        ]
    });
    table(&["NAME", "RUNNING", "VERSION", "GENERATION", "ROUTE", "COMPONENT", "AGE"], rows.collect())
}

/// The generation that is wanted, and the one that runs if that did not come up.
pub fn generation_text(workload: &WorkloadView) -> String {
    match workload.rolled_back_to {
        Some(runs) => format!("{}, rolled back to {runs}", workload.generation),
        None => workload.generation.to_string(),
    }
}

/// A route in one word: `hello.mesh/api`.
pub fn route_text(route: Option<&RouteView>) -> String {
    let Some(route) = route else { return "-".to_owned() };
    let host = route.host.as_deref().unwrap_or("*");
    format!("{host}{}", route.path.as_deref().unwrap_or("/"))
}

/// Its state, and whether people took it out of service.
pub fn state_text(node: &NodeView) -> String {
    let service = match node.service {
        Service::Open => "",
        Service::Cordoned => ", cordoned",
        Service::Drained => ", drained",
    };
    format!("{:?}{service}", node.state)
}

/// The nodes.
pub async fn nodes(client: &Client, args: ListArgs) -> Result<(), Failure> {
    let mut nodes: Vec<NodeView> = client.get("/v1/nodes").await?;
    nodes.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    if args.output.format == Format::Json {
        return output::say_json(&nodes);
    }
    let rows = nodes.iter().map(|n| {
        let rtt =
            if n.this { "self".to_owned() } else { n.rtt_us.map_or("-".to_owned(), output::round_trip) };
        vec![
            cell(&*n.name, None),
            cell(n.id.short(), None),
            cell(state_text(n), Some(state_paint(n.state))),
            cell(rtt, None),
            cell(format!("{}/{}", Cpu(n.free.cpu_milli), Cpu(n.capacity.cpu_milli)), None),
            cell(
                format!("{}/{}", output::bytes(n.free.memory_bytes), output::bytes(n.capacity.memory_bytes)),
                None,
            ),
            cell(format!("{}/{}", n.free.instances, n.capacity.instances), None),
            cell(n.labels.to_string(), None),
            cell(n.addresses.first().map_or("-".to_owned(), ToString::to_string), None),
        ]
    });
    let header = [
        "NAME",
        "ID",
        "STATE",
        "RTT",
        "CPU FREE/ALL",
        "MEMORY FREE/ALL",
        "SLOTS FREE/ALL",
        "LABELS",
        "ADDRESS",
    ];
    output::say(&table(&header, rows.collect()))
}

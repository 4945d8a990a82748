//! `quota`: what all workloads of a namespace together may have.

use super::args::{QuotaCommand, QuotaListArgs, QuotaRemoveArgs, QuotaSetArgs};
use super::failure::Failure;
use super::output::{self, Format, Paint, cell, table};
use super::release;
use crate::api::Client;
use crate::api::types::{QuotaView, Status};
use crate::manifest::quantity::{Memory, Thousandths};
use crate::state_dir::StateDir;
use comfy_table::Cell;
use orbweave_core::quota::Quota;
use orbweave_model::{Hlc, Namespace, Wall};
use orbweave_scheduler::quota::Bounds;
use orbweave_state::record::{Record, RecordKind};
use std::path::Path;

/// Does what was said.
pub async fn run(client: &Client, dir: &StateDir, command: QuotaCommand) -> Result<(), Failure> {
    match command {
        QuotaCommand::Ls(args) => list(client, args).await,
        QuotaCommand::Set(args) => set(client, dir, args).await,
        QuotaCommand::Rm(args) => remove(client, dir, args).await,
    }
}

async fn list(client: &Client, args: QuotaListArgs) -> Result<(), Failure> {
    let quotas: Vec<QuotaView> = client.get("/v1/quotas").await?;
    match args.output.format {
        Format::Json => output::say_json(&quotas),
        Format::Text if quotas.is_empty() => {
            output::note("Nothing is deployed, and no namespace has a quota");
            Ok(())
        }
        Format::Text => output::say(&text(&quotas)),
    }
}

fn text(quotas: &[QuotaView]) -> String {
    let header = ["NAMESPACE", "REPLICAS", "CPU", "MEMORY", "ACCELERATORS", "NOT COVERED"];
    table(&header, quotas.iter().map(row).collect())
}

fn row(quota: &QuotaView) -> Vec<Cell> {
    let (used, bounds) = (&quota.used, &quota.bounds);
    let of = |used: String, bound: Option<String>| {
        cell(format!("{used}/{}", bound.as_deref().unwrap_or("-")), None)
    };
    let thousandths = |milli: u64| Thousandths(milli).to_string();
    let memory = |bytes: u64| Memory(bytes).to_string();
    let uncovered = (quota.uncovered > 0).then_some(Paint::Yellow);
    vec![
        cell(quota.namespace.as_str(), None),
        of(used.instances.to_string(), bounds.instances.map(|n| n.to_string())),
        of(thousandths(used.cpu_milli.into()), bounds.cpu_milli.map(thousandths)),
        of(memory(used.memory_bytes), bounds.memory_bytes.map(memory)),
        of(thousandths(used.accelerator_milli.into()), bounds.accelerator_milli.map(thousandths)),
        cell(quota.uncovered.to_string(), uncovered),
    ]
}

async fn set(client: &Client, dir: &StateDir, args: QuotaSetArgs) -> Result<(), Failure> {
    let bounds = Bounds {
        cpu_milli: args.bounds.cpu.map(|cpu| cpu.0),
        memory_bytes: args.bounds.memory.map(|memory| memory.0),
        instances: args.bounds.replicas,
        accelerator_milli: args.bounds.accelerators.map(|accelerators| accelerators.0),
    };
    let namespace = &args.namespace;
    say(client, dir, namespace, args.admission_key.as_deref(), bounds).await?;
    output::say(&format!("Namespace {namespace} has a quota now\n"))?;
    let quotas: Vec<QuotaView> = client.get("/v1/quotas").await?;
    let uncovered =
        quotas.iter().find(|quota| quota.namespace == *namespace).map_or(0, |quota| quota.uncovered);
    if uncovered > 0 {
        output::note(&format!(
            "It does not cover {uncovered} replicas that are wanted: they end; see `orbweave quota ls`"
        ));
    }
    Ok(())
}

async fn remove(client: &Client, dir: &StateDir, args: QuotaRemoveArgs) -> Result<(), Failure> {
    let namespace = &args.namespace;
    say(client, dir, namespace, args.admission_key.as_deref(), Bounds::default()).await?;
    output::say(&format!("Namespace {namespace} has no quota any more\n"))
}

/// Says what a namespace may have from now on.
async fn say(
    client: &Client,
    dir: &StateDir,
    namespace: &Namespace,
    key: Option<&Path>,
    bounds: Bounds,
) -> Result<(), Failure> {
    let admission = release::admission_key(dir, key)?;
    let status: Status = client.get("/v1/status").await?;
    let quotas: Vec<QuotaView> = client.get("/v1/quotas").await?;
    let before = quotas.iter().find(|quota| quota.namespace == *namespace);
    let generation = before.map_or(0, |quota| quota.generation) + 1;
    // After the one that it replaces, also where this machine's clock is behind.
    let wall = Wall(output::now_ms().max(before.map_or(0, |quota| quota.since_ms + 1)));
    let hlc = Hlc { wall, count: 0 };
    let body = Quota { generation, bounds }.encode();
    let record = Record::sign(&admission, status.mesh, RecordKind::QUOTA, namespace.as_str(), hlc, body);
    client.post_bytes("/v1/records", record.into()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use orbweave_model::Resources;

    #[test]
    fn what_is_used_stands_before_its_bound() {
        let used = Resources { cpu_milli: 1_500, memory_bytes: 64 << 20, instances: 3, accelerator_milli: 0 };
        let bounds = Bounds { cpu_milli: Some(2_000), instances: Some(3), ..Bounds::default() };
        let quota = |namespace: &str, bounds, uncovered| QuotaView {
            namespace: namespace.parse().unwrap(),
            generation: 1,
            since_ms: 0,
            bounds,
            used,
            uncovered,
        };
        let lines = [
            "NAMESPACE  REPLICAS  CPU      MEMORY  ACCELERATORS  NOT COVERED",
            "default    3/-       1500m/-  64Mi/-  0/-           0",
            "tenant     3/3       1500m/2  64Mi/-  0/-           2",
        ];
        let quotas = [quota("default", Bounds::default(), 0), quota("tenant", bounds, 2)];
        assert_eq!(text(&quotas), lines.join("\n") + "\n");
    }
}

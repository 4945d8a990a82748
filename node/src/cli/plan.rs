//! `plan`: what deploying a manifest would change, where, and what would not fit.
//! Nothing is done. Exit codes: 0 nothing would change, 1 something would, 255 error.

use super::args::PlanArgs;
use super::deploy::prepare;
use super::failure::Failure;
use super::output::{self, Format, Paint, cell, table};
use crate::api::types::{Fate, NodeRef, Plan, PlannedView};
use crate::api::{Client, ClientError};
use crate::state_dir::StateDir;
use comfy_table::Cell;

/// The exit code where something would change.
const CHANGES: u8 = 1;
/// The exit code of an error, which is not to be taken for a change.
const ERROR: u8 = 255;

/// Asks the node what would change, and says it.
pub async fn run(client: &Client, dir: &StateDir, args: PlanArgs) -> Result<(), Failure> {
    let plan = ask(client, dir, &args).await.map_err(|failure| failure.code(ERROR))?;
    let said = match args.output.format {
        Format::Json => output::say_json(&plan),
        Format::Text => output::say(&text(&plan)),
    };
    // A reader that left has no part in the answer.
    said.or_else(|failure| if failure.is_silent() { Ok(()) } else { Err(failure.code(ERROR)) })?;
    if plan.changes { Err(Failure::only_code(CHANGES)) } else { Ok(()) }
}

async fn ask(client: &Client, dir: &StateDir, args: &PlanArgs) -> Result<Plan, Failure> {
    let prepared = prepare(client, dir, &args.source).await?;
    let path = format!("/v1/plans/{}", prepared.name());
    let answer = client.post_bytes(&path, prepared.spec.encode().into()).await?;
    let mut plan: Plan =
        serde_json::from_slice(&answer).map_err(|e| ClientError::Malformed(e.to_string()))?;
    // What concerns no slot, such as a route, is a change as well.
    plan.changes |= !prepared.is_known();
    Ok(plan)
}

fn text(plan: &Plan) -> String {
    let name = &plan.workload;
    if !plan.changes && plan.fits {
        return format!("{name}: nothing would change\n");
    }
    let moving: Vec<&PlannedView> = plan.slots.iter().filter(|slot| slot.fate != Fate::Stays).collect();
    let mut text = format!("{name}: {}\n", summary(plan));
    if let Some(why) = &plan.refused {
        text.push_str(&format!("It would be refused: {why}\n"));
    }
    if !moving.is_empty() {
        text.push('\n');
        text.push_str(&table(&["SLOT", "WHAT", "FROM", "TO", "WHY"], moving.into_iter().map(row).collect()));
    }
    text
}

fn summary(plan: &Plan) -> String {
    let count = |fate| plan.slots.iter().filter(|slot| slot.fate == fate).count();
    let parts = [
        (count(Fate::Starts), "would start"),
        (count(Fate::BeginsAnew), "would begin anew"),
        (count(Fate::Moves), "would move"),
        (count(Fate::Ends), "would end"),
        (count(Fate::Nowhere), "would find no node"),
        (plan.unsought as usize, "more would start, their nodes not sought"),
        (count(Fate::Stays), "would stay"),
    ];
    let told = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let told = told.collect::<Vec<_>>().join(", ");
    if told.is_empty() { "no replica would change".to_owned() } else { told }
}

fn row(slot: &PlannedView) -> Vec<Cell> {
    let (what, paint) = match slot.fate {
        Fate::Stays => ("stays", Paint::Dim),
        Fate::Starts => ("starts", Paint::Green),
        Fate::BeginsAnew => ("begins anew", Paint::Yellow),
        Fate::Moves => ("moves", Paint::Yellow),
        Fate::Ends => ("ends", Paint::Yellow),
        Fate::Nowhere => ("no node", Paint::Red),
    };
    let node = |node: &Option<NodeRef>| node.as_ref().map_or("-".to_owned(), |node| node.name.clone());
    let from = if slot.fate == Fate::BeginsAnew { "-".to_owned() } else { node(&slot.from) };
    vec![
        cell(slot.slot.to_string(), None),
        cell(what, Some(paint)),
        cell(from, None),
        cell(node(&slot.to), None),
        cell(slot.why.clone().unwrap_or_default(), None),
    ]
}

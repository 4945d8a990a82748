//! `why`: why a replica is where it is, or nowhere.

use super::args::WhyArgs;
use super::failure::Failure;
use super::list::named;
use super::output::{self, Format, Paint, cell, table};
use crate::api::Client;
use crate::api::types::{InstanceView, NodeRef, Phase, PlaceView, Why};

/// Asks about the slot, or about the first one that does not run.
pub async fn run(client: &Client, args: WhyArgs) -> Result<(), Failure> {
    let name = &args.what.workload;
    let slot = match args.what.slot {
        Some(slot) => slot,
        None => {
            let mut instances: Vec<InstanceView> = client.get("/v1/instances").await?;
            instances.retain(|i| i.workload == *name);
            instances.retain(|i| !matches!(i.phase, Phase::Draining | Phase::Elsewhere));
            first_idle(&instances)
        }
    };
    let why: Why = client.get(&format!("/v1/workloads/{name}/why?slot={slot}")).await?;
    match args.output.format {
        Format::Json => output::say_json(&why),
        Format::Text => output::say(&text(&why)),
    }
}

/// The first slot that nobody runs, or else the first.
fn first_idle(instances: &[InstanceView]) -> u32 {
    let runs = |slot| instances.iter().any(|i| i.slot == slot && i.phase == Phase::Running);
    instances.iter().map(|i| i.slot).filter(|slot| !runs(*slot)).min().unwrap_or(0)
}

fn text(why: &Why) -> String {
    let mut text = format!("{}\n", why.answer);
    if why.keeper.is_none() {
        let placers: Vec<&str> = why.placers.iter().map(|node| &*node.name).collect();
        let acts = why.acts_in_ms.map(|ms| format!("; the node that answers, in {}", output::age(ms)));
        let acts = acts.unwrap_or_default();
        if !placers.is_empty() {
            text.push_str(&format!("Placed by {}, the first that can{acts}\n", placers.join(", ")));
        }
    }
    if !why.places.is_empty() {
        let rows = why.places.iter().map(|place| row(place, why.keeper.as_ref())).collect();
        text.push('\n');
        text.push_str(&table(&["NODE", "FITS", "SCORE", "OTHERS", "WHY"], rows));
    }
    text
}

fn row(place: &PlaceView, keeper: Option<&NodeRef>) -> Vec<comfy_table::Cell> {
    let keeps = keeper.is_some_and(|keeper| keeper.id == place.node.id);
    let (fits, paint) = match place.fits {
        true => ("yes", Paint::Green),
        false => ("no", Paint::Yellow),
    };
    let shares: Vec<String> = place.shares.iter().map(|(term, value)| format!("{term} {value:+}")).collect();
    let why = match (keeps || place.fits, shares.is_empty()) {
        (true, false) => format!("{} ({})", place.text, shares.join(", ")),
        _ => place.text.clone(),
    };
    vec![
        cell(named(&place.node.name, &place.node.id.short()), keeps.then_some(Paint::Green)),
        cell(fits, Some(paint)),
        cell(place.score.map_or("-".to_owned(), |score| score.to_string()), None),
        cell(place.held.to_string(), None),
        cell(why, None),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use orbweave_model::NodeId;

    fn instance(slot: u32, phase: Phase) -> InstanceView {
        InstanceView {
            workload: "w".parse().unwrap(),
            slot,
            node: Some(NodeId([1; 32])),
            node_name: String::new(),
            phase,
            elsewhere_runs: false,
            epoch: 1,
            since_ms: 0,
            generation: None,
            instance: None,
            note: String::new(),
        }
    }

    #[test]
    fn without_a_slot_the_first_that_does_not_run_is_meant() {
        let running = instance(0, Phase::Running);
        assert_eq!(first_idle(&[running.clone(), instance(1, Phase::Starting)]), 1);
        assert_eq!(first_idle(&[instance(0, Phase::Starting), running.clone()]), 0, "one of two runs it");
        assert_eq!(first_idle(&[]), 0);
    }
}

//! `zones`: the zones of the mesh.

use super::args::ListArgs;
use super::failure::Failure;
use super::output::{self, Format, cell, table, zone_paint};
use crate::api::Client;
use crate::api::types::ZoneView;
use comfy_table::Cell;

/// The zones, the own one first.
pub async fn run(client: &Client, args: ListArgs) -> Result<(), Failure> {
    let zones: Vec<ZoneView> = client.get("/v1/zones").await?;
    match args.output.format {
        Format::Json => output::say_json(&zones),
        Format::Text => output::say(&text(&zones)),
    }
}

fn text(zones: &[ZoneView]) -> String {
    let header = ["NAME", "STATE", "MEMBERS", "GATEWAYS", "RUNNING", "LEADER"];
    table(&header, zones.iter().map(row).collect())
}

fn row(zone: &ZoneView) -> Vec<Cell> {
    let own = if zone.own { " (own)" } else { "" };
    let leaders: Vec<&str> = zone.leaders.iter().map(|node| &*node.name).collect();
    let leaders = if leaders.is_empty() { "-".to_owned() } else { leaders.join(", ") };
    vec![
        cell(format!("{}{own}", zone.name), None),
        cell(format!("{:?}", zone.state), Some(zone_paint(zone.state))),
        cell(zone.members.to_string(), None),
        cell(zone.gateways.len().to_string(), None),
        cell(format!("{}/{}", zone.running, zone.replicas), None),
        cell(leaders, None),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::types::{NodeRef, ZoneState};
    use orbweave_model::NodeId;

    fn zone(name: &str, state: ZoneState, leaders: &[&str]) -> ZoneView {
        let named = |name: &&str| NodeRef { id: NodeId([1; 32]), name: (*name).to_owned() };
        let leaders: Vec<NodeRef> = leaders.iter().map(named).collect();
        let (name, own, gateways) = (name.to_owned(), name == "north", leaders.clone());
        ZoneView { name, own, state, leaders, gateways, members: 5, replicas: 3, running: 2 }
    }

    #[test]
    fn the_own_zone_is_marked_and_a_split_one_has_several_leaders() {
        let zones = [
            zone("north", ZoneState::Alive, &["a"]),
            zone("south", ZoneState::Split, &["b", "c"]),
            zone("west", ZoneState::Lost, &[]),
        ];
        let lines = [
            "NAME         STATE  MEMBERS  GATEWAYS  RUNNING  LEADER",
            "north (own)  Alive  5        1         2/3      a",
            "south        Split  5        2         2/3      b, c",
            "west         Lost   5        0         2/3      -",
        ];
        assert_eq!(text(&zones), lines.join("\n") + "\n");
    }
}

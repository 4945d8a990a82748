//! From what the node reports of zones to what the API says of them.

use crate::api::types::{NodeRef, ZoneState, ZoneView};
use orbweave_core::{Node, zone};
use orbweave_model::NodeId;

/// Every zone, the node's own first.
pub fn zones(node: &Node) -> Vec<ZoneView> {
    node.zones().into_iter().map(|report| view(node, report)).collect()
}

fn view(node: &Node, report: zone::ZoneReport) -> ZoneView {
    ZoneView {
        name: report.name,
        own: report.own,
        state: match report.state {
            zone::ZoneState::Alive => ZoneState::Alive,
            zone::ZoneState::Split => ZoneState::Split,
            zone::ZoneState::Lost => ZoneState::Lost,
        },
        leaders: named(node, &report.leaders),
        gateways: named(node, &report.gateways),
        members: report.members,
        replicas: report.replicas,
        running: report.running,
    }
}

fn named(node: &Node, ids: &[NodeId]) -> Vec<NodeRef> {
    ids.iter().map(|&id| NodeRef { id, name: node.name(id) }).collect()
}

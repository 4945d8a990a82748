//! What the admin API says of zones: the node's own, and the others that it knows.

use super::explanation::NodeRef;
use serde::{Deserialize, Serialize};

/// The zone of a node that was told none.
pub const ZONE_DEFAULT: &str = "default";

/// Where an answer is of a version before zones, all nodes were in this one.
pub(super) fn zone_default() -> String {
    ZONE_DEFAULT.to_owned()
}

/// A zone, as the answering node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneView {
    /// Its name.
    pub name: String,
    /// Whether it is the zone of the node that answers.
    #[serde(default)]
    pub own: bool,
    /// Its state.
    pub state: ZoneState,
    /// Its leading gateways: one, unless it is split.
    pub leaders: Vec<NodeRef>,
    /// All its gateways that are known.
    pub gateways: Vec<NodeRef>,
    /// Its members that are alive, as its leader says.
    pub members: u32,
    /// Replicas that it keeps by its allotments.
    pub replicas: u32,
    /// Of these, the ones that run.
    pub running: u32,
}

/// The state of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ZoneState {
    /// Its gateways are heard, and follow one leader.
    Alive,
    /// Its gateways are heard, and do not follow one leader.
    Split,
    /// None of its gateways is heard; its replicas are taken over.
    Lost,
}

//! What a workload says about where its replicas may and should be, beyond the labels
//! and the resources that each of them needs.

use minicbor::{Decode, Encode};
use orbweave_model::{NodeId, Selector, WorkloadName};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Preferences of one workload.
pub const PREFERENCES_MAX: usize = 16;
/// The weight of a preference.
pub const WEIGHT_MAX: u32 = 100;
/// Labels over which the replicas of one workload are spread.
pub const SPREADS_MAX: usize = 4;
/// Workloads that one workload keeps apart from.
pub const APART_MAX: usize = 16;
/// Places that one workload shall be near.
pub const NEAR_MAX: usize = 4;
/// What stands for the node itself where a label's key is expected.
pub const OVER_NODES: &str = "node";

/// The wishes and rules of one workload. By default there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
#[serde(rename_all = "camelCase", default)]
pub struct Policy {
    /// Conditions that a place should meet.
    #[n(0)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prefers: Vec<Preference>,
    /// Over what its replicas are spread, the most important first.
    #[n(1)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spread: Vec<Spread>,
    /// Workloads that no node may hold that holds this one.
    #[n(2)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub apart_from: Vec<WorkloadName>,
    /// What its replicas shall be near.
    #[n(3)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<Near>,
}

/// Conditions that a place should meet, and how much that counts.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
#[serde(rename_all = "camelCase")]
pub struct Preference {
    /// The conditions.
    #[n(0)]
    pub wants: Selector,
    /// From 1 to [`WEIGHT_MAX`]; the most of them counts as much as one replica less there.
    #[n(1)]
    pub weight: u32,
}

/// Replicas are spread over the values of a label, or over nodes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// The label's key, or [`OVER_NODES`].
    #[n(0)]
    pub over: String,
    /// Replicas that one value may have.
    #[n(1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u32>,
    /// By how many replicas one value may be ahead of the one that has fewest.
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_skew: Option<u32>,
}

/// A place that replicas shall be near, by round trip.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
#[serde(rename_all = "camelCase")]
pub struct Near {
    /// Near what.
    #[n(0)]
    pub to: Target,
    /// The longest round trip, in milliseconds; without it nearer is better, and that is all.
    #[n(1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_ms: Option<u32>,
}

/// What replicas can be near.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// This node.
    #[n(0)]
    Node(#[n(0)] NodeId),
    /// The nearest node whose labels satisfy this.
    #[n(1)]
    Labels(#[n(0)] Selector),
    /// The nearest node that runs this workload.
    #[n(2)]
    Workload(#[n(0)] WorkloadName),
}

impl Policy {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The first bound that it passes: of what, and how many are allowed.
    pub fn beyond(&self) -> Option<(&'static str, u64)> {
        let weight = self.prefers.iter().any(|p| !(1..=WEIGHT_MAX).contains(&p.weight));
        let none = self.spread.iter().any(|s| s.at_most == Some(0) || s.max_skew == Some(0));
        let bounds = [
            (self.prefers.len() > PREFERENCES_MAX, "preferences", PREFERENCES_MAX as u64),
            (weight, "as a preference's weight, or less than one,", u64::from(WEIGHT_MAX)),
            (self.spread.len() > SPREADS_MAX, "labels to spread over", SPREADS_MAX as u64),
            (none, "or less than one replica that a value may have,", u64::from(u32::MAX)),
            (self.apart_from.len() > APART_MAX, "workloads to keep apart from", APART_MAX as u64),
            (self.near.len() > NEAR_MAX, "places to be near", NEAR_MAX as u64),
        ];
        bounds.into_iter().find(|(beyond, ..)| *beyond).map(|(_, what, max)| (what, max))
    }

    /// Whether a candidate must know of others to judge itself.
    pub fn looks_around(&self) -> bool {
        self.spread.iter().any(|s| s.at_most.is_some() || s.max_skew.is_some())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Node(node) => write!(f, "node {}", node.short()),
            Target::Labels(labels) => write!(f, "nodes with {labels}"),
            Target::Workload(name) => write!(f, "workload {name}"),
        }
    }
}

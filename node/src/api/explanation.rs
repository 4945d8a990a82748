//! What the admin API says of placement and change: why a slot is where it is, what a
//! manifest would change, and how far a change is.

use super::types::InstanceView;
use orbweave_model::{NodeId, WorkloadName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why a slot of a workload is where it is, or nowhere, by the view of the answering node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// The workload.
    pub workload: WorkloadName,
    /// The generation that is wanted.
    pub generation: u64,
    /// The slot.
    pub slot: u32,
    /// The answer in words.
    pub answer: String,
    /// The claims on it, and their epochs.
    pub claims: Vec<InstanceView>,
    /// Who keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeper: Option<NodeRef>,
    /// Who places it when it is vacant, the first first.
    pub placers: Vec<NodeRef>,
    /// Whom the answering node has offered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered_to: Option<NodeRef>,
    /// In how many milliseconds the answering node acts on it, if it stays vacant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acts_in_ms: Option<u64>,
    /// Why nodes do not take it, the most frequent reason first.
    pub reasons: Vec<ReasonView>,
    /// Every node that is known, those that fit first, the best of them at the top.
    pub places: Vec<PlaceView>,
    /// What the terms of a score count.
    pub terms: BTreeMap<String, String>,
}

/// A node and its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeRef {
    /// The node.
    pub id: NodeId,
    /// Its name.
    pub name: String,
}

/// A reason why nodes do not take a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReasonView {
    /// The reason in words; of a shortage, the smallest.
    pub text: String,
    /// How many nodes it holds for.
    pub nodes: u32,
}

/// A node as a place for a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaceView {
    /// The node.
    pub node: NodeRef,
    /// Whether it can take the slot.
    pub fits: bool,
    /// The reason in words.
    pub text: String,
    /// Other slots of the workload that it holds.
    pub held: u32,
    /// Its score, where it fits; higher is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<i64>,
    /// What each term counts for it, where it fits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shares: BTreeMap<String, i64>,
}

/// What a new generation of a workload would change, by the view of the answering node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The workload.
    pub workload: WorkloadName,
    /// Whether anything would change.
    pub changes: bool,
    /// Whether all that is wanted would run.
    pub fits: bool,
    /// Why it would be refused: its release, or its route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What becomes of each slot.
    pub slots: Vec<PlannedView>,
    /// More slots, whose place was not sought.
    pub unsought: u32,
}

/// What becomes of a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedView {
    /// The slot.
    pub slot: u32,
    /// What happens.
    pub fate: Fate,
    /// Who holds it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<NodeRef>,
    /// Who would hold it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<NodeRef>,
    /// The reason, where there is one to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What happens to a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fate {
    /// Nothing.
    Stays,
    /// It starts.
    Starts,
    /// It begins anew where it is, beside the old one until it runs.
    BeginsAnew,
    /// Its node may not hold it any more, and another one would.
    Moves,
    /// It ends.
    Ends,
    /// No node can take it.
    Nowhere,
}

/// How far a rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RolloutState {
    /// Replicas go to the new revision, a few at a time.
    Progressing,
    /// No further replica begins.
    Paused,
    /// Every replica has settled on the new revision.
    Complete,
    /// The new revision did not come up, and replicas run the one before.
    RolledBack,
}

/// A rollout: a new revision takes the place of the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutView {
    /// How far it is.
    pub state: RolloutState,
    /// The generation that is rolled out.
    pub generation: u64,
    /// The generation before, to which it can go back.
    pub previous: u64,
    /// Replicas that run the new revision.
    pub updated: u32,
    /// Of those, the ones that have run for long enough.
    pub settled: u32,
    /// Replicas that may be without a settled instance at once.
    pub max_unavailable: u32,
    /// How long a replica must run to count as settled.
    pub settle_ms: u64,
}

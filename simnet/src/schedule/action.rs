//! What happens in a run, as plain data. Hosts go by their names, so that a schedule
//! can be read, and shortened without renumbering.

use super::Kind;
use crate::link::Weather;
use orbweave_core::cordon::Service;
use orbweave_model::Namespace;
use orbweave_scheduler::policy::Policy;
use orbweave_scheduler::quota::Bounds;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Something that happens at a time of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Timed {
    /// When, in milliseconds since the beginning.
    pub at_ms: u64,
    /// What.
    #[serde(rename = "do")]
    pub action: Action,
    /// Of which fault it is a part, where it is drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<Kind>,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Action {
    /// The power of these hosts goes.
    Crash(Vec<String>),
    /// These hosts start, with what their disks hold.
    Start(Vec<String>),
    /// A host starts that begins in the place of another, which never comes back.
    Replace {
        /// Which is lost.
        node: String,
        /// Which begins: a spare one.
        by: String,
    },
    /// All gateways of this host's zone lose their power, as the first node of it that is up
    /// sees them.
    LoseGateways(String),
    /// They start again.
    ReturnGateways(String),
    /// A host says goodbye.
    Leave(String),
    /// These hosts stand still.
    Freeze(Vec<String>),
    /// These hosts go on.
    Thaw(Vec<String>),
    /// Each transaction takes up to so long on a host's disk.
    SlowDisk {
        /// Whose.
        node: String,
        /// The most, in milliseconds; 0 gives the disk's own speed back.
        ms: u64,
    },
    /// A host's disk takes nothing more.
    FillDisk(String),
    /// It has room again.
    FreeDisk(String),
    /// A host's wall clock is set.
    JumpClock {
        /// Whose.
        node: String,
        /// By so many milliseconds, ahead or back.
        ms: i64,
    },
    /// A host's wall clock shows 1970.
    ForgetTime(String),
    /// Nothing passes from some hosts to some others. Cuts add up.
    Cut {
        /// From each of these.
        from: Vec<String>,
        /// To each of these.
        to: Vec<String>,
    },
    /// Takes one such cut away.
    Mend {
        /// From each of these.
        from: Vec<String>,
        /// To each of these.
        to: Vec<String>,
    },
    /// Nothing passes between these and all others, in either direction. Cuts add up.
    Split(Vec<String>),
    /// Takes one such cut away.
    Join(Vec<String>),
    /// Takes every cut away.
    MendAll,
    /// What goes wrong on all links from now on.
    Weather(WeatherLine),
    /// Components fail to start on a host.
    Break(String),
    /// They start again.
    Repair(String),
    /// What a host runs of a workload ends by itself.
    FailInstances {
        /// Where.
        node: String,
        /// Which; none means all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        workload: Option<String>,
    },
    /// Somebody hostile begins.
    Admit {
        /// What kind; see [`crate::adversary::by_name`].
        adversary: String,
        /// The member that lies, or near which a stranger is.
        node: String,
        /// Its seed.
        seed: u64,
    },
    /// A workload is handed in, new or changed, at a host or the next one that is up.
    Deploy(Deploy),
    /// A workload is deleted.
    Delete {
        /// Which.
        workload: String,
        /// Where it is said.
        node: String,
    },
    /// An operator takes a node out of service, or back into it.
    Cordon {
        /// Which.
        node: String,
        /// What it is from then on.
        service: ServiceLine,
        /// Where it is said.
        at: String,
    },
    /// A namespace has another quota.
    Quota {
        /// Which.
        namespace: Namespace,
        /// What all its replicas may have.
        bounds: Bounds,
        /// Where it is said.
        at: String,
    },
    /// The roots revoke a node's key.
    RevokeNode {
        /// Whose.
        node: String,
        /// Where it is said.
        at: String,
    },
    /// The roots revoke the second publisher; its releases stop everywhere.
    RevokePublisher {
        /// Where it is said.
        at: String,
    },
}

/// A workload as it shall be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Deploy {
    /// Its name.
    pub workload: String,
    /// Where it is handed in.
    pub node: String,
    /// How many run.
    pub replicas: u32,
    /// What labels a node must have, as `tier=edge`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub requires: String,
    /// The sequence number of its release; it never goes down.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub release: u64,
    /// A variable of its environment, so that a change starts it anew.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub variable: u64,
    /// The size of its component.
    #[serde(default = "small", skip_serializing_if = "is_small")]
    pub bytes: u64,
    /// Whether the second publisher signs it, who may be revoked.
    #[serde(default, skip_serializing_if = "is_false")]
    pub second_publisher: bool,
    /// What one replica takes of a processor, in thousandths.
    #[serde(default = "tenth", skip_serializing_if = "is_tenth")]
    pub cpu_milli: u32,
    /// Wishes and rules about where replicas are.
    #[serde(default, skip_serializing_if = "Policy::is_empty")]
    pub policy: Policy,
    /// How many slots at a time go to what is new; all at once where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutLine>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
    /// Whether its instances never come up.
    #[serde(default, skip_serializing_if = "is_false")]
    pub bad: bool,
}

/// A rollout as it is written in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RolloutLine {
    /// Slots that may be without a settled instance at once.
    pub at_a_time: u32,
    /// How long an instance must run to count as settled, in milliseconds.
    pub settle_ms: u64,
}

/// [`Service`] as it is written in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceLine {
    /// It takes work.
    Open,
    /// It takes nothing new.
    Cordoned,
    /// What it holds goes to others.
    Drained,
}

impl From<ServiceLine> for Service {
    fn from(line: ServiceLine) -> Self {
        match line {
            ServiceLine::Open => Self::Open,
            ServiceLine::Cordoned => Self::Cordoned,
            ServiceLine::Drained => Self::Drained,
        }
    }
}

/// [`Weather`] as it is written in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct WeatherLine {
    /// Packets of a million that are lost.
    pub loss_ppm: u32,
    /// Datagrams of a million that arrive twice.
    pub duplicate_ppm: u32,
    /// Datagrams of a million that are overtaken.
    pub reorder_ppm: u32,
    /// By what was sent so many milliseconds later at most.
    pub reorder_ms: u64,
}

impl From<WeatherLine> for Weather {
    fn from(line: WeatherLine) -> Self {
        let WeatherLine { loss_ppm, duplicate_ppm, reorder_ppm, reorder_ms } = line;
        Self { loss_ppm, duplicate_ppm, reorder_ppm, reorder_by: Duration::from_millis(reorder_ms) }
    }
}

impl Action {
    /// The hosts that it names.
    pub fn hosts(&self) -> Vec<&str> {
        match self {
            Self::Crash(nodes)
            | Self::Start(nodes)
            | Self::Freeze(nodes)
            | Self::Thaw(nodes)
            | Self::Split(nodes)
            | Self::Join(nodes) => nodes.iter().map(String::as_str).collect(),
            Self::Cut { from, to } | Self::Mend { from, to } => {
                from.iter().chain(to).map(String::as_str).collect()
            }
            Self::Replace { node, by } => vec![node, by],
            Self::RevokeNode { node, at } | Self::Cordon { node, at, .. } => vec![node, at],
            Self::LoseGateways(node)
            | Self::ReturnGateways(node)
            | Self::Leave(node)
            | Self::FillDisk(node)
            | Self::FreeDisk(node)
            | Self::ForgetTime(node)
            | Self::Break(node)
            | Self::Repair(node)
            | Self::SlowDisk { node, .. }
            | Self::JumpClock { node, .. }
            | Self::FailInstances { node, .. }
            | Self::Admit { node, .. }
            | Self::Delete { node, .. }
            | Self::Quota { at: node, .. }
            | Self::RevokePublisher { at: node } => vec![node],
            Self::Deploy(deploy) => vec![&deploy.node],
            Self::MendAll | Self::Weather(_) => Vec::new(),
        }
    }
}

fn one() -> u64 {
    1
}

fn is_one(n: &u64) -> bool {
    *n == 1
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

fn small() -> u64 {
    1_000
}

fn is_small(n: &u64) -> bool {
    *n == small()
}

fn tenth() -> u32 {
    100
}

fn is_tenth(n: &u32) -> bool {
    *n == tenth()
}

fn is_false(b: &bool) -> bool {
    !*b
}

//! What a manifest says. The JSON Schema is drawn from these types and their comments.

use super::field::{self, EnvValue, HostName, LabelKey, PathPrefix, Version};
use super::quantity::{Accelerator, Cpu, Memory, Span};
use orbweave_model::{Namespace, NodeId, Resources, Selector, WorkloadName, limit};
use orbweave_scheduler::policy;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A service: a signed component that answers HTTP requests or calls, in several replicas.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// The version of this format.
    pub api_version: ApiVersion,
    /// What is described.
    pub kind: Kind,
    /// What it is called.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: ServiceSpec,
}

/// Versions of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum ApiVersion {
    /// The first one.
    #[serde(rename = "orbweave.dev/v1alpha1")]
    V1Alpha1,
}

/// Kinds of manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Kind {
    /// A component that answers requests.
    Service,
}

/// What a workload is called.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The name, unique in the mesh: lower-case letters, digits and '-'.
    #[serde(deserialize_with = "field::parsed")]
    #[schemars(with = "String", regex(pattern = field::NAME_PATTERN), length(min = 1, max = limit::NAME_BYTES_MAX))]
    pub name: WorkloadName,
    /// Whose it is; `orbweave quota` bounds what all workloads of a namespace together may have.
    #[serde(default, deserialize_with = "field::parsed")]
    #[schemars(with = "String", regex(pattern = field::NAME_PATTERN), length(min = 1, max = limit::NAME_BYTES_MAX))]
    pub namespace: Namespace,
}

/// What is wanted of a service.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceSpec {
    /// The component: a path relative to the manifest, or a map that also names a signed release.
    pub component: ComponentSource,
    /// The version of the component, as its release states it.
    #[serde(deserialize_with = "field::parsed")]
    #[schemars(with = "String", regex(pattern = "^[A-Za-z0-9][A-Za-z0-9.+_-]*$"), length(min = 1, max = field::VERSION_BYTES_MAX))]
    pub version: Version,
    /// How many replicas run at once.
    #[serde(default = "one", deserialize_with = "field::replicas")]
    #[schemars(range(min = 1, max = limit::REPLICAS_MAX))]
    pub replicas: u32,
    /// Where replicas may run.
    #[serde(default)]
    pub placement: Placement,
    /// What each replica needs; a node takes no more than it has.
    #[serde(default)]
    pub resources: ResourceNeed,
    /// What a replica is stopped at.
    #[serde(default)]
    pub limits: Limits,
    /// Environment variables of the component.
    #[serde(default, deserialize_with = "field::environment")]
    #[schemars(extend("maxProperties" = field::ENV_MAX))]
    pub env: BTreeMap<String, EnvValue>,
    /// Where HTTP requests for it come in; without one it only answers calls.
    #[serde(default, deserialize_with = "field::route")]
    pub route: Option<Route>,
    /// How a new generation that changes what runs takes the place of the one before.
    #[serde(default)]
    pub update: Update,
    /// The path that must answer, with a status below 400, before an instance counts as running,
    /// and from then on.
    #[serde(default, deserialize_with = "field::parsed_option")]
    #[schemars(with = "Option<String>", regex(pattern = "^/"), length(max = field::PATH_BYTES_MAX))]
    pub health: Option<PathPrefix>,
}

fn one() -> u32 {
    1
}

/// Where the component comes from.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum ComponentSource {
    /// The `.wasm` file, relative to the manifest; `deploy` signs a release of it.
    File(PathBuf),
    /// The file and a release of it that was signed elsewhere.
    Released(ReleasedComponent),
}

/// A component with its signed release.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleasedComponent {
    /// The `.wasm` file, relative to the manifest.
    pub file: PathBuf,
    /// The release that `orbweave sign` wrote, relative to the manifest; without it `deploy` signs one.
    #[serde(default)]
    pub release: Option<PathBuf>,
}

/// Where replicas may run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Placement {
    /// Conditions on a node's labels that all must hold: `key`, `!key`, `key=value`, `key!=value`,
    /// `key in (a, b)`, `key notin (a, b)`.
    #[serde(default, deserialize_with = "field::requires")]
    #[schemars(with = "Vec<String>", length(max = limit::SELECTOR_TERMS_MAX))]
    pub requires: Selector,
    /// Conditions that a place should meet: they rank places and refuse none.
    #[serde(default, deserialize_with = "field::prefers")]
    #[schemars(length(max = policy::PREFERENCES_MAX))]
    pub prefers: Vec<Preference>,
    /// Over what the replicas are spread, the most important first.
    #[serde(default, deserialize_with = "field::spread")]
    #[schemars(length(max = policy::SPREADS_MAX))]
    pub spread: Vec<Spread>,
    /// Workloads that no node may hold that holds this one.
    #[serde(default, deserialize_with = "field::apart_from")]
    #[schemars(
        with = "Vec<String>",
        length(max = policy::APART_MAX),
        inner(regex(pattern = field::NAME_PATTERN), length(min = 1, max = limit::NAME_BYTES_MAX))
    )]
    pub apart_from: Vec<WorkloadName>,
    /// What the replicas shall be near, by round trip.
    #[serde(default, deserialize_with = "field::near")]
    #[schemars(length(max = policy::NEAR_MAX))]
    pub near: Vec<Near>,
}

/// Conditions that a place should meet, and how much that counts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Preference {
    /// Conditions on a node's labels, written as in `requires`. It counts where all of them hold.
    #[serde(deserialize_with = "field::conditions")]
    #[schemars(with = "Vec<String>", length(min = 1, max = limit::SELECTOR_TERMS_MAX))]
    pub wants: Selector,
    /// How much it counts; the most counts as much as one replica less on that node.
    #[serde(default = "fifty", deserialize_with = "field::weight")]
    #[schemars(range(min = 1, max = policy::WEIGHT_MAX))]
    pub weight: u32,
}

fn fifty() -> u32 {
    50
}

/// Replicas are spread over the values of a label, or over nodes. Without a bound it is a wish.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spread {
    /// The label's key, or `node` for the nodes themselves.
    #[serde(deserialize_with = "field::parsed")]
    #[schemars(with = "String", regex(pattern = "^[A-Za-z0-9._/-]+$"), length(min = 1, max = limit::LABEL_BYTES_MAX))]
    pub over: LabelKey,
    /// Replicas that one value may have.
    #[serde(default, deserialize_with = "field::replicas_option")]
    #[schemars(range(min = 1, max = limit::REPLICAS_MAX))]
    pub at_most: Option<u32>,
    /// By how many replicas one value may be ahead of the one that has fewest.
    #[serde(default, deserialize_with = "field::replicas_option")]
    #[schemars(range(min = 1, max = limit::REPLICAS_MAX))]
    pub max_skew: Option<u32>,
}

/// A place that replicas shall be near: one of `workload`, `labels` and `node`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["workload"] }, { "required": ["labels"] }, { "required": ["node"] }]))]
pub struct Near {
    /// Near the nearest node that runs this workload.
    #[serde(default, deserialize_with = "field::parsed_option")]
    #[schemars(with = "Option<String>", regex(pattern = field::NAME_PATTERN), length(min = 1, max = limit::NAME_BYTES_MAX))]
    pub workload: Option<WorkloadName>,
    /// Near the nearest node for which all of these conditions hold, written as in `requires`.
    #[serde(default, deserialize_with = "field::conditions_option")]
    #[schemars(with = "Option<Vec<String>>", length(min = 1, max = limit::SELECTOR_TERMS_MAX))]
    pub labels: Option<Selector>,
    /// Near the node with this id.
    #[serde(default, deserialize_with = "field::parsed_option")]
    #[schemars(with = "Option<String>", regex(pattern = "^[0-9a-fA-F]{64}$"))]
    pub node: Option<NodeId>,
    /// The longest round trip; without it nearer is better, and that is all.
    #[serde(default, deserialize_with = "field::round_trip")]
    #[schemars(with = "Option<String>", regex(pattern = field::SPAN_PATTERN))]
    pub within: Option<Span>,
}

/// What each replica needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ResourceNeed {
    /// Processor time: cores (`2`, `0.5`) or thousandths of one (`500m`).
    #[serde(deserialize_with = "field::parsed")]
    #[schemars(schema_with = "field::thousandths_schema")]
    pub cpu: Cpu,
    /// Memory of one instance: bytes with a unit, such as `64Mi`.
    #[serde(deserialize_with = "field::parsed")]
    #[schemars(schema_with = "field::memory_schema")]
    pub memory: Memory,
    /// Accelerators: devices (`1`, `0.5`) or thousandths of one (`500m`). Which kind, labels say.
    #[serde(deserialize_with = "field::parsed")]
    #[schemars(schema_with = "field::thousandths_schema")]
    pub accelerator: Accelerator,
}

impl Default for ResourceNeed {
    fn default() -> Self {
        Self { cpu: Cpu(100), memory: Memory(64 << 20), accelerator: Accelerator(0) }
    }
}

impl ResourceNeed {
    /// As the scheduler counts it.
    pub fn need(&self) -> Resources {
        Resources {
            cpu_milli: self.cpu.0,
            memory_bytes: self.memory.0,
            instances: 1,
            accelerator_milli: self.accelerator.0,
        }
    }
}

/// What a replica is stopped at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// The longest that one request or call may run.
    #[serde(deserialize_with = "field::call_time")]
    #[schemars(schema_with = "field::span_schema")]
    pub call_time: Span,
    /// Requests and calls at once in one replica; more of them are turned away.
    #[serde(deserialize_with = "field::concurrency")]
    #[schemars(range(min = 1, max = field::CONCURRENCY_MAX))]
    pub concurrency: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { call_time: Span(Duration::from_secs(10)), concurrency: 64 }
    }
}

/// Where HTTP requests come in. Every node of the mesh answers for every route.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// The host name of the requests.
    #[serde(default, deserialize_with = "field::parsed_option")]
    #[schemars(with = "Option<String>", length(max = field::HOST_BYTES_MAX))]
    pub host: Option<HostName>,
    /// What the path of the requests begins with.
    #[serde(default, deserialize_with = "field::parsed_option")]
    #[schemars(with = "Option<String>", regex(pattern = "^/"), length(max = field::PATH_BYTES_MAX))]
    pub path: Option<PathPrefix>,
    /// Whether a request may be sent again to another replica when the first one dies.
    #[serde(default)]
    pub idempotent: bool,
    /// The time that a request has, retries included.
    #[serde(default = "ten_seconds", deserialize_with = "field::call_time")]
    #[schemars(schema_with = "field::span_schema")]
    pub deadline: Span,
}

fn ten_seconds() -> Span {
    Span(Duration::from_secs(10))
}

/// How a new generation that changes what runs takes the place of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Update {
    /// Replicas that may be without a settled instance at once; without it a quarter of all, rounded up.
    #[serde(deserialize_with = "field::replicas_option")]
    #[schemars(range(min = 1, max = limit::REPLICAS_MAX))]
    pub max_unavailable: Option<u32>,
    /// How long a new instance must run before the next one begins.
    #[serde(deserialize_with = "field::call_time")]
    #[schemars(schema_with = "field::span_schema")]
    pub settle: Span,
}

impl Default for Update {
    fn default() -> Self {
        Self { max_unavailable: None, settle: Span(Duration::from_secs(5)) }
    }
}

impl ComponentSource {
    /// The `.wasm` file.
    pub fn file(&self) -> &PathBuf {
        match self {
            Self::File(file) => file,
            Self::Released(released) => &released.file,
        }
    }

    /// The release that was signed elsewhere.
    pub fn release(&self) -> Option<&PathBuf> {
        match self {
            Self::File(_) => None,
            Self::Released(released) => released.release.as_ref(),
        }
    }
}

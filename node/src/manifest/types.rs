//! What a manifest says. The JSON Schema is drawn from these types and their comments.

use super::field::{self, EnvValue, HostName, PathPrefix, Version};
use super::quantity::{Cpu, Memory, Span};
use orbweave_model::{Resources, Selector, WorkloadName, limit};
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
    #[schemars(with = "String", regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"), length(min = 1, max = limit::NAME_BYTES_MAX))]
    pub name: WorkloadName,
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
}

/// What each replica needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ResourceNeed {
    /// Processor time: cores (`2`, `0.5`) or thousandths of one (`500m`).
    #[serde(deserialize_with = "field::parsed")]
    #[schemars(schema_with = "field::cpu_schema")]
    pub cpu: Cpu,
    /// Memory of one instance: bytes with a unit, such as `64Mi`.
    #[serde(deserialize_with = "field::parsed")]
    #[schemars(schema_with = "field::memory_schema")]
    pub memory: Memory,
}

impl Default for ResourceNeed {
    fn default() -> Self {
        Self { cpu: Cpu(100), memory: Memory(64 << 20) }
    }
}

impl ResourceNeed {
    /// As the scheduler counts it.
    pub fn need(&self) -> Resources {
        Resources { cpu_milli: self.cpu.0, memory_bytes: self.memory.0, instances: 1 }
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

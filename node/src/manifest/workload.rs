//! From what a manifest says to what the mesh agrees on.

use super::types::{Manifest, Route as ManifestRoute};
use orbweave_core::workload::{Route, WorkloadSpec};
use orbweave_model::NodeId;

impl Manifest {
    /// The workload's specification, with the release that names the component and the
    /// node where the component was handed in.
    pub fn workload(&self, generation: u64, release: Vec<u8>, origin: NodeId) -> WorkloadSpec {
        let spec = &self.spec;
        WorkloadSpec {
            generation,
            deleted: false,
            release,
            replicas: spec.replicas,
            requires: spec.placement.requires.clone(),
            need: spec.resources.need(),
            env: spec.env.iter().map(|(name, value)| (name.clone(), value.0.clone())).collect(),
            route: spec.route.as_ref().map(ManifestRoute::as_agreed),
            call_time_ms: spec.limits.call_time.millis(),
            concurrency: spec.limits.concurrency,
            origin: Some(origin),
            reconcile: None,
        }
    }
}

impl ManifestRoute {
    fn as_agreed(&self) -> Route {
        Route {
            host: self.host.as_ref().map(|host| host.0.clone()),
            path: self.path.as_ref().map(|path| path.0.clone()),
            idempotent: self.idempotent,
            deadline_ms: self.deadline.millis(),
        }
    }
}

//! From what a manifest says to what the mesh agrees on.

use super::types::{Manifest, Near, Placement, Preference, Route as ManifestRoute, Spread, Update};
use orbweave_core::workload::{Rollout, Route, WorkloadSpec};
use orbweave_model::{Namespace, NodeId};
use orbweave_scheduler::policy::{self, Policy, Target};

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
            policy: spec.placement.policy(),
            rollout: Some(spec.update.as_agreed(spec.replicas)),
            health: spec.health.as_ref().map(|path| path.0.clone()),
            namespace: (self.metadata.namespace != Namespace::default())
                .then(|| self.metadata.namespace.clone()),
            // Said when it is handed in: see `WorkloadSpec::grow_from`.
            growth: None,
        }
    }
}

impl Placement {
    /// Wishes and rules beyond the conditions; none where none were made.
    fn policy(&self) -> Option<Policy> {
        let policy = Policy {
            prefers: self.prefers.iter().map(Preference::as_agreed).collect(),
            spread: self.spread.iter().map(Spread::as_agreed).collect(),
            apart_from: self.apart_from.clone(),
            near: self.near.iter().filter_map(Near::as_agreed).collect(),
        };
        (!policy.is_empty()).then_some(policy)
    }
}

impl Preference {
    fn as_agreed(&self) -> policy::Preference {
        policy::Preference { wants: self.wants.clone(), weight: self.weight }
    }
}

impl Spread {
    fn as_agreed(&self) -> policy::Spread {
        policy::Spread { over: self.over.0.clone(), at_most: self.at_most, max_skew: self.max_skew }
    }
}

impl Near {
    /// None without a target: then the manifest was not accepted.
    fn as_agreed(&self) -> Option<policy::Near> {
        let to = match self {
            Near { workload: Some(name), .. } => Target::Workload(name.clone()),
            Near { labels: Some(labels), .. } => Target::Labels(labels.clone()),
            Near { node, .. } => Target::Node((*node)?),
        };
        let within_ms = self.within.map(|within| u32::try_from(within.millis()).unwrap_or(u32::MAX));
        Some(policy::Near { to, within_ms })
    }
}

impl Update {
    /// Of so many replicas. What ran before, a manifest does not know.
    fn as_agreed(&self, replicas: u32) -> Rollout {
        Rollout {
            max_unavailable: self.max_unavailable.unwrap_or(replicas.div_ceil(4)),
            settle_ms: self.settle.millis(),
            paused: false,
            previous: None,
            attempt: None,
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

//! The desired state of a workload, as its operator signed it.

use minicbor::{Decode, Encode};
use orbweave_model::wire::{self, WireError};
use orbweave_model::{Hash, Namespace, NodeId, Resources, Selector, Wall, limit};
use orbweave_scheduler::policy::Policy;
use orbweave_scheduler::rivals::Reconcile;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Environment variables of one workload.
pub const ENV_MAX: usize = 256;
/// The path of a health check.
pub const HEALTH_BYTES_MAX: usize = 1_024;
/// The longest that one call or request may be given.
pub const CALL_TIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// Steps that are remembered of how a workload grew.
pub const GROWTH_MAX: usize = 16;

/// Where requests for a workload come in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// The host name, in lower case and without a port.
    #[n(0)]
    pub host: Option<String>,
    /// The beginning of the path.
    #[n(1)]
    pub path: Option<String>,
    /// Whether a request may be sent again when its replica dies.
    #[n(2)]
    pub idempotent: bool,
    /// The time that a request has, retries included, in milliseconds.
    #[n(3)]
    pub deadline_ms: u64,
}

/// Desired state of a workload. Deletion is a generation too, so that a node
/// that slept through it learns of it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct WorkloadSpec {
    /// Counts up with each change.
    #[n(0)]
    pub generation: u64,
    /// Whether the workload shall be gone.
    #[n(1)]
    pub deleted: bool,
    /// The signed release in its envelope; empty where `deleted`.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub release: Vec<u8>,
    /// How many slots there are.
    #[n(3)]
    pub replicas: u32,
    /// Conditions over the labels of a node.
    #[n(4)]
    pub requires: Selector,
    /// What one replica takes.
    #[n(5)]
    pub need: Resources,
    /// Environment variables of the guest.
    #[n(6)]
    pub env: BTreeMap<String, String>,
    /// Where requests come in, if any do.
    #[n(7)]
    pub route: Option<Route>,
    /// The longest that one call may take, in milliseconds.
    #[n(8)]
    pub call_time_ms: u64,
    /// Calls at once in one replica.
    #[n(9)]
    pub concurrency: u32,
    /// The node where the component was handed in: a provider to begin with.
    #[n(10)]
    pub origin: Option<NodeId>,
    /// Which of several holders keeps a slot after a partition.
    #[n(11)]
    pub reconcile: Option<Reconcile>,
    /// Wishes and rules about where replicas are; none where none were made.
    #[n(12)]
    pub policy: Option<Policy>,
    /// How a new revision takes the place of the one before; all slots at once without it.
    #[n(13)]
    pub rollout: Option<Rollout>,
    /// The path that must answer before an instance counts as running.
    #[n(14)]
    pub health: Option<String>,
    /// Whose it is; see [`WorkloadSpec::namespace`].
    #[n(15)]
    pub namespace: Option<Namespace>,
    /// How it grew, the first step first: which of its replicas a quota covers follows from
    /// that. Empty in what was written by a program of before quotas.
    #[n(16)]
    pub growth: Option<Vec<Growth>>,
}

/// Since when a workload wants so many replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Growth {
    /// When it was said.
    #[n(0)]
    pub since: Wall,
    /// Replicas in all.
    #[n(1)]
    pub replicas: u32,
}

/// How a new revision takes the place of the one before: a few slots at a time, each of
/// which must have run for a while before the next one begins.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Rollout {
    /// Slots that may be without a settled instance at once; at least one.
    #[n(0)]
    pub max_unavailable: u32,
    /// How long an instance must run to count as settled, in milliseconds.
    #[n(1)]
    pub settle_ms: u64,
    /// No further slot begins.
    #[n(2)]
    pub paused: bool,
    /// What ran before, and runs again where the new revision does not come up.
    #[n(3)]
    pub previous: Option<Revision>,
    /// Counts up where people try once more what was taken back.
    #[n(4)]
    pub attempt: Option<u64>,
}

/// All that a running instance depends on.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Revision {
    /// The generation that brought it.
    #[n(0)]
    pub generation: u64,
    /// The signed release in its envelope.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub release: Vec<u8>,
    /// What one replica takes.
    #[n(2)]
    pub need: Resources,
    /// Environment variables of the guest.
    #[n(3)]
    pub env: BTreeMap<String, String>,
    /// The longest that one call may take, in milliseconds.
    #[n(4)]
    pub call_time_ms: u64,
    /// Calls at once in one replica.
    #[n(5)]
    pub concurrency: u32,
    /// The path that must answer before an instance counts as running.
    #[n(6)]
    pub health: Option<String>,
}

impl Revision {
    fn check(&self) -> Result<(), SpecError> {
        let time_max = CALL_TIME_MAX.as_millis() as u64;
        let health = self.health.as_ref().map_or(0, String::len);
        let bounds = [
            (
                self.release.len() > limit::RELEASE_BYTES_MAX,
                "bytes of the release",
                limit::RELEASE_BYTES_MAX as u64,
            ),
            (self.env.len() > ENV_MAX, "environment variables", ENV_MAX as u64),
            (self.call_time_ms > time_max, "milliseconds of a call", time_max),
            (health > HEALTH_BYTES_MAX, "bytes of a health check's path", HEALTH_BYTES_MAX as u64),
        ];
        let beyond = bounds.into_iter().find(|(beyond, ..)| *beyond);
        beyond.map_or(Ok(()), |(_, what, max)| Err(SpecError::Bound(what, max)))
    }

    /// A hash of all of it but the generation: while it stays the same, a new generation
    /// leaves instances alone.
    pub fn run_key(&self) -> Hash {
        let run = (&self.release, &self.env, self.need, self.call_time_ms, self.concurrency);
        match &self.health {
            None => Hash::of(&wire::encode(&run)),
            Some(health) => Hash::of(&wire::encode(&(run, health))),
        }
    }
}

/// Of a workload without any.
static NO_POLICY: Policy =
    Policy { prefers: Vec::new(), spread: Vec::new(), apart_from: Vec::new(), near: Vec::new() };

impl WorkloadSpec {
    /// The specification that says that the workload shall be gone.
    pub fn deletion(generation: u64) -> Self {
        Self {
            generation,
            deleted: true,
            release: Vec::new(),
            replicas: 0,
            requires: Selector::default(),
            need: Resources::default(),
            env: BTreeMap::new(),
            route: None,
            call_time_ms: 0,
            concurrency: 0,
            origin: None,
            reconcile: None,
            policy: None,
            rollout: None,
            health: None,
            namespace: None,
            growth: None,
        }
    }

    /// Whose it is.
    pub fn namespace(&self) -> Namespace {
        self.namespace.clone().unwrap_or_default()
    }

    /// Takes its turn in the quota of its namespace: keeps that of `before`, the
    /// specification that held so far, and when that was said, as far as it asks for no
    /// more than that did; what it asks for beyond, it asks for `now`.
    pub fn grow_from(&mut self, before: Option<(&WorkloadSpec, Wall)>, now: Wall) {
        let same = |(before, _): &(&WorkloadSpec, Wall)| {
            !before.deleted && before.namespace() == self.namespace() && before.need.fits(&self.need)
        };
        let mut steps = before.filter(same).map_or(Vec::new(), |(before, at)| before.steps(at));
        for step in &mut steps {
            step.replicas = step.replicas.min(self.replicas);
        }
        steps.dedup_by_key(|step| step.replicas);
        steps.retain(|step| step.replicas > 0);
        if steps.last().map_or(0, |step| step.replicas) < self.replicas {
            if steps.len() == GROWTH_MAX {
                // Asking often gains nothing: the two last steps have the turn of the later one.
                steps.pop();
            }
            steps.push(Growth { since: now, replicas: self.replicas });
        }
        self.growth = (!self.deleted).then_some(steps);
    }

    /// How it grew. `said` is when this specification was.
    pub(crate) fn steps(&self, said: Wall) -> Vec<Growth> {
        match &self.growth {
            Some(steps) => steps.clone(),
            None => vec![Growth { since: said, replicas: self.replicas }],
        }
    }

    /// What its instances depend on.
    pub fn revision(&self) -> Revision {
        Revision {
            generation: self.generation,
            release: self.release.clone(),
            need: self.need,
            env: self.env.clone(),
            call_time_ms: self.call_time_ms,
            concurrency: self.concurrency,
            health: self.health.clone(),
        }
    }

    /// Wishes and rules about where replicas are.
    pub fn policy(&self) -> &Policy {
        self.policy.as_ref().unwrap_or(&NO_POLICY)
    }

    /// The bytes of a record's body.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads a record's body and checks every bound.
    pub fn decode(body: &[u8]) -> Result<Self, SpecError> {
        let spec: Self = wire::decode_open("a workload", body, limit::RECORD_BYTES_MAX)?;
        if spec.replicas > limit::REPLICAS_MAX {
            return Err(SpecError::Bound("replicas", u64::from(limit::REPLICAS_MAX)));
        }
        let time_max = CALL_TIME_MAX.as_millis() as u64;
        if spec.route.as_ref().is_some_and(|r| r.deadline_ms > time_max) {
            return Err(SpecError::Bound("milliseconds of a call", time_max));
        }
        let steps = spec.growth.as_deref().unwrap_or_default();
        let grows = steps.is_sorted_by(|a, b| a.since <= b.since && a.replicas < b.replicas);
        let all = steps.last().is_none_or(|last| last.replicas == spec.replicas);
        if steps.len() > GROWTH_MAX || !grows || !all {
            return Err(SpecError::Bound("steps of growth up to what is wanted", GROWTH_MAX as u64));
        }
        let previous = spec.rollout.as_ref().and_then(|rollout| rollout.previous.as_ref());
        spec.revision().check()?;
        previous.map_or(Ok(()), Revision::check)?;
        if let Some(rollout) = &spec.rollout {
            if rollout.max_unavailable == 0 {
                return Err(SpecError::Bound("or no slot at all at a time", u64::from(limit::REPLICAS_MAX)));
            }
            if rollout.settle_ms > time_max {
                return Err(SpecError::Bound("milliseconds until an instance has settled", time_max));
            }
        }
        match spec.policy().beyond() {
            Some((what, max)) => Err(SpecError::Bound(what, max)),
            None => Ok(spec),
        }
    }

    /// A hash of all that a running instance depends on: while it stays the same,
    /// a new generation leaves instances alone.
    pub fn run_key(&self) -> Hash {
        self.revision().run_key()
    }
}

/// Why a body is no workload. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Not understood.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A number above its bound.
    #[error("more than {1} {0}")]
    Bound(&'static str, u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(replicas: u32, cpu_milli: u32) -> WorkloadSpec {
        let need = Resources { cpu_milli, ..Resources::default() };
        WorkloadSpec { deleted: false, replicas, need, ..WorkloadSpec::deletion(1) }
    }

    /// The steps after these specifications were handed in one after the other, a second
    /// apart.
    fn grown(specs: impl IntoIterator<Item = WorkloadSpec>) -> Vec<(u64, u32)> {
        let mut last: Option<(WorkloadSpec, Wall)> = None;
        for (second, mut spec) in specs.into_iter().enumerate() {
            let now = Wall(second as u64 * 1_000);
            spec.grow_from(last.as_ref().map(|(spec, at)| (spec, *at)), now);
            WorkloadSpec::decode(&spec.encode()).expect("what is said can be read");
            last = Some((spec, now));
        }
        let steps = last.and_then(|(spec, _)| spec.growth).unwrap_or_default();
        steps.into_iter().map(|step| (step.since.0, step.replicas)).collect()
    }

    #[test]
    fn a_workload_keeps_its_turn_for_what_it_had_and_asks_anew_for_more() {
        let with = |replicas| spec(replicas, 100);
        assert_eq!(grown([with(3), with(3), with(5)]), [(0, 3), (2_000, 5)]);
        assert_eq!(grown([with(5), with(2), with(5)]), [(0, 2), (2_000, 5)]);
        assert_eq!(grown([with(2), with(4), with(6), with(4)]), [(0, 2), (1_000, 4)]);
        assert_eq!(grown([with(3), spec(3, 50)]), [(0, 3)], "less is no new demand");
        assert_eq!(grown([with(3), spec(3, 200)]), [(1_000, 3)], "more of each is a new one");
        assert_eq!(grown([with(3), WorkloadSpec::deletion(2), with(3)]), [(2_000, 3)]);
        let moved = WorkloadSpec { namespace: "other".parse().ok(), ..with(3) };
        assert_eq!(grown([with(3), moved]), [(1_000, 3)], "another namespace, another turn");
        assert_eq!(grown([with(0)]), []);
        let many = grown((1..=40).map(with));
        assert_eq!((many.len(), many[0], many[GROWTH_MAX - 1]), (GROWTH_MAX, (0, 1), (39_000, 40)));
    }
}

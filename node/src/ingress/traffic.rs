//! What passes through this node's ingress right now: what is outstanding where, which
//! nodes failed a moment ago, what routes typically take, and the counters.

use super::table::{Replica, RouteEntry};
use super::way::Target;
use orbweave_model::{NodeId, WorkloadName};
use orbweave_scheduler::balance::{self, Candidate, Typical};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Requests that come in at once over HTTP.
pub const REQUESTS_MAX: usize = 1_024;
/// Requests and calls that this node serves at once for other nodes.
pub const SERVED_MAX: usize = 2_048;
/// HTTP connections at once.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Second attempts, begun for slowness alone, at once.
pub const HEDGES_MAX: usize = 64;
/// Bytes of bodies that are held for retries, of all requests together, in KiB.
pub const HELD_KIB_MAX: usize = 256 * 1024;
/// How long a node is avoided whose link or answer broke.
pub const BROKEN_AVOIDED: Duration = Duration::from_secs(5);
/// How long a node is avoided that let a request hang.
pub const HUNG_AVOIDED: Duration = Duration::from_secs(2);
/// How long a node is avoided that said that it does not run the workload.
pub const ABSENT_AVOIDED: Duration = Duration::from_millis(500);

/// Something worth an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrafficEvent {
    /// A request or call was sent again.
    Retried {
        /// The workload.
        workload: WorkloadName,
        /// Who had it before.
        from: NodeId,
        /// Who has it now.
        to: NodeId,
        /// Why.
        why: String,
    },
    /// A service of this node answered for the first time since it started.
    FirstAnswer {
        /// The workload.
        workload: WorkloadName,
    },
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Requests that came in over HTTP.
    pub requests: u64,
    /// Requests and calls whose answer came from another replica than the first.
    pub retries: u64,
    /// Second attempts that began because the first was slow.
    pub hedges: u64,
    /// Requests and calls that got no answer of a guest.
    pub errors: u64,
    /// Requests and calls served here for other nodes, or passed on to another zone.
    pub served: u64,
}

/// The traffic of this node. One a node, shared by all that serve and call.
pub struct Traffic {
    pub(super) requests: Arc<Semaphore>,
    pub(super) served: Arc<Semaphore>,
    pub(super) connections: Arc<Semaphore>,
    pub(super) hedges: Arc<Semaphore>,
    pub(super) held: Arc<Semaphore>,
    marks: Mutex<Marks>,
    dice: AtomicU64,
    counts: [AtomicU64; 5],
    observer: Box<dyn Fn(TrafficEvent) + Send + Sync>,
}

/// What requests leave behind; every map is bounded by live workloads and nodes.
#[derive(Default)]
struct Marks {
    outstanding: BTreeMap<(WorkloadName, NodeId), u32>,
    avoided_until: BTreeMap<NodeId, Instant>,
    typical: BTreeMap<WorkloadName, Typical>,
    answered: BTreeSet<WorkloadName>,
    tried: BTreeMap<WorkloadName, BTreeSet<(NodeId, u32)>>,
}

/// Marks of workloads that are kept before the unknown ones are forgotten.
const MARKS_MAX: usize = 4_096;

impl Marks {
    /// A replica that was asked is no longer one of which nothing is known.
    fn remember(&mut self, workload: &WorkloadName, replica: Replica) {
        match self.tried.get_mut(workload) {
            Some(tried) => drop(tried.insert((replica.node, replica.slot))),
            None => {
                if self.tried.len() >= MARKS_MAX {
                    self.tried.clear();
                }
                self.tried.insert(workload.clone(), BTreeSet::from([(replica.node, replica.slot)]));
            }
        }
    }

    /// A replica that comes back later is a new one.
    fn forget_gone(&mut self, entry: &RouteEntry) {
        if let Some(tried) = self.tried.get_mut(&entry.name)
            && !tried.iter().all(|&(node, slot)| entry.has(node, slot))
        {
            tried.retain(|&(node, slot)| entry.has(node, slot));
        }
    }
}

impl Traffic {
    /// Nothing yet. `seed` feeds the draws; `observer` hears what is worth an event and
    /// must return at once.
    pub fn new(seed: u64, observer: impl Fn(TrafficEvent) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
            served: Arc::new(Semaphore::new(SERVED_MAX)),
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            hedges: Arc::new(Semaphore::new(HEDGES_MAX)),
            held: Arc::new(Semaphore::new(HELD_KIB_MAX)),
            marks: Mutex::default(),
            dice: AtomicU64::new(seed),
            counts: Default::default(),
            observer: Box::new(observer),
        })
    }

    /// The counts since the start.
    pub fn counters(&self) -> Counters {
        let [requests, retries, hedges, errors, served] =
            [0, 1, 2, 3, 4].map(|i| self.counts[i].load(Relaxed));
        Counters { requests, retries, hedges, errors, served }
    }

    /// Requests and calls of this node that are not answered yet, by the node that has them.
    pub fn in_flight(&self) -> BTreeMap<NodeId, u32> {
        let mut by_node = BTreeMap::new();
        for ((_, node), count) in &self.marks().outstanding {
            *by_node.entry(*node).or_default() += count;
        }
        by_node
    }

    /// A service of this node was started (again): its next answer is a first one.
    pub fn service_started(&self, workload: &WorkloadName) {
        self.marks().answered.remove(workload);
    }

    /// The counts and what is in flight, by the names that `status` shows.
    pub fn to_status(&self) -> BTreeMap<String, u64> {
        let c = self.counters();
        let mut named: BTreeMap<String, u64> = [
            ("ingress.requests", c.requests),
            ("ingress.retries", c.retries),
            ("ingress.hedges", c.hedges),
            ("ingress.errors", c.errors),
            ("ingress.served", c.served),
        ]
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect();
        named.extend(self.in_flight().into_iter().map(|(node, n)| (in_flight_key(node), u64::from(n))));
        named
    }

    pub(super) fn count(&self, what: Count) {
        self.counts[what as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn observe(&self, event: TrafficEvent) {
        (self.observer)(event);
    }

    /// Draws the replica for the next attempt among those on nodes that `fits` allows.
    pub(super) fn choose(
        &self,
        entry: &RouteEntry,
        this: NodeId,
        fits: impl Fn(NodeId) -> bool,
    ) -> Option<Replica> {
        let replicas: Vec<Replica> = entry.replicas.iter().copied().filter(|r| fits(r.node)).collect();
        let now = Instant::now();
        let candidates: Vec<Candidate> = {
            let mut marks = self.marks();
            marks.forget_gone(entry);
            let marks = &*marks;
            let tried = marks.tried.get(&entry.name);
            let outstanding = |node| marks.outstanding.get(&(entry.name.clone(), node)).copied().unwrap_or(0);
            let avoided = |node| marks.avoided_until.get(&node).is_some_and(|&until| until > now);
            replicas
                .iter()
                .map(|r| Candidate {
                    rtt_us: if r.node == this { 0 } else { r.rtt_us },
                    outstanding: outstanding(r.node),
                    local: r.node == this,
                    failed_recently: avoided(r.node),
                    untried: !tried.is_some_and(|tried| tried.contains(&(r.node, r.slot))),
                })
                .collect()
        };
        balance::pick(&candidates, self.draw()).and_then(|i| replicas.get(i).copied())
    }

    /// The first of these nodes that did not fail a moment ago, or else the first.
    pub(super) fn first_trusted(&self, nodes: &[NodeId]) -> Option<NodeId> {
        let now = Instant::now();
        let marks = self.marks();
        let avoided = |node: &NodeId| marks.avoided_until.get(node).is_some_and(|&until| until > now);
        nodes.iter().find(|&node| !avoided(node)).or_else(|| nodes.first()).copied()
    }

    /// Counts a request as outstanding until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>, workload: &WorkloadName, target: Target) -> Outstanding {
        let key = (workload.clone(), target.node());
        let mut marks = self.marks();
        *marks.outstanding.entry(key.clone()).or_default() += 1;
        if let Target::Replica(replica) = target {
            marks.remember(workload, replica);
        }
        drop(marks);
        Outstanding { traffic: self.clone(), key }
    }

    /// Later requests avoid the node for a while.
    pub(super) fn avoid(&self, node: NodeId, span: Duration) {
        let now = Instant::now();
        let mut marks = self.marks();
        marks.avoided_until.retain(|_, until| *until > now);
        let until = marks.avoided_until.entry(node).or_insert(now);
        *until = (*until).max(now + span);
    }

    /// The node answered: nothing speaks against it.
    pub(super) fn trust_again(&self, node: NodeId) {
        self.marks().avoided_until.remove(&node);
    }

    /// Takes note of how long an answer took.
    pub(super) fn took(&self, workload: &WorkloadName, span: Duration) {
        let mut marks = self.marks();
        if marks.typical.len() >= MARKS_MAX && !marks.typical.contains_key(workload) {
            marks.typical.clear();
        }
        marks.typical.entry(workload.clone()).or_default().observe(span);
    }

    /// How long to wait before a second replica is asked.
    pub(super) fn hedge_after(&self, workload: &WorkloadName) -> Duration {
        self.marks().typical.get(workload).copied().unwrap_or_default().hedge_after()
    }

    /// A service of this node answered; the first time is worth an event.
    pub(super) fn answered_here(&self, workload: &WorkloadName) {
        let first = {
            let mut marks = self.marks();
            if marks.answered.len() >= MARKS_MAX {
                marks.answered.clear();
            }
            !marks.answered.contains(workload) && marks.answered.insert(workload.clone())
        };
        if first {
            self.observe(TrafficEvent::FirstAnswer { workload: workload.clone() });
        }
    }

    /// Even bits: splitmix64 over a counter that begins at the seed.
    fn draw(&self) -> u64 {
        let z = self.dice.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        // Nothing can panic while it is held; what it guards are only marks.
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name under which `status` shows what a node has in flight.
pub fn in_flight_key(node: NodeId) -> String {
    format!("ingress.inFlight.{node}")
}

/// What is counted, by its place in the counters.
#[derive(Debug, Clone, Copy)]
pub(super) enum Count {
    Request = 0,
    Retry = 1,
    Hedge = 2,
    Error = 3,
    Served = 4,
}

/// A request that has no complete answer yet.
pub(super) struct Outstanding {
    traffic: Arc<Traffic>,
    key: (WorkloadName, NodeId),
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        let mut marks = self.traffic.marks();
        if let Some(count) = marks.outstanding.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                marks.outstanding.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_failed_is_avoided_for_a_while_and_trusted_again_when_it_answers() {
        let traffic = Traffic::new(1, |_| ());
        let nodes = [NodeId([1; 32]), NodeId([2; 32])];
        let entry = RouteEntry {
            name: "w".parse().unwrap(),
            http: None,
            deadline: Duration::from_secs(1),
            replicas: nodes.map(|node| Replica { node, slot: 0, rtt_us: 100 }).to_vec(),
            beyond: Vec::new(),
        };
        let chosen = |t: &Traffic| -> BTreeSet<NodeId> {
            (0..100).filter_map(|_| t.choose(&entry, NodeId([9; 32]), |_| true)).map(|r| r.node).collect()
        };
        assert_eq!(chosen(&traffic).len(), 1, "one that was never asked goes first");
        entry.replicas.iter().for_each(|r| drop(traffic.begin(&entry.name, Target::Replica(*r))));
        assert_eq!(chosen(&traffic).len(), 2);
        traffic.avoid(nodes[0], HUNG_AVOIDED);
        assert_eq!(chosen(&traffic), BTreeSet::from([nodes[1]]));
        assert_eq!(traffic.first_trusted(&nodes), Some(nodes[1]));
        assert_eq!(traffic.first_trusted(&nodes[..1]), Some(nodes[0]), "there is no other");
        traffic.trust_again(nodes[0]);
        assert_eq!(chosen(&traffic).len(), 2);
        traffic.avoid(nodes[0], Duration::ZERO);
        assert_eq!(chosen(&traffic).len(), 2);
    }

    #[test]
    fn what_is_outstanding_is_counted_until_it_is_dropped() {
        let traffic = Traffic::new(1, |_| ());
        let (name, node) = ("w".parse().unwrap(), NodeId([1; 32]));
        let replica = Target::Replica(Replica { node, slot: 0, rtt_us: 0 });
        let (a, b) =
            (traffic.begin(&name, replica), traffic.begin(&name, Target::Beyond { node, relays: 1 }));
        assert_eq!(traffic.in_flight(), BTreeMap::from([(node, 2)]));
        drop((a, b));
        assert_eq!(traffic.in_flight(), BTreeMap::new());
    }
}

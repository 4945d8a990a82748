//! One node: what goes in, what comes out, and the order in which its parts act.

use crate::attention::{SETTLE, SETTLE_ALONE};
use crate::carried::{self, Contact};
use crate::claim::Claim;
use crate::clock::Clock;
use crate::cordon::Cordon;
use crate::event::Event;
use crate::fleet::Fleet;
use crate::holding::Held;
use crate::io::{BatchId, CommandId, Input, Output, SyncId, Write};
use crate::link_plan::LinkPlan;
use crate::node_info::NodeInfo;
use crate::peers::{FIRST_SYNCS, Peer};
use crate::placing::{Freshness, Vacancy};
use crate::quota::Quota;
use crate::rebalancing::Rebalancing;
use crate::records::{Promise, Staged};
use crate::refresh;
use crate::rollout::Turns;
use crate::rumours::Rumours;
use crate::standby::Ahead;
use crate::syncing::Allowance;
use crate::view::Desired;
use crate::zone::Zones;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use orbweave_model::wire::{self, WireError};
use orbweave_model::{
    Hash, Hlc, HlcClock, Labels, MeshId, Mono, Namespace, NodeId, Now, Resources, Wall, WorkloadName, limit,
};
use orbweave_state::membership::{Membership, MembershipConfig, Timing};
use orbweave_state::record::{Opener, Record, RecordId};
use orbweave_state::store::Store;
use orbweave_state::sync::{Cursors, Session, WireVersion};
use orbweave_trust::{
    Authority, Certificate, CertificateError, Genesis, GenesisError, RollbackGuard, SecretKey,
};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How often everything is looked at again, whether or not anything happened.
const TICK: Duration = Duration::from_secs(1);
/// A wake-up this much later than it was due means that the process was frozen.
const FROZEN: Duration = Duration::from_secs(3);

/// What a node is made of.
pub struct NodeConfig {
    /// Its one key.
    pub key: SecretKey,
    /// The genesis document's envelope.
    pub genesis: Vec<u8>,
    /// Its certificate's envelope.
    pub certificate: Vec<u8>,
    /// An admission key, on a node that lets others in and renews their certificates.
    pub admission: Option<SecretKey>,
    /// All randomness comes from here.
    pub seed: [u8; 32],
    /// Its failure domain.
    pub zone: String,
    /// Its labels.
    pub labels: Labels,
    /// What it has.
    pub capacity: Resources,
    /// Where it can be reached.
    pub addresses: Vec<SocketAddr>,
    /// Interfaces, or packages of them, that it grants no guest.
    pub denies: Vec<String>,
    /// Its orbit, table of passes, or place on the ground.
    pub plan: Option<LinkPlan>,
    /// The version of the program.
    pub version: String,
    /// The version of the wire that it speaks.
    pub speaks: WireVersion,
    /// Whether gossip carries what is new; if not, reconciliation does all.
    pub gossip: bool,
    /// How membership is timed.
    pub timing: Timing,
    /// Checks signatures and opens records; a simulator may remember its results.
    pub check: Arc<dyn Opener + Send + Sync>,
}

/// What the disk gave back.
#[derive(Debug, Clone, Default)]
pub struct Restored {
    /// The envelopes of all records.
    pub records: Vec<Vec<u8>>,
    /// The last [`Write::PutSelf`].
    pub own: Option<Vec<u8>>,
    /// The last [`Write::PutRelease`] of each key.
    pub releases: Vec<Vec<u8>>,
}

/// Why a node cannot be made. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The genesis document is no good.
    #[error("the genesis document cannot be used: {0}")]
    Genesis(#[from] GenesisError),
    /// The certificate is no good.
    #[error("this node's certificate cannot be used: {0}")]
    Certificate(#[from] CertificateError),
    /// The certificate names another key.
    #[error("the certificate is for node {0}, and the key in this directory is another")]
    OtherNode(NodeId),
    /// The contact plan is no good.
    #[error("this node's orbit or place cannot be used: {0}")]
    Plan(String),
    /// What the store holds of the node itself is no good.
    #[error(
        "the store's own entry cannot be read: {0}; the store was written by another program or is damaged"
    )]
    Own(WireError),
}

/// What a node must know of itself after a restart.
#[derive(Debug, Clone, Default, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Own {
    #[n(0)]
    pub generation: u64,
    #[n(1)]
    pub hlc: Hlc,
    #[n(2)]
    pub instances: u64,
    /// All of the guard against rollback, in stores of before it had entries of its own.
    #[n(3)]
    pub guard: Option<ByteVec>,
}

/// One node of the mesh. Feed it with [`Node::handle`] and [`Node::handle_timeout`],
/// then drain [`Node::poll_output`], then sleep until [`Node::next_timeout`].
pub struct Node {
    pub(crate) me: NodeId,
    pub(crate) key: SecretKey,
    pub(crate) admission: Option<SecretKey>,
    pub(crate) mesh: MeshId,
    pub(crate) check: Arc<dyn Opener + Send + Sync>,
    pub(crate) info: NodeInfo,
    pub(crate) speaks: WireVersion,
    pub(crate) gossip: bool,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) now: Now,

    pub(crate) authority: Authority,
    pub(crate) guard: RollbackGuard,
    pub(crate) clock: Clock,
    pub(crate) hlc: HlcClock,
    pub(crate) store: Store,
    pub(crate) held_back: BTreeMap<RecordId, Record>,
    /// What is on its way to the disk, the newest of each identity.
    pub(crate) pending: BTreeMap<RecordId, (Hlc, Hash)>,

    /// Node records that expired and stayed on the disk, each with its order.
    pub(crate) kept: BTreeMap<RecordId, (Hlc, Hash)>,

    pub(crate) nodes: BTreeMap<NodeId, Arc<NodeInfo>>,
    pub(crate) certificates: BTreeMap<NodeId, Arc<Certificate>>,
    pub(crate) desired: BTreeMap<WorkloadName, Desired>,
    /// What operators said of nodes.
    pub(crate) cordons: BTreeMap<NodeId, (Cordon, Wall)>,
    /// What namespaces may have.
    pub(crate) quotas: BTreeMap<Namespace, (Quota, Wall)>,
    /// Workloads with rules about where their replicas may be together.
    pub(crate) ruled: BTreeSet<WorkloadName>,
    /// Whose turn it is in rollouts.
    pub(crate) turns: BTreeMap<WorkloadName, Turns>,
    /// Workloads whose release is not accepted here.
    pub(crate) refused: BTreeSet<WorkloadName>,
    /// Claims on at least one slot.
    pub(crate) claims: BTreeMap<WorkloadName, BTreeMap<NodeId, Arc<Claim>>>,
    /// The same by holder, in order.
    pub(crate) claimed_by: BTreeMap<NodeId, Vec<WorkloadName>>,

    pub(crate) membership: Membership,
    pub(crate) fleet: Fleet,
    pub(crate) contact: Contact,
    pub(crate) peers: BTreeMap<NodeId, Peer>,
    /// Of those, the ones without a link.
    pub(crate) unlinked: BTreeSet<NodeId>,
    pub(crate) sessions: BTreeMap<SyncId, (Session, Mono)>,
    pub(crate) session_count: u64,
    pub(crate) next_sync: Mono,
    /// How many more links begin with a reconciliation.
    pub(crate) first_syncs: u32,
    /// Peers whose link came back since the last reconciliation.
    pub(crate) relinked: BTreeSet<NodeId>,
    pub(crate) cursors: Cursors,
    pub(crate) allowances: BTreeMap<NodeId, Allowance>,
    pub(crate) rumours: Rumours,
    pub(crate) zones: Zones,
    /// The next reconciliation with another zone.
    pub(crate) next_sync_beyond: Mono,
    pub(crate) next_refresh: Mono,

    /// Nothing is placed before.
    pub(crate) settled_at: Mono,
    pub(crate) settled: bool,
    pub(crate) vacancies: BTreeMap<(WorkloadName, u32), Vacancy>,
    pub(crate) rebalancing: Rebalancing,
    /// When what others believe of this node's slots was contradicted.
    pub(crate) contradicted: BTreeMap<WorkloadName, Mono>,
    pub(crate) fresh: BTreeMap<NodeId, Freshness>,
    pub(crate) offer_count: u64,
    pub(crate) held: BTreeMap<(WorkloadName, u32), Held>,
    pub(crate) backing_off: BTreeMap<WorkloadName, (u32, Mono)>,
    pub(crate) instances: u64,
    pub(crate) ahead: BTreeMap<Hash, Ahead>,
    pub(crate) leaving: bool,

    pub(crate) dirty: BTreeSet<WorkloadName>,
    /// The last workload that the sweep came by.
    pub(crate) swept: Option<WorkloadName>,
    pub(crate) next_sweep: Mono,
    pub(crate) writes: Vec<Write>,
    pub(crate) staged: Vec<Staged>,
    pub(crate) own_changed: bool,
    pub(crate) batches: BTreeMap<BatchId, Vec<Staged>>,
    pub(crate) batch_count: u64,
    pub(crate) next_tick: Mono,
    pub(crate) outputs: VecDeque<Output>,
}

impl Node {
    /// Makes a node of what it is and of what its disk gave back. Its records
    /// (who it is, what it holds) are said once they were reported durable.
    pub fn new(config: NodeConfig, restored: Restored, now: Now) -> Result<Self, StartError> {
        let me = config.key.node_id();
        let (mesh, genesis) = Genesis::verify(&config.genesis, None, &*config.check)?;
        let mut authority = Authority::new(mesh, genesis);
        let own: Own = match &restored.own {
            Some(bytes) => {
                wire::decode_open("the node's own entry", bytes, usize::MAX).map_err(StartError::Own)?
            }
            None => Own::default(),
        };
        let mut guard = match &own.guard {
            Some(bytes) => RollbackGuard::decode(bytes).map_err(StartError::Own)?,
            None => RollbackGuard::new(),
        };
        for entry in &restored.releases {
            guard.restore(entry).map_err(StartError::Own)?;
        }
        let moved = own.guard.iter().flat_map(|_| guard.entries()).map(Write::from).collect();
        let records = crate::restoring::restore(&restored.records, mesh, &mut authority, &*config.check);
        // Whatever this node wrote down lies in its past, also if its clock forgot.
        let written = records.iter().filter(|r| r.id().author == me.into()).map(|r| r.hlc()).max();
        let mut clock = Clock::new(written.map_or(own.hlc.wall, |w| w.wall.max(own.hlc.wall)));
        // With an expired one it may only renew; what it was given before, it may resume.
        let verify =
            |wall| Certificate::verify_for_renewal(&config.certificate, &authority, wall, &*config.check);
        let certificate = match verify(clock.read(now.wall)) {
            Err(CertificateError::NotYetValid { not_before, .. }) => {
                clock.raise(not_before);
                verify(clock.read(now.wall))?
            }
            verified => verified?,
        };
        clock.start(now.wall);
        if certificate.node != me {
            return Err(StartError::OtherNode(certificate.node));
        }

        let mut rng = ChaCha8Rng::from_seed(config.seed);
        let generation = own.generation.saturating_add(1);
        let mut membership_seed = [0; 32];
        rng.fill_bytes(&mut membership_seed);
        // Another in each life: what peers remember of an earlier one no longer counts.
        let store = Store::new(rng.next_u64());
        let membership = Membership::new(
            MembershipConfig { me, generation, seed: membership_seed, timing: config.timing.clone() },
            now.mono,
        );
        let addresses = config.addresses.iter().take(limit::ADDRESSES_MAX).map(ToString::to_string).collect();
        if let Some(Err(why)) = config.plan.as_ref().map(|plan| plan.chart("this node")) {
            return Err(StartError::Plan(why));
        }
        let scheduled = config.plan.as_ref().is_some_and(LinkPlan::is_scheduled);
        let info = NodeInfo {
            generation,
            addresses,
            zone: config.zone,
            labels: config.labels,
            capacity: config.capacity,
            certificate: config.certificate.into(),
            version: config.version,
            lives_ms: if scheduled {
                // Dark for long, and known for as long as the longest darkness that is planned for.
                Some(authority.genesis().partition_max_ms)
            } else {
                (config.speaks == WireVersion::Current).then_some(refresh::LIFE.as_millis() as u64)
            },
            plan: config.plan,
            denies: (!config.denies.is_empty()).then_some(config.denies),
        };
        let mut node = Self {
            me,
            key: config.key,
            admission: config.admission,
            mesh,
            check: config.check,
            info,
            speaks: config.speaks,
            gossip: config.gossip,
            rng,
            now,
            authority,
            guard,
            clock,
            hlc: HlcClock::after(written.unwrap_or_default().max(own.hlc)),
            store,
            held_back: BTreeMap::new(),
            pending: BTreeMap::new(),
            kept: BTreeMap::new(),
            nodes: BTreeMap::new(),
            certificates: BTreeMap::from([(me, Arc::new(certificate))]),
            desired: BTreeMap::new(),
            cordons: BTreeMap::new(),
            quotas: BTreeMap::new(),
            ruled: BTreeSet::new(),
            turns: BTreeMap::new(),
            refused: BTreeSet::new(),
            claims: BTreeMap::new(),
            claimed_by: BTreeMap::new(),
            membership,
            fleet: Fleet::default(),
            contact: Contact::default(),
            peers: BTreeMap::new(),
            unlinked: BTreeSet::new(),
            sessions: BTreeMap::new(),
            session_count: 0,
            next_sync: now.mono + Duration::from_secs(5),
            first_syncs: FIRST_SYNCS,
            relinked: BTreeSet::new(),
            cursors: Cursors::default(),
            allowances: BTreeMap::new(),
            rumours: Rumours::default(),
            zones: Zones::new(config.timing),
            next_sync_beyond: now.mono,
            next_refresh: now.mono,
            settled_at: now.mono + SETTLE_ALONE,
            settled: false,
            vacancies: BTreeMap::new(),
            rebalancing: Rebalancing::default(),
            contradicted: BTreeMap::new(),
            fresh: BTreeMap::new(),
            offer_count: 0,
            held: BTreeMap::new(),
            backing_off: BTreeMap::new(),
            instances: own.instances,
            ahead: BTreeMap::new(),
            leaving: false,
            dirty: BTreeSet::new(),
            swept: None,
            next_sweep: now.mono,
            writes: moved,
            staged: Vec::new(),
            own_changed: true,
            batches: BTreeMap::new(),
            batch_count: 0,
            next_tick: now.mono,
            outputs: VecDeque::new(),
        };
        node.load(records);
        if node.nodes.keys().any(|n| *n != me) {
            node.look_around(SETTLE);
        }
        node.publish_node_record();
        node.resume();
        node.flush();
        Ok(node)
    }

    /// Takes one input. Drain [`Node::poll_output`] afterwards.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.wake(now);
        match input {
            Input::LinkUp { peer, rtt } => self.on_link_up(peer, rtt),
            Input::LinkDown { peer } => self.on_link_down(peer),
            Input::Rtt { peer, rtt } => self.on_rtt(peer, rtt),
            Input::Found { peer, addresses } => self.on_found(peer, addresses),
            Input::Certified { certificate } => self.on_certified(&certificate),
            Input::Datagram { from, bytes } => self.on_datagram(from, &bytes),
            Input::Gossip { bytes } => self.on_gossip(&bytes),
            Input::Sync { id, bytes } => self.on_sync(id, &bytes),
            Input::SyncClosed { id } => {
                if self.sessions.remove(&id).is_some() {
                    self.exchanged(id, false);
                }
            }
            Input::Blob { hash, outcome } => self.on_blob(hash, outcome),
            Input::Executor { instance, event } => self.on_executor(instance, event),
            Input::Submit { id, bytes } => self.on_submit(id, &bytes),
            Input::Persisted { batch } => self.on_persisted(batch),
            Input::Leave => self.on_leave(),
        }
        self.settle();
    }

    /// Acts on what is due. Early and late calls do no harm.
    pub fn handle_timeout(&mut self, now: Now) {
        self.wake(now);
        self.membership.handle_timeout(now.mono);
        if let Some(gate) = &mut self.zones.gate {
            gate.between.handle_timeout(now.mono);
        }
        self.settle();
    }

    /// What to do next; `None` when all is done until the next input or timeout.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Node::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Mono {
        let vacancy = self.vacancies.values().map(|v| v.next_at).min();
        let settled = (!self.settled).then_some(self.settled_at);
        let held = self.held.values().filter_map(|h| h.due()).min();
        let gate = self.zones.gate.as_ref().and_then(|gate| gate.due());
        let (rumours, rebalancing) = (self.rumours.due(), self.rebalancing.due());
        let parts = [self.membership.next_timeout(), settled, vacancy, held, rumours, rebalancing, gate];
        (parts.into_iter().chain([Some(self.next_sync), Some(self.next_tick)]))
            .flatten()
            .min()
            .unwrap_or(self.next_tick)
    }

    fn wake(&mut self, now: Now) {
        self.clock.advanced(self.now, now);
        let frozen = now.mono > self.next_tick + FROZEN;
        if frozen {
            // Frozen, not late: what it believed of others is as old as its sleep.
            self.next_sync = now.mono;
        }
        self.now = Now { mono: now.mono.max(self.now.mono), wall: now.wall };
        if frozen {
            self.look_around(SETTLE);
            self.overlook();
        }
    }

    /// Runs every part that is due or touched, then hands writes over as one batch.
    fn settle(&mut self) {
        self.drain_membership();
        self.drain_between();
        let ticks = self.now.mono >= self.next_tick;
        if ticks {
            self.next_tick = self.now.mono + if self.is_carried() { carried::TICK } else { TICK };
            self.close_stale_sessions();
            self.tick_records();
            self.tick_renewals();
            self.tick_peers();
            self.tick_releases();
            self.tick_standby();
            self.tick_fleet();
            self.greet_strangers();
            self.tick_allotments();
            self.sweep();
            let load = self.load_now();
            self.membership.set_load(wire::encode(&load));
        }
        self.settle_down();
        if self.review_zones() || ticks {
            self.tick_gate();
        }
        if self.is_carried() {
            self.exchange_if_due();
        } else {
            self.sync_if_due();
            self.sync_beyond_if_due();
        }
        for workload in std::mem::take(&mut self.dirty) {
            self.evaluate(&workload);
            self.allot_soon(&workload);
        }
        self.advance_allotments();
        self.advance_held();
        self.advance_vacancies();
        self.rebalance_if_due();
        self.tell_rumours();
        self.drain_membership();
        self.drain_between();
        self.flush();
    }

    /// Hands over everything staged as one batch, if there is any.
    fn flush(&mut self) {
        if self.own_changed {
            self.own_changed = false;
            let own = Own {
                generation: self.info.generation,
                hlc: self.hlc.last(),
                instances: self.instances,
                guard: None,
            };
            self.writes.push(Write::PutSelf { value: wire::encode(&own) });
        }
        if self.writes.is_empty() && self.staged.is_empty() {
            return;
        }
        self.batch_count += 1;
        let batch = BatchId(self.batch_count);
        self.batches.insert(batch, std::mem::take(&mut self.staged));
        let writes = std::mem::take(&mut self.writes);
        self.outputs.push_back(Output::Persist { batch, writes });
    }

    fn on_persisted(&mut self, batch: BatchId) {
        for staged in self.batches.remove(&batch).into_iter().flatten() {
            self.make_visible(staged);
        }
    }

    pub(crate) fn keep(&mut self, promise: Promise) {
        match promise {
            Promise::Reply(id) => self.reply(id, Ok(())),
            Promise::Answer { to, offer, workload, slot } => {
                self.accept_offer(to, offer, (&workload, slot));
            }
            Promise::Claimed { workload, slot } => self.on_claimed(&workload, slot),
        }
    }

    pub(crate) fn reply(&mut self, id: CommandId, result: Result<(), String>) {
        self.outputs.push_back(Output::Reply { id, result });
    }

    pub(crate) fn notify(&mut self, event: Event) {
        self.outputs.push_back(Output::Notify(Box::new(event)));
    }

    /// The corrected wall clock.
    pub(crate) fn wall(&self) -> Wall {
        self.clock.read(self.now.wall)
    }

    /// A duration between `from` and `to`, drawn evenly.
    pub(crate) fn jitter(&mut self, from: Duration, to: Duration) -> Duration {
        let (from, to) = (from.as_millis() as u64, to.as_millis() as u64);
        Duration::from_millis(self.rng.random_range(from..=to.max(from)))
    }

    pub(crate) fn on_leave(&mut self) {
        self.leaving = true;
        self.give_all_up();
        self.membership.leave(self.now.mono);
        self.leave_gateways();
    }
}

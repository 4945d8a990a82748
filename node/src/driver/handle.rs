//! What the rest of the program holds of a running node.

use super::actor::{Inbox, Message, wall_now};
use super::explain;
use super::gate::NodeGate;
use super::history::History;
use super::relay;
use super::view;
use super::zones;
use crate::api::backend::{Backend, Elsewhere, Source};
use crate::api::error::ApiError;
use crate::api::event::{Event, EventKind};
use crate::api::types::{
    CallRequest, CallResponse, Describe, InstanceView, LogLine, NodeSettings, NodeView, Plan, Ports,
    QuotaView, RouteConflict, Status, Why, WorkloadView, ZoneView,
};
use crate::cli::interfaces;
use crate::ingress::{self, RouteTable, Traffic, TrafficEvent};
use arc_swap::ArcSwap;
use bytes::Bytes;
use orbweave_core::{Node, WorkloadSpec, event};
use orbweave_model::{Hash, InstanceId, MeshId, NodeId, Wall, WorkloadName, limit};
use orbweave_net::Net;
use orbweave_wasm::Service;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, broadcast, oneshot, watch};

/// Events and log lines that a node remembers.
const EVENTS_KEPT: usize = 4_096;
const LINES_KEPT: usize = 4_096;
/// Events that `describe` shows.
const EVENTS_DESCRIBED: usize = 50;

/// What a handle is made of.
pub struct Parts {
    /// The node.
    pub id: NodeId,
    /// Its mesh.
    pub mesh: MeshId,
    /// What the founder called it.
    pub mesh_name: String,
    /// Where the node listens.
    pub ports: Ports,
    /// What else it was told.
    pub settings: NodeSettings,
    /// Where it tells others to find it.
    pub advertised: Vec<SocketAddr>,
    /// Its network.
    pub net: Net,
    /// Where its inputs go.
    pub inbox: Inbox,
    /// Its gate.
    pub gate: Arc<NodeGate>,
    /// When the process started.
    pub started: Instant,
    /// Draws replicas.
    pub seed: u64,
}

/// A running node. Clones are the same node.
#[derive(Clone)]
pub struct NodeHandle(Arc<Inner>);

struct Inner {
    parts: Parts,
    traffic: OnceLock<Arc<Traffic>>,
    routes: ArcSwap<RouteTable>,
    route_version: watch::Sender<u64>,
    services: ArcSwap<BTreeMap<(WorkloadName, u32), (InstanceId, Service)>>,
    next_service: AtomicU64,
    clock_offset_ms: AtomicI64,
    events: History<Event>,
    lines: History<LogLine>,
    stopped: watch::Sender<bool>,
    submitting: Mutex<()>,
}

impl NodeHandle {
    /// A handle; the node's task is started by the caller.
    pub fn new(parts: Parts) -> Self {
        let seed = parts.seed;
        let handle = Self(Arc::new(Inner {
            parts,
            traffic: OnceLock::new(),
            routes: ArcSwap::default(),
            route_version: watch::Sender::new(0),
            services: ArcSwap::default(),
            next_service: AtomicU64::new(0),
            clock_offset_ms: AtomicI64::new(0),
            events: History::new(EVENTS_KEPT),
            lines: History::new(LINES_KEPT),
            stopped: watch::Sender::new(false),
            submitting: Mutex::new(()),
        }));
        // Weak, since the traffic is part of what it observes.
        let observer = Arc::downgrade(&handle.0);
        let traffic = Traffic::new(seed, move |event| {
            if let Some(inner) = observer.upgrade() {
                NodeHandle(inner).traffic_event(event);
            }
        });
        let _ = handle.0.traffic.set(traffic);
        handle
    }

    /// The node.
    pub fn id(&self) -> NodeId {
        self.0.parts.id
    }

    /// Its network.
    pub fn net(&self) -> &Net {
        &self.0.parts.net
    }

    /// Where its inputs go.
    pub fn inbox(&self) -> &Inbox {
        &self.0.parts.inbox
    }

    /// Its gate.
    pub fn gate(&self) -> &Arc<NodeGate> {
        &self.0.parts.gate
    }

    /// Its traffic.
    pub fn traffic(&self) -> &Arc<Traffic> {
        // Set in `new`, before anybody has the handle.
        self.0.traffic.get_or_init(|| Traffic::new(0, |_| {}))
    }

    /// The routes as they are now.
    pub fn routes(&self) -> Arc<RouteTable> {
        self.0.routes.load_full()
    }

    /// Changes whenever the routes do.
    pub fn route_changes(&self) -> watch::Receiver<u64> {
        self.0.route_version.subscribe()
    }

    /// A new table of routes.
    pub fn set_routes(&self, routes: RouteTable) {
        self.0.routes.store(Arc::new(routes));
        self.0.route_version.send_modify(|version| *version += 1);
    }

    /// A service of this workload that runs here, in turn where there are several.
    pub fn local_service(&self, workload: &WorkloadName) -> Option<Service> {
        let services = self.0.services.load();
        let first = (workload.clone(), 0);
        let mut mine = services.range(first..).take_while(|((name, _), _)| name == workload);
        let count = mine.clone().count() as u64;
        if count < 2 {
            return mine.next().map(|(_, (_, service))| service.clone());
        }
        let turn = self.0.next_service.fetch_add(1, Ordering::Relaxed) % count;
        mine.nth(turn as usize).map(|(_, (_, service))| service.clone())
    }

    /// A service runs now.
    pub fn add_service(&self, workload: WorkloadName, slot: u32, instance: InstanceId, service: Service) {
        self.traffic().service_started(&workload);
        self.0.services.rcu(|services| {
            let mut services = BTreeMap::clone(services);
            services.insert((workload.clone(), slot), (instance, service.clone()));
            services
        });
    }

    /// A service ended.
    pub fn remove_service(&self, instance: InstanceId) {
        self.0.services.rcu(|services| {
            let mut services = BTreeMap::clone(services);
            services.retain(|_, (id, _)| *id != instance);
            services
        });
    }

    /// All services ended.
    pub fn remove_all_services(&self) {
        self.0.services.store(Arc::default());
    }

    /// The wall clock as the node corrected it.
    pub fn corrected_wall(&self) -> Wall {
        Wall(wall_now().0.saturating_add_signed(self.0.clock_offset_ms.load(Ordering::Relaxed)))
    }

    /// The node corrected it, a moment ago.
    pub fn set_corrected_wall(&self, wall: Wall) {
        let offset = i128::from(wall.0) - i128::from(wall_now().0);
        let offset = i64::try_from(offset).unwrap_or(0);
        self.0.clock_offset_ms.store(offset, Ordering::Relaxed);
    }

    /// Keeps an event of the node and tells those who listen.
    pub fn record(&self, event: event::Event) {
        self.keep(view::event(wall_now().0, self.id(), event));
    }

    fn keep(&self, event: Event) {
        match &event.cause {
            Some(cause) => tracing::info!(kind = %event.kind, %cause, "{}", event.text),
            None => tracing::info!(kind = %event.kind, "{}", event.text),
        }
        self.0.events.push(event);
    }

    /// A peer was turned away, or turned us away.
    pub fn peer_refused(&self, peer: Option<NodeId>, reason: String) {
        let mut event = Event::new(wall_now().0, self.id(), EventKind::PeerRefused, "a peer was refused");
        (event.about, event.cause) = (peer, Some(reason));
        self.keep(event);
    }

    fn traffic_event(&self, event: TrafficEvent) {
        let event = match event {
            TrafficEvent::Retried { workload, from, to, why } => Event {
                workload: Some(workload),
                about: Some(from),
                cause: Some(why),
                ..Event::new(
                    wall_now().0,
                    self.id(),
                    EventKind::RequestRetried,
                    format!("a request went from {} to {}", from.short(), to.short()),
                )
            },
            TrafficEvent::FirstAnswer { workload } => Event {
                workload: Some(workload.clone()),
                ..Event::new(
                    wall_now().0,
                    self.id(),
                    EventKind::AnsweredFirstRequest,
                    format!("{workload} answered for the first time here"),
                )
            },
        };
        self.keep(event);
    }

    /// Keeps a line of a guest.
    pub fn log(&self, line: LogLine) {
        self.0.lines.push(line);
    }

    /// Done when the node has stopped.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopped = self.0.stopped.subscribe();
        async move {
            let _ = stopped.wait_for(|stopped| *stopped).await;
        }
    }

    /// The node's task has ended.
    pub fn mark_stopped(&self) {
        self.0.stopped.send_replace(true);
    }

    /// Asks the node between two of its inputs.
    async fn ask<T: Send + 'static>(&self, question: impl FnOnce(&Node) -> T + Send + 'static) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let question = Box::new(move |node: &Node| {
            let _ = answer.send(question(node));
        });
        self.inbox().send(Message::Ask(question)).await.ok()?;
        answered.await.ok()
    }

    /// The nodes that hold a slot of a workload, wanted or not.
    pub async fn holders(&self, workload: &WorkloadName) -> BTreeSet<NodeId> {
        let name = workload.clone();
        self.ask(move |node| node.holders(&name)).await.unwrap_or_default()
    }

    fn counters(&self) -> BTreeMap<String, u64> {
        let net = self.net().counters();
        let mut named = self.traffic().to_status();
        for (name, count) in [
            ("net.quinnSentBytes", net.quinn_sent_bytes),
            ("net.quinnReceivedBytes", net.quinn_received_bytes),
            ("net.libp2pSentBytes", net.libp2p_sent_bytes),
            ("net.libp2pReceivedBytes", net.libp2p_received_bytes),
            ("net.datagramsDropped", net.datagrams_dropped),
            ("net.blobsDenied", net.blobs_denied),
        ] {
            named.insert(name.to_owned(), count);
        }
        named
    }
}

impl Backend for NodeHandle {
    async fn status(&self) -> Status {
        let id = self.id();
        let asked = self
            .ask(move |node| (node.name(id), view::member_counts(&node.members()), node.record_count()))
            .await;
        let (name, members, records) = asked.unwrap_or_default();
        let conflicts = self.routes().conflicts().into_iter().map(RouteConflict::from).collect();
        let parts = &self.0.parts;
        let mut counters = self.counters();
        counters.insert("records".to_owned(), records as u64);
        Status {
            node: parts.id,
            name,
            mesh: parts.mesh,
            mesh_name: parts.mesh_name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_ms: u64::try_from(parts.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            peers: self.net().peers().len() as u32,
            members,
            ports: parts.ports,
            settings: Some(parts.settings.clone()),
            memory_bytes: resident_bytes(),
            conflicts,
            counters,
        }
    }

    async fn nodes(&self) -> Vec<NodeView> {
        self.ask(view::nodes).await.unwrap_or_default()
    }

    async fn zones(&self) -> Vec<ZoneView> {
        self.ask(zones::zones).await.unwrap_or_default()
    }

    async fn quotas(&self) -> Vec<QuotaView> {
        self.ask(view::quotas).await.unwrap_or_default()
    }

    async fn workloads(&self) -> Vec<WorkloadView> {
        self.ask(view::workloads).await.unwrap_or_default()
    }

    async fn instances(&self) -> Vec<InstanceView> {
        self.ask(|node| node.workloads().iter().flat_map(|report| view::instances(node, report)).collect())
            .await
            .unwrap_or_default()
    }

    async fn describe(&self, workload: &WorkloadName) -> Option<Describe> {
        let name = workload.clone();
        let mut described = self
            .ask(move |node| {
                let report = node.workload(&name)?;
                Some(Describe {
                    workload: view::workload(node, &report, &view::route_table(node).conflicts()),
                    requires: report.spec.requires.clone(),
                    need: report.spec.need,
                    call_time_ms: report.spec.call_time_ms,
                    concurrency: report.spec.concurrency,
                    env: report.spec.env.clone(),
                    rollout: explain::rollout(node, &name, &report.spec),
                    release: report.release.as_ref().ok().map(view::release),
                    instances: view::instances(node, &report),
                    functions: Vec::new(),
                    verdicts: explain::verdicts(node, &name),
                    events: Vec::new(),
                })
            })
            .await??;
        if let Some(service) = self.local_service(workload) {
            described.functions = service.exports().functions.iter().map(ToString::to_string).collect();
        }
        let (events, _) = self.0.events.listen(|e| e.workload.as_ref() == Some(workload));
        described.events = events.into_iter().rev().take(EVENTS_DESCRIBED).rev().collect();
        Some(described)
    }

    async fn why(&self, workload: &WorkloadName, slot: u32) -> Option<Why> {
        let name = workload.clone();
        self.ask(move |node| explain::why(node, &name, slot)).await?
    }

    async fn plan(&self, workload: &WorkloadName, spec: WorkloadSpec) -> Option<Plan> {
        let name = workload.clone();
        self.ask(move |node| explain::plan(node, &name, &spec)).await
    }

    async fn spec(&self, workload: &WorkloadName) -> Option<Vec<u8>> {
        let name = workload.clone();
        self.ask(move |node| node.spec_of(&name)).await?
    }

    async fn submit(&self, record: Vec<u8>) -> Result<(), ApiError> {
        // One at a time: of two that name one host, the second finds the first.
        let _turn = self.0.submitting.lock().await;
        self.check_submission(&record).await?;
        let (answer, answered) = oneshot::channel();
        let gone = || ApiError::unavailable("the node is stopping");
        self.inbox().send(Message::Submit(record, answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?.map_err(ApiError::refused)
    }

    async fn add_blob(&self, bytes: Bytes) -> Result<Hash, ApiError> {
        if bytes.len() as u64 > limit::COMPONENT_BYTES_MAX {
            return Err(ApiError::bad_request("the component is too large"));
        }
        self.net().add_blob(bytes).await.map_err(|e| ApiError::internal(e.to_string()))
    }

    async fn create_ticket(&self, uses: u32, ttl: Duration) -> Result<String, ApiError> {
        let (handle, addresses) = (self.clone(), self.0.parts.advertised.clone());
        let made = tokio::task::spawn_blocking(move || {
            handle.gate().create_ticket(handle.id(), addresses, uses, ttl)
        });
        made.await.map_err(|e| ApiError::internal(e.to_string()))?.map_err(ApiError::refused)
    }

    async fn call(&self, request: CallRequest) -> Result<CallResponse, ApiError> {
        let CallRequest { workload, function, args, deadline_ms } = request;
        let deadline = Duration::from_millis(deadline_ms);
        match ingress::call(self, &workload, &function, &args, deadline).await {
            Ok((result, node)) => Ok(CallResponse { result, node: Some(node) }),
            Err(failure) => Err(ApiError::of_call(&failure, &workload)),
        }
    }

    fn logs(&self, workload: Option<&WorkloadName>) -> (Vec<LogLine>, broadcast::Receiver<LogLine>) {
        self.0.lines.listen(|line| workload.is_none_or(|w| line.workload == *w))
    }

    fn events(&self) -> (Vec<Event>, broadcast::Receiver<Event>) {
        self.0.events.listen(|_| true)
    }

    async fn elsewhere(&self, what: Source, workload: &WorkloadName, follow: bool) -> Elsewhere {
        relay::elsewhere(self, what, workload, follow).await
    }

    async fn shutdown(&self) {
        let _ = self.inbox().send(Message::Stop).await;
        self.stopped().await;
    }
}

impl NodeHandle {
    /// A workload's component must be here, be what its release says and be able to do
    /// what its route asks, and the route must be free, before the workload is taken in:
    /// otherwise nobody could ever run or reach it.
    async fn check_submission(&self, record: &[u8]) -> Result<(), ApiError> {
        let bytes = record.to_vec();
        let asked = self.ask(move |node| {
            let submission = node.submission(&bytes)?;
            let rival = submission.as_ref().and_then(|s| view::rival(node, &s.name, s.route.clone()?));
            Ok::<_, String>((submission, rival))
        });
        let (submission, rival) = match asked.await.transpose().map_err(ApiError::refused)? {
            Some((Some(submission), rival)) => (submission, rival),
            _ => return Ok(()),
        };
        let (name, release) = (submission.name, submission.release);
        let hash = release.statement().blake3;
        let found = self.net().blob(hash).await.map_err(|e| ApiError::internal(e.to_string()))?;
        let Some(bytes) = found else {
            let name = &release.statement().name;
            return Err(ApiError::refused(format!(
                "the component that the release of {name} names (BLAKE3 {hash}) is not here: what was handed in is another, or was tampered with"
            ))
            .fix("hand in the component that was signed, or sign this one"));
        };
        let checked = tokio::task::spawn_blocking(move || {
            // What cannot be read as a component is for the compiler to judge.
            let unroutable = interfaces::of(&bytes).ok().and_then(|i| i.unroutable());
            release.check_component(&bytes[..]).map(|_| unroutable)
        });
        let checked = checked.await.map_err(|e| ApiError::internal(e.to_string()))?;
        let unroutable = checked.map_err(|e| ApiError::refused(e.to_string()))?;
        if let Some((why, fix)) = unroutable.filter(|_| submission.route.is_some()) {
            return Err(ApiError::refused(format!("{name} has a route, but {why}")).fix(fix));
        }
        if let Some((rival, place)) = rival {
            return Err(ApiError::refused(format!(
                "{place} is the route of {rival} already, so {name} cannot have it too"
            ))
            .fix(format!("give {name} another host or path, or delete {rival} first")));
        }
        Ok(())
    }
}

/// Resident memory of this process.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB"));
    kib.and_then(|kib| kib.trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}

//! Nodes in one process whose streams are pipes, and that can die, freeze and cut off.

use crate::ingress::body::{self, IngressBody};
use crate::ingress::failure::CallFailure;
use crate::ingress::frame::{self, HEAD_BYTES_MAX, ResponseHead};
use crate::ingress::mesh::{Cancelled, LocalService, Mesh};
use crate::ingress::serving;
use crate::ingress::table::{HttpRoute, Replica, RouteEntry, RouteTable};
use crate::ingress::traffic::Traffic;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt;
use orbweave_model::{NodeId, WorkloadName};
use orbweave_net::StreamKind;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::sync::watch;

/// What a node does with what it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Answers after a while.
    Answers(Duration),
    /// Cannot be reached.
    Dead,
    /// Takes everything and never answers.
    Frozen,
    /// Sends half an answer and then nothing more.
    Stalls,
    /// Sends half an answer and is gone.
    CutsOff,
    /// Its guest traps.
    Traps,
    /// Does not run the workload.
    Absent,
}

pub struct World {
    manners: Mutex<BTreeMap<NodeId, Manner>>,
    table: Mutex<Arc<RouteTable>>,
    /// Nodes that see other routes than the rest: those of their own zone.
    zones: Mutex<BTreeMap<NodeId, Arc<RouteTable>>>,
    version: watch::Sender<u64>,
    parked: Mutex<Vec<(DuplexStream, DuplexStream)>>,
    cut: Arc<AtomicUsize>,
    pub asked: Mutex<Vec<NodeId>>,
}

#[derive(Clone)]
pub struct FakeNode {
    id: NodeId,
    pub world: Arc<World>,
    pub traffic: Arc<Traffic>,
}

pub struct FakeService {
    id: NodeId,
    manner: Manner,
    world: Arc<World>,
}

pub const ANSWERS: Manner = Manner::Answers(Duration::from_millis(1));
pub const DEADLINE: Duration = Duration::from_secs(3);

pub fn node(n: u8) -> NodeId {
    NodeId([n; 32])
}

/// A world whose workload `hello` has replicas on nodes 1, 2, … with these manners,
/// seen from node 0 that has none.
pub fn world(idempotent: bool, manners: &[Manner]) -> FakeNode {
    let ids = (1_u8..).map(node);
    let world = Arc::new(World {
        manners: Mutex::new(ids.zip(manners.iter().copied()).collect()),
        table: Mutex::default(),
        zones: Mutex::default(),
        version: watch::Sender::new(0),
        parked: Mutex::default(),
        cut: Arc::default(),
        asked: Mutex::default(),
    });
    let all: Vec<u8> = (1..=u8::try_from(manners.len()).unwrap()).collect();
    world.route(idempotent, &all);
    FakeNode { id: node(0), world, traffic: Traffic::new(7, |_| ()) }
}

impl World {
    /// The table says from now on that these nodes run the workload.
    pub fn route(&self, idempotent: bool, nodes: &[u8]) {
        *self.table.lock().unwrap() = table(idempotent, nodes, &[]);
        self.version.send_modify(|v| *v += 1);
    }

    /// One node sees these replicas in its zone, and reaches others through those nodes.
    pub fn route_in_zone(&self, at: u8, idempotent: bool, nodes: &[u8], beyond: &[u8]) {
        self.zones.lock().unwrap().insert(node(at), table(idempotent, nodes, beyond));
        self.version.send_modify(|v| *v += 1);
    }

    /// From now on these nodes are held for dead; the routes stay as they are.
    pub fn bury(&self, nodes: &[u8]) {
        let mut table = self.table.lock().unwrap();
        *table = Arc::new(RouteTable::clone(&table).with_down(nodes.iter().map(|&n| node(n)).collect()));
        drop(table);
        self.version.send_modify(|v| *v += 1);
    }

    pub fn set(&self, n: u8, manner: Manner) {
        self.manners.lock().unwrap().insert(node(n), manner);
    }

    /// Requests that a frozen node took.
    pub fn frozen(&self) -> usize {
        self.parked.lock().unwrap().len()
    }

    /// Requests that were cut off.
    pub fn cut_off(&self) -> usize {
        self.cut.load(Relaxed)
    }

    fn manner(&self, id: NodeId) -> Manner {
        self.manners.lock().unwrap().get(&id).copied().unwrap_or(Manner::Absent)
    }
}

impl Mesh for FakeNode {
    type Send = DuplexStream;
    type Recv = DuplexStream;
    type Service = FakeService;

    fn id(&self) -> NodeId {
        self.id
    }

    fn routes(&self) -> Arc<RouteTable> {
        let own = self.world.zones.lock().unwrap().get(&self.id).cloned();
        own.unwrap_or_else(|| self.world.table.lock().unwrap().clone())
    }

    fn route_changes(&self) -> watch::Receiver<u64> {
        self.world.version.subscribe()
    }

    fn local(&self, _: &WorkloadName) -> Option<FakeService> {
        let manner = self.world.manner(self.id);
        let service = FakeService { id: self.id, manner, world: self.world.clone() };
        (manner != Manner::Absent).then_some(service)
    }

    async fn open(&self, peer: NodeId, kind: StreamKind) -> Result<(DuplexStream, DuplexStream), String> {
        let manner = self.world.manner(peer);
        if manner == Manner::Dead {
            return Err("no link".to_owned());
        }
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let (their_answer, our_answer) = tokio::io::duplex(64 * 1024);
        match manner {
            Manner::Stalls => drop(tokio::spawn(stall(theirs, their_answer, self.world.clone()))),
            Manner::Frozen => self.world.parked.lock().unwrap().push((theirs, their_answer)),
            Manner::CutsOff => drop(tokio::spawn(cut_off(theirs, their_answer, self.world.cut.clone()))),
            _ => {
                let there = Self { id: peer, world: self.world.clone(), traffic: Traffic::new(1, |_| ()) };
                drop(tokio::spawn(serve(there, self.id, kind, their_answer, theirs)));
            }
        }
        Ok((ours, our_answer))
    }

    fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }
}

/// A node that passes a request on opens a stream while it serves one: the type of the
/// future must not depend on itself.
fn serve(
    there: FakeNode,
    peer: NodeId,
    kind: StreamKind,
    answer: DuplexStream,
    request: DuplexStream,
) -> BoxFuture<'static, ()> {
    Box::pin(serving::serve_stream(there, peer, kind, answer, request))
}

fn table(idempotent: bool, nodes: &[u8], beyond: &[u8]) -> Arc<RouteTable> {
    let http = HttpRoute { host: Some("hello.mesh".to_owned()), path: None, idempotent };
    let replicas = nodes.iter().map(|&n| Replica { node: node(n), slot: n.into(), rtt_us: 200 });
    Arc::new(RouteTable::new([RouteEntry {
        name: "hello".parse().unwrap(),
        http: Some(http),
        deadline: DEADLINE,
        replicas: replicas.collect(),
        beyond: beyond.iter().copied().map(node).collect(),
    }]))
}

async fn stall(request: DuplexStream, mut answer: DuplexStream, world: Arc<World>) {
    half_an_answer(&mut answer).await;
    world.parked.lock().unwrap().push((request, answer));
}

async fn cut_off(_request: DuplexStream, mut answer: DuplexStream, count: Arc<AtomicUsize>) {
    half_an_answer(&mut answer).await;
    count.fetch_add(1, Relaxed);
}

async fn half_an_answer(answer: &mut DuplexStream) {
    let head = ResponseHead { status: Some(200), ..ResponseHead::default() };
    answer.write_all(&frame::head_bytes(&head, HEAD_BYTES_MAX).unwrap()).await.unwrap();
    frame::write_chunk(answer, b"half an ans").await.unwrap();
}

impl Cancelled for DuplexStream {
    async fn cancelled(&mut self) {
        std::future::pending().await
    }
}

impl LocalService for FakeService {
    async fn http(
        &self,
        request: Request<IngressBody>,
        _: Duration,
    ) -> Result<Response<IngressBody>, CallFailure> {
        self.world.asked.lock().unwrap().push(self.id);
        match self.manner {
            Manner::Answers(after) => tokio::time::sleep(after).await,
            Manner::Traps => return Err(CallFailure::Trapped("unreachable code".to_owned())),
            _ => std::future::pending().await,
        }
        let said = format!("{} {} ", request.method(), request.uri());
        let body = request.into_body().collect().await.map_err(|e| CallFailure::Trapped(e.to_string()))?;
        let answer = [said.as_bytes(), &body.to_bytes()].concat();
        let mut response = Response::new(body::full(answer));
        response.headers_mut().insert("connection", http::HeaderValue::from_static("close"));
        response.headers_mut().insert("x-guest", http::HeaderValue::from_static("yes"));
        Ok(response)
    }

    async fn call(&self, function: &str, args: &str, _: Duration) -> Result<String, CallFailure> {
        match (self.manner, function) {
            (Manner::Traps, _) => Err(CallFailure::Trapped("unreachable code".to_owned())),
            (_, "echo") => Ok(args.to_owned()),
            _ => Err(CallFailure::BadRequest(format!("there is no function {function}"))),
        }
    }

    async fn call_encoded(&self, _: &str, args: &[u8], _: Duration) -> Result<Vec<u8>, CallFailure> {
        Ok(args.to_vec())
    }
}

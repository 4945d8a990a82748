//! Two nodes' networks, linked, and a service on one of them.

use orbweave_model::{Hash, MeshId, NodeId, Wall, WorkloadName};
use orbweave_net::{
    BoxFuture, Gate, IncomingStream, Net, NetConfig, NetEvent, PeerAddress, RecvStream, SendStream,
    StreamKind,
};
use orbweave_node::ingress::invoke::{self, Values};
use orbweave_node::ingress::mesh::Mesh;
use orbweave_node::ingress::{Replica, RouteEntry, RouteTable, Traffic, serving};
use orbweave_trust::{
    Authority, Component, Genesis, Grant, Release, ReleaseStatement, Roles, RollbackGuard, SecretKey, Strict,
};
use orbweave_wasm::{InstanceLimits, Runtime, RuntimeConfig, Service};
use sha2::{Digest, Sha256};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

pub const INTERFACE: &str = "orbweave:examples/greeter";
pub const FUNCTION: &str = "greet";
const FULL_NAME: &str = "orbweave:examples/greeter.greet";
const WITHIN: Duration = Duration::from_secs(5);
const NOW: Wall = Wall(1_800_000_000_000);

/// The committed component.
pub fn greeter() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../components/dist/greeter.wasm");
    std::fs::read(path).expect("components/dist/greeter.wasm")
}

/// A string of less than 128 bytes as an argument list.
pub fn encoded(text: &str) -> Values {
    let length = u8::try_from(text.len()).ok().filter(|&n| n < 0x80).expect("a short text");
    Values::Encoded([&[length], text.as_bytes()].concat())
}

/// The greeter, verified, compiled in a child and started.
pub async fn service() -> Service {
    let cache = tempfile::tempdir().expect("a directory");
    let runtime = Runtime::new(RuntimeConfig {
        cache_dir: cache.path().to_owned(),
        mac_key: [7; 32],
        compiler: env!("CARGO_BIN_EXE_orbweave").into(),
        compile_memory_bytes: 2 << 30,
        compile_time: Duration::from_secs(60),
        instances_max: 256,
    });
    let runtime = runtime.expect("a runtime");
    let loaded = runtime.load(&verified(greeter())).await.expect("compiled");
    let limits = InstanceLimits { memory_bytes: 64 << 20, call_time: WITHIN, concurrent: 16 };
    runtime.start(&loaded, limits, Vec::new(), Arc::new(|_| {})).expect("started")
}

fn verified(wasm: Vec<u8>) -> Component {
    let (root, publisher) = (SecretKey::from_bytes([1; 32]), SecretKey::from_bytes([2; 32]));
    let genesis = Genesis {
        name: "bench".into(),
        roots: vec![root.public()],
        threshold: 1,
        grants: vec![Grant { key: publisher.public(), roles: Roles::PUBLISH }],
        partition_max_ms: 3_600_000,
        created: NOW,
        salt: [3; 16],
    };
    let (mesh, genesis) = Genesis::verify(&genesis.sign(&[&root]), None, &Strict).expect("a mesh");
    let statement = ReleaseStatement {
        name: "greeter".into(),
        version: "1.0.0".into(),
        blake3: Hash::of(&wasm),
        sha256: Sha256::digest(&wasm).into(),
        size: wasm.len() as u64,
        imports: Vec::new(),
        exports: Vec::new(),
        publisher: publisher.public(),
        not_before: NOW,
        expires: NOW + Duration::from_secs(3600),
        sequence: 1,
        mesh: None,
    };
    let (authority, guard) = (Authority::new(mesh, genesis), RollbackGuard::new());
    let release = Release::verify(&statement.sign(&publisher), &authority, &guard, NOW, &Strict);
    release.expect("a release").check_component(wasm).expect("its component")
}

/// One end, as the node's ingress sees it.
#[derive(Clone)]
pub struct End {
    net: Net,
    service: Option<Service>,
    routes: Arc<RouteTable>,
    traffic: Arc<Traffic>,
}

impl Mesh for End {
    type Send = SendStream;
    type Recv = RecvStream;
    type Service = Service;

    fn id(&self) -> NodeId {
        self.net.id()
    }

    fn routes(&self) -> Arc<RouteTable> {
        Arc::clone(&self.routes)
    }

    fn route_changes(&self) -> watch::Receiver<u64> {
        watch::Sender::new(0).subscribe()
    }

    fn local(&self, _: &WorkloadName) -> Option<Service> {
        self.service.clone()
    }

    async fn open(&self, peer: NodeId, kind: StreamKind) -> Result<(SendStream, RecvStream), String> {
        self.net.open(peer, kind).await.map_err(|e| e.to_string())
    }

    fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }
}

/// Lets everybody in, and serves streams as the node's gate does.
#[derive(Default)]
struct Open(OnceLock<End>);

impl Gate for Open {
    fn hello(&self) -> Vec<u8> {
        Vec::new()
    }

    fn admit(&self, _: NodeId, _: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn join(&self, _: NodeId, _: &[u8]) -> BoxFuture<'static, Result<Vec<u8>, String>> {
        Box::pin(async { Err("no".into()) })
    }

    fn may_get(&self, _: NodeId, _: Hash) -> bool {
        false
    }

    fn take_stream(&self, stream: IncomingStream) -> Option<IncomingStream> {
        let Some(end) = self.0.get() else { return Some(stream) };
        let IncomingStream { peer, kind, send, recv, .. } = stream;
        tokio::spawn(serving::serve_stream(end.clone(), peer, kind, send, recv));
        None
    }
}

async fn network(n: u8, gate: Arc<Open>) -> (Net, mpsc::Receiver<NetEvent>, TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let started = Net::start(NetConfig {
        secret: SecretKey::from_bytes([n; 32]),
        mesh: MeshId([1; 32]),
        zone: "default".into(),
        listen: "127.0.0.1:0".parse().expect("an address"),
        mdns: false,
        gossip: false,
        blob_dir: dir.path().to_owned(),
        gate,
    });
    let (net, events) = started.await.expect("a network");
    (net, events, dir)
}

/// Calls from one node to the service on another.
pub struct Caller {
    end: End,
    workload: WorkloadName,
    _dirs: [TempDir; 2],
}

impl Caller {
    pub async fn ask(&self, args: &Values) -> Values {
        let called = invoke::call(&self.end, &self.workload, FULL_NAME, args, WITHIN).await;
        called.expect("an answer").result
    }
}

/// A caller on `clients`, linked to the service's node on `servers`.
pub fn linked(
    clients: &tokio::runtime::Runtime,
    servers: &tokio::runtime::Runtime,
    service: Service,
) -> Caller {
    let workload: WorkloadName = "greeter".parse().expect("a name");
    let gate = Arc::new(Open::default());
    let (there, mut there_events, there_dir) = servers.block_on(network(2, Arc::clone(&gate)));
    let (here, mut here_events, here_dir) = clients.block_on(network(1, Arc::default()));
    let replica = Replica { node: there.id(), slot: 0, rtt_us: 100 };
    let (replicas, beyond) = (vec![replica], Vec::new());
    let entry = RouteEntry { name: workload.clone(), http: None, deadline: WITHIN, replicas, beyond };
    let routes = Arc::new(RouteTable::new([entry]));
    let end =
        |net, service| End { net, service, routes: Arc::clone(&routes), traffic: Traffic::new(1, |_| ()) };
    let address = there.local_address().expect("an address");
    let peer = PeerAddress { node: there.id(), addresses: vec![address] };
    drop(gate.0.set(end(there, Some(service))));
    clients.block_on(async {
        here.dial(peer);
        while !matches!(here_events.recv().await, Some(NetEvent::LinkUp { .. })) {}
    });
    servers.spawn(async move { while there_events.recv().await.is_some() {} });
    clients.spawn(async move { while here_events.recv().await.is_some() {} });
    Caller { end: end(here, None), workload, _dirs: [here_dir, there_dir] }
}

//! The driver: gives the sans-IO node its clock, its disk, its network and its
//! executor, and carries out what it decides. Nothing is decided here.
//!
//! One task owns the node. It takes an input, drains the outputs, and sleeps until
//! the next input or timeout. All that takes long happens in tasks beside it, which
//! report back as inputs.

mod actor;
mod executor;
mod explain;
mod gate;
mod handle;
mod health;
mod history;
mod relay;
mod storage;
mod streams;
mod view;
mod zones;

pub use handle::NodeHandle;
pub use storage::{Storage, StorageError};

use crate::cli::UpOptions;
use crate::ingress;
use crate::state_dir::{KeyFile, StateDir, StateDirError, random_bytes};
use actor::{Actor, Message, wall_now};
use gate::NodeGate;
use handle::Parts;
use orbweave_core::{Node, NodeConfig, StartError, WireVersion};
use orbweave_model::{Mono, Now};
use orbweave_net::{Net, NetConfig, NetError};
use orbweave_state::membership::Timing;
use orbweave_trust::{Genesis, GenesisError, Strict};
use orbweave_wasm::{Runtime, RuntimeConfig, RuntimeError};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Inputs that wait for the node; a driver that outruns it waits in turn.
const INBOX: usize = 4_096;
/// Address space and time that compiling one component may take.
const COMPILE_MEMORY_BYTES: u64 = 2 << 30;
const COMPILE_TIME: Duration = Duration::from_secs(60);

/// Why the node did not come up, or ended. What was acknowledged is on the disk.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// A file of the state directory.
    #[error(transparent)]
    Dir(#[from] StateDirError),
    /// The store.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The genesis document.
    #[error("the genesis document cannot be used: {0}")]
    Genesis(#[from] GenesisError),
    /// What the node is made of.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The network.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The runtime.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The HTTP ingress.
    #[error("cannot listen on {0} for HTTP: {1}; choose another --port or stop what holds it")]
    Http(SocketAddr, std::io::Error),
    /// The disk failed while the node ran. What was acknowledged before is on it.
    #[error(
        "the store could not be written, so the node stopped; make room or mend the disk, then start it again"
    )]
    Disk,
    /// The operating system's source of randomness.
    #[error("cannot draw random bytes: {0}")]
    Random(std::io::Error),
}

/// Runs the node until it is told to stop. `ready` gets its handle once it answers.
/// The caller holds the directory's lock.
pub async fn run(
    dir: StateDir,
    options: UpOptions,
    ready: oneshot::Sender<NodeHandle>,
) -> Result<(), DriverError> {
    let started = std::time::Instant::now();
    let key = dir.read_key(KeyFile::Node)?;
    let genesis = dir.read(&dir.genesis())?;
    let certificate = dir.read(&dir.certificate())?;
    let (mesh, document) = Genesis::verify(&genesis, None, &Strict)?;
    let (storage, restored) = Storage::open(&dir.database())?;
    let runtime = Runtime::new(RuntimeConfig {
        cache_dir: dir.cache(),
        mac_key: key.derive("compiled cache"),
        compiler: "/proc/self/exe".into(),
        compile_memory_bytes: COMPILE_MEMORY_BYTES,
        compile_time: COMPILE_TIME,
        instances_max: orbweave_wasm::limit::INSTANCES_MAX,
    })?;
    let http = tokio::net::TcpListener::bind(options.http())
        .await
        .map_err(|e| DriverError::Http(options.http(), e))?;

    let now = Now { mono: Mono(0), wall: wall_now() };
    let config = NodeConfig {
        key: key_again(&key),
        genesis: genesis.clone(),
        certificate: certificate.clone(),
        admission: dir
            .key(KeyFile::Admission)
            .exists()
            .then(|| dir.read_key(KeyFile::Admission))
            .transpose()?,
        seed: random_bytes().map_err(DriverError::Random)?,
        zone: options.zone.clone(),
        labels: options.labels.clone(),
        capacity: options.capacity,
        addresses: advertised(options.mesh()),
        denies: options.denies.clone(),
        plan: options.plan.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        speaks: WireVersion::Current,
        gossip: options.gossip,
        timing: Timing::default(),
        check: Arc::new(Strict),
    };
    let node = Node::new(config, restored, now)?;

    let gate = NodeGate::new(dir.clone(), mesh, genesis, certificate, node.authority().clone());
    let (net, events) = Net::start(NetConfig {
        secret: key_again(&key),
        mesh,
        zone: options.zone.clone(),
        listen: options.mesh(),
        mdns: options.mdns,
        gossip: options.gossip,
        blob_dir: dir.blobs(),
        gate: gate.clone(),
    })
    .await?;
    let (inbox, messages) = mpsc::channel(INBOX);
    let mesh_name = document.name.clone();
    let handle = NodeHandle::new(Parts {
        id: key.node_id(),
        mesh,
        mesh_name,
        ports: view::ports(&options),
        settings: view::settings(&options),
        advertised: advertised(options.mesh()),
        net: net.clone(),
        inbox: inbox.clone(),
        gate: gate.clone(),
        started,
        seed: u64::from_le_bytes(random_bytes().map_err(DriverError::Random)?),
    });
    gate.serve_streams_for(handle.clone());
    for peer in options.peers {
        let input = orbweave_core::Input::Found { peer: peer.node, addresses: peer.addresses };
        let _ = inbox.send(Message::Input(input)).await;
    }
    let ingress = tokio::spawn(ingress::serve(handle.clone(), http, handle.stopped()));
    let actor = Actor::new(node, handle.clone(), storage, runtime, started);
    let _ = ready.send(handle);
    let disk_held = actor.run(messages, events).await;
    let _ = ingress.await;
    net.shutdown().await;
    if disk_held { Ok(()) } else { Err(DriverError::Disk) }
}

/// A key is not `Clone` on purpose: each copy is a decision.
fn key_again(key: &orbweave_trust::SecretKey) -> orbweave_trust::SecretKey {
    orbweave_trust::SecretKey::from_bytes(key.to_bytes())
}

/// The addresses that peers are told: the one that was chosen, or all of this host's.
fn advertised(listen: SocketAddr) -> Vec<SocketAddr> {
    if !listen.ip().is_unspecified() {
        return vec![listen];
    }
    let mut found: Vec<IpAddr> = local_addresses();
    if found.is_empty() {
        found.push(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
    }
    found.into_iter().map(|ip| SocketAddr::new(ip, listen.port())).collect()
}

/// Addresses of this host that others may reach, loopback last.
fn local_addresses() -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .into_iter()
        .map(|interface| interface.ip())
        .filter(|ip| match ip {
            IpAddr::V4(v4) => !v4.is_link_local(),
            // Scoped addresses mean nothing on another host.
            IpAddr::V6(v6) => !v6.is_unicast_link_local(),
        })
        .collect();
    found.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6(), *ip));
    found.truncate(orbweave_model::limit::ADDRESSES_MAX);
    found
}

//! `up`: the node in the foreground. The driver runs it; here it is locked, announced,
//! attended and stopped.

use super::args::UpArgs;
use super::failure::Failure;
use super::output;
use super::settings::Settings;
use crate::api::types::{Status, ZONE_DEFAULT};
use crate::api::{AdminServer, Backend};
use crate::driver::{self, NodeHandle};
use crate::manifest::contacts;
use crate::state_dir::StateDir;
use orbweave_core::link_plan::LinkPlan;
use orbweave_core::node_info::DENIES_MAX;
use orbweave_model::{Labels, Resources, limit};
use orbweave_net::PeerAddress;
use std::io::{IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// What requests under way may still take once the node has stopped.
const GRACE: Duration = Duration::from_secs(3);
/// Peers that the `peers` file may name.
const PEERS_MAX: usize = 64;

/// The first port, where none is given.
const PORT: u16 = 8080;
/// Replicas that a node holds at most, where it is not told.
const INSTANCES: u32 = 256;

/// What the driver is told beside the state directory.
#[derive(Debug, Clone, PartialEq)]
pub struct UpOptions {
    /// Labels of this node.
    pub labels: Labels,
    /// The zone of this node.
    pub zone: String,
    /// The address to listen on.
    pub listen: IpAddr,
    /// The first of the four ports.
    pub port: u16,
    /// Nodes to ask first.
    pub peers: Vec<PeerAddress>,
    /// Whether to look for nodes on the local network.
    pub mdns: bool,
    /// Whether to push news by gossip.
    pub gossip: bool,
    /// What this node offers.
    pub capacity: Resources,
    /// Interfaces, or packages of them, that no guest gets here.
    pub denies: Vec<String>,
    /// When this node can be reached; at any time, if nothing is said.
    pub plan: Option<LinkPlan>,
    /// Where the admin API listens on TCP, if it does; the driver only reports it.
    pub admin: Option<SocketAddr>,
}

impl UpOptions {
    /// Where the HTTP ingress listens (TCP).
    pub fn http(&self) -> SocketAddr {
        SocketAddr::new(self.listen, self.port)
    }

    /// Where peers reach the node (UDP and TCP).
    pub fn mesh(&self) -> SocketAddr {
        SocketAddr::new(self.listen, self.port + 1)
    }

    fn new(dir: &StateDir, settings: &Settings) -> Result<Self, Failure> {
        let labels = settings.labels.clone().unwrap_or_default();
        if labels.len() > limit::LABELS_MAX {
            let (given, max) = (labels.len(), limit::LABELS_MAX);
            return Err(Failure::new(format!("{given} labels are more than the {max} allowed")));
        }
        let denied = settings.denies.as_ref().map_or(0, Vec::len);
        if denied > DENIES_MAX {
            return Err(Failure::new(format!(
                "{denied} denied interfaces are more than the {DENIES_MAX} allowed"
            ))
            .fix("deny packages instead, such as wasi:sockets"));
        }
        let listen = settings.listen.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let port = settings.port.unwrap_or(PORT);
        let loopback = match listen {
            IpAddr::V6(ip) if ip.is_loopback() => listen,
            _ => IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let mut peers: Vec<PeerAddress> = Vec::new();
        let asked = settings.peers.iter().flatten().cloned().chain(kept_peers(dir));
        for peer in asked {
            match peers.iter_mut().find(|p| p.node == peer.node) {
                Some(known) if known.addresses.contains(&peer.address) => {}
                Some(known) => known.addresses.push(peer.address),
                None => peers.push(PeerAddress { node: peer.node, addresses: vec![peer.address] }),
            }
        }
        Ok(Self {
            labels: labels.into_iter().collect(),
            zone: settings.zone.as_ref().map_or_else(|| ZONE_DEFAULT.to_owned(), ToString::to_string),
            listen,
            port,
            peers,
            mdns: settings.mdns.unwrap_or(true),
            gossip: settings.gossip.unwrap_or(true),
            capacity: Resources {
                cpu_milli: settings.cpu.map_or_else(all_cores, |cpu| cpu.0),
                memory_bytes: settings.memory.map_or_else(half_of_memory, |memory| memory.0),
                instances: settings.instances.unwrap_or(INSTANCES),
                accelerator_milli: settings.accelerators.map_or(0, |n| n.0),
            },
            denies: settings.denies.iter().flatten().map(ToString::to_string).collect(),
            plan: settings.contacts.as_deref().map(contacts::read).transpose().map_err(Failure::new)?,
            admin: settings.admin_tcp.unwrap_or(false).then(|| SocketAddr::new(loopback, port + 2)),
        })
    }
}

/// Those that a ticket named, so that a node which was restarted finds the mesh again.
fn kept_peers(dir: &StateDir) -> Vec<super::args::PeerArg> {
    let text = dir.read(&dir.peers()).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .filter_map(|line| line.trim().parse().ok())
        .take(PEERS_MAX)
        .collect()
}

fn all_cores() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(cores).unwrap_or(u32::MAX).saturating_mul(1_000)
}

fn half_of_memory() -> u64 {
    const FALLBACK: u64 = 1 << 30;
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB"));
    total.and_then(|kib| kib.trim().parse::<u64>().ok()).map_or(FALLBACK, |kib| kib.saturating_mul(1024) / 2)
}

/// Runs the node until it is stopped.
pub async fn foreground(dir: StateDir, args: UpArgs) -> Result<(), Failure> {
    if args.detached {
        // Its own session: the terminal that it came from may close.
        rustix::process::setsid().map_err(|e| Failure::new(format!("cannot leave the terminal: {e}")))?;
    }
    require_membership(&dir)?;
    dir.create()?;
    let _lock = dir.lock()?;
    start_tracing();
    let settings = Settings::remembered(&dir)?.told(&args.node);
    let options = UpOptions::new(&dir, &settings)?;
    let admin = AdminServer::bind(&dir, options.admin).await?;
    let stop = CancellationToken::new();
    let (ready, came_up) = oneshot::channel();
    let remember = {
        let dir = dir.clone();
        move || settings.remember(&dir)
    };
    let attending = tokio::spawn(attend(came_up, admin, remember, stop.clone(), args.detached));
    let ended = driver::run(dir, options, ready).await;
    stop.cancel();
    let _ = tokio::time::timeout(GRACE, attending).await;
    ended.map_err(Failure::new)
}

/// Refuses where there is no mesh, with the two ways to one.
pub fn require_membership(dir: &StateDir) -> Result<(), Failure> {
    if dir.is_member() {
        return Ok(());
    }
    Err(Failure::new(format!("{} belongs to no mesh", dir.path().display()))
        .fix("found one with `orbweave init NAME`, or join one with `orbweave join TICKET`"))
}

/// Announces the node once it is up, serves its admin API, and stops it on a signal.
async fn attend(
    came_up: oneshot::Receiver<NodeHandle>,
    admin: AdminServer,
    remember: impl FnOnce() -> Result<(), Failure> + Send,
    stop: CancellationToken,
    detached: bool,
) {
    // A driver that fails before it is up drops the sender; its error is the command's.
    let Ok(node) = came_up.await else { return };
    // Not before: flags with which a node cannot run are not worth remembering.
    if let Err(error) = remember() {
        tracing::warn!(%error, "the flags are not remembered");
    }
    let status = node.status().await;
    let serving = tokio::spawn(admin.serve(node.clone(), stop.clone()));
    announce(&status, detached);
    tokio::select! {
        () = signalled() => {
            tracing::info!("stopping");
            tokio::spawn(async {
                signalled().await;
                std::process::exit(130);
            });
            Backend::shutdown(&node).await;
        }
        () = stop.cancelled() => {}
    }
    stop.cancelled().await;
    match serving.await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the admin API ended"),
    }
}

async fn signalled() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the signals end the process, as they do by default.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn announce(status: &Status, detached: bool) {
    if detached {
        super::daemon::tell_parent(status);
    } else {
        let _ = std::io::stderr().lock().write_all(told(status).as_bytes());
    }
}

/// The node for people.
pub fn told(status: &Status) -> String {
    let Status { name, node, mesh_name, ports, .. } = status;
    let mut text = format!(
        "{name} ({node}) is up in the mesh {mesh_name}\n  \
         HTTP ingress  http://{http}\n  mesh          {mesh} (UDP and TCP)\n",
        http = ports.http,
        mesh = ports.mesh,
    );
    if let Some(admin) = ports.admin {
        text.push_str(&format!("  admin API     http://{admin} (token in admin.token)\n"));
    }
    text
}

fn start_tracing() {
    let default = "warn,orbweave=info,orbweave_core=info,orbweave_net=info,orbweave_wasm=info";
    let filter = tracing_subscriber::EnvFilter::try_from_env("ORBWEAVE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    let colour = std::io::stderr().is_terminal() && output::colour_on_stderr();
    // Fails only where a subscriber is already there, as in tests.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .try_init();
}

//! Real nodes on loopback: real quinn, real libp2p, real stores.
#![allow(dead_code, reason = "every test file uses its own part")]

use orbweave_model::{Hash, MeshId, NodeId};
use orbweave_net::{BoxFuture, Gate, IncomingStream, Net, NetConfig, NetEvent, PeerAddress};
use orbweave_trust::SecretKey;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;

/// Generous: it bounds a hung test, it times nothing.
pub const DEADLINE: Duration = Duration::from_secs(60);
pub const MESH: MeshId = MeshId([3; 32]);
pub const ZONE: &str = "default";

/// A gate whose hello is a password.
pub struct Doorkeeper {
    pub password: &'static str,
    pub blobs: AtomicBool,
    pub takes: Option<fn(IncomingStream)>,
}

impl Doorkeeper {
    pub fn knowing(password: &'static str) -> Self {
        Self { password, blobs: AtomicBool::new(true), takes: None }
    }
}

impl Gate for Doorkeeper {
    fn hello(&self) -> Vec<u8> {
        self.password.as_bytes().to_vec()
    }

    fn admit(&self, _: NodeId, hello: &[u8]) -> Result<(), String> {
        if hello == self.password.as_bytes() { Ok(()) } else { Err("the certificate has expired".into()) }
    }

    fn join(&self, peer: NodeId, request: &[u8]) -> BoxFuture<'static, Result<Vec<u8>, String>> {
        let answer = match request {
            b"token" => Ok(peer.as_bytes().to_vec()),
            _ => Err("this token was used up".to_owned()),
        };
        Box::pin(async move { answer })
    }

    fn may_get(&self, _: NodeId, _: Hash) -> bool {
        self.blobs.load(Ordering::Relaxed)
    }

    fn take_stream(&self, stream: IncomingStream) -> Option<IncomingStream> {
        match self.takes {
            Some(take) => {
                take(stream);
                None
            }
            None => Some(stream),
        }
    }
}

pub struct Node {
    pub net: Net,
    pub id: NodeId,
    pub events: mpsc::Receiver<NetEvent>,
    pub gate: Arc<Doorkeeper>,
    pub address: SocketAddr,
    pub dir: TempDir,
}

pub fn secret(n: u8) -> SecretKey {
    SecretKey::from_bytes([n; 32])
}

pub async fn start(n: u8) -> Node {
    start_with(n, Doorkeeper::knowing("mesh"), "127.0.0.1:0", true).await
}

pub async fn start_with(n: u8, gate: Doorkeeper, listen: &str, gossip: bool) -> Node {
    let dir = tempfile::tempdir().expect("a directory");
    let gate = Arc::new(gate);
    let config = config(n, &gate, listen, gossip, dir.path());
    node(config, gate, dir).await
}

pub async fn start_in(n: u8, zone: &str) -> Node {
    let dir = tempfile::tempdir().expect("a directory");
    let gate = Arc::new(Doorkeeper::knowing("mesh"));
    let config = config(n, &gate, "127.0.0.1:0", true, dir.path());
    node(NetConfig { zone: zone.to_owned(), ..config }, gate, dir).await
}

async fn node(config: NetConfig, gate: Arc<Doorkeeper>, dir: TempDir) -> Node {
    let (net, events) = Net::start(config).await.expect("a network");
    let address = net.local_address().expect("an address");
    Node { id: net.id(), net, events, gate, address, dir }
}

pub async fn run(
    n: u8,
    gate: &Arc<Doorkeeper>,
    listen: &str,
    gossip: bool,
    dir: &Path,
) -> (Net, mpsc::Receiver<NetEvent>) {
    Net::start(config(n, gate, listen, gossip, dir)).await.expect("a network")
}

fn config(n: u8, gate: &Arc<Doorkeeper>, listen: &str, gossip: bool, dir: &Path) -> NetConfig {
    NetConfig {
        secret: secret(n),
        mesh: MESH,
        zone: ZONE.to_owned(),
        listen: listen.parse().expect("an address"),
        mdns: false,
        gossip,
        blob_dir: dir.to_owned(),
        gate: Arc::clone(gate) as Arc<dyn Gate>,
    }
}

impl Node {
    pub fn at(&self) -> PeerAddress {
        PeerAddress { node: self.id, addresses: vec![self.address] }
    }

    /// The first event that `pick` wants; others are passed over.
    pub async fn wait<T>(&mut self, what: &str, mut pick: impl FnMut(NetEvent) -> Option<T>) -> T {
        let wait = async {
            loop {
                let event = self.events.recv().await.expect("events go on");
                if let Some(picked) = pick(event) {
                    return picked;
                }
            }
        };
        tokio::time::timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("no {what} came"))
    }

    pub async fn wait_up(&mut self, peer: NodeId) {
        self.wait("link", |e| matches!(e, NetEvent::LinkUp { peer: p, .. } if p == peer).then_some(())).await;
    }

    pub async fn wait_down(&mut self, peer: NodeId) {
        self.wait("end of the link", |e| {
            matches!(e, NetEvent::LinkDown { peer: p } if p == peer).then_some(())
        })
        .await;
    }
}

pub async fn link(a: &mut Node, b: &mut Node) {
    a.net.dial(b.at());
    a.wait_up(b.id).await;
    b.wait_up(a.id).await;
}

/// Polls a condition that nobody reports.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let poll = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, poll).await.unwrap_or_else(|_| panic!("it never was so that {what}"));
}

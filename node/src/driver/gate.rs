//! Who may link, join and fetch: the node's trust state, where the network can ask it.

use super::actor::wall_now;
use super::handle::NodeHandle;
use super::relay;
use crate::api::handshake::{Hello, JOIN_DOCUMENTS_MAX, JoinRequest, JoinResponse};
use crate::ingress;
use crate::state_dir::{KeyFile, StateDir, random_bytes};
use arc_swap::ArcSwap;
use orbweave_model::{Hash, MeshId, NodeId, Wall};
use orbweave_net::{BoxFuture, Gate, IncomingStream, StreamKind};
use orbweave_trust::{Authority, Certificate, SecretKey, Strict, Ticket, TicketBook};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// The version of what nodes say to one another. There is one so far: it is told, so
/// that the next can tell, and judged by nobody yet.
const PROTOCOL: u32 = 1;

/// The trust state as the network sees it.
pub struct NodeGate {
    dir: StateDir,
    mesh: MeshId,
    genesis: Vec<u8>,
    certificate: ArcSwap<Vec<u8>>,
    authority: ArcSwap<Authority>,
    components: ArcSwap<BTreeSet<Hash>>,
    /// Held over the writing of the file, so that no use of a ticket is lost or doubled.
    tickets: Arc<Mutex<()>>,
    handle: OnceLock<NodeHandle>,
}

impl NodeGate {
    /// The gate of a node.
    pub fn new(
        dir: StateDir,
        mesh: MeshId,
        genesis: Vec<u8>,
        certificate: Vec<u8>,
        authority: Authority,
    ) -> Arc<Self> {
        Arc::new(Self {
            dir,
            mesh,
            genesis,
            certificate: ArcSwap::from_pointee(certificate),
            authority: ArcSwap::from_pointee(authority),
            components: ArcSwap::default(),
            tickets: Arc::default(),
            handle: OnceLock::new(),
        })
    }

    /// From now on calls and requests of peers are served by this node.
    pub fn serve_streams_for(&self, handle: NodeHandle) {
        let _ = self.handle.set(handle);
    }

    /// The trust documents changed.
    pub fn set_authority(&self, authority: Authority) {
        self.authority.store(Arc::new(authority));
    }

    /// This node's certificate was renewed: shown from now on, and after a restart.
    pub fn renew(&self, certificate: Vec<u8>) {
        if let Err(error) = self.dir.write(&self.dir.certificate(), &certificate) {
            // The record holds it too, and brings it again.
            tracing::error!(%error, "the renewed certificate cannot be kept");
        }
        self.certificate.store(Arc::new(certificate));
    }

    /// Asks a node that may admit others for a new certificate, and shows it the expired one
    /// once it has shown that it is a member. The answer is not verified yet.
    pub async fn ask_renewal(&self, peer: NodeId, addresses: &[SocketAddr]) -> Result<Vec<u8>, String> {
        let key = self.dir.read_key(KeyFile::Node).map_err(|e| e.to_string())?;
        let request = JoinRequest::renewal(self.certificate.load().to_vec()).encode();
        let is_member = |hello: &[u8]| self.admit(peer, hello);
        let answer = orbweave_net::join(&key, peer, addresses, is_member, request).await;
        let answer = JoinResponse::decode(&answer.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
        Ok(answer.certificate)
    }

    /// The components that members may fetch.
    pub fn set_components(&self, components: BTreeSet<Hash>) {
        self.components.store(Arc::new(components));
    }

    /// Makes a ticket and keeps its token's hash on the disk before anyone sees it.
    pub fn create_ticket(
        &self,
        issuer: NodeId,
        addresses: Vec<SocketAddr>,
        uses: u32,
        ttl: Duration,
    ) -> Result<String, String> {
        self.dir.read_key(KeyFile::Admission).map_err(|e| {
            format!(
                "this node cannot admit others ({e}); make the ticket on the node that holds admission.key"
            )
        })?;
        let token = random_bytes().map_err(|e| e.to_string())?;
        let expires = wall_now() + ttl;
        let book = TicketFile::new(&self.dir);
        let _turn = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tickets = book.read()?;
        tickets.prune(wall_now());
        tickets.issue(token, uses, expires).map_err(|e| e.to_string())?;
        book.write(&tickets)?;
        Ok(Ticket { mesh: self.mesh, issuer, addresses, token, expires, uses }.to_string())
    }
}

impl Gate for NodeGate {
    fn hello(&self) -> Vec<u8> {
        Hello { protocol: PROTOCOL, mesh: self.mesh, certificate: self.certificate.load().to_vec() }.encode()
    }

    fn admit(&self, peer: NodeId, hello: &[u8]) -> Result<(), String> {
        let hello = Hello::decode(hello).map_err(|e| e.to_string())?;
        if hello.mesh != self.mesh {
            return Err(format!(
                "it is of the mesh {}, and this is {}",
                hello.mesh.short(),
                self.mesh.short()
            ));
        }
        let authority = self.authority.load();
        let certificate = Certificate::verify(&hello.certificate, &authority, self.now(), &Strict)
            .map_err(|e| e.to_string())?;
        if certificate.node == peer { Ok(()) } else { Err("its certificate is another node's".to_owned()) }
    }

    fn join(&self, peer: NodeId, request: &[u8]) -> BoxFuture<'static, Result<Vec<u8>, String>> {
        let request = JoinRequest::decode(request);
        let (dir, genesis) = (self.dir.clone(), self.genesis.clone());
        let (authority, turn, now) = (self.authority.load_full(), Arc::clone(&self.tickets), self.now());
        Box::pin(async move {
            let request = request.map_err(|e| e.to_string())?;
            let work = move || admit_stranger(&dir, genesis, &authority, &turn, peer, &request, now);
            tokio::task::spawn_blocking(work).await.map_err(|e| e.to_string())?
        })
    }

    fn may_get(&self, _member: NodeId, hash: Hash) -> bool {
        // The link has shown that it is a member; which blobs are for members is for us.
        self.components.load().contains(&hash)
    }

    fn take_stream(&self, stream: IncomingStream) -> Option<IncomingStream> {
        match (stream.kind, self.handle.get()) {
            (StreamKind::Http | StreamKind::Invoke, Some(handle)) => {
                let IncomingStream { peer, kind, send, recv } = stream;
                tokio::spawn(ingress::serve_stream(handle.clone(), peer, kind, send, recv));
                None
            }
            (StreamKind::Admin, Some(handle)) => {
                let IncomingStream { peer, send, recv, .. } = stream;
                tokio::spawn(relay::serve(handle.clone(), peer, send, recv));
                None
            }
            _ => Some(stream),
        }
    }
}

impl NodeGate {
    fn now(&self) -> Wall {
        self.handle.get().map_or_else(wall_now, NodeHandle::corrected_wall)
    }
}

/// Makes a certificate: for a stranger, after its token was redeemed, durably; for a
/// member that was away for too long, in the place of the one that it shows.
fn admit_stranger(
    dir: &StateDir,
    genesis: Vec<u8>,
    authority: &Authority,
    turn: &Mutex<()>,
    peer: NodeId,
    request: &JoinRequest,
    now: Wall,
) -> Result<Vec<u8>, String> {
    let key: SecretKey = dir
        .read_key(KeyFile::Admission)
        .map_err(|_| "this node cannot admit others; ask the node that made the ticket".to_owned())?;
    let issuer = key.public();
    let certificate = match &request.certificate {
        Some(old) => {
            let old = Certificate::verify_for_renewal(old, authority, now, &Strict);
            old.and_then(|old| old.successor(authority, issuer, now))
        }
        None => Certificate::draft(authority, peer, &request.name, issuer, now, None, now.0),
    };
    let certificate = certificate.map_err(|e| e.to_string())?;
    if certificate.node != peer {
        return Err("the certificate is another node's".to_owned());
    }
    if authority.is_revoked(&peer.into()) {
        return Err("this node's key was revoked".to_owned());
    }
    if request.certificate.is_none() {
        let book = TicketFile::new(dir);
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tickets = book.read()?;
        tickets.redeem(&request.token, peer, now).map_err(|e| e.to_string())?;
        book.write(&tickets)?;
    }
    let documents = authority.documents().take(JOIN_DOCUMENTS_MAX).map(|d| d.to_vec().into()).collect();
    Ok(JoinResponse { genesis, certificate: certificate.issue(&key), documents }.encode())
}

/// The tickets that this node issued, in a file of its own.
struct TicketFile<'a> {
    dir: &'a StateDir,
    path: std::path::PathBuf,
}

impl<'a> TicketFile<'a> {
    fn new(dir: &'a StateDir) -> Self {
        Self { dir, path: dir.path().join("tickets") }
    }

    fn read(&self) -> Result<TicketBook, String> {
        match std::fs::read(&self.path) {
            Ok(bytes) => TicketBook::decode(&bytes).map_err(|e| format!("{}: {e}", self.path.display())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(TicketBook::new()),
            Err(e) => Err(format!("cannot read {}: {e}", self.path.display())),
        }
    }

    fn write(&self, tickets: &TicketBook) -> Result<(), String> {
        self.dir.write(&self.path, &tickets.encode()).map_err(|e| e.to_string())
    }
}

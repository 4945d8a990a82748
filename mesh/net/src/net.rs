//! The handle that the node holds, and the tasks behind it.

use crate::blob::BlobStore;
use crate::counters::{Counts, count};
use crate::discovery::{self, Discovery};
use crate::hello::{self, Accepted, Admitted, Me, PendingVerdict, close};
use crate::limit::{
    DIALS_MAX, EVENTS_MAX, HANDSHAKES_BEFORE_RETRY, HANDSHAKES_MAX, HELLO_DEADLINE, SHUTDOWN_GRACE,
    STREAM_KIND_DEADLINE, SUPERSEDED_GRACE,
};
use crate::link::{self, Installed, Link, Links};
use crate::{
    Counters, FetchError, Gate, IncomingStream, NetConfig, NetError, NetEvent, PeerAddress, RecvStream,
    SendStream, StreamKind, endpoint, tls,
};
use bytes::Bytes;
use futures::FutureExt;
use orbweave_model::limit::DATAGRAM_BYTES_MAX;
use orbweave_model::{Hash, NodeId};
use quinn::ConnectionError;
use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// With port 0: how many ports are tried until one is free on UDP and on TCP.
const FREE_PORT_TRIES: u32 = 32;

/// A node's network. Clones are the same network; [`Net::shutdown`] ends it.
#[derive(Clone)]
pub struct Net {
    shared: Arc<Shared>,
}

/// What the tasks have in common.
pub(crate) struct Shared {
    id: NodeId,
    me: Me,
    gate: Arc<dyn Gate>,
    endpoint: quinn::Endpoint,
    links: Links,
    events: mpsc::Sender<NetEvent>,
    discovery: discovery::Handle,
    blobs: BlobStore,
    counts: Arc<Counts>,
    dials: Mutex<BTreeSet<NodeId>>,
    stop: CancellationToken,
}

impl Net {
    /// Opens the blob store, binds the ports and starts the tasks.
    pub async fn start(config: NetConfig) -> Result<(Net, mpsc::Receiver<NetEvent>), NetError> {
        tls::install_crypto_provider();
        let counts = Arc::new(Counts::default());
        let stop = CancellationToken::new();
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        let blobs = BlobStore::open(&config.blob_dir, Arc::clone(&counts)).await?;
        let (socket, address, discovery) = bind(&config, &events, &counts, &stop)?;
        let endpoint = endpoint::server(&config.secret, socket, address)?;
        let discovery = discovery.spawn();
        let shared = Arc::new(Shared {
            id: config.secret.node_id(),
            me: Me { boot: endpoint::random_u64(), port: address.port() },
            gate: config.gate,
            endpoint,
            links: Links::default(),
            events,
            discovery,
            blobs,
            counts,
            dials: Mutex::default(),
            stop,
        });
        tokio::spawn(accept_connections(Arc::clone(&shared)));
        Ok((Net { shared }, receiver))
    }

    /// This node.
    pub fn id(&self) -> NodeId {
        self.shared.id
    }

    /// Where quinn (UDP) and libp2p (TCP) listen.
    pub fn local_address(&self) -> Result<SocketAddr, NetError> {
        self.shared.endpoint.local_addr().map_err(|e| NetError::Hello(e.to_string()))
    }

    /// Sends a datagram; false if there is no link or it does not fit. It may get lost all the same.
    pub fn send_datagram(&self, peer: NodeId, bytes: Bytes) -> bool {
        if bytes.len() > DATAGRAM_BYTES_MAX {
            count(&self.shared.counts.datagrams_dropped);
            return false;
        }
        self.shared.links.get(&peer).is_some_and(|link| link.connection.send_datagram(bytes).is_ok())
    }

    /// Publishes on the zone's topic. Never waits; what is too much is dropped and counted.
    pub fn publish(&self, bytes: Bytes) {
        self.shared.discovery.publish(bytes);
    }

    /// Begins to make a link, unless there is one or it is being made. The answer is
    /// [`NetEvent::LinkUp`], [`NetEvent::Refused`] or silence.
    pub fn dial(&self, to: PeerAddress) {
        if to.node == self.shared.id || self.is_up(to.node) {
            return;
        }
        {
            let mut dials = self.shared.dials.lock().unwrap_or_else(PoisonError::into_inner);
            if dials.len() >= DIALS_MAX {
                count(&self.shared.counts.dials_dropped);
                return;
            }
            if !dials.insert(to.node) {
                return;
            }
        }
        tokio::spawn(dial(Arc::clone(&self.shared), to));
    }

    /// Opens a stream. Nothing is sent until the first write, which carries the kind along.
    pub async fn open(&self, peer: NodeId, kind: StreamKind) -> Result<(SendStream, RecvStream), NetError> {
        let link = self.shared.links.get(&peer).ok_or(NetError::NoLink(peer))?;
        open_on(&link, kind).await
    }

    /// The round-trip time to a linked peer.
    pub fn rtt(&self, peer: NodeId) -> Option<Duration> {
        self.shared.links.get(&peer).map(|link| link::rtt(&link))
    }

    /// Whether a link to this peer is up.
    pub fn is_up(&self, peer: NodeId) -> bool {
        self.shared.links.get(&peer).is_some()
    }

    /// All linked peers, in order.
    pub fn peers(&self) -> Vec<NodeId> {
        self.shared.links.peers()
    }

    /// What went over the wire, and what was dropped.
    pub fn counters(&self) -> Counters {
        self.shared.counts.snapshot(self.shared.links.bytes())
    }

    /// Stores a blob; durable when this returns.
    pub async fn add_blob(&self, bytes: Bytes) -> Result<Hash, NetError> {
        self.shared.blobs.add(bytes).await
    }

    /// A blob that is here, completely.
    pub async fn blob(&self, hash: Hash) -> Result<Option<Bytes>, NetError> {
        self.shared.blobs.get(hash).await
    }

    /// Fetches a blob from the first provider that delivers it, going on where an earlier
    /// fetch stopped. Its size is verified before any content is taken; every chunk is
    /// verified as it comes; durable when this returns.
    pub async fn fetch_blob(
        &self,
        hash: Hash,
        size_max: u64,
        providers: &[NodeId],
    ) -> Result<(), FetchError> {
        let links = providers.iter().map(|node| (*node, self.shared.links.get(node)));
        self.shared.blobs.fetch(hash, size_max, links.collect()).await
    }

    /// Closes the link to a peer and takes it from libp2p's allow-list. Whether it may
    /// come back is [`Gate::admit`]'s to say.
    pub fn evict(&self, peer: NodeId) {
        if let Some(link) = self.shared.links.get(&peer) {
            // The link's own task tells libp2p and the node.
            link.connection.close(close::EVICTED.into(), b"admission was withdrawn");
        }
    }

    /// Says good-bye to all peers and stops. The blob store is closed when this returns.
    pub async fn shutdown(self) {
        self.shared.stop.cancel();
        self.shared.endpoint.close(close::SHUTDOWN.into(), b"this node stops");
        // What is lost if a peer does not acknowledge is only the good-bye.
        let _ = timeout(SHUTDOWN_GRACE, self.shared.endpoint.wait_idle()).await;
        self.shared.discovery.stopped().await;
        self.shared.blobs.close().await;
    }
}

/// UDP first; libp2p listens on the same port number, and with port 0 another is tried if it is taken there.
fn bind(
    config: &NetConfig,
    events: &mpsc::Sender<NetEvent>,
    counts: &Arc<Counts>,
    stop: &CancellationToken,
) -> Result<(UdpSocket, SocketAddr, Discovery), NetError> {
    let mut tries = if config.listen.port() == 0 { FREE_PORT_TRIES } else { 1 };
    loop {
        let failed = |source| NetError::Listen { address: config.listen, transport: "udp", source };
        let socket = UdpSocket::bind(config.listen).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let discovery = Discovery::new(config, address, events.clone(), Arc::clone(counts), stop.clone());
        tries -= 1;
        match discovery {
            Err(NetError::Listen { .. }) if tries > 0 => {}
            Err(error) => return Err(error),
            Ok(discovery) => return Ok((socket, address, discovery)),
        }
    }
}

async fn accept_connections(shared: Arc<Shared>) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    while let Some(incoming) = shared.endpoint.accept().await {
        let Ok(permit) = Arc::clone(&handshakes).try_acquire_owned() else {
            count(&shared.counts.handshakes_refused);
            incoming.refuse();
            continue;
        };
        let under_way = HANDSHAKES_MAX - handshakes.available_permits();
        if under_way > HANDSHAKES_BEFORE_RETRY && incoming.may_retry() {
            // An error says that the packet was no first one: nothing to answer.
            let _ = incoming.retry();
            continue;
        }
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            accepted(&shared, incoming).await;
            drop(permit);
        });
    }
}

async fn accepted(shared: &Arc<Shared>, incoming: quinn::Incoming) {
    let remote = incoming.remote_address();
    let connection = match timeout(HELLO_DEADLINE, incoming.into_future()).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return debug!(%remote, %error, "a handshake failed"),
        Err(_) => return debug!(%remote, "a handshake took too long"),
    };
    let Some(peer) = tls::peer_of(&connection) else {
        connection.close(close::PROTOCOL.into(), b"no key");
        return;
    };
    if peer == shared.id {
        connection.close(close::PROTOCOL.into(), b"this is yourself");
        return;
    }
    match hello::accept(&connection, peer, shared.me, &*shared.gate).await {
        Ok(Accepted::Link(admitted, verdict)) => {
            // Whatever was sent ahead of admission is not delivered.
            while let Some(Ok(_)) = connection.read_datagram().now_or_never() {}
            linked(shared, connection, admitted, peer, Some(verdict)).await;
        }
        Ok(Accepted::Joined) => debug!(peer = %peer.short(), "a stranger was answered"),
        Err(error) => refused(shared, peer, error).await,
    }
}

async fn dial(shared: Arc<Shared>, to: PeerAddress) {
    let result = async {
        let connection = endpoint::connect(&shared.endpoint, &to).await?;
        let admitted = hello::dial(&connection, to.node, shared.me, &*shared.gate).await?;
        Ok((connection, admitted))
    };
    match result.await {
        Ok((connection, admitted)) => linked(&shared, connection, admitted, shared.id, None).await,
        Err(error) => refused(&shared, to.node, error).await,
    }
    shared.dials.lock().unwrap_or_else(PoisonError::into_inner).remove(&to.node);
}

async fn refused(shared: &Shared, peer: NodeId, error: NetError) {
    debug!(peer = %peer.short(), %error, "no link");
    if let NetError::Refused(reason) = error {
        let _ = shared.events.send(NetEvent::Refused { peer: Some(peer), reason }).await;
    }
}

/// Both sides admitted: the link enters the table, the node is told, and the tasks begin.
async fn linked(
    shared: &Arc<Shared>,
    connection: quinn::Connection,
    admitted: Admitted,
    dialler: NodeId,
    verdict: Option<PendingVerdict>,
) {
    let link = Arc::new(Link::new(connection, admitted, dialler));
    {
        let _order = shared.links.changes.lock().await;
        let peer = link.peer;
        let installed = shared.links.install(&link);
        if installed == Installed::Refused {
            return;
        }
        link.raise_limits();
        match installed {
            Installed::Refused | Installed::Swapped => {}
            Installed::Up | Installed::Replaced => {
                if installed == Installed::Replaced {
                    let _ = shared.events.send(NetEvent::LinkDown { peer }).await;
                }
                let up = NetEvent::LinkUp { peer, remote: link.address, rtt: link::rtt(&link) };
                let _ = shared.events.send(up).await;
            }
        }
        shared.discovery.admit(peer, link.address, dialler == shared.id).await;
    }
    tokio::spawn(receive_datagrams(Arc::clone(shared), Arc::clone(&link)));
    tokio::spawn(accept_streams(Arc::clone(shared), Arc::clone(&link)));
    if let Some(verdict) = verdict
        && let Err(error) = verdict.send().await
    {
        // The connection is broken; its tasks see that too.
        debug!(peer = %link.peer.short(), %error, "the verdict was not delivered");
    }
}

/// Also the one that notices the end of the link.
async fn receive_datagrams(shared: Arc<Shared>, link: Arc<Link>) {
    let peer = link.peer;
    let error = loop {
        match link.connection.read_datagram().await {
            Ok(bytes) if bytes.len() <= DATAGRAM_BYTES_MAX => {
                if shared.events.try_send(NetEvent::Datagram { peer, bytes }).is_err() {
                    count(&shared.counts.datagrams_dropped);
                }
            }
            Ok(_) => count(&shared.counts.datagrams_dropped),
            Err(error) => break error,
        }
    };
    debug!(peer = %peer.short(), %error, "a connection ended");
    if was_superseded(&error) {
        // The connection that superseded this one is on its way: no need to tell of a gap.
        tokio::time::sleep(SUPERSEDED_GRACE).await;
    }
    let _order = shared.links.changes.lock().await;
    if shared.links.remove(&link) {
        shared.discovery.withdraw(peer).await;
        let _ = shared.events.send(NetEvent::LinkDown { peer }).await;
    }
}

fn was_superseded(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::ApplicationClosed(c) if c.error_code == close::SUPERSEDED.into())
}

async fn accept_streams(shared: Arc<Shared>, link: Arc<Link>) {
    while let Ok((send, mut recv)) = link.connection.accept_bi().await {
        // The kind nearly always came with the packet that opened the stream.
        match recv.read_chunk(1, true).now_or_never() {
            Some(read) => dispatch(&shared, &link, kind_of(read), send, recv).await,
            None => {
                let (shared, link) = (Arc::clone(&shared), Arc::clone(&link));
                tokio::spawn(async move {
                    let read = timeout(STREAM_KIND_DEADLINE, recv.read_chunk(1, true)).await;
                    dispatch(&shared, &link, read.ok().and_then(kind_of), send, recv).await;
                });
            }
        }
    }
}

fn kind_of(read: Result<Option<quinn::Chunk>, quinn::ReadError>) -> Option<StreamKind> {
    read.ok().flatten().and_then(|chunk| chunk.bytes.first().copied()).and_then(StreamKind::from_byte)
}

async fn dispatch(
    shared: &Arc<Shared>,
    link: &Arc<Link>,
    kind: Option<StreamKind>,
    mut send: quinn::SendStream,
    mut recv: quinn::RecvStream,
) {
    let Some(kind) = kind else {
        count(&shared.counts.streams_refused);
        let _ = send.reset(close::PROTOCOL.into());
        let _ = recv.stop(close::PROTOCOL.into());
        return;
    };
    let (send, recv) = (SendStream::accepted(send), RecvStream::new(recv));
    if kind == StreamKind::Blob {
        let (shared, link) = (Arc::clone(shared), Arc::clone(link));
        tokio::spawn(async move { shared.blobs.serve(&link, &*shared.gate, send, recv).await });
        return;
    }
    let stream = IncomingStream { peer: link.peer, kind, send, recv };
    if let Some(IncomingStream { peer, kind, send, recv }) = shared.gate.take_stream(stream) {
        let _ = shared.events.send(NetEvent::Stream { peer, kind, send, recv }).await;
    }
}

pub(crate) async fn open_on(link: &Link, kind: StreamKind) -> Result<(SendStream, RecvStream), NetError> {
    let broken = |e: ConnectionError| NetError::LinkBroken { peer: link.peer, why: e.to_string() };
    let (send, recv) = link.connection.open_bi().await.map_err(broken)?;
    Ok((SendStream::opened(send, kind), RecvStream::new(recv)))
}

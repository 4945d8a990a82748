//! libp2p in a task of its own: it finds peers and spreads gossip, and carries no bulk.
//!
//! Its allow-list holds exactly the peers that are linked over quinn, so nobody speaks to
//! it before admission. Whoever dialled the link also dials libp2p, at the same port.

mod behaviour;
mod routing;

use crate::counters::{Counts, count};
use crate::limit::{
    DISCOVERY_COMMANDS_MAX, FOUND_AGAIN, FOUND_MAX, GOSSIP_BYTES_MAX, PUBLISH_QUEUE_MAX, SHUTDOWN_GRACE,
};
use crate::peer_id::{address_of, keypair, multiaddr_of, node_of_peer, peer_of_node};
use crate::{NetConfig, NetError, NetEvent, PeerAddress};
use behaviour::{Behaviour, BehaviourEvent, Names};
use bytes::Bytes;
use futures::StreamExt;
use libp2p::gossipsub::{self, IdentTopic, MessageAcceptance};
use libp2p::multiaddr::Multiaddr;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{Swarm, SwarmEvent};
use libp2p::{PeerId, identify, mdns};
use orbweave_model::NodeId;
use orbweave_model::limit::ADDRESSES_MAX;
use routing::RoutingEvent;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// How often the task looks whether a dial or a walk is due.
const TICK: Duration = Duration::from_secs(1);
/// Whoever was dialled leaves the first try to the dialler.
const ACCEPTOR_DIALS_AFTER: Duration = Duration::from_secs(10);
/// Between two dials of one peer, doubled each time.
const REDIAL_FIRST: Duration = Duration::from_secs(1);
const REDIAL_MAX: Duration = Duration::from_secs(300);
/// Between two walks through the routing tables, doubled each time.
const WALK_FIRST: Duration = Duration::from_secs(5);
const WALK_MAX: Duration = Duration::from_secs(300);

enum Command {
    Admit { node: NodeId, address: SocketAddr, dial: bool },
    Withdraw { node: NodeId },
}

/// How the rest of the crate reaches the task.
pub(crate) struct Handle {
    commands: mpsc::Sender<Command>,
    publish: mpsc::Sender<Bytes>,
    counts: Arc<Counts>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Handle {
    /// Lets a peer in that was admitted on its link.
    pub(crate) async fn admit(&self, node: NodeId, address: SocketAddr, dial: bool) {
        let _ = self.commands.send(Command::Admit { node, address, dial }).await;
    }

    /// Turns a peer out whose link is gone.
    pub(crate) async fn withdraw(&self, node: NodeId) {
        let _ = self.commands.send(Command::Withdraw { node }).await;
    }

    pub(crate) fn publish(&self, bytes: Bytes) {
        if bytes.len() > GOSSIP_BYTES_MAX || self.publish.try_send(bytes).is_err() {
            count(&self.counts.gossip_dropped);
        }
    }

    /// Waits for the end of the task, whose token was cancelled.
    pub(crate) async fn stopped(&self) {
        if let Some(task) = self.task.lock().await.take() {
            let _ = tokio::time::timeout(SHUTDOWN_GRACE, task).await;
        }
    }
}

/// An admitted peer, and when to dial it next if libp2p is not connected to it.
struct Wanted {
    peer: PeerId,
    address: SocketAddr,
    pause: Duration,
    next: Instant,
}

/// Set up and listening, not yet running.
pub(crate) struct Discovery {
    swarm: Swarm<Behaviour>,
    topic: IdentTopic,
    identify: String,
    events: mpsc::Sender<NetEvent>,
    counts: Arc<Counts>,
    stop: CancellationToken,
    wanted: BTreeMap<NodeId, Wanted>,
    found: BTreeMap<NodeId, (Vec<SocketAddr>, Instant)>,
    walk_next: Instant,
    walk_pause: Duration,
}

impl Discovery {
    /// Listens on TCP at `address`, which quinn holds on UDP.
    pub(crate) fn new(
        config: &NetConfig,
        address: SocketAddr,
        events: mpsc::Sender<NetEvent>,
        counts: Arc<Counts>,
        stop: CancellationToken,
    ) -> Result<Self, NetError> {
        let names = Names::of(&config.mesh, &config.zone);
        let key = keypair(&config.secret).map_err(NetError::Discovery)?;
        let mut swarm = behaviour::swarm(&key, &names, Arc::clone(&counts), config.mdns, config.gossip)
            .map_err(NetError::Discovery)?;
        swarm.listen_on(multiaddr_of(address)).map_err(|error| NetError::Listen {
            address,
            transport: "tcp",
            source: io::Error::new(io::ErrorKind::AddrInUse, error.to_string()),
        })?;
        Ok(Self {
            swarm,
            topic: names.topic,
            identify: names.identify,
            events,
            counts,
            stop,
            wanted: BTreeMap::new(),
            found: BTreeMap::new(),
            walk_next: Instant::now() + WALK_FIRST,
            walk_pause: WALK_FIRST,
        })
    }

    pub(crate) fn spawn(self) -> Handle {
        let (commands, command_receiver) = mpsc::channel(DISCOVERY_COMMANDS_MAX);
        let (publish, publish_receiver) = mpsc::channel(PUBLISH_QUEUE_MAX);
        let counts = Arc::clone(&self.counts);
        let task = tokio::spawn(self.run(command_receiver, publish_receiver));
        Handle { commands, publish, counts, task: Mutex::new(Some(task)) }
    }

    async fn run(mut self, mut commands: mpsc::Receiver<Command>, mut publish: mpsc::Receiver<Bytes>) {
        let stop = self.stop.clone();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(command) = commands.recv() => self.handle_command(command),
                Some(bytes) = publish.recv() => self.handle_publish(bytes),
                event = self.swarm.select_next_some() => self.handle_event(event),
                _ = tick.tick() => self.handle_tick(),
            }
        }
    }

    fn handle_command(&mut self, command: Command) {
        match command {
            Command::Admit { node, address, dial } => {
                let Some(peer) = peer_of_node(&node) else { return };
                let behaviour = self.swarm.behaviour_mut();
                behaviour.allowed.allow_peer(peer);
                behaviour.routing.kad.add_address(&peer, multiaddr_of(address));
                let wait = if dial { Duration::ZERO } else { ACCEPTOR_DIALS_AFTER };
                let next = Instant::now() + wait;
                self.wanted.insert(node, Wanted { peer, address, pause: REDIAL_FIRST, next });
                // A new neighbour knows others: ask soon, and then ever more rarely.
                self.walk_pause = WALK_FIRST;
                self.walk_next = self.walk_next.min(Instant::now() + WALK_FIRST);
                self.dial_wanted();
            }
            Command::Withdraw { node } => {
                if let Some(wanted) = self.wanted.remove(&node) {
                    let behaviour = self.swarm.behaviour_mut();
                    behaviour.allowed.disallow_peer(wanted.peer);
                    behaviour.routing.kad.remove_peer(&wanted.peer);
                }
            }
        }
    }

    fn handle_publish(&mut self, bytes: Bytes) {
        let topic = self.topic.hash();
        if let Some(gossip) = self.swarm.behaviour_mut().gossip.as_mut()
            && let Err(error) = gossip.publish(topic, Vec::from(bytes))
        {
            debug!(%error, "gossip was not published");
        }
    }

    fn handle_tick(&mut self) {
        self.dial_wanted();
        let now = Instant::now();
        if now >= self.walk_next && !self.wanted.is_empty() {
            // In a zone that fits one bucket our own id brings everybody; beyond, a random one does.
            let own = *self.swarm.local_peer_id();
            let target = if self.wanted.len() < libp2p::kad::K_VALUE.get() { own } else { PeerId::random() };
            self.swarm.behaviour_mut().routing.kad.get_closest_peers(target);
            self.walk_next = now + self.walk_pause;
            self.walk_pause = (self.walk_pause * 2).min(WALK_MAX);
        }
    }

    fn dial_wanted(&mut self) {
        let now = Instant::now();
        for wanted in self.wanted.values_mut() {
            if now < wanted.next || self.swarm.is_connected(&wanted.peer) {
                continue;
            }
            wanted.next = now + wanted.pause;
            wanted.pause = (wanted.pause * 2).min(REDIAL_MAX);
            let options = DialOpts::peer_id(wanted.peer)
                .addresses(vec![multiaddr_of(wanted.address)])
                .allocate_new_port()
                .build();
            if let Err(error) = self.swarm.dial(options) {
                debug!(peer = %wanted.peer, %error, "libp2p did not dial");
            }
        }
    }

    fn handle_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.handle_gossip(event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                peer_id,
                info,
                ..
            })) => {
                self.handle_identity(peer_id, &info);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Mdns(mdns::Event::Discovered(found))) => {
                let mut peers: BTreeMap<PeerId, Vec<Multiaddr>> = BTreeMap::new();
                for (peer, address) in found.into_iter().take(FOUND_MAX) {
                    peers.entry(peer).or_default().push(address);
                }
                for (peer, addresses) in peers {
                    self.tell_found(&peer, &addresses);
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Routing(RoutingEvent::Found(peer, addresses))) => {
                let is_linked = node_of_peer(&peer).is_some_and(|node| self.wanted.contains_key(&node));
                if !is_linked {
                    self.tell_found(&peer, &addresses);
                }
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                debug!(%peer, %error, "libp2p could not dial");
            }
            _ => {}
        }
    }

    fn handle_identity(&mut self, peer: PeerId, info: &identify::Info) {
        if info.protocol_version != self.identify {
            debug!(%peer, theirs = info.protocol_version, "a peer of another protocol");
            // An error says that it is gone already.
            let _ = self.swarm.disconnect_peer_id(peer);
            return;
        }
        let Some(linked) = node_of_peer(&peer).and_then(|node| self.wanted.get(&node)) else { return };
        let near = linked.address.ip().is_loopback();
        let useful: Vec<Multiaddr> = info
            .listen_addrs
            .iter()
            .take(ADDRESSES_MAX)
            .filter(|a| address_of(a).is_some_and(|a| near || !a.ip().is_loopback()))
            .cloned()
            .collect();
        for address in &useful {
            self.swarm.behaviour_mut().routing.kad.add_address(&peer, address.clone());
        }
        self.tell_found(&peer, &useful);
    }

    /// Gossipsub checked the author's signature; what the message says carries its own, and
    /// whether that is worth anything is for the node to find out.
    fn handle_gossip(&mut self, event: gossipsub::Event) {
        let gossipsub::Event::Message { propagation_source, message_id, message } = event else { return };
        let allowed = self.swarm.behaviour().allowed.allowed_peers().contains(&propagation_source);
        let acceptance = if !allowed {
            MessageAcceptance::Ignore
        } else if message.data.len() > GOSSIP_BYTES_MAX || message.topic != self.topic.hash() {
            MessageAcceptance::Reject
        } else {
            MessageAcceptance::Accept
        };
        let accepted = matches!(acceptance, MessageAcceptance::Accept);
        if let Some(gossip) = self.swarm.behaviour_mut().gossip.as_mut() {
            gossip.report_message_validation_result(&message_id, &propagation_source, acceptance);
        }
        let event = NetEvent::Gossip { bytes: message.data.into() };
        if !accepted || self.events.try_send(event).is_err() {
            count(&self.counts.gossip_dropped);
        }
    }

    /// Tells the node where a peer may be reached, unless it was told just now.
    fn tell_found(&mut self, peer: &PeerId, addresses: &[Multiaddr]) {
        if peer == self.swarm.local_peer_id() {
            return;
        }
        let Some(node) = node_of_peer(peer) else { return };
        let mut addresses: Vec<SocketAddr> = addresses.iter().filter_map(address_of).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(ADDRESSES_MAX);
        let now = Instant::now();
        let told = self.found.get(&node).is_some_and(|(before, at)| {
            *before == addresses && now.saturating_duration_since(*at) < FOUND_AGAIN
        });
        if addresses.is_empty() || told {
            return;
        }
        let peer = PeerAddress { node, addresses: addresses.clone() };
        if self.events.try_send(NetEvent::Found { peer }).is_ok() {
            if self.found.len() >= FOUND_MAX {
                self.found.clear();
            }
            self.found.insert(node, (addresses, now));
        }
    }
}

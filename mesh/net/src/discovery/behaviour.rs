//! The libp2p behaviours of a node, each with its limits set.

use super::routing::Routing;
use crate::counters::{Counted, Counts};
use crate::limit::{
    GOSSIP_BYTES_MAX, LIBP2P_CONNECTIONS_MAX, LIBP2P_MEMORY_SHARE_MAX, LIBP2P_PENDING_MAX, LIBP2P_STREAMS_MAX,
};
use libp2p::allow_block_list::{self, AllowedPeers};
use libp2p::core::upgrade::Version;
use libp2p::gossipsub::{
    self, IdentTopic, IdentityTransform, MessageAuthenticity, PeerScoreParams, PeerScoreThresholds,
    TopicScoreParams, ValidationMode, WhitelistSubscriptionFilter,
};
use libp2p::identity::Keypair;
use libp2p::kad;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{self, NetworkBehaviour, Swarm};
use libp2p::{
    StreamProtocol, Transport, connection_limits, identify, mdns, memory_connection_limits, noise, ping, tcp,
    yamux,
};
use std::sync::Arc;
use std::time::Duration;

const HEARTBEAT: Duration = Duration::from_secs(5);
const PING_INTERVAL: Duration = Duration::from_secs(60);
const IDENTIFY_INTERVAL: Duration = Duration::from_secs(600);
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
const QUERY_DEADLINE: Duration = Duration::from_secs(10);
/// The allow-list says when a connection ends, not idleness. (Not `MAX`: it is added to the clock.)
const IDLE_CONNECTION: Duration = Duration::from_secs(30 * 24 * 3600);
/// A Kademlia message: twenty peers with some addresses each.
const KAD_PACKET_BYTES_MAX: usize = 16 * 1024;
/// Of a gossip message, beside its content: source, sequence number, signature, topic.
const GOSSIP_OVERHEAD_BYTES: usize = 1024;
/// A simultaneous dial may make a second one for a moment.
const CONNECTIONS_PER_PEER_MAX: u32 = 2;

pub(crate) type Gossip = gossipsub::Behaviour<IdentityTransform, WhitelistSubscriptionFilter>;

/// Order matters: routing is asked where it would go, then the allow-list turns away whom
/// it does not hold, and only then does anything else look at a connection.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) routing: Routing,
    pub(crate) allowed: allow_block_list::Behaviour<AllowedPeers>,
    limits: connection_limits::Behaviour,
    memory: memory_connection_limits::Behaviour,
    pub(crate) identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(crate) mdns: Toggle<mdns::tokio::Behaviour>,
    pub(crate) gossip: Toggle<Gossip>,
}

/// What names this mesh, and the zone in it, to libp2p.
pub(crate) struct Names {
    pub(crate) identify: String,
    pub(crate) kad: String,
    pub(crate) topic: IdentTopic,
}

impl Names {
    pub(crate) fn of(mesh: &orbweave_model::MeshId, zone: &str) -> Self {
        Self {
            identify: format!("orbweave/{}/1", mesh.short()),
            kad: format!("/orbweave/{}/kad/1", mesh.short()),
            topic: IdentTopic::new(format!("orbweave/{mesh}/zone/{zone}")),
        }
    }
}

/// TCP, Noise, Yamux, and the behaviours.
pub(crate) fn swarm(
    key: &Keypair,
    names: &Names,
    counts: Arc<Counts>,
    with_mdns: bool,
    with_gossip: bool,
) -> Result<Swarm<Behaviour>, String> {
    let peer = key.public().to_peer_id();
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(LIBP2P_STREAMS_MAX);
    let noise = noise::Config::new(key).map_err(|e| e.to_string())?;
    let transport = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .map(move |stream, _| Counted::new(stream, counts))
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(yamux)
        .timeout(HANDSHAKE_DEADLINE)
        .boxed();
    let mdns = with_mdns
        .then(|| mdns::tokio::Behaviour::new(mdns::Config::default(), peer))
        .transpose()
        .map_err(|e| format!("mDNS: {e}"))?;
    let gossip = with_gossip.then(|| gossip(key, &names.topic)).transpose()?;
    let behaviour = Behaviour {
        routing: routing(peer, &names.kad)?,
        allowed: allow_block_list::Behaviour::default(),
        limits: connection_limits::Behaviour::new(connection_limits()),
        memory: memory_connection_limits::Behaviour::with_max_percentage(LIBP2P_MEMORY_SHARE_MAX),
        identify: identify::Behaviour::new(
            identify::Config::new(names.identify.clone(), key.public())
                .with_interval(IDENTIFY_INTERVAL)
                .with_cache_size(0),
        ),
        ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_INTERVAL)),
        mdns: mdns.into(),
        gossip: gossip.into(),
    };
    let config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(IDLE_CONNECTION);
    Ok(Swarm::new(transport, behaviour, peer, config))
}

fn connection_limits() -> connection_limits::ConnectionLimits {
    connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(LIBP2P_PENDING_MAX))
        .with_max_pending_outgoing(Some(LIBP2P_PENDING_MAX))
        .with_max_established(Some(LIBP2P_CONNECTIONS_MAX))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX))
}

/// Peer routing only: no records, and no periodic traffic of its own.
fn routing(peer: libp2p::PeerId, name: &str) -> Result<Routing, String> {
    let protocol = StreamProtocol::try_from_owned(name.to_owned()).map_err(|e| e.to_string())?;
    let mut config = kad::Config::new(protocol);
    config
        .set_query_timeout(QUERY_DEADLINE)
        .set_substreams_timeout(QUERY_DEADLINE)
        .set_max_packet_size(KAD_PACKET_BYTES_MAX)
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_publication_interval(None)
        .set_periodic_bootstrap_interval(None);
    Ok(Routing::new(peer, config))
}

fn gossip(key: &Keypair, topic: &IdentTopic) -> Result<Gossip, String> {
    let config = gossipsub::ConfigBuilder::default()
        .heartbeat_interval(HEARTBEAT)
        .heartbeat_initial_delay(Duration::from_secs(1))
        .validation_mode(ValidationMode::Strict)
        .validate_messages()
        .max_transmit_size(GOSSIP_BYTES_MAX + GOSSIP_OVERHEAD_BYTES)
        .build()
        .map_err(|e| e.to_string())?;
    let filter = WhitelistSubscriptionFilter([topic.hash()].into());
    let mut gossip =
        Gossip::new_with_subscription_filter(MessageAuthenticity::Signed(key.clone()), config, filter)?;
    gossip.with_peer_score(scores(topic), PeerScoreThresholds::default())?;
    gossip.subscribe(topic).map_err(|e| e.to_string())?;
    Ok(gossip)
}

/// Invalid messages and broken promises count. How much a peer delivers (P3) does not: it
/// would punish whoever is behind a slow link. Nor do shared addresses (P6): a demo has
/// many nodes on one host.
fn scores(topic: &IdentTopic) -> PeerScoreParams {
    let of_topic = TopicScoreParams {
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        ..TopicScoreParams::default()
    };
    PeerScoreParams {
        topics: [(topic.hash(), of_topic)].into(),
        ip_colocation_factor_weight: 0.0,
        ..PeerScoreParams::default()
    }
}

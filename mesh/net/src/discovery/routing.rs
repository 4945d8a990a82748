//! Kademlia, and what it wanted to dial.
//!
//! A walk meets peers that are not admitted, and the allow-list keeps Kademlia from
//! dialling them. But where it wanted to go is what the node needs to know: it dials
//! there over quinn, where admission happens.

use crate::limit::FOUND_MAX;
use libp2p::core::{Endpoint, Multiaddr, transport::PortUse};
use libp2p::kad::{self, store::MemoryStore};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
    ToSwarm,
};
use libp2p::{PeerId, kad::store::MemoryStoreConfig};
use std::collections::VecDeque;
use std::task::{Context, Poll};

pub(crate) type Kad = kad::Behaviour<MemoryStore>;

/// Stands before the allow-list, so that it is asked for addresses first.
pub(crate) struct Routing {
    pub(crate) kad: Kad,
    found: VecDeque<(PeerId, Vec<Multiaddr>)>,
}

#[derive(Debug)]
pub(crate) enum RoutingEvent {
    /// Kademlia knows where this peer may be reached.
    Found(PeerId, Vec<Multiaddr>),
    /// What Kademlia says besides, which nobody needs.
    Other,
}

impl Routing {
    /// A server that stores nothing.
    pub(crate) fn new(peer: PeerId, config: kad::Config) -> Self {
        let store = MemoryStoreConfig {
            max_records: 1,
            max_value_bytes: 64,
            max_provided_keys: 1,
            max_providers_per_key: 1,
        };
        let mut kad = kad::Behaviour::with_config(peer, MemoryStore::with_config(peer, store), config);
        kad.set_mode(Some(kad::Mode::Server));
        Self { kad, found: VecDeque::new() }
    }
}

impl NetworkBehaviour for Routing {
    type ConnectionHandler = <Kad as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = RoutingEvent;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.kad.handle_pending_inbound_connection(connection, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.kad.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let known = self.kad.handle_pending_outbound_connection(connection, peer, addresses, role)?;
        if let Some(peer) = peer
            && !known.is_empty()
            && self.found.len() < FOUND_MAX
        {
            self.found.push_back((peer, known.clone()));
        }
        Ok(known)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.kad.handle_established_outbound_connection(connection, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        self.kad.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.kad.on_connection_handler_event(peer, connection, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some((peer, addresses)) = self.found.pop_front() {
            return Poll::Ready(ToSwarm::GenerateEvent(RoutingEvent::Found(peer, addresses)));
        }
        self.kad.poll(cx).map(|event| event.map_out(|_| RoutingEvent::Other))
    }
}

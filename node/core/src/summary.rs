//! What a zone says of itself to all others: the body of a summary record, by each of its
//! gateways.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use orbweave_model::wire::{self, WireError};
use orbweave_model::{Labels, NodeId, Resources, limit};
use std::net::SocketAddr;

/// Kinds of place that a summary tells of.
pub const ROOMS_MAX: usize = 16;
/// Values of a label by which places are told apart: a label with more of them in one zone
/// names nodes rather than kinds.
pub const VALUES_MAX: usize = 8;
/// Gateways that one names as lost, or as apart.
pub const NAMED_MAX: usize = 256;

/// What a node is in the traffic between zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Office {
    /// A gateway no more.
    #[n(0)]
    None,
    /// Linked to the gateways of other zones.
    #[n(1)]
    Gateway,
    /// It also speaks for its zone: what it allots counts.
    #[n(2)]
    Leader,
}

/// Places that are alike by their labels.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Room {
    /// What all of them have.
    #[n(0)]
    pub labels: Labels,
    /// How many nodes.
    #[n(1)]
    pub nodes: u32,
    /// What one of them has free, at most.
    #[n(2)]
    pub most: Resources,
    /// What is free in all.
    #[n(3)]
    pub total: Resources,
}

/// A zone as one of its gateways sees it. It carries the gateway's certificate, as a node
/// record does, so that another zone can judge it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Summary {
    /// The zone.
    #[n(0)]
    pub zone: String,
    /// What its author is.
    #[n(1)]
    pub office: Office,
    /// Higher each time that it took office, or was held for dead by other gateways.
    #[n(2)]
    pub generation: u64,
    /// Where it can be reached.
    #[n(3)]
    pub addresses: Vec<String>,
    /// Its certificate.
    #[n(4)]
    pub certificate: ByteVec,
    /// Nodes of the zone that it sees alive.
    #[n(5)]
    pub members: u32,
    /// Slots that its allotments hold, for readers of the version before: others count them
    /// themselves.
    #[n(6)]
    pub slots: u32,
    /// Where there is room; a leader's alone.
    #[n(7)]
    pub rooms: Vec<Room>,
    /// Leaders of other zones whose word counts no more in this zone: they are lost, or
    /// another one took their place.
    #[n(8)]
    pub gone: Vec<NodeId>,
    /// Leaders of this very zone that it hears by other zones alone: it is split.
    #[n(9)]
    pub apart: Vec<NodeId>,
    /// In which of its lives its author says this, counted as its node record does: what a
    /// node said in a life before does not hold once it started anew. The version before
    /// leaves it out.
    #[n(10)]
    pub life: Option<u64>,
}

impl Summary {
    /// The bytes of a record's body.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads a record's body and checks its bounds.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let summary: Self = wire::decode_open("a zone's summary", body, limit::RECORD_BYTES_MAX)?;
        let malformed = |why: &str| WireError::Malformed { what: "a zone's summary", why: why.to_owned() };
        if summary.zone.is_empty() || summary.zone.len() > limit::NAME_BYTES_MAX {
            return Err(malformed("a zone without a name, or with one that is too long"));
        }
        if summary.addresses.len() > limit::ADDRESSES_MAX {
            return Err(malformed("too many addresses"));
        }
        if summary.rooms.len() > ROOMS_MAX {
            return Err(malformed("too many kinds of place"));
        }
        if summary.gone.len() > NAMED_MAX || summary.apart.len() > NAMED_MAX {
            return Err(malformed("too many gateways that are named"));
        }
        Ok(summary)
    }

    /// The addresses that are well-formed.
    pub fn socket_addresses(&self) -> Vec<SocketAddr> {
        self.addresses.iter().filter_map(|a| a.parse().ok()).collect()
    }
}

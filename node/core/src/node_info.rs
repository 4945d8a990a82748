//! What a node says of itself: the body of its node record.

use crate::link_plan::LinkPlan;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use orbweave_model::wire::{self, WireError};
use orbweave_model::{Labels, Resources, limit};
use std::net::SocketAddr;

/// Interfaces that one node may deny.
pub const DENIES_MAX: usize = 64;

/// A node's own statement. It carries the certificate, so that whoever holds the
/// record can judge its author without asking anybody.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct NodeInfo {
    /// Higher with each start, and after each time that the mesh held it for dead.
    #[n(0)]
    pub generation: u64,
    /// Where it can be reached, as `ip:port`: quinn on UDP, libp2p on TCP.
    #[n(1)]
    pub addresses: Vec<String>,
    /// Its failure domain.
    #[n(2)]
    pub zone: String,
    /// Its labels.
    #[n(3)]
    pub labels: Labels,
    /// What it has.
    #[n(4)]
    pub capacity: Resources,
    /// Its certificate.
    #[n(5)]
    pub certificate: ByteVec,
    /// The version of the program.
    #[n(6)]
    pub version: String,
    /// When it can be reached, or what it reaches, where orbits or tables say it.
    #[n(7)]
    pub plan: Option<LinkPlan>,
    /// How long its records hold, where that is longer than usual. The store reads it.
    #[n(8)]
    pub lives_ms: Option<u64>,
    /// Interfaces, or packages of them, that it grants no guest.
    #[n(9)]
    pub denies: Option<Vec<String>>,
}

impl NodeInfo {
    /// The bytes of a record's body.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads a record's body and checks its bounds.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let info: Self = wire::decode_open("a node record", body, limit::RECORD_BYTES_MAX)?;
        let malformed = |why: &str| WireError::Malformed { what: "a node record", why: why.to_owned() };
        if info.addresses.len() > limit::ADDRESSES_MAX {
            return Err(malformed("too many addresses"));
        }
        if info.zone.len() > limit::NAME_BYTES_MAX || info.version.len() > limit::NAME_BYTES_MAX {
            return Err(malformed("a zone or version that is too long"));
        }
        if info.denies.as_ref().is_some_and(|denies| denies.len() > DENIES_MAX) {
            return Err(malformed("too many interfaces that it denies"));
        }
        if let Some(why) = info.plan.as_ref().and_then(|plan| plan.chart("it").err()) {
            return Err(malformed(&why));
        }
        Ok(info)
    }

    /// Whether it is on scheduled links.
    pub fn is_scheduled(&self) -> bool {
        self.plan.as_ref().is_some_and(LinkPlan::is_scheduled)
    }

    /// The addresses that are well-formed.
    pub fn socket_addresses(&self) -> Vec<SocketAddr> {
        self.addresses.iter().filter_map(|a| a.parse().ok()).collect()
    }
}

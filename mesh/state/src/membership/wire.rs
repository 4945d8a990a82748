//! A membership datagram: one byte that says what it is, then CBOR.

use super::identity::Identity;
use minicbor::{Decode, Encode};
use orbweave_model::wire::{WireError, decode_open, encode};
use orbweave_model::{NodeId, limit};

/// A load figure that rides on probes.
pub const LOAD_BYTES_MAX: usize = 64;

const SWIM: u8 = 0;
const PROBE: u8 = 1;
const ACK: u8 = 2;
const VERDICT: u8 = 3;
const BURIED: u8 = 4;
const LEAVE: u8 = 5;

/// Why a datagram of a peer was not taken. Nothing was changed, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatagramError {
    /// No bytes at all.
    #[error("an empty membership datagram")]
    Empty,
    /// Of a kind that only a newer version knows: to be ignored.
    #[error("membership datagrams of kind {0} are not known to this version")]
    UnknownKind(u8),
    /// Too long, or not the CBOR that was expected.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// It names another sender or addressee than the link that it came over has.
    #[error("a membership datagram from {from} that names another sender or addressee")]
    Forged {
        /// Whom the link authenticated.
        from: NodeId,
    },
    /// From a node that was revoked or evicted here.
    #[error("a membership datagram from {from}, which was removed from this mesh")]
    Forgotten {
        /// Whom the link authenticated.
        from: NodeId,
    },
    /// As many members as a zone may have are alive.
    #[error("no room for {from}: a zone has at most {max} members", max = limit::MEMBERS_MAX)]
    Full {
        /// Whom the link authenticated.
        from: NodeId,
    },
    /// SWIM refused it; what the datagram proved about its sender was taken note of.
    #[error("SWIM refused a datagram from {from}: {why}")]
    Swim {
        /// Whom the link authenticated.
        from: NodeId,
        /// What SWIM says.
        why: String,
    },
}

/// A probe of a watcher, or the answer to one.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Probe {
    /// The sender's own generation.
    #[n(0)]
    pub generation: u64,
    /// Echoed by the answer.
    #[n(1)]
    pub nonce: u32,
    /// The sender's load, if it is news.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub load: Option<Vec<u8>>,
}

/// The sender, a watcher, finds a node silent. It speaks for itself only.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Verdict {
    /// The sender's own generation.
    #[n(0)]
    pub generation: u64,
    /// Who is silent.
    #[n(1)]
    pub about: Identity,
}

/// The sender holds this generation of the addressee for dead: it must renew itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Buried {
    /// The sender's own generation.
    #[n(0)]
    pub generation: u64,
    /// The addressee's, as the sender knows it.
    #[n(1)]
    pub buried: u64,
}

/// The sender goes, on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Leave {
    /// The sender's own generation.
    #[n(0)]
    pub generation: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    Swim(&'a [u8]),
    Probe(Probe),
    Ack(Probe),
    Verdict(Verdict),
    Buried(Buried),
    Leave(Leave),
}

impl<'a> Frame<'a> {
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, DatagramError> {
        let max = limit::DATAGRAM_BYTES_MAX;
        if bytes.len() > max {
            return Err(WireError::TooLong { what: "a membership datagram", len: bytes.len(), max }.into());
        }
        let Some((kind, body)) = bytes.split_first() else { return Err(DatagramError::Empty) };
        Ok(match *kind {
            SWIM => Self::Swim(body),
            PROBE => Self::Probe(decode_probe("a probe", body)?),
            ACK => Self::Ack(decode_probe("a probe's answer", body)?),
            VERDICT => Self::Verdict(decode_open("a verdict", body, max)?),
            BURIED => Self::Buried(decode_open("a notice of burial", body, max)?),
            LEAVE => Self::Leave(decode_open("a notice of leave", body, max)?),
            other => return Err(DatagramError::UnknownKind(other)),
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let (kind, body) = match self {
            Self::Swim(body) => (SWIM, body.to_vec()),
            Self::Probe(probe) => (PROBE, encode(probe)),
            Self::Ack(probe) => (ACK, encode(probe)),
            Self::Verdict(verdict) => (VERDICT, encode(verdict)),
            Self::Buried(buried) => (BURIED, encode(buried)),
            Self::Leave(leave) => (LEAVE, encode(leave)),
        };
        let mut bytes = Vec::with_capacity(1 + body.len());
        bytes.push(kind);
        bytes.extend_from_slice(&body);
        bytes
    }
}

fn decode_probe(what: &'static str, body: &[u8]) -> Result<Probe, WireError> {
    let probe: Probe = decode_open(what, body, limit::DATAGRAM_BYTES_MAX)?;
    match &probe.load {
        Some(load) if load.len() > LOAD_BYTES_MAX => {
            Err(WireError::TooLong { what: "a load figure", len: load.len(), max: LOAD_BYTES_MAX })
        }
        _ => Ok(probe),
    }
}

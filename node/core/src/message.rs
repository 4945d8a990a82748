//! What nodes say to one another in datagrams: membership, offers and their
//! answers, and records that are in a hurry.

use minicbor::{Decode, Encode};
use orbweave_model::wire::{self, WireError};
use orbweave_model::{Resources, WorkloadName, limit};
use orbweave_scheduler::verdict::Verdict;

/// One datagram. Variants of a newer version are refused without harm.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Message<'b> {
    /// Membership has a framing of its own.
    #[n(0)]
    Membership(#[cbor(b(0), with = "minicbor::bytes")] &'b [u8]),
    /// A placer offers a slot.
    #[n(1)]
    Offer(#[n(0)] Offer),
    /// The candidate's answer.
    #[n(2)]
    Answer(#[n(0)] Answer),
    /// A record that its reader should not wait for.
    #[n(3)]
    Record(#[cbor(b(0), with = "minicbor::bytes")] &'b [u8]),
    /// Digests of records that are new: whoever lacks one asks for it.
    #[n(4)]
    Rumour(#[cbor(b(0), with = "minicbor::bytes")] &'b [u8]),
    /// Those that the reader of a rumour lacks.
    #[n(5)]
    Ask(#[cbor(b(0), with = "minicbor::bytes")] &'b [u8]),
    /// Membership among the gateways of all zones.
    #[n(6)]
    Between(#[cbor(b(0), with = "minicbor::bytes")] &'b [u8]),
}

/// A placer offers one slot to the candidate that it thinks best.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Offer {
    /// Names the answer; chosen by the placer.
    #[n(0)]
    pub id: u64,
    /// The workload.
    #[n(1)]
    pub workload: WorkloadName,
    /// The generation that the placer sees.
    #[n(2)]
    pub generation: u64,
    /// The slot.
    #[n(3)]
    pub slot: u32,
    /// The highest epoch of a claim on it that the placer has seen, and takes for dead.
    #[n(4)]
    pub epoch_seen: u64,
    /// How many slots of the workload the placer thinks that the candidate holds.
    #[n(5)]
    pub held: u32,
    /// The placer's score of the place, frozen in the claim.
    #[n(6)]
    pub score: i64,
}

/// What a candidate says to an offer, with its true figures.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Answer {
    /// The offer that it answers.
    #[n(0)]
    pub id: u64,
    /// Whether it claims the slot: durably, when it says `Fits`.
    #[n(1)]
    pub verdict: Verdict,
    /// What it has free.
    #[n(2)]
    pub free: Resources,
    /// How many slots of that workload it holds.
    #[n(3)]
    pub held: u32,
    /// How many slots it holds in all.
    #[n(4)]
    pub load: u32,
}

/// The load that rides on membership probes and their answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct Load {
    /// What is free.
    #[n(0)]
    pub free: Resources,
    /// Slots held.
    #[n(1)]
    pub slots: u32,
}

impl<'b> Message<'b> {
    /// The datagram's bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads a datagram.
    pub fn decode(bytes: &'b [u8]) -> Result<Self, WireError> {
        wire::decode_open("a datagram", bytes, limit::DATAGRAM_BYTES_MAX)
    }
}

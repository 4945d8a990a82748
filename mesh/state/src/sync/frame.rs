//! The messages of a session, as they travel. Version 1 has the first three, and a
//! hello with the first four keys; what it does not know it skips. The last three are of
//! the narrow way, which only nodes on scheduled links and their hosts speak.

use crate::record::Scope;
use crate::store::Mark;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use orbweave_model::{Hash, Wall};

/// One message of a session.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) enum Frame {
    #[n(0)]
    #[cbor(map)]
    Hello {
        #[n(0)]
        version: u16,
        #[n(1)]
        now: Wall,
        #[n(2)]
        cutoff: Wall,
        /// Of version 2: one range over everything, with its fingerprint.
        #[n(3)]
        ranges: ByteVec,
        /// How far the sender's own arrivals went.
        #[n(4)]
        mark: Option<Mark>,
        /// How far the sender knows the receiver's arrivals.
        #[n(5)]
        seen: Option<Mark>,
        /// Salts short digests, so that nobody can prepare two that look alike.
        #[n(6)]
        salt: Option<u64>,
        /// What is compared, where it is not all.
        #[n(7)]
        scope: Option<Scope>,
    },
    #[n(1)]
    #[cbor(map)]
    Ranges {
        #[n(0)]
        now: Wall,
        #[n(1)]
        ranges: ByteVec,
    },
    #[n(2)]
    #[cbor(map)]
    Records {
        #[n(0)]
        records: Vec<ByteVec>,
        #[n(1)]
        want: Vec<Hash>,
        #[n(2)]
        last: bool,
    },
    #[n(3)]
    Turn(#[n(0)] Turn),
    /// A host asks a node on scheduled links to list what it has.
    #[n(4)]
    #[cbor(map)]
    Call {
        #[n(0)]
        now: Wall,
    },
    /// A node on scheduled links lists what it has.
    #[n(5)]
    #[cbor(map)]
    Carry {
        #[n(0)]
        now: Wall,
        #[n(1)]
        offer: ByteVec,
    },
    #[n(6)]
    Give(#[n(0)] Given),
}

/// What either side of the narrow way gives, and what the host asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Given {
    /// The host's corrected wall clock.
    #[n(0)]
    pub now: Option<Wall>,
    /// Envelopes.
    #[n(1)]
    pub records: Vec<ByteVec>,
    /// Bits over the list: what the host lacks.
    #[n(2)]
    pub want: Option<ByteVec>,
}

/// What one side says before it listens again: answers to the other's last turn,
/// and questions of its own. A turn with no question is the last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Turn {
    /// In the responder's first turn: its corrected wall clock.
    #[n(0)]
    pub now: Option<Wall>,
    /// There also: how far its arrivals went.
    #[n(1)]
    pub mark: Option<Mark>,
    /// There also, if it begins with news: how far it knows the initiator's arrivals.
    #[n(2)]
    pub seen: Option<Mark>,
    /// The fingerprints are the same: nothing is left to do.
    #[n(3)]
    pub equal: Option<bool>,
    /// A question: the fingerprint of all that the sender has now.
    #[n(4)]
    pub state: Option<ByteVec>,
    /// A question: ranges whose fingerprints or digests are to be compared.
    #[n(5)]
    pub ranges: Option<ByteVec>,
    /// A question: digests that the receiver may lack.
    #[n(6)]
    pub offer: Option<ByteVec>,
    /// Bits over the receiver's last offer: what shall be sent.
    #[n(7)]
    pub want: Option<ByteVec>,
    /// Bits over the digests that the receiver's last ranges listed: likewise.
    #[n(8)]
    pub lack: Option<ByteVec>,
    /// Envelopes that were asked for.
    #[n(9)]
    pub records: Option<Vec<ByteVec>>,
    /// The turn goes on in the next frame.
    #[n(10)]
    pub more: Option<bool>,
}

impl Turn {
    /// Whether the sender waits for an answer.
    pub fn asks(&self) -> bool {
        let any = |bits: &Option<ByteVec>| bits.as_ref().is_some_and(|bits| bits.iter().any(|b| *b != 0));
        self.state.is_some()
            || self.ranges.is_some()
            || self.offer.is_some()
            || any(&self.want)
            || any(&self.lack)
    }
}

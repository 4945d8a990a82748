//! What the issuer of tickets remembers: hashes of tokens, and who used them.

use minicbor::{Decode, Encode};
use orbweave_model::wire::{self, WireError};
use orbweave_model::{Hash, NodeId, Wall};
use std::collections::{BTreeMap, BTreeSet};

/// Tickets of one issuer that have not been pruned.
pub const TICKETS_MAX: usize = 256;
/// Nodes that may join with one ticket.
pub const TICKET_USES_MAX: u32 = 1_024;
/// A book as bytes.
pub const TICKET_BOOK_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why a ticket was not issued or not taken. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// Never issued here, or expired and pruned.
    #[error("this node did not issue this ticket, or it expired long ago: ask for a new one")]
    Unknown,
    /// Its time is over.
    #[error("the ticket has expired: ask for a new one")]
    Expired,
    /// As many nodes have joined with it as may.
    #[error("the ticket has been used by all the {uses} nodes that it was made for: ask for a new one")]
    UsedUp {
        /// How many may use it.
        uses: u32,
    },
    /// A ticket for none, or for too many.
    #[error("a ticket is for 1 to {TICKET_USES_MAX} nodes, not for {uses}")]
    Uses {
        /// How many were asked for.
        uses: u32,
    },
    /// Too many live tickets.
    #[error("this node has {TICKETS_MAX} tickets that have not expired: wait until some have")]
    TooMany,
    /// A ticket with this secret exists: the caller's randomness is broken.
    #[error("a ticket with this token exists already: the token was not random")]
    Repeated,
}

/// The tickets of one issuer: its persistent state. It keeps no token, only the hash of
/// each, so that who reads it can join nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TicketBook(BTreeMap<Hash, Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    expires: Wall,
    uses: u32,
    nodes: BTreeSet<NodeId>,
}

/// An entry as it is stored, and the book as a list of them in the order of their hashes.
#[derive(Encode, Decode)]
#[cbor(array)]
struct Stored {
    #[n(0)]
    token: Hash,
    #[n(1)]
    expires: Wall,
    #[n(2)]
    uses: u32,
    #[n(3)]
    nodes: Vec<NodeId>,
}

impl TicketBook {
    /// No ticket.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many tickets there are that have not been pruned.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes note of a new ticket whose token is `secret`, 32 random bytes. Persist the
    /// book before the ticket is shown.
    pub fn issue(&mut self, secret: [u8; 32], uses: u32, expires: Wall) -> Result<(), TicketError> {
        if uses == 0 || uses > TICKET_USES_MAX {
            return Err(TicketError::Uses { uses });
        }
        if self.0.len() >= TICKETS_MAX {
            return Err(TicketError::TooMany);
        }
        let token = Hash::of(&secret);
        if self.0.contains_key(&token) {
            return Err(TicketError::Repeated);
        }
        self.0.insert(token, Entry { expires, uses, nodes: BTreeSet::new() });
        Ok(())
    }

    /// Takes a token from a node. The same node may come again, since the answer may
    /// have been lost: that costs no second use. Persist the book before answering.
    pub fn redeem(&mut self, token: &[u8; 32], node: NodeId, now: Wall) -> Result<(), TicketError> {
        let entry = self.0.get_mut(&Hash::of(token)).ok_or(TicketError::Unknown)?;
        if entry.expires <= now {
            return Err(TicketError::Expired);
        }
        if entry.nodes.contains(&node) {
            return Ok(());
        }
        if entry.nodes.len() >= usize::try_from(entry.uses).unwrap_or(usize::MAX) {
            return Err(TicketError::UsedUp { uses: entry.uses });
        }
        entry.nodes.insert(node);
        Ok(())
    }

    /// Forgets the tickets whose time is over. Whether there was any.
    pub fn prune(&mut self, now: Wall) -> bool {
        let before = self.0.len();
        self.0.retain(|_, entry| now < entry.expires);
        self.0.len() != before
    }

    /// The book as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let stored: Vec<Stored> = self
            .0
            .iter()
            .map(|(token, entry)| Stored {
                token: *token,
                expires: entry.expires,
                uses: entry.uses,
                nodes: entry.nodes.iter().copied().collect(),
            })
            .collect();
        wire::encode(&stored)
    }

    /// Reads what [`TicketBook::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let what = "the ticket book";
        let stored: Vec<Stored> = wire::decode_exact(what, bytes, TICKET_BOOK_BYTES_MAX)?;
        let book = Self(
            stored
                .into_iter()
                .map(|s| {
                    (
                        s.token,
                        Entry { expires: s.expires, uses: s.uses, nodes: s.nodes.into_iter().collect() },
                    )
                })
                .collect(),
        );
        let bounded = book.0.len() <= TICKETS_MAX && book.0.values().all(|e| e.uses <= TICKET_USES_MAX);
        // Entries or nodes out of order, or twice, are none that we wrote.
        if bounded && book.encode() == bytes { Ok(book) } else { Err(WireError::NotCanonical { what }) }
    }
}

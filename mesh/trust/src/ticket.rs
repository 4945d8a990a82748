//! Join tickets: what a joiner is given, by mouth, mail or QR code.

use data_encoding::BASE32_NOPAD;
use minicbor::{Decode, Encode};
use orbweave_model::wire::{self, WireError};
use orbweave_model::{Hash, MeshId, NodeId, Wall, limit};
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// A ticket as text.
pub const TICKET_TEXT_BYTES_MAX: usize = 2_048;

const PREFIX: &str = "ow1";
const CHECKSUM_BYTES: usize = 8;
const WHAT: &str = "the ticket";

/// Where to join, how to recognise the mesh, and the secret that lets one in.
///
/// As text it is `ow1` and base32 in lower case of its CBOR and a checksum, so that a
/// slip of a copy is told apart from a ticket that is refused. It is not signed: the
/// joiner recognises the issuer by its key on the link and the mesh by its id, and the
/// token is worth something to its issuer only.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Ticket {
    /// The mesh.
    #[n(0)]
    pub mesh: MeshId,
    /// The node that gave it out and takes it back.
    #[n(1)]
    pub issuer: NodeId,
    /// Where that node is.
    #[n(2)]
    pub addresses: Vec<SocketAddr>,
    /// The secret: whoever has it may join.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub token: [u8; 32],
    /// The first moment at which it is refused.
    #[n(4)]
    pub expires: Wall,
    /// How many nodes may join with it.
    #[n(5)]
    pub uses: u32,
}

/// Why a text is no ticket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TicketTextError {
    /// It does not begin as one.
    #[error("this is no ticket: a ticket begins with \"{PREFIX}\"")]
    Prefix,
    /// It is longer than any ticket.
    #[error("this is no ticket: it is longer than {TICKET_TEXT_BYTES_MAX} characters")]
    TooLong,
    /// It has a character that no ticket has, or was cut.
    #[error(
        "the ticket is damaged (a character that no ticket has, or an end that is missing): copy it again, whole and in lower case"
    )]
    Alphabet,
    /// Its checksum does not match.
    #[error("the ticket is damaged (its checksum does not match): copy it again, whole")]
    Checksum,
    /// Its checksum matches, but what it says is not understood.
    #[error("the ticket is of a version that this program does not read: {0}")]
    Body(#[from] WireError),
    /// It has more addresses than one may have.
    #[error("the ticket names more than {} addresses", limit::ADDRESSES_MAX)]
    TooManyAddresses,
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let [a, b, c, d, e, f, g, h, ..] = Hash::of(body).0;
    [a, b, c, d, e, f, g, h]
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = wire::encode(self);
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        write!(f, "{PREFIX}{}", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
    }
}

/// Hides the token.
impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("mesh", &self.mesh)
            .field("issuer", &self.issuer)
            .field("addresses", &self.addresses)
            .field("expires", &self.expires)
            .field("uses", &self.uses)
            .finish_non_exhaustive()
    }
}

impl FromStr for Ticket {
    type Err = TicketTextError;

    fn from_str(text: &str) -> Result<Self, TicketTextError> {
        let text = text.trim();
        if text.len() > TICKET_TEXT_BYTES_MAX {
            return Err(TicketTextError::TooLong);
        }
        let letters = text.strip_prefix(PREFIX).ok_or(TicketTextError::Prefix)?;
        // One text a ticket: capitals would be a second one.
        if letters.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(TicketTextError::Alphabet);
        }
        let bytes = BASE32_NOPAD
            .decode(letters.to_ascii_uppercase().as_bytes())
            .map_err(|_| TicketTextError::Alphabet)?;
        let (body, sum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(TicketTextError::Checksum)?;
        if checksum(body) != *sum {
            return Err(TicketTextError::Checksum);
        }
        let ticket: Self = wire::decode_exact(WHAT, body, TICKET_TEXT_BYTES_MAX)?;
        if ticket.addresses.len() > limit::ADDRESSES_MAX {
            return Err(TicketTextError::TooManyAddresses);
        }
        Ok(ticket)
    }
}

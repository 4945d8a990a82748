//! Who a member is to SWIM, and how that is written.

use bytes::{Buf, BufMut};
use foca::{Header, Member, Message, State};
use minicbor::{Decode, Encode};
use orbweave_model::NodeId;

/// A node in one of its lives. Down is final for an identity; the next generation
/// of the same node is another one and replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub(super) struct Identity {
    #[n(0)]
    pub node: NodeId,
    #[n(1)]
    pub generation: u64,
}

impl foca::Identity for Identity {
    type Addr = NodeId;

    fn renew(&self) -> Option<Self> {
        Some(Self { node: self.node, generation: self.generation.checked_add(1)? })
    }

    fn addr(&self) -> NodeId {
        self.node
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.generation > adversary.generation
    }
}

/// What one member says of another, as SWIM spreads it.
pub(super) struct Rumour {
    pub about: Identity,
    pub state: State,
}

/// SWIM's messages in CBOR.
pub(super) struct Codec;

/// Why SWIM's part of a datagram was not understood.
#[derive(Debug, thiserror::Error)]
pub(super) enum CodecError {
    #[error("{0}")]
    Malformed(#[from] minicbor::decode::Error),
    #[error("SWIM message kind {0} is not known to this version")]
    UnknownKind(u8),
    #[error("no room left in the datagram")]
    NoRoom,
    #[error("bytes behind the end")]
    Trailing,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct WireHeader {
    #[n(0)]
    src: Identity,
    #[n(1)]
    src_incarnation: u16,
    #[n(2)]
    dst: Identity,
    #[n(3)]
    kind: u8,
    #[n(4)]
    probe: Option<u8>,
    #[n(5)]
    about: Option<Identity>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct WireMember {
    #[n(0)]
    id: Identity,
    #[n(1)]
    incarnation: u16,
    #[n(2)]
    state: u8,
}

impl WireHeader {
    fn of(header: &Header<Identity>) -> Self {
        let (kind, probe, about) = match &header.message {
            Message::Ping(n) => (0, Some(*n), None),
            Message::Ack(n) => (1, Some(*n), None),
            Message::PingReq { target, probe_number } => (2, Some(*probe_number), Some(*target)),
            Message::IndirectPing { origin, probe_number } => (3, Some(*probe_number), Some(*origin)),
            Message::IndirectAck { target, probe_number } => (4, Some(*probe_number), Some(*target)),
            Message::ForwardedAck { origin, probe_number } => (5, Some(*probe_number), Some(*origin)),
            Message::Announce => (6, None, None),
            Message::Feed => (7, None, None),
            Message::Gossip => (8, None, None),
            Message::Broadcast => (9, None, None),
            Message::TurnUndead => (10, None, None),
        };
        let (src, dst) = (header.src, header.dst);
        Self { src, src_incarnation: header.src_incarnation, dst, kind, probe, about }
    }

    fn header(self) -> Result<Header<Identity>, CodecError> {
        let message = match (self.kind, self.probe, self.about) {
            (0, Some(n), None) => Message::Ping(n),
            (1, Some(n), None) => Message::Ack(n),
            (2, Some(probe_number), Some(target)) => Message::PingReq { target, probe_number },
            (3, Some(probe_number), Some(origin)) => Message::IndirectPing { origin, probe_number },
            (4, Some(probe_number), Some(target)) => Message::IndirectAck { target, probe_number },
            (5, Some(probe_number), Some(origin)) => Message::ForwardedAck { origin, probe_number },
            (6, None, None) => Message::Announce,
            (7, None, None) => Message::Feed,
            (8, None, None) => Message::Gossip,
            (10, None, None) => Message::TurnUndead,
            (kind, _, _) => return Err(CodecError::UnknownKind(kind)),
        };
        Ok(Header { src: self.src, src_incarnation: self.src_incarnation, dst: self.dst, message })
    }
}

fn put<T: Encode<()>>(value: &T, mut buf: impl BufMut) -> Result<(), CodecError> {
    let bytes = orbweave_model::wire::encode(value);
    if buf.remaining_mut() < bytes.len() {
        return Err(CodecError::NoRoom);
    }
    buf.put_slice(&bytes);
    Ok(())
}

/// Reads one item from the front of the bytes.
fn take<'b, T: Decode<'b, ()>>(bytes: &mut &'b [u8]) -> Result<T, CodecError> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let value = decoder.decode()?;
    *bytes = bytes.get(decoder.position()..).unwrap_or_default();
    Ok(value)
}

fn member(wire: &WireMember) -> Result<Member<Identity>, CodecError> {
    let state = match wire.state {
        0 => State::Alive,
        1 => State::Suspect,
        2 => State::Down,
        other => return Err(CodecError::UnknownKind(other)),
    };
    Ok(Member::new(wire.id, wire.incarnation, state))
}

/// Reads a whole SWIM datagram: its header, and what it says of third parties.
pub(super) fn read(mut bytes: &[u8]) -> Result<(Header<Identity>, Vec<Rumour>), CodecError> {
    let header = take::<WireHeader>(&mut bytes)?.header()?;
    let mut rumours = Vec::new();
    if let Some((count, rest)) = bytes.split_at_checked(2) {
        bytes = rest;
        // Each takes bytes of a datagram that is itself bounded: the loop ends by error.
        for _ in 0..u16::from_be_bytes([count[0], count[1]]) {
            let member = member(&take(&mut bytes)?)?;
            rumours.push(Rumour { about: *member.id(), state: member.state() });
        }
    }
    if bytes.is_empty() { Ok((header, rumours)) } else { Err(CodecError::Trailing) }
}

/// The header alone, as a datagram without rumours.
pub(super) fn header_only(header: &Header<Identity>) -> Vec<u8> {
    orbweave_model::wire::encode(&WireHeader::of(header))
}

impl foca::Codec<Identity> for Codec {
    type Error = CodecError;

    fn encode_header(&mut self, header: &Header<Identity>, buf: impl BufMut) -> Result<(), CodecError> {
        put(&WireHeader::of(header), buf)
    }

    fn decode_header(&mut self, mut buf: impl Buf) -> Result<Header<Identity>, CodecError> {
        let mut bytes = buf.chunk();
        let before = bytes.len();
        let header = take::<WireHeader>(&mut bytes)?.header()?;
        let taken = before - bytes.len();
        buf.advance(taken);
        Ok(header)
    }

    fn encode_member(&mut self, member: &Member<Identity>, buf: impl BufMut) -> Result<(), CodecError> {
        let state = match member.state() {
            State::Alive => 0,
            State::Suspect => 1,
            State::Down => 2,
        };
        put(&WireMember { id: *member.id(), incarnation: member.incarnation(), state }, buf)
    }

    fn decode_member(&mut self, mut buf: impl Buf) -> Result<Member<Identity>, CodecError> {
        let mut bytes = buf.chunk();
        let before = bytes.len();
        let member = member(&take(&mut bytes)?)?;
        let taken = before - bytes.len();
        buf.advance(taken);
        Ok(member)
    }
}

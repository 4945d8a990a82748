//! Bytes sent, as they are on the wire.
//!
//! A payload rides in QUIC over UDP over IPv4, as in production:
//!
//! | bytes | what | source |
//! |---|---|---|
//! | 20 | IPv4 header | RFC 791 |
//! | 8 | UDP header | RFC 768 |
//! | 1 + 8 + 2 | QUIC short header: flags, connection id, packet number | RFC 9000 §17.3.1; quinn's ids have 8 bytes |
//! | 16 | AEAD tag | RFC 9001 §5.3 |
//! | 3 | DATAGRAM frame: type and length | RFC 9221 §4 |
//! | 9 | STREAM frame: type, stream, offset, length | RFC 9000 §19.8 |
//! | 5 | ACK frame, in a packet of its own for every second packet received | RFC 9000 §13.2.2, §19.3 |

use super::model::Class;
use super::{Care, PACKET_BYTES, Parcel};

/// How many [`Class`]es there are.
pub const CLASSES: usize = 3;

/// What is on the wire beside a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overhead;

impl Overhead {
    /// Of every packet: IP, UDP, QUIC's header and tag.
    pub const PACKET: u64 = 20 + 8 + 11 + 16;
    /// Of a datagram in its packet.
    pub const DATAGRAM: u64 = Self::PACKET + 3;
    /// Of a piece of a stream in its packet.
    pub const STREAM: u64 = Self::PACKET + 9;
    /// A packet that only acknowledges.
    pub const ACK: u64 = Self::PACKET + 5;
    /// Of a new connection, each end: a padded Initial, the handshake with raw public keys,
    /// and the exchange of certificates; an estimate, by RFC 9000 and the sizes of ours.
    pub const HANDSHAKE: u64 = 1_228 + 700 + 500;
    /// What stream data a packet of 1,200 bytes carries.
    pub const STREAM_PAYLOAD: u64 = PACKET_BYTES - (Self::STREAM - 28);
}

/// What one end sent over links of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// Bytes with all overhead, acknowledgements of what it received among them.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
}

/// Bytes by end and class.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    ends: Vec<[Sent; CLASSES]>,
}

impl Meter {
    /// Counts a message, and half an acknowledgement a packet for its receiver; gives
    /// the bytes that it has on the wire.
    pub(super) fn count<P>(&mut self, class: Class, parcel: &Parcel<P>) -> u64 {
        let bytes = u64::from(parcel.bytes);
        let (packets, on_wire) = match parcel.care {
            Care::Lossy => (1, bytes + Overhead::DATAGRAM),
            Care::Ordered => {
                let packets = bytes.div_ceil(Overhead::STREAM_PAYLOAD).max(1);
                (packets, bytes + packets * Overhead::STREAM)
            }
        };
        let sender = self.end(parcel.from, class);
        sender.bytes += on_wire;
        sender.packets += packets;
        self.end(parcel.to, class).bytes += packets * Overhead::ACK / 2;
        on_wire
    }

    /// Counts what a new connection takes of either end.
    pub fn count_handshake(&mut self, class: Class, a: u32, b: u32) {
        for end in [a, b] {
            let sent = self.end(end, class);
            sent.bytes += Overhead::HANDSHAKE;
            sent.packets += 4;
        }
    }

    /// What an end sent over links of a class, since the beginning.
    pub fn of(&self, end: u32, class: Class) -> Sent {
        self.ends.get(end as usize).map_or(Sent::default(), |sent| sent[class as usize])
    }

    /// Bytes that an end sent over links of any class, since the beginning.
    pub fn total(&self, end: u32) -> u64 {
        self.ends.get(end as usize).map_or(0, |sent| sent.iter().map(|sent| sent.bytes).sum())
    }

    fn end(&mut self, end: u32, class: Class) -> &mut Sent {
        let end = end as usize;
        if self.ends.len() <= end {
            self.ends.resize(end + 1, Default::default());
        }
        &mut self.ends[end][class as usize]
    }
}

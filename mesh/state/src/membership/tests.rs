//! The wire is pinned: these bytes are what other versions send and expect.

use super::identity::{Codec, Identity, read};
use super::wire::{Buried, Frame, Leave, Probe, Verdict};
use super::{DatagramError, LOAD_BYTES_MAX};
use foca::{Codec as _, Header, Member, Message, State};
use orbweave_model::NodeId;
use orbweave_model::wire::WireError;

const A: Identity = Identity { node: NodeId([0xaa; 32]), generation: 1_790_000_000_000 };
const B: Identity = Identity { node: NodeId([0xbb; 32]), generation: 7 };

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.trim().chars().map(|c| c.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

fn pinned(name: &str, golden: &str, frame: &Frame<'_>) {
    assert_eq!(hex(&frame.encode()), golden.trim(), "{name} encodes otherwise than it did");
    assert_eq!(&Frame::decode(&unhex(golden)).unwrap(), frame, "{name} is read otherwise than it was");
}

fn swim(message: Message<Identity>, rumours: &[Member<Identity>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Codec.encode_header(&Header { src: A, src_incarnation: 3, dst: B, message }, &mut bytes).unwrap();
    if !rumours.is_empty() {
        bytes.extend_from_slice(&(rumours.len() as u16).to_be_bytes());
    }
    rumours.iter().for_each(|member| Codec.encode_member(member, &mut bytes).unwrap());
    bytes
}

#[test]
fn every_kind_of_datagram_keeps_its_bytes() {
    let probe = Probe { generation: A.generation, nonce: 0xdead_beef, load: None };
    let loaded = Probe { load: Some(vec![1, 2, 3]), ..probe.clone() };
    let (ping, gossip) = (
        swim(Message::Ping(9), &[]),
        swim(Message::Gossip, &[Member::new(B, 2, State::Suspect), Member::new(A, 0, State::Down)]),
    );
    let request = swim(Message::PingReq { target: B, probe_number: 4 }, &[]);
    macro_rules! golden {
        ($name:literal) => {
            include_str!(concat!("../../tests/golden/membership-", $name, ".hex"))
        };
    }
    pinned("probe", golden!("probe"), &Frame::Probe(probe.clone()));
    pinned("probe with load", golden!("probe-load"), &Frame::Probe(loaded));
    pinned("ack", golden!("ack"), &Frame::Ack(probe));
    pinned("verdict", golden!("verdict"), &Frame::Verdict(Verdict { generation: 7, about: A }));
    pinned("buried", golden!("buried"), &Frame::Buried(Buried { generation: 7, buried: 6 }));
    pinned("leave", golden!("leave"), &Frame::Leave(Leave { generation: 7 }));
    pinned("ping", golden!("swim-ping"), &Frame::Swim(&ping));
    pinned("ping request", golden!("swim-ping-request"), &Frame::Swim(&request));
    pinned("gossip", golden!("swim-gossip"), &Frame::Swim(&gossip));
}

#[test]
fn swim_messages_survive_the_round_trip() {
    for message in [
        Message::Ping(1),
        Message::Ack(2),
        Message::PingReq { target: B, probe_number: 3 },
        Message::IndirectPing { origin: B, probe_number: 4 },
        Message::IndirectAck { target: B, probe_number: 5 },
        Message::ForwardedAck { origin: B, probe_number: 6 },
        Message::Announce,
        Message::Feed,
        Message::Gossip,
        Message::TurnUndead,
    ] {
        let (header, rumours) = read(&swim(message.clone(), &[Member::new(B, 1, State::Down)])).unwrap();
        assert_eq!((header.message, header.src, header.dst), (message, A, B));
        assert!(rumours.len() == 1 && rumours[0].about == B && rumours[0].state == State::Down);
    }
}

#[test]
fn keys_of_a_newer_version_are_skipped() {
    // {0: 7, 9: "new"}
    let leave = [&[5u8][..], &[0xa2, 0x00, 0x07, 0x09, 0x63, b'n', b'e', b'w']].concat();
    assert_eq!(Frame::decode(&leave), Ok(Frame::Leave(Leave { generation: 7 })));
}

#[test]
fn what_is_not_understood_says_why() {
    assert_eq!(Frame::decode(&[]), Err(DatagramError::Empty));
    assert_eq!(Frame::decode(&[77, 1]), Err(DatagramError::UnknownKind(77)));
    let heavy = Probe { generation: 1, nonce: 1, load: Some(vec![0; LOAD_BYTES_MAX + 1]) };
    assert!(matches!(
        Frame::decode(&Frame::Probe(heavy).encode()),
        Err(DatagramError::Wire(WireError::TooLong { .. }))
    ));
    assert!(matches!(Frame::decode(&[0; 1_101]), Err(DatagramError::Wire(WireError::TooLong { .. }))));
    assert!(read(&[swim(Message::Ping(1), &[]), vec![0]].concat()).is_err());
    assert!(read(&[swim(Message::Gossip, &[]), vec![0xff, 0xff]].concat()).is_err());
}

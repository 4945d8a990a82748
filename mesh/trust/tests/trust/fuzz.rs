//! Bytes of no meaning, and genuine ones cut up, into every decoder: none panics.

use crate::fixture::*;
use orbweave_trust::*;
use proptest::prelude::*;

fn everything_reads(world: &World, bytes: &[u8]) {
    let _ = Genesis::verify(bytes, None, &Strict);
    let _ = Genesis::cosign(bytes, &world.stranger);
    let _ = TrustStatement::cosign(bytes, &world.stranger);
    let _ = world.authority.clone().apply(bytes, &Strict);
    let _ = Certificate::verify(bytes, &world.authority, NOW, &Strict);
    let _ = world.verify(bytes);
    let _ = to_dsse_json(bytes);
    let _ = TicketBook::decode(bytes);
    let _ = RollbackGuard::decode(bytes);
    let _ = RollbackGuard::new().restore(bytes);
    let _ = world.release().check_component(bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = text.parse::<Ticket>();
    let _ = text.parse::<Roles>();
    let _ = from_dsse_json(&text);
    let _ = format!("ow1{text}").parse::<Ticket>();
    let _ = format!("ow1{}", data_encoding::BASE32_NOPAD.encode(bytes).to_lowercase()).parse::<Ticket>();
}

/// A payload of any shape under signatures that hold, as a lying root, delegate or
/// publisher can make them.
fn everything_opens(world: &World, payload: &[u8]) {
    let mut by = world.two_roots().map(|root| signed_by(root, Domain::Genesis, payload));
    by.sort();
    let _ = Genesis::verify(&envelope(payload, &by), None, &Strict);
    let mut by = world.two_roots().map(|root| signed_by(root, Domain::TrustDocument, payload));
    by.sort();
    let _ = world.authority.clone().apply(&envelope(payload, &by), &Strict);
    let by = [signed_by(&world.admission, Domain::Certificate, payload)];
    let _ = Certificate::verify(&envelope(payload, &by), &world.authority, NOW, &Strict);
    let by = [signed_by(&world.publisher, Domain::Release, payload)];
    let _ = world.verify(&dsse(RELEASE_PAYLOAD_TYPE, payload, &by));
}

fn genuine(world: &World) -> Vec<Vec<u8>> {
    let mut book = TicketBook::new();
    book.issue([5; 32], 2, NOW).unwrap();
    let mut guard = RollbackGuard::new();
    guard.note(&world.release());
    vec![
        world.document.clone(),
        world.revoke(key(40).public()),
        world.delegate(key(40).public(), Roles::ALL, NOW),
        world.certificate().issue(&world.admission),
        world.statement().sign(&world.publisher),
        world.ticket().to_string().into_bytes(),
        to_dsse_json(&world.statement().sign(&world.publisher)).unwrap().into_bytes(),
        book.encode(),
        guard.encode(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_of_no_meaning_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let world = World::new();
        everything_reads(&world, &bytes);
        everything_opens(&world, &bytes);
    }

    #[test]
    fn genuine_bytes_cut_up_are_refused_without_a_panic(
        which in 0_usize..9, at in any::<prop::sample::Index>(), gone in 0_usize..8,
        put in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let world = World::new();
        let mut bytes = genuine(&world).swap_remove(which);
        let at = at.index(bytes.len());
        let end = (at + gone).min(bytes.len());
        bytes.splice(at..end, put.iter().copied());
        everything_reads(&world, &bytes);

        // The same inside the payload, under signatures that hold.
        if which < 5 {
            let mut body = payload(&genuine(&world).swap_remove(which));
            let at = at.min(body.len());
            let end = (at + gone).min(body.len());
            body.splice(at..end, put);
            everything_opens(&world, &body);
        }
    }
}

#[test]
fn deep_nesting_and_huge_lengths_are_refused_without_a_panic() {
    let world = World::new();
    let nested = |byte: u8| vec![byte; 8_000];
    let map_of = |value: &[u8]| [&[0xa1, 0x18, 0x63], value].concat();
    let huge: [&[u8]; 5] = [
        &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x7b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x82, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ];
    for bytes in [nested(0x81), nested(0x9f), nested(0xa1), nested(0xbf), nested(0xc1), nested(0x5f)]
        .into_iter()
        .chain(huge.iter().map(|h| h.to_vec()))
    {
        for bytes in [map_of(&bytes), bytes] {
            everything_reads(&world, &bytes);
            everything_opens(&world, &bytes[..bytes.len().min(3_000)]);
        }
    }
}

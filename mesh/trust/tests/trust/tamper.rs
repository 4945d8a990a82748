//! Every byte of everything that is signed or checked, altered in many ways, cut and
//! lengthened: nothing is accepted, nothing panics.

use crate::fixture::*;
use orbweave_trust::*;

/// Each single bit, and patterns of several.
const PATTERNS: [u8; 12] = [1, 2, 4, 8, 16, 32, 64, 128, 0xff, 0x55, 0xaa, 0x21];

/// Tries every alteration and says how many were tried.
fn nothing_is_accepted(what: &str, genuine: &[u8], accepts: impl Fn(&[u8]) -> bool) {
    assert!(accepts(genuine), "{what}: the genuine one is accepted");
    let mut altered = genuine.to_vec();
    for at in 0..genuine.len() {
        for pattern in PATTERNS {
            altered[at] ^= pattern;
            assert!(!accepts(&altered), "{what}: byte {at} altered by {pattern:#x} was accepted");
            altered[at] ^= pattern;
        }
        assert!(!accepts(&genuine[..at]), "{what}: cut to {at} bytes was accepted");
    }
    for more in 0..=u8::MAX {
        altered.push(more);
        // White space around a ticket is no alteration of it.
        assert!(what == "ticket" || !accepts(&altered), "{what}: lengthened by {more:#x} was accepted");
        altered.pop();
    }
}

#[test]
fn no_altered_genesis_is_accepted() {
    let world = World::new();
    let all = Genesis::cosign(&world.document, &world.roots[2]).unwrap();
    for document in [&world.document, &all] {
        // Without an expected id, too: then only the signatures stand against it.
        nothing_is_accepted("genesis", document, |bytes| Genesis::verify(bytes, None, &Strict).is_ok());
        nothing_is_accepted("genesis", document, |bytes| {
            Genesis::verify(bytes, Some(world.mesh()), &Strict).is_ok()
        });
    }
}

#[test]
fn no_altered_trust_document_is_accepted() {
    let world = World::new();
    let helper = key(40).public();
    for document in [world.revoke(helper), world.delegate(helper, Roles::ALL, NOW + DAY)] {
        nothing_is_accepted("trust document", &document, |bytes| {
            let mut authority = world.authority.clone();
            let accepted = authority.apply(bytes, &Strict).is_ok();
            assert_eq!(accepted, authority.documents().next().is_some(), "a refusal changes nothing");
            accepted
        });
    }
}

#[test]
fn no_altered_certificate_is_accepted() {
    let world = World::new();
    nothing_is_accepted("certificate", &world.certificate().issue(&world.admission), |bytes| {
        Certificate::verify(bytes, &world.authority, NOW, &Strict).is_ok()
    });
    // Nor is one taken for an expired one, which might renew.
    nothing_is_accepted("expired certificate", &world.certificate().issue(&world.admission), |bytes| {
        matches!(
            Certificate::verify(bytes, &world.authority, NOW + DAY * 15, &Strict),
            Err(CertificateError::Expired { .. })
        )
    });
}

#[test]
fn no_altered_release_is_accepted() {
    let world = World::new();
    let bytes = world.statement().sign(&world.publisher);
    nothing_is_accepted("release", &bytes, |bytes| world.verify(bytes).is_ok());
}

#[test]
fn no_altered_component_is_accepted() {
    let release = World::new().release();
    nothing_is_accepted("component", WASM, |bytes| release.check_component(bytes).is_ok());
}

#[test]
fn no_altered_ticket_is_accepted() {
    let text = World::new().ticket().to_string();
    nothing_is_accepted("ticket", text.as_bytes(), |bytes| {
        // What is no text cannot even be handed in.
        std::str::from_utf8(bytes).is_ok_and(|text| text.parse::<Ticket>().is_ok())
    });
}

#[test]
fn a_ticket_with_any_one_character_replaced_is_refused() {
    let text = World::new().ticket().to_string();
    for at in 0..text.len() {
        for byte in 0..128 {
            let mut altered = text.clone().into_bytes();
            if altered[at] != byte {
                altered[at] = byte;
                let altered = String::from_utf8(altered).unwrap();
                assert!(altered.parse::<Ticket>().is_err(), "{:?} at {at} was accepted", char::from(byte));
            }
        }
    }
}

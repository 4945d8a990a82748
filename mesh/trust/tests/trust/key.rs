use crate::fixture::*;
use orbweave_model::{PublicKey, Signature};
use orbweave_trust::*;

const DOMAINS: [Domain; 5] =
    [Domain::Genesis, Domain::TrustDocument, Domain::Certificate, Domain::Record, Domain::Release];

#[test]
fn a_signature_holds_in_its_own_domain_only() {
    for signed in DOMAINS {
        let signature = key(1).sign(signed, b"message");
        for checked in DOMAINS {
            assert_eq!(Strict.check(&key(1).public(), checked, b"message", &signature), signed == checked);
        }
    }
}

#[test]
fn no_domain_begins_as_another() {
    let prefixes: Vec<_> = DOMAINS.iter().map(|domain| domain.signed_bytes(b"")).collect();
    for (i, a) in prefixes.iter().enumerate() {
        assert!(prefixes.iter().enumerate().all(|(j, b)| i == j || !b.starts_with(a)));
    }
}

#[test]
fn a_release_is_signed_over_the_pre_authentication_encoding_of_dsse() {
    let expected = b"DSSEv1 37 application/vnd.orbweave.release+cbor 5 hello";
    assert_eq!(Domain::Release.signed_bytes(b"hello"), expected);
}

#[test]
fn a_weak_key_verifies_nothing() {
    // The neutral element as key and a zero scalar: plain Ed25519 takes it for any message.
    let mut point = [0; 32];
    point[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    assert!(!Strict.check(&PublicKey(point), Domain::Record, b"anything", &Signature(signature)));
    assert!(!Strict.check(&PublicKey([0xff; 32]), Domain::Record, b"anything", &Signature(signature)));
}

#[test]
fn a_secret_key_comes_back_from_its_bytes_and_is_never_printed() {
    let secret = key(7);
    assert_eq!(SecretKey::from_bytes(secret.to_bytes()).public(), secret.public());
    assert!(!format!("{secret:?}").contains("0707"));
}

#[test]
fn derived_secrets_differ_by_purpose_and_by_key() {
    assert_eq!(key(1).derive("cache"), key(1).derive("cache"));
    assert_ne!(key(1).derive("cache"), key(1).derive("reset"));
    assert_ne!(key(1).derive("cache"), key(2).derive("cache"));
    assert_ne!(key(1).derive("cache"), key(1).to_bytes());
}

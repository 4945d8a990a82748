use crate::fixture::*;
use orbweave_model::{MeshId, Wall};
use orbweave_trust::*;
use std::time::Duration;

fn verify(world: &World, certificate: &Certificate, now: Wall) -> Result<Certificate, CertificateError> {
    Certificate::verify(&certificate.issue(&world.admission), &world.authority, now, &Strict)
}

#[test]
fn a_certificate_comes_back_as_it_was_issued() {
    let world = World::new();
    assert_eq!(verify(&world, &world.certificate(), NOW), Ok(world.certificate()));
}

#[test]
fn a_certificate_holds_from_its_beginning_to_just_before_its_end() {
    let world = World::new();
    let certificate = world.certificate();
    let at = |now| verify(&world, &certificate, now);
    let tick = Duration::from_millis(1);
    assert!(matches!(at(NOW - tick), Err(CertificateError::NotYetValid { .. })));
    assert!(at(NOW).is_ok());
    assert!(at(certificate.expires - tick).is_ok());
    for late in [certificate.expires, Wall(u64::MAX)] {
        assert_eq!(at(late), Err(CertificateError::Expired { certificate: Box::new(certificate.clone()) }));
    }
}

#[test]
fn only_a_key_that_may_admit_can_issue() {
    let world = World::new();
    let issue = |issuer: &SecretKey| {
        let certificate = Certificate { issuer: issuer.public(), ..world.certificate() };
        Certificate::verify(&certificate.issue(issuer), &world.authority, NOW, &Strict)
    };
    assert!(issue(&world.admission).is_ok());
    for other in [&world.publisher, &world.operator, &world.stranger, &world.node, &world.roots[0]] {
        assert_eq!(issue(other), Err(CertificateError::UntrustedIssuer { issuer: other.public() }));
    }
}

#[test]
fn a_certificate_signed_by_another_than_its_issuer_is_refused() {
    let world = World::new();
    let bytes = world.certificate().issue(&world.stranger);
    let expected =
        CertificateError::WrongSigner { issuer: world.admission.public(), signer: world.stranger.public() };
    assert_eq!(Certificate::verify(&bytes, &world.authority, NOW, &Strict), Err(expected));

    let payload = payload(&bytes);
    let (_, signature) = signed_by(&world.stranger, Domain::Certificate, &payload);
    let forged = envelope(&payload, &[(world.admission.public(), signature)]);
    assert!(matches!(
        Certificate::verify(&forged, &world.authority, NOW, &Strict),
        Err(CertificateError::BadSignature { .. })
    ));
    let unsigned = envelope(&payload, &[]);
    assert!(matches!(
        Certificate::verify(&unsigned, &world.authority, NOW, &Strict),
        Err(CertificateError::Envelope(EnvelopeError::Unsigned { .. }))
    ));
}

#[test]
fn a_certificate_of_another_mesh_is_refused() {
    let world = World::new();
    let certificate = Certificate { mesh: MeshId([1; 32]), ..world.certificate() };
    assert!(matches!(verify(&world, &certificate, NOW), Err(CertificateError::OtherMesh { .. })));
}

#[test]
fn a_revoked_node_cannot_even_renew() {
    let mut world = World::new();
    let document = world.revoke(world.node.public());
    world.authority.apply(&document, &Strict).unwrap();
    let expected = Err(CertificateError::Revoked { node: world.node.node_id() });
    assert_eq!(verify(&world, &world.certificate(), NOW), expected);
    assert_eq!(verify(&world, &world.certificate(), NOW + DAY * 100), expected);
}

#[test]
fn nothing_of_a_revoked_issuer_counts() {
    let mut world = World::new();
    let document = world.revoke(world.admission.public());
    world.authority.apply(&document, &Strict).unwrap();
    for now in [NOW, NOW + DAY * 100] {
        assert!(matches!(
            verify(&world, &world.certificate(), now),
            Err(CertificateError::UntrustedIssuer { .. })
        ));
    }
}

#[test]
fn a_draft_lives_at_least_twice_the_longest_partition() {
    let world = World::new();
    let draft = |life| {
        Certificate::draft(&world.authority, node(20), "edge-1", world.admission.public(), NOW, life, 1)
    };
    let shortest = draft(None).unwrap();
    assert_eq!(shortest.expires, NOW + DAY * 14);
    assert!(verify(&world, &shortest, NOW).is_ok());
    assert_eq!(draft(Some(DAY * 13)), Err(CertificateError::TooShort { min: DAY * 14 }));
    assert!(draft(Some(CERTIFICATE_LIFE_MAX)).is_ok());
    assert_eq!(draft(Some(Duration::MAX)), Err(CertificateError::Life));
    // Renewed at half its life it outlives the longest partition that begins then.
    assert!(shortest.renew_from() + DAY * 7 <= shortest.expires);
}

#[test]
fn absurd_lives_and_names_are_refused_without_overflow() {
    let world = World::new();
    let refused = |change: &dyn Fn(&mut Certificate)| {
        let mut certificate = world.certificate();
        change(&mut certificate);
        verify(&world, &certificate, NOW).unwrap_err()
    };
    assert_eq!(refused(&|c| c.expires = Wall(u64::MAX)), CertificateError::Life);
    assert_eq!(refused(&|c| c.expires = c.not_before), CertificateError::Life);
    assert!(matches!(
        refused(&|c| (c.not_before, c.expires) = (Wall(u64::MAX - 1), Wall(u64::MAX))),
        CertificateError::NotYetValid { .. }
    ));
    assert_eq!(refused(&|c| c.name = "a\nb".into()), CertificateError::Name);
    assert_eq!(refused(&|c| c.name = "x".repeat(64)), CertificateError::Name);
}

#[test]
fn keys_of_a_later_version_are_skipped_and_stay_under_the_signature() {
    let world = World::new();
    let newer = with_unknown_key(&payload(&world.certificate().issue(&world.admission)));
    let bytes = envelope(&newer, &[signed_by(&world.admission, Domain::Certificate, &newer)]);
    assert_eq!(Certificate::verify(&bytes, &world.authority, NOW, &Strict), Ok(world.certificate()));
}

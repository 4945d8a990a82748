use crate::fixture::*;
use orbweave_model::{Hash, MeshId, Wall};
use orbweave_trust::*;
use std::time::Duration;

#[test]
fn a_release_comes_back_as_it_was_signed_and_lets_its_component_run() {
    let world = World::new();
    let bytes = world.statement().sign(&world.publisher);
    let release = world.verify(&bytes).unwrap();
    assert_eq!(release.statement(), &world.statement());
    assert_eq!(release.bytes(), bytes);
    let component = release.check_component(WASM).unwrap();
    assert_eq!((component.bytes(), component.hash()), (WASM, Hash::of(WASM)));
    assert_eq!(component.release(), &release);
    assert!(release.check_component(WASM.to_vec()).is_ok());
}

#[test]
fn an_unsigned_release_is_refused() {
    let world = World::new();
    assert_eq!(world.verify(&world.statement().unsigned()), Err(ReleaseError::Unsigned));
}

#[test]
fn a_wrongly_signed_release_is_refused() {
    let world = World::new();
    let bytes = world.statement().sign(&world.stranger);
    assert!(matches!(world.verify(&bytes), Err(ReleaseError::WrongSigner { .. })));

    let payload = payload(&bytes);
    let (_, signature) = signed_by(&world.stranger, Domain::Release, &payload);
    let forged = dsse(RELEASE_PAYLOAD_TYPE, &payload, &[(world.publisher.public(), signature)]);
    assert!(matches!(world.verify(&forged), Err(ReleaseError::BadSignature { .. })));

    let by = signed_by(&world.publisher, Domain::Record, &payload);
    let elsewhere = dsse(RELEASE_PAYLOAD_TYPE, &payload, &[by]);
    assert!(matches!(world.verify(&elsewhere), Err(ReleaseError::BadSignature { .. })));
}

#[test]
fn an_altered_statement_is_refused() {
    let world = World::new();
    let bytes = world.statement().sign(&world.publisher);
    let by = signed_by(&world.publisher, Domain::Release, &payload(&bytes));
    let altered = ReleaseStatement { blake3: Hash([0; 32]), ..world.statement() };
    let altered = payload(&altered.sign(&world.stranger));
    let spliced = dsse(RELEASE_PAYLOAD_TYPE, &altered, &[by]);
    assert!(matches!(world.verify(&spliced), Err(ReleaseError::BadSignature { .. })));
}

#[test]
fn only_a_publisher_of_the_mesh_is_trusted() {
    let world = World::new();
    for other in [&world.stranger, &world.operator, &world.admission, &world.roots[0]] {
        let statement = ReleaseStatement { publisher: other.public(), ..world.statement() };
        assert!(matches!(world.verify(&statement.sign(other)), Err(ReleaseError::UntrustedPublisher { .. })));
    }
}

#[test]
fn a_release_is_admitted_from_its_beginning_to_just_before_its_end_and_resumes_after() {
    let world = World::new();
    let bytes = world.statement().sign(&world.publisher);
    let at = |now| Release::verify(&bytes, &world.authority, &RollbackGuard::new(), now, &Strict);
    let resume =
        |now| Release::verify_for_resume(&bytes, &world.authority, &RollbackGuard::new(), now, &Strict);
    let (tick, end) = (Duration::from_millis(1), world.statement().expires);
    assert!(matches!(at(NOW - tick), Err(ReleaseError::NotYetValid { .. })));
    assert!(matches!(resume(NOW - tick), Err(ReleaseError::NotYetValid { .. })));
    assert!(at(NOW).is_ok() && at(end - tick).is_ok());
    assert!(matches!(at(end), Err(ReleaseError::Expired { .. })));
    assert!(resume(end).is_ok() && resume(Wall(u64::MAX)).is_ok());
}

#[test]
fn a_revoked_publisher_neither_publishes_nor_resumes() {
    let mut world = World::new();
    let bytes = world.statement().sign(&world.publisher);
    let document = world.revoke(world.publisher.public());
    world.authority.apply(&document, &Strict).unwrap();
    assert!(matches!(world.verify(&bytes), Err(ReleaseError::Revoked { .. })));
    assert!(matches!(
        Release::verify_for_resume(&bytes, &world.authority, &RollbackGuard::new(), NOW, &Strict),
        Err(ReleaseError::Revoked { .. })
    ));
}

#[test]
fn a_publisher_whose_delegation_has_ended_publishes_nothing_new_but_its_work_resumes() {
    let mut world = World::new();
    let delegate = key(40);
    let document = world.delegate(delegate.public(), Roles::PUBLISH, NOW + HOUR);
    world.authority.apply(&document, &Strict).unwrap();
    let bytes = ReleaseStatement { publisher: delegate.public(), ..world.statement() }.sign(&delegate);
    let guard = RollbackGuard::new();
    assert!(Release::verify(&bytes, &world.authority, &guard, NOW, &Strict).is_ok());
    assert!(matches!(
        Release::verify(&bytes, &world.authority, &guard, NOW + DAY, &Strict),
        Err(ReleaseError::UntrustedPublisher { .. })
    ));
    assert!(Release::verify_for_resume(&bytes, &world.authority, &guard, NOW + DAY, &Strict).is_ok());
}

#[test]
fn a_release_never_goes_back_unless_signed_anew() {
    let world = World::new();
    let mut guard = RollbackGuard::new();
    let verify = |sequence, guard: &RollbackGuard| {
        let bytes = ReleaseStatement { sequence, ..world.statement() }.sign(&world.publisher);
        Release::verify(&bytes, &world.authority, guard, NOW, &Strict)
    };
    let seventh = verify(7, &guard).unwrap();
    assert!(guard.note(&seventh).is_some() && guard.note(&seventh).is_none());
    assert!(verify(7, &guard).is_ok(), "the same release arrives by many paths");
    assert_eq!(
        verify(6, &guard),
        Err(ReleaseError::Rollback {
            name: "sea-watch".into(),
            fault: RollbackError::RolledBack { have: 7, given: 6 }
        })
    );
    assert!(guard.note(&verify(u64::MAX, &guard).unwrap()).is_some());
    assert!(guard.note(&seventh).is_none(), "a late note does not go back either");
    assert!(verify(7, &guard).is_err());
    assert_eq!(guard.highest(&world.publisher.public(), "sea-watch"), Some(u64::MAX));
    assert_eq!(RollbackGuard::decode(&guard.encode()), Ok(guard.clone()));
    let mut restored = RollbackGuard::new();
    let first = RollbackGuard::new().note(&seventh).unwrap();
    let last = guard.entries().next().unwrap();
    assert_eq!(first.key, last.key, "a later entry takes the place of an earlier one");
    for value in [&last.value, &first.value] {
        restored.restore(value).unwrap();
    }
    assert_eq!(restored, guard, "an entry that is older than what is known changes nothing");
    assert!(restored.restore(&last.value[1..]).is_err());
    let other = ReleaseStatement { name: "greeter".into(), sequence: 1, ..world.statement() };
    let other = other.sign(&world.publisher);
    assert!(Release::verify(&other, &world.authority, &guard, NOW, &Strict).is_ok(), "names count apart");
}

#[test]
fn a_release_for_another_mesh_is_refused_and_one_for_any_is_taken() {
    let world = World::new();
    let with = |mesh| ReleaseStatement { mesh, ..world.statement() }.sign(&world.publisher);
    assert!(world.verify(&with(None)).is_ok());
    assert!(matches!(world.verify(&with(Some(MeshId([1; 32])))), Err(ReleaseError::OtherMesh { .. })));
}

#[test]
fn what_is_no_release_is_malformed() {
    let world = World::new();
    let payload = payload(&world.statement().sign(&world.publisher));
    let by = signed_by(&world.publisher, Domain::Release, &payload);
    let other = dsse("application/json", &payload, &[by]);
    assert!(matches!(world.verify(&other), Err(ReleaseError::OtherType { .. })));
    let two = dsse(RELEASE_PAYLOAD_TYPE, &payload, &[by, by]);
    assert_eq!(world.verify(&two), Err(ReleaseError::TooManySignatures { count: 2 }));
    assert!(matches!(world.verify(b"\0asm"), Err(ReleaseError::Malformed(_))));
    assert!(matches!(world.verify(&[0; 20_000]), Err(ReleaseError::Malformed(_))));
}

#[test]
fn a_statement_that_cannot_be_used_is_refused() {
    let world = World::new();
    let refused = |change: &dyn Fn(&mut ReleaseStatement)| {
        let mut statement = world.statement();
        change(&mut statement);
        match world.verify(&statement.sign(&world.publisher)) {
            Err(ReleaseError::Fault(fault)) => fault,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(&|s| s.name.clear()), StatementFault::Text("name"));
    assert_eq!(refused(&|s| s.version = "1\x1b[2J".into()), StatementFault::Text("version"));
    assert_eq!(refused(&|s| s.exports.push("x".repeat(129))), StatementFault::Text("exports"));
    assert_eq!(refused(&|s| s.imports = vec!["a".into(); 129]), StatementFault::TooMany("imports"));
    assert_eq!(refused(&|s| s.size = 0), StatementFault::Size);
    assert_eq!(refused(&|s| s.size = u64::MAX), StatementFault::Size);
    assert_eq!(refused(&|s| s.expires = s.not_before), StatementFault::Times);
}

#[test]
fn a_component_of_another_size_or_hash_is_refused() {
    let world = World::new();
    let release = world.release();
    assert!(matches!(release.check_component(&WASM[1..]), Err(ComponentError::Size { .. })));
    let mut other = WASM.to_vec();
    other.push(0);
    assert!(matches!(release.check_component(other), Err(ComponentError::Size { .. })));
    let lying = ReleaseStatement { sha256: [0; 32], ..world.statement() }.sign(&world.publisher);
    let lying = world.verify(&lying).unwrap();
    assert!(matches!(lying.check_component(WASM), Err(ComponentError::Sha256 { .. })));
}

#[test]
fn keys_of_a_later_version_are_kept_and_stay_under_the_signature() {
    let world = World::new();
    let newer = with_unknown_key(&payload(&world.statement().sign(&world.publisher)));
    let bytes = dsse(RELEASE_PAYLOAD_TYPE, &newer, &[signed_by(&world.publisher, Domain::Release, &newer)]);
    let release = world.verify(&bytes).unwrap();
    assert_eq!((release.statement(), release.bytes()), (&world.statement(), bytes.as_slice()));
}

#[test]
fn a_release_goes_through_the_json_of_other_tools_and_back() {
    let world = World::new();
    let bytes = world.statement().sign(&world.publisher);
    let json = to_dsse_json(&bytes).unwrap();
    assert_eq!(from_dsse_json(&json), Ok(bytes));
    assert!(json.contains("\"payloadType\": \"application/vnd.orbweave.release+cbor\""));
    assert!(matches!(from_dsse_json("{}"), Err(DsseError::Json(_))));
    assert!(matches!(from_dsse_json(&" ".repeat(100_000)), Err(DsseError::Wire(_))));
    let without = json.replace(&world.publisher.public().to_string(), "who knows");
    assert!(matches!(from_dsse_json(&without), Err(DsseError::Field { field: "keyid", .. })));
}

#[test]
fn every_refusal_has_words_of_its_own() {
    let world = World::new();
    let mut guard = RollbackGuard::new();
    guard.note(&world.release());
    let say = |change: &dyn Fn(&mut ReleaseStatement), now, signer: &SecretKey| {
        let mut statement = world.statement();
        change(&mut statement);
        let bytes = statement.sign(signer);
        Release::verify(&bytes, &world.authority, &guard, now, &Strict).unwrap_err().to_string()
    };
    let mut tampered = WASM.to_vec();
    tampered[9] ^= 1;
    let said = [
        ("unsigned", world.verify(&world.statement().unsigned()).unwrap_err().to_string()),
        ("malformed", world.verify(b"?").unwrap_err().to_string()),
        ("wrongly signed", say(&|_| {}, NOW, &world.stranger)),
        ("not trusted", say(&|s| s.publisher = world.stranger.public(), NOW, &world.stranger)),
        ("not yet valid", say(&|_| {}, NOW - HOUR, &world.publisher)),
        ("expired", say(&|_| {}, NOW + DAY * 91, &world.publisher)),
        ("rolled back", say(&|s| s.sequence = 1, NOW, &world.publisher)),
        ("tampered with", world.release().check_component(tampered).unwrap_err().to_string()),
    ];
    for (i, (word, _)) in said.iter().enumerate() {
        for (j, (_, text)) in said.iter().enumerate() {
            assert_eq!(text.contains(word), i == j, "{word:?} in {text:?}");
        }
    }
}

use crate::fixture::*;
use orbweave_model::{PublicKey, Wall};
use orbweave_trust::*;
use proptest::prelude::*;

/// Everything that a view says about these keys.
fn view(authority: &Authority) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut says = Vec::new();
    for seed in 0..40 {
        for roles in [Roles::ADMIT, Roles::PUBLISH, Roles::OPERATE, Roles::ALL] {
            for now in [NOW, NOW + HOUR, NOW + DAY] {
                says.push(authority.may(&key(seed).public(), roles, now));
            }
            says.push(authority.was_entrusted(&key(seed).public(), roles));
        }
    }
    let documents: Vec<Vec<u8>> = authority.documents().map(<[u8]>::to_vec).collect();
    let revoked: Vec<PublicKey> = authority.revoked().copied().collect();
    (says, documents, revoked)
}

#[test]
fn a_delegation_holds_up_to_its_last_moment() {
    let world = World::new();
    let (mut authority, helper) = (world.authority.clone(), key(40).public());
    let statement = TrustStatement::Delegate { key: helper, roles: Roles::PUBLISH, not_after: NOW + HOUR };
    let document = statement.sign(world.mesh(), &world.two_roots());
    assert!(!authority.may(&helper, Roles::PUBLISH, NOW));
    assert_eq!(authority.apply(&document, &Strict), Ok(Applied::Changed(statement)));
    assert_eq!(authority.apply(&document, &Strict), Ok(Applied::Known));
    assert!(authority.may(&helper, Roles::PUBLISH, NOW + HOUR));
    assert!(!authority.may(&helper, Roles::PUBLISH, NOW + HOUR + std::time::Duration::from_millis(1)));
    assert!(!authority.may(&helper, Roles::ADMIT, NOW));
    assert!(authority.was_entrusted(&helper, Roles::PUBLISH));
    assert_eq!(authority.documents().collect::<Vec<_>>(), [document.as_slice()]);
}

#[test]
fn the_grants_of_the_genesis_hold_until_revoked() {
    let world = World::new();
    let mut authority = world.authority.clone();
    let admission = world.admission.public();
    assert!(authority.may(&admission, Roles::ADMIT, Wall(u64::MAX)));
    assert!(!authority.may(&admission, Roles::PUBLISH, NOW));
    assert!(
        !authority.may(&world.roots[0].public(), Roles::ADMIT, NOW),
        "a root signs documents and no more"
    );
    authority.apply(&world.revoke(admission), &Strict).unwrap();
    assert!(authority.is_revoked(&admission));
    assert!(!authority.may(&admission, Roles::ADMIT, NOW));
    assert!(!authority.may(&admission, Roles::NONE, NOW), "a revoked key may not even nothing");
}

#[test]
fn a_revocation_bars_a_key_whichever_document_arrives_first() {
    let world = World::new();
    let helper = key(40).public();
    let documents = [world.delegate(helper, Roles::ALL, Wall(u64::MAX)), world.revoke(helper)];
    for order in [[0, 1], [1, 0]] {
        let mut authority = world.authority.clone();
        for i in order {
            authority.apply(&documents[i], &Strict).unwrap();
        }
        assert!(authority.is_revoked(&helper) && !authority.may(&helper, Roles::PUBLISH, NOW));
    }
}

#[test]
fn the_signature_of_a_revoked_root_counts_under_no_delegation() {
    let world = World::new();
    let [a, b, c] = &world.roots;
    let (helper, mesh) = (key(40).public(), world.mesh());
    let delegate = TrustStatement::Delegate { key: helper, roles: Roles::PUBLISH, not_after: NOW + DAY };
    let mut authority = world.authority.clone();
    authority.apply(&delegate.sign(mesh, &[a, b]), &Strict).unwrap();
    authority.apply(&TrustStatement::Revoke { key: b.public() }.sign(mesh, &[a, c]), &Strict).unwrap();
    assert!(!authority.may(&helper, Roles::PUBLISH, NOW), "one of two signatures is left");
    // The other root signs the same delegation: both signatures of one document count.
    assert_eq!(authority.apply(&delegate.sign(mesh, &[b, c]), &Strict), Ok(Applied::Changed(delegate)));
    assert!(authority.may(&helper, Roles::PUBLISH, NOW));
}

#[test]
fn roots_that_revoke_one_another_are_both_revoked_in_any_order() {
    let world = World::new();
    let [a, b, c] = &world.roots;
    let documents = [
        TrustStatement::Revoke { key: b.public() }.sign(world.mesh(), &[a, c]),
        TrustStatement::Revoke { key: a.public() }.sign(world.mesh(), &[b, c]),
    ];
    for order in [[0, 1], [1, 0]] {
        let mut authority = world.authority.clone();
        for i in order {
            authority.apply(&documents[i], &Strict).unwrap();
        }
        assert!(authority.is_revoked(&a.public()) && authority.is_revoked(&b.public()));
    }
}

#[test]
fn documents_of_too_few_roots_of_strangers_and_of_other_meshes_are_refused() {
    let world = World::new();
    let mut authority = world.authority.clone();
    let statement = TrustStatement::Revoke { key: world.node.public() };
    let [a, b, _] = &world.roots;
    let mut refused = |document: Vec<u8>| authority.apply(&document, &Strict).unwrap_err();
    assert!(matches!(
        refused(statement.sign(world.mesh(), &[a])),
        TrustError::Endorsement(EndorsementError::TooFew { have: 1, need: 2 })
    ));
    assert!(matches!(
        refused(statement.sign(world.mesh(), &[a, b, &world.admission])),
        TrustError::Endorsement(EndorsementError::NotARoot { .. })
    ));
    assert!(matches!(
        refused(statement.sign(orbweave_model::MeshId([7; 32]), &[a, b])),
        TrustError::OtherMesh { .. }
    ));
    assert!(matches!(
        refused(statement.sign(world.mesh(), &[])),
        TrustError::Envelope(EnvelopeError::Unsigned { .. })
    ));
    assert_eq!(view(&authority), view(&world.authority));
}

#[test]
fn roots_may_sign_a_document_one_after_the_other() {
    let world = World::new();
    let [a, b, _] = &world.roots;
    let statement = TrustStatement::Revoke { key: world.node.public() };
    let cosigned = TrustStatement::cosign(&statement.sign(world.mesh(), &[b]), a).unwrap();
    assert_eq!(cosigned, statement.sign(world.mesh(), &[a, b]));
    let genesis = world.authority.genesis();
    assert_eq!(TrustStatement::verify(&cosigned, world.mesh(), genesis, &Strict), Ok(statement));
}

#[test]
fn documents_of_a_later_version_are_kept_and_forwarded_as_they_came() {
    let world = World::new();
    let mut authority = world.authority.clone();
    let sign = |payload: &[u8]| {
        let mut by = world.two_roots().map(|root| signed_by(root, Domain::TrustDocument, payload));
        by.sort();
        envelope(payload, &by)
    };
    let newer = sign(&with_unknown_key(&payload(&world.revoke(key(41).public()))));
    assert!(matches!(authority.apply(&newer, &Strict), Ok(Applied::Changed(TrustStatement::Revoke { .. }))));
    assert!(authority.is_revoked(&key(41).public()));

    let mut unknown = Vec::new();
    let mut e = minicbor::Encoder::new(&mut unknown);
    e.map(2).unwrap().u8(0).unwrap().bytes(world.mesh().as_bytes()).unwrap().u8(1).unwrap().u8(77).unwrap();
    let unknown = sign(&unknown);
    assert_eq!(authority.apply(&unknown, &Strict), Ok(Applied::NotUnderstood));
    assert_eq!(authority.apply(&unknown, &Strict), Ok(Applied::Known));
    let genesis = world.authority.genesis();
    assert_eq!(
        TrustStatement::verify(&unknown, world.mesh(), genesis, &Strict),
        Err(TrustError::UnknownKind { kind: 77 })
    );
    assert!(authority.documents().any(|d| d == newer) && authority.documents().any(|d| d == unknown));
}

/// A statement about one of the roots or of three others, by at least two roots.
fn document() -> impl Strategy<Value = Vec<u8>> {
    let about = prop_oneof![1_u8..=3, 40_u8..=42];
    (about, any::<bool>(), 0_u32..8, 0_u64..3, 0_usize..4).prop_map(
        |(about, revoke, roles, hours, signers)| {
            let world = World::new();
            let [a, b, c] = &world.roots;
            let key = key(about).public();
            let roles = [Roles::ADMIT, Roles::PUBLISH, Roles::OPERATE]
                .into_iter()
                .enumerate()
                .filter(|(i, _)| roles & (1 << i) != 0)
                .fold(Roles::NONE, |all, (_, role)| all | role);
            let statement = if revoke {
                TrustStatement::Revoke { key }
            } else {
                TrustStatement::Delegate { key, roles, not_after: NOW + HOUR * hours as u32 }
            };
            let signers = &[vec![a, b], vec![b, c], vec![a, c], vec![a, b, c]][signers];
            statement.sign(world.mesh(), signers)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_view_depends_on_the_set_of_documents_and_not_on_order_or_repetition(
        (documents, shuffled) in prop::collection::vec(document(), 1..10).prop_flat_map(|documents| {
            let twice = [documents.clone(), documents.clone()].concat();
            (Just(documents), Just(twice).prop_shuffle())
        })
    ) {
        let (mut one, mut other) = (World::new().authority, World::new().authority);
        for document in &documents {
            prop_assert!(one.apply(document, &Strict).is_ok());
        }
        for document in &shuffled {
            prop_assert!(other.apply(document, &Strict).is_ok());
        }
        prop_assert_eq!(view(&one), view(&other));

        // What a node persists and forwards brings another to the same view.
        let mut heard = World::new().authority;
        for document in one.documents() {
            prop_assert!(heard.apply(document, &Strict).is_ok());
        }
        prop_assert_eq!(view(&one), view(&heard));
    }
}

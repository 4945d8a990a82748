use crate::fixture::*;
use orbweave_model::{Hash, MeshId};
use orbweave_trust::*;

#[test]
fn a_genesis_comes_back_as_it_was_signed() {
    let world = World::new();
    let expected = genesis(&[&key(1), &key(2), &key(3)], 2);
    let id = MeshId(Hash::of(&payload(&world.document)).0);
    assert_eq!(Genesis::verify(&world.document, Some(id), &Strict), Ok((id, expected)));
}

#[test]
fn enough_roots_must_sign_and_none_else_may() {
    let (a, b, c, stranger) = (key(1), key(2), key(3), key(30));
    let genesis = genesis(&[&a, &b, &c], 2);
    let verify = |keys: &[&SecretKey]| Genesis::verify(&genesis.sign(keys), None, &Strict).map(|(id, _)| id);

    let two = verify(&[&a, &b]).unwrap();
    assert_eq!(verify(&[&c, &a]), Ok(two));
    assert_eq!(verify(&[&a, &b, &c]), Ok(two));
    assert!(matches!(
        verify(&[&a]),
        Err(GenesisError::Endorsement(EndorsementError::TooFew { have: 1, need: 2 }))
    ));
    assert!(matches!(verify(&[&a, &a]), Err(GenesisError::Endorsement(EndorsementError::TooFew { .. }))));
    assert!(matches!(
        verify(&[&a, &b, &stranger]),
        Err(GenesisError::Endorsement(EndorsementError::NotARoot { .. }))
    ));
    assert!(matches!(verify(&[]), Err(GenesisError::Envelope(EnvelopeError::Unsigned { .. }))));
}

#[test]
fn roots_may_sign_one_after_the_other() {
    let (a, b, c) = (key(1), key(2), key(3));
    let genesis = genesis(&[&a, &b, &c], 2);
    let together = genesis.sign(&[&a, &c]);
    assert_eq!(Genesis::cosign(&genesis.sign(&[&c]), &a), Ok(together));
}

#[test]
fn the_genesis_of_another_mesh_is_refused() {
    let world = World::new();
    let other = MeshId([1; 32]);
    assert_eq!(
        Genesis::verify(&world.document, Some(other), &Strict),
        Err(GenesisError::OtherMesh { expected: other, found: world.mesh() })
    );
}

#[test]
fn signatures_out_of_order_are_refused() {
    let world = World::new();
    let payload = payload(&world.document);
    let mut by: Vec<_> = world.roots.iter().map(|root| signed_by(root, Domain::Genesis, &payload)).collect();
    by.sort();
    assert!(Genesis::verify(&envelope(&payload, &by), None, &Strict).is_ok());
    by.reverse();
    assert!(matches!(
        Genesis::verify(&envelope(&payload, &by), None, &Strict),
        Err(GenesisError::Envelope(EnvelopeError::Disorder { .. }))
    ));
}

#[test]
fn a_genesis_on_which_no_mesh_can_stand_is_refused() {
    let (a, b) = (key(1), key(2));
    let refused = |change: &dyn Fn(&mut Genesis)| {
        let mut genesis = genesis(&[&a, &b], 2);
        change(&mut genesis);
        match Genesis::verify(&genesis.sign(&[&a, &b]), None, &Strict) {
            Err(GenesisError::Fault(fault)) => fault,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(&|g| g.name = "\x1b[2J".into()), GenesisFault::Name);
    assert_eq!(refused(&|g| g.roots.clear()), GenesisFault::Roots);
    assert_eq!(refused(&|g| g.roots.push(a.public())), GenesisFault::Roots);
    assert_eq!(refused(&|g| g.roots.extend((100..130).map(|i| key(i).public()))), GenesisFault::Roots);
    assert_eq!(refused(&|g| g.threshold = 0), GenesisFault::Threshold);
    assert_eq!(refused(&|g| g.threshold = 3), GenesisFault::Threshold);
    assert_eq!(refused(&|g| g.grants.push(g.grants[0])), GenesisFault::Grants);
    assert_eq!(refused(&|g| g.partition_max_ms = 0), GenesisFault::Partition);
    assert_eq!(refused(&|g| g.partition_max_ms = u64::MAX), GenesisFault::Partition);
}

#[test]
fn keys_of_a_later_version_are_kept_and_stay_under_the_signature() {
    let (a, b) = (key(1), key(2));
    let genesis = genesis(&[&a, &b], 1);
    let newer = with_unknown_key(&payload(&genesis.sign(&[&a])));
    let document = envelope(&newer, &[signed_by(&a, Domain::Genesis, &newer)]);
    let (id, read) = Genesis::verify(&document, None, &Strict).unwrap();
    assert_eq!(read, genesis);
    assert_eq!(id, MeshId(Hash::of(&newer).0), "the id is of what was received, not of what was understood");
    // Another root of this version signs what it does not wholly understand.
    assert_eq!(payload(&Genesis::cosign(&document, &b).unwrap()), newer);
}

#[test]
fn roles_read_as_they_are_written() {
    for text in ["admit", "publish", "operate", "admit,publish,operate"] {
        assert_eq!(text.parse::<Roles>().unwrap().to_string(), text);
    }
    assert!("admin".parse::<Roles>().is_err());
    assert!(Roles::ALL.contains(Roles::ADMIT | Roles::OPERATE));
    assert!(!Roles::ADMIT.contains(Roles::ADMIT | Roles::OPERATE));
    assert_eq!(Roles::NONE.to_string(), "none");
}

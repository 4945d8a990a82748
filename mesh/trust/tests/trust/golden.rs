//! The bytes of every wire type, pinned. A change here is a change of the protocol:
//! nodes of the version before must still read it. `UPDATE_GOLDEN=1` writes the files anew.

use crate::fixture::*;
use orbweave_golden::pinned;
use orbweave_trust::*;

#[test]
fn the_genesis_is_as_it_always_was() {
    let world = World::new();
    let golden = pinned!("genesis", &world.document);
    assert_eq!(Genesis::verify(&golden, None, &Strict).unwrap().0, world.mesh());
    pinned!("mesh-id", world.mesh().as_bytes());
}

#[test]
fn trust_documents_are_as_they_always_were() {
    let world = World::new();
    let mut authority = world.authority.clone();
    let delegate = world.delegate(key(40).public(), Roles::ADMIT | Roles::PUBLISH, NOW + DAY);
    authority.apply(&pinned!("delegate", &delegate), &Strict).unwrap();
    authority.apply(&pinned!("revoke", &world.revoke(key(41).public())), &Strict).unwrap();
    assert!(authority.may(&key(40).public(), Roles::ADMIT | Roles::PUBLISH, NOW));
    assert!(authority.is_revoked(&key(41).public()));
}

#[test]
fn the_certificate_is_as_it_always_was() {
    let world = World::new();
    let golden = pinned!("certificate", &world.certificate().issue(&world.admission));
    assert_eq!(Certificate::verify(&golden, &world.authority, NOW, &Strict), Ok(world.certificate()));
}

#[test]
fn the_release_is_as_it_always_was() {
    let world = World::new();
    let golden = pinned!("release", &world.statement().sign(&world.publisher));
    assert_eq!(world.verify(&golden).unwrap().statement(), &world.statement());
    pinned!("release-json", to_dsse_json(&golden).unwrap().as_bytes());
    let any = ReleaseStatement { mesh: None, ..world.statement() }.sign(&world.publisher);
    assert!(world.verify(&pinned!("release-any-mesh", &any)).is_ok());
}

#[test]
fn the_ticket_is_as_it_always_was() {
    let ticket = World::new().ticket();
    let golden = pinned!("ticket", ticket.to_string().as_bytes());
    assert_eq!(String::from_utf8(golden).unwrap().parse(), Ok(ticket));
}

#[test]
fn what_a_node_stores_is_as_it_always_was() {
    let mut book = TicketBook::new();
    book.issue([5; 32], 2, NOW + HOUR).unwrap();
    book.issue([6; 32], 1, NOW + DAY).unwrap();
    book.redeem(&[5; 32], node(1), NOW).unwrap();
    book.redeem(&[5; 32], node(2), NOW).unwrap();
    assert_eq!(TicketBook::decode(&pinned!("ticket-book", &book.encode())), Ok(book));

    let mut guard = RollbackGuard::new();
    guard.note(&World::new().release());
    assert_eq!(RollbackGuard::decode(&pinned!("rollback-guard", &guard.encode())), Ok(guard));
}

#[test]
fn what_is_signed_begins_as_it_always_did() {
    let domains =
        [Domain::Genesis, Domain::TrustDocument, Domain::Certificate, Domain::Record, Domain::Release];
    let signed: Vec<u8> = domains.iter().flat_map(|domain| domain.signed_bytes(b"message")).collect();
    pinned!("signed-bytes", &signed);
    pinned!("derived-key", &key(1).derive("a purpose"));
}

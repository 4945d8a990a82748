//! What must not get in: by each path by which bytes arrive, with a message that says why.

use crate::support::{Keys, Mesh, Node, component_bytes, now_ms, secs, turn, until};
use orbweave_core::workload::WorkloadSpec;
use orbweave_model::{Hlc, MeshId, Wall};
use orbweave_node::api::event::EventKind;
use orbweave_node::api::types::WorkloadView;
use orbweave_state::record::{Record, RecordKind};
use orbweave_trust::{ReleaseStatement, SecretKey, Ticket};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

async fn refused(node: &Node, keys: &Keys, release: Vec<u8>, word: &str) {
    let said = node.submit(keys.record("forged", &keys.spec(1, release))).await;
    let said = said.expect_err(word);
    assert!(said.starts_with("422: ") && said.contains(word), "{word:?} is not in: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_release_gets_in_that_is_not_as_its_publisher_signed_it() {
    let _turn = turn().await;
    let mesh = Mesh::start(&[("n1", &[])]).await;
    let node = &mesh.nodes[0];
    let keys = Keys::of(node).await;
    let component = component_bytes("hello-http");
    node.upload(&component).await.unwrap();
    let honest = keys.statement("forged", &component);
    let now = Wall(now_ms());
    let stranger = SecretKey::from_bytes([7; 32]);

    refused(node, &keys, honest.unsigned(), "unsigned").await;
    refused(node, &keys, honest.sign(&stranger), "wrongly signed").await;
    let of_stranger = ReleaseStatement { publisher: stranger.public(), ..honest.clone() };
    refused(node, &keys, of_stranger.sign(&stranger), "not trusted").await;
    let over = ReleaseStatement { expires: now - Duration::from_secs(1), ..honest.clone() };
    refused(node, &keys, over.sign(&keys.publisher), "has expired").await;
    let early = ReleaseStatement { not_before: now + HOUR, expires: now + 2 * HOUR, ..honest.clone() };
    refused(node, &keys, early.sign(&keys.publisher), "not yet valid").await;
    let elsewhere = ReleaseStatement { mesh: Some(MeshId([9; 32])), ..honest.clone() };
    refused(node, &keys, elsewhere.sign(&keys.publisher), "is for mesh").await;
    refused(node, &keys, b"nonsense".to_vec(), "malformed").await;
    refused(node, &keys, Vec::new(), "malformed").await;

    // Bytes that differ from those that were signed: what was handed in is another component.
    let mut other = component.clone();
    other[5_000] ^= 1;
    node.upload(&other).await.unwrap();
    let sealed = keys.statement("forged", b"what nobody handed in").sign(&keys.publisher);
    refused(node, &keys, sealed, "is not here").await;
    let liar = ReleaseStatement { sha256: [0; 32], ..honest.clone() };
    refused(node, &keys, liar.sign(&keys.publisher), "SHA-256").await;
    let liar = ReleaseStatement { size: 17, ..honest.clone() };
    refused(node, &keys, liar.sign(&keys.publisher), "bytes").await;

    // The honest one gets in, and from then on nothing older does, also after a restart.
    node.submit(keys.record("honest", &keys.spec(1, honest.sign(&keys.publisher)))).await.unwrap();
    let older = ReleaseStatement { sequence: honest.sequence - 1, ..honest };
    refused(node, &keys, older.sign(&keys.publisher), "rolled back").await;
    let mut mesh = mesh;
    let node = &mut mesh.nodes[0];
    node.kill();
    node.up().await;
    refused(node, &keys, older.sign(&keys.publisher), "rolled back").await;

    let views: Vec<WorkloadView> = node.get("/v1/workloads").await;
    assert!(views.iter().all(|w| w.name.as_str() != "forged"), "{views:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_record_gets_in_with_a_byte_changed_or_of_somebody_without_the_right() {
    let _turn = turn().await;
    let mesh = Mesh::start(&[("n1", &[])]).await;
    let node = &mesh.nodes[0];
    let keys = Keys::of(node).await;
    node.upload(&component_bytes("hello-http")).await.unwrap();
    let honest = keys.record("forged", &keys.spec(1, keys.release("forged", "hello-http")));
    for position in 0..honest.len() {
        let mut forged = honest.clone();
        forged[position] ^= 1;
        let said = node.submit(forged).await.expect_err("a record with a byte changed");
        assert!(said.starts_with("422: ") && said.contains("record"), "byte {position}: {said}");
    }
    let said = node.submit(honest[..honest.len() - 1].to_vec()).await.unwrap_err();
    assert!(said.contains("malformed"), "{said}");
    let said = node.submit(vec![0; 70_000]).await.unwrap_err();
    assert!(said.starts_with("413"), "{said}");

    let stranger = SecretKey::from_bytes([7; 32]);
    let deletion = WorkloadSpec::deletion(9).encode();
    let hlc = Hlc { wall: Wall(now_ms()), count: 0 };
    for author in [&stranger, &keys.publisher] {
        let record = Record::sign(author, keys.mesh, RecordKind::WORKLOAD, "forged", hlc, deletion.clone());
        let said = node.submit(record).await.unwrap_err();
        assert!(said.contains("no right to deploy"), "{said}");
    }
    let other = Record::sign(&keys.operator, MeshId([9; 32]), RecordKind::WORKLOAD, "forged", hlc, deletion);
    assert!(node.submit(other).await.unwrap_err().contains("signature"));
    let ahead = Hlc { wall: Wall(now_ms() + 3_600_000), count: 0 };
    let said = node.submit(keys.record_at("forged", &WorkloadSpec::deletion(9), ahead)).await.unwrap_err();
    assert!(said.contains("ahead of this node's clock"), "{said}");

    node.submit(honest.clone()).await.unwrap();
    // Whoever got no answer asks again.
    node.submit(honest).await.unwrap();
    let before = Hlc { wall: Wall(now_ms() - 3_600_000), count: 0 };
    let said = node.submit(keys.record_at("forged", &WorkloadSpec::deletion(9), before)).await.unwrap_err();
    assert!(said.contains("newer specification"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_signed_but_no_component_does_not_run_and_the_node_says_why() {
    let _turn = turn().await;
    let mesh = Mesh::start(&[("n1", &[])]).await;
    let node = &mesh.nodes[0];
    let keys = Keys::of(node).await;
    let junk = b"this is no WebAssembly".to_vec();
    node.upload(&junk).await.unwrap();
    let release = keys.statement("junk", &junk).sign(&keys.publisher);
    node.submit(keys.record("junk", &keys.spec(1, release))).await.unwrap();
    let failed = until("the refusal to compile", secs(20), async || {
        node.events().await.into_iter().find(|e| e.kind == EventKind::Failed)
    })
    .await;
    let cause = failed.cause.unwrap_or_default();
    assert!(cause.contains("does not compile"), "{cause}");
    let described = node.run(&["describe", "junk"]).await.ok();
    assert!(described.contains("does not compile"), "{described}");
    assert!(node.holders("junk").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_admits_as_many_as_it_says_while_it_lasts_and_nobody_when_changed() {
    let _turn = turn().await;
    let mut mesh = Mesh::prepare(&[("n1", &[]), ("n2", &[]), ("n3", &[])]);
    mesh.found().await;
    let text = mesh.ticket(1, secs(600)).await;
    let letters: Vec<char> = text.chars().collect();
    for position in 0..letters.len() {
        let mut changed = letters.clone();
        changed[position] = if changed[position] == 'a' { 'b' } else { 'a' };
        let changed: String = changed.into_iter().collect();
        assert!(changed.parse::<Ticket>().is_err(), "character {position}");
    }
    let changed = text.replacen(&text[40..41], if &text[40..41] == "a" { "b" } else { "a" }, 1);
    let said = mesh.nodes[2].run(&["join", &changed]).await.failed();
    assert!(said.contains("ticket"), "{said}");

    // Used by one; whoever comes second is told so.
    mesh.nodes[1].spawn(&["join", &text, "--name", "n2"]);
    mesh.nodes[1].ready().await;
    let said = mesh.nodes[2].run(&["join", &text, "--name", "n3"]).await.failed();
    assert!(said.contains("has been used by all") && said.contains("fix:"), "{said}");
    assert!(!mesh.nodes[2].dir.is_member());

    // Over: the joiner's own clock says so, and where that is wrong the issuer does.
    let brief = mesh.ticket(1, Duration::from_millis(1)).await;
    let mut ticket: Ticket = brief.parse().unwrap();
    until("its end", secs(5), async || (now_ms() > ticket.expires.0).then_some(())).await;
    let said = mesh.nodes[2].run(&["join", &brief]).await.failed();
    assert!(said.contains("was good until") && said.contains("fix:"), "{said}");
    ticket.expires = Wall(now_ms() + 600_000);
    let said = mesh.nodes[2].run(&["join", &ticket.to_string()]).await.failed();
    assert!(said.contains("the ticket has expired"), "{said}");

    // A secret that nobody gave out.
    ticket.token = [1; 32];
    let said = mesh.nodes[2].run(&["join", &ticket.to_string()]).await.failed();
    assert!(said.contains("did not issue this ticket"), "{said}");
    // Another mesh at the same address.
    let elsewhere = Ticket { mesh: MeshId([9; 32]), ..text.parse().unwrap() };
    let said = mesh.nodes[2].run(&["join", &elsewhere.to_string()]).await.failed();
    assert!(said.contains("belongs to the mesh"), "{said}");
    // Another node at the same address.
    let impostor = Ticket { issuer: SecretKey::from_bytes([7; 32]).node_id(), ..text.parse().unwrap() };
    let said = mesh.nodes[2].run(&["join", &impostor.to_string()]).await.failed();
    assert!(said.contains("cannot join"), "{said}");
    assert!(!mesh.nodes[2].dir.is_member());
}

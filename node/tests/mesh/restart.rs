//! Nodes that lose the others go on with what they hold.

use crate::support::{Mesh, manifest, now_ms, secs, turn};
use orbweave_model::Wall;
use orbweave_node::state_dir::KeyFile;
use orbweave_trust::Certificate;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_nodes_two_are_killed_and_the_survivor_serves() {
    let _turn = turn().await;
    let mut mesh = Mesh::start(&[("n1", &[]), ("n2", &[]), ("n3", &[])]).await;
    let spec = "replicas: 3\nroute: { host: hello.mesh, idempotent: true }\n";
    mesh.nodes[0].deploy(&manifest("hello", "hello-http", spec)).await;
    let spec = "replicas: 1\nroute: { host: single.mesh, idempotent: true }\n";
    mesh.nodes[0].deploy(&manifest("single", "hello-http", spec)).await;
    let ids = mesh.ids().await;
    let holder = mesh.nodes[0].holders("single").await[0];
    // Whoever holds the single replica is among the dead.
    let survivor = (0..3).rev().find(|&i| ids[i] != holder).unwrap();
    for (i, node) in mesh.nodes.iter_mut().enumerate() {
        if i != survivor {
            node.kill();
        }
    }
    let text = mesh.nodes[survivor].answers("hello.mesh", secs(10)).await;
    assert!(text.starts_with("Hello from the mesh"), "{text}");
    mesh.nodes[survivor].answers("single.mesh", secs(60)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_certificate_expired_while_it_was_away_renews_it_and_is_back() {
    let _turn = turn().await;
    let mut mesh = Mesh::start(&[("n1", &[]), ("n2", &[])]).await;
    let id = mesh.ids().await[1];
    let admission = mesh.nodes[0].dir.read_key(KeyFile::Admission).unwrap();
    let away = &mut mesh.nodes[1];
    let status: orbweave_node::api::types::Status = away.get("/v1/status").await;
    away.kill();
    let (now, day) = (Wall(now_ms()), secs(24 * 3_600));
    let expired = Certificate {
        mesh: status.mesh,
        node: id,
        name: "n2".to_owned(),
        issuer: admission.public(),
        not_before: now - day * 90,
        expires: now - day,
        serial: 1,
    };
    std::fs::write(away.dir.certificate(), expired.issue(&admission)).unwrap();
    away.up().await;
    mesh.all_see_all(secs(30)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_without_flags_is_the_same_node_at_the_same_place() {
    let _turn = turn().await;
    let mesh = Mesh::prepare(&[("n1", &[])]);
    let node = &mesh.nodes[0];
    node.run(&["init", "fleet"]).await.ok();
    let port = format!("--port={}", node.port);
    let flags = ["--listen", "127.0.0.1", "--no-mdns", "--label", "tier=edge", "--instances", "7"];
    node.run(&[&["up", "-d", &port], &flags[..]].concat()).await.ok();
    let down = async || node.run(&["down"]).await.ok();
    let status = async || node.run(&["status"]).await.ok();
    down().await;
    // Flags with which it cannot run are not kept.
    node.run(&["up", "-d", "--listen", "192.0.2.1"]).await.failed();
    for flags in [&[][..], &["--label", "tier=cloud"], &[]] {
        let said = node.run(&[&["up", "-d"], flags].concat()).await.ok();
        assert!(said.contains(&format!("http://127.0.0.1:{}", node.port)), "{said}");
        let said = status().await;
        let label = if flags.is_empty() && !said.contains("cloud") { "tier=edge" } else { "tier=cloud" };
        assert!(said.contains(label) && said.contains("7 replicas") && said.contains("mDNS off"), "{said}");
        down().await;
    }
    let kept = std::fs::read_to_string(node.dir.settings()).unwrap();
    assert!(kept.contains("labels: [\"tier=cloud\"]\n") && kept.contains("instances: 7\n"), "{kept}");
    node.run(&["up", "-d", "--forget", "label", "--forget", "instances"]).await.ok();
    let said = status().await;
    assert!(said.contains("labels        none") && said.contains("256 replicas"), "{said}");
    down().await;
    // The file may be edited, and what is wrong in it is named.
    std::fs::write(node.dir.settings(), "mdns: false\nports: 9000\n").unwrap();
    let said = node.run(&["up", "-d"]).await.failed();
    assert!(said.contains("node.yaml:2:1: unknown field `ports`; did you mean `port`?"), "{said}");
}

//! Two zones of one mesh: what runs in one is reached from the other, and taken over when
//! that one is lost.

use crate::support::{Mesh, Node, manifest, secs, turn_alone, until};
use orbweave_node::api::types::{ZoneState, ZoneView};

/// A node sees these zones, each with its state and as many members.
async fn sees(node: &Node, zones: &[(&str, ZoneState, u32)], within: std::time::Duration) {
    let what = format!("{} sees {zones:?}", node.name);
    until(&what, within, async || {
        let seen: Vec<ZoneView> = node.client.get("/v1/zones").await.ok()?;
        let is = |(name, state, members): &(&str, ZoneState, u32)| {
            seen.iter().any(|zone| zone.name == *name && zone.state == *state && zone.members == *members)
        };
        (seen.len() == zones.len() && zones.iter().all(is)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_zones_share_work_reach_one_another_and_outlive_each_other() {
    let _turn = turn_alone().await;
    let (north, south): (&[&str], &[&str]) =
        (&["--zone", "north", "--label", "at=north"], &["--zone", "south", "--label", "at=south"]);
    let nodes = [("n1", north), ("n2", north), ("s1", south), ("s2", south), ("s3", south)];
    let mut mesh = Mesh::prepare(&nodes);
    mesh.found().await;
    let ticket = mesh.ticket(nodes.len() as u32 - 1, secs(600)).await;
    for node in &mut mesh.nodes[1..] {
        let name = node.name.clone();
        node.spawn(&["join", &ticket, "--name", &name]);
    }
    for node in &mut mesh.nodes[1..] {
        node.ready().await;
    }
    let alive = [("north", ZoneState::Alive, 2), ("south", ZoneState::Alive, 3)];
    for node in &mesh.nodes {
        sees(node, &alive, secs(60)).await;
        let seen: Vec<ZoneView> = node.get("/v1/zones").await;
        assert!(seen[0].own && seen[0].name.starts_with(&node.name[..1]), "{seen:?}");
    }

    // One that may run in one zone alone is answered for in both.
    let far = "replicas: 1\nplacement: { requires: [at=south] }\nroute: { host: far.mesh }\n";
    mesh.nodes[0].deploy(&manifest("far", "hello-http", far)).await;
    for node in &mesh.nodes {
        node.answers("far.mesh", secs(60)).await;
    }
    let why = mesh.nodes[1].run(&["why", "far/0"]).await.ok();
    assert!(why.contains("runs in zone south"), "{why}");
    let called = mesh.nodes[1].run(&["ps"]).await.ok();
    assert!(called.contains("south"), "{called}");

    // Replicas are spread over both; when one zone is lost the other has all of them.
    let both = "replicas: 2\nroute: { host: both.mesh, idempotent: true }\n";
    mesh.nodes[0].deploy(&manifest("both", "hello-http", both)).await;
    for node in &mesh.nodes {
        node.answers("both.mesh", secs(60)).await;
    }
    let running = |node: usize| {
        let mesh = &mesh;
        async move { mesh.nodes[node].holders("both").await.len() }
    };
    until("one replica runs in each zone", secs(60), async || {
        (running(0).await == 1 && running(2).await == 1).then_some(())
    })
    .await;
    for node in &mut mesh.nodes[2..] {
        node.kill();
    }
    let lost = [("north", ZoneState::Alive, 2), ("south", ZoneState::Lost, 3)];
    for node in &mesh.nodes[..2] {
        sees(node, &lost, secs(60)).await;
    }
    until("both replicas run in the zone that is left", secs(60), async || {
        (mesh.nodes[0].holders("both").await.len() == 2).then_some(())
    })
    .await;
    for node in &mesh.nodes[..2] {
        node.answers("both.mesh", secs(10)).await;
    }

    // It comes back, and nothing runs twice for long.
    for node in &mut mesh.nodes[2..] {
        node.up().await;
    }
    for node in &mesh.nodes {
        sees(node, &alive, secs(90)).await;
    }
    until("two replicas are left", secs(90), async || {
        let (north, south) =
            (mesh.nodes[0].holders("both").await.len(), mesh.nodes[2].holders("both").await.len());
        (north + south == 2).then_some(())
    })
    .await;
    for node in &mesh.nodes {
        node.answers("far.mesh", secs(60)).await;
        node.answers("both.mesh", secs(10)).await;
    }
}

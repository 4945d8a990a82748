//! Nodes that lose the others go on with what they hold.

use crate::support::{Mesh, manifest, secs, turn};

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

//! Without gossip: reconciliation alone carries what is new.

use crate::support::{Mesh, manifest, secs, turn_alone};
use std::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_nodes_without_gossip_converge_and_replace_a_dead_holder() {
    let _turn = turn_alone().await;
    let flags: &[&str] = &["--no-gossip"];
    let names = ["n1", "n2", "n3", "n4", "n5"];
    let nodes: Vec<(&str, &[&str])> = names.iter().map(|name| (*name, flags)).collect();
    let mut mesh = Mesh::start(&nodes).await;
    let ids = mesh.ids().await;
    let begun = Instant::now();
    let spec = "replicas: 3\nroute: { host: hello.mesh, idempotent: true }\n";
    mesh.nodes[0].deploy(&manifest("hello", "hello-http", spec)).await;
    mesh.settled("hello", 3, &ids, secs(60)).await;
    for node in &mesh.nodes {
        node.answers("hello.mesh", secs(60)).await;
    }
    assert!(begun.elapsed() < secs(60), "{:?}", begun.elapsed());
    println!("without gossip all five answer after {:?}", begun.elapsed());

    let holders = mesh.nodes[0].holders("hello").await;
    let victim = ids.iter().position(|id| holders.contains(id)).unwrap();
    let begun = Instant::now();
    mesh.nodes[victim].kill();
    let alive: Vec<_> = ids.iter().copied().filter(|id| *id != ids[victim]).collect();
    mesh.settled("hello", 3, &alive, secs(45)).await;
    assert!(begun.elapsed() < secs(45), "{:?}", begun.elapsed());
    println!("without gossip all four see three replicas {:?} after a kill", begun.elapsed());
    for (i, node) in mesh.nodes.iter().enumerate() {
        if i != victim {
            node.answers("hello.mesh", secs(5)).await;
        }
    }
}

//! Nodes are taken out of service and back while requests come in.

use crate::support::{Mesh, manifest, secs, turn, until, web};
use orbweave_node::api::types::{InstanceView, NodeView, Phase, Service};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

const SPEC: &str = "replicas: 2\nroute: { host: hello.mesh, idempotent: true }\n";

/// The names of the nodes that run a replica, in order.
async fn holders(mesh: &Mesh) -> Vec<String> {
    let instances: Vec<InstanceView> = mesh.nodes[0].get("/v1/instances").await;
    let mut names: Vec<String> =
        instances.into_iter().filter(|i| i.phase == Phase::Running).map(|i| i.node_name).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_node_hands_all_over_and_no_request_fails() {
    let _turn = turn().await;
    let mesh = Mesh::start(&[("n1", &[]), ("n2", &[]), ("n3", &[])]).await;
    let node = &mesh.nodes[0];
    node.deploy(&manifest("hello", "hello-http", SPEC)).await;
    let before = holders(&mesh).await;
    let victim = before[0].clone();

    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let ingress = node.ingress();
    let load = tokio::spawn({
        let (stop, sent) = (stop.clone(), sent.clone());
        async move {
            while !stop.load(SeqCst) {
                let answer = web(ingress, "hello.mesh", "/", "").await.unwrap();
                assert_eq!(answer.status, 200, "{answer:?}");
                sent.fetch_add(1, SeqCst);
            }
        }
    });
    let said = node.run(&["drain", &victim, "--wait"]).await;
    assert!(said.err.contains(&format!("{victim} holds nothing any more")), "{}", said.err);
    assert_eq!(said.ok(), format!("Drains {victim}: what it holds goes to others\n"));
    let seen = sent.load(SeqCst);
    until("more requests after it", secs(20), async || (sent.load(SeqCst) > seen + 20).then_some(())).await;
    stop.store(true, SeqCst);
    load.await.unwrap();

    let after = holders(&mesh).await;
    assert_eq!(after.len(), 2);
    assert!(!after.contains(&victim) && after.contains(&before[1]), "{before:?} {after:?}");
    let nodes: Vec<NodeView> = node.get("/v1/nodes").await;
    assert_eq!(nodes.iter().filter(|n| n.service == Service::Drained).count(), 1);
    assert!(node.run(&["nodes"]).await.ok().contains("Alive, drained"));

    // A workload that grows meanwhile grows beside the node that is out of service.
    let said = node.run(&["scale", "hello", "3"]).await.ok();
    assert!(said.contains("from 2 replicas to 3"), "{said}");
    until("a third replica beside the others", secs(20), async || {
        (holders(&mesh).await.len() == 3).then_some(())
    })
    .await;
    assert!(!holders(&mesh).await.contains(&victim));
    assert!(node.run(&["why", "hello/0"]).await.ok().contains("is cordoned, and takes nothing new"));

    assert_eq!(node.run(&["uncordon", &victim]).await.ok(), format!("{victim} is a place for work again\n"));
    assert_eq!(node.run(&["uncordon", &victim]).await.ok(), format!("{victim} is in service already\n"));
    node.run(&["scale", "hello", "6", "--wait"]).await.ok();
    assert!(holders(&mesh).await.contains(&victim), "it takes work again");
    assert!(node.run(&["cordon", "nobody"]).await.failed().contains("no node is called"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_replica_stays_on_a_drained_node_until_another_can_take_it() {
    let _turn = turn().await;
    let mesh = Mesh::start(&[("n1", &[]), ("n2", &["--label=role=worker"])]).await;
    let node = &mesh.nodes[0];
    let spec = "placement: { requires: [role=worker] }\nroute: { host: hello.mesh }\n";
    node.deploy(&manifest("hello", "hello-http", spec)).await;
    let said = node.run(&["drain", "n2", "--wait", "--timeout", "3s"]).await.failed();
    assert!(said.contains("n2 still holds 1") && said.contains("hello/0: "), "{said}");
    assert!(said.contains("its labels do not satisfy `role=worker`"), "{said}");
    assert_eq!(web(node.ingress(), "hello.mesh", "/", "").await.unwrap().status, 200, "nothing is lost");
    let why = node.run(&["why", "hello"]).await.ok();
    assert!(why.contains("it goes to another node once one runs it: its node is drained"), "{why}");
}

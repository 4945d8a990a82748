//! Requests through an ingress: found, repeated, refused.

use crate::support::{
    Mesh, Node, Web, component_bytes, manifest, secs, turn, until, web, web_announced, web_chunked,
};
use bytes::Bytes;
use orbweave_model::NodeId;
use orbweave_model::limit::BODY_BYTES_MAX;
use orbweave_node::api::types::Status;
use orbweave_node::ingress::{ATTEMPTS_HEADER, REPLICA_HEADER, in_flight_key};
use tokio::task::JoinHandle;

fn ask(node: &Node, host: &'static str, path: &'static str) -> JoinHandle<Result<Web, String>> {
    let at = node.ingress();
    tokio::spawn(async move { web(at, host, path, "").await })
}

/// Waits until `entry` has so many requests outstanding at `at`.
async fn in_flight(entry: &Node, at: NodeId, count: u64) {
    until("a request in flight", secs(10), async || {
        let status: Status = entry.get("/v1/status").await;
        (status.counters.get(&in_flight_key(at)).copied().unwrap_or(0) >= count).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_whose_replica_dies_is_repeated_only_where_that_is_allowed() {
    let _turn = turn().await;
    let worker: &[&str] = &["--label=role=worker"];
    let mut mesh = Mesh::start(&[("n1", &[]), ("n2", worker), ("n3", worker)]).await;
    let ids = mesh.ids().await;
    for (name, idempotent, deadline) in [("again", true, "40s"), ("once", false, "60s")] {
        let spec = format!(
            "placement: {{ requires: [role=worker] }}\nlimits: {{ callTime: 30s }}\n\
             route: {{ host: {name}.mesh, idempotent: {idempotent}, deadline: {deadline} }}\n"
        );
        mesh.nodes[0].deploy(&manifest(name, "sleep-then-answer", &spec)).await;
    }
    for (name, host) in [("again", "again.mesh"), ("once", "once.mesh")] {
        let holder = mesh.nodes[0].holders(name).await[0];
        let victim = ids.iter().position(|id| *id == holder).unwrap();
        let asked = ask(&mesh.nodes[0], host, "/?ms=4000");
        in_flight(&mesh.nodes[0], holder, 1).await;
        mesh.nodes[victim].kill();
        let answer = asked.await.unwrap().unwrap();
        if name == "again" {
            assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "slept 4000 ms\n"));
            assert_ne!(answer.header(ATTEMPTS_HEADER), "1");
            let other = ids.iter().find(|id| answer.header(REPLICA_HEADER).starts_with(&id.short()));
            assert!(other.is_some_and(|id| *id != holder && *id != ids[0]), "{answer:?}");
        } else {
            // Whether the guest ran to its end, nobody can tell: it is not asked again,
            // and its client learns so when the node is held for dead, not at the deadline.
            let (status, word) = (answer.status.as_u16(), answer.header("orbweave-error"));
            assert_eq!((status, word), (502, "indeterminate"), "{answer:?}");
            assert!(answer.text().contains("whether the request was carried out is unknown"), "{answer:?}");
            assert_eq!(answer.header(ATTEMPTS_HEADER), "1");
        }
        mesh.nodes[victim].up().await;
        mesh.all_see_all(secs(60)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_sixteen_mebibytes_pass_and_longer_ones_are_refused() {
    let _turn = turn().await;
    let mesh = Mesh::start(&[("n1", &["--label=role=worker"]), ("n2", &[])]).await;
    for (name, idempotent) in [("held", true), ("passed", false)] {
        let spec = format!(
            "placement: {{ requires: [role=worker] }}\nresources: {{ memory: 64Mi }}\n\
             route: {{ host: {name}.mesh, idempotent: {idempotent}, deadline: 30s }}\n"
        );
        mesh.nodes[0].deploy(&manifest(name, "echo-body", &spec)).await;
    }
    let whole: Bytes = component_bytes("sea-watch").into_iter().cycle().take(BODY_BYTES_MAX).collect();
    let longer: Bytes = whole.iter().copied().chain([0]).collect();
    // At the node that runs it, and through another one.
    for node in &mesh.nodes {
        for host in ["held.mesh", "passed.mesh"] {
            node.answers(host, secs(20)).await;
            let echoed = web(node.ingress(), host, "/", whole.clone()).await.unwrap();
            assert_eq!(echoed.status, 200, "{} at {}", host, node.name);
            assert!(echoed.body == whole, "{host} at {}: {} bytes back", node.name, echoed.body.len());
            let echoed = web_chunked(node.ingress(), host, "/", whole.clone()).await.unwrap();
            assert!(echoed.body == whole, "{host} at {}: {} bytes back", node.name, echoed.body.len());

            let refused = web_announced(node.ingress(), host, longer.len()).await;
            assert!(refused.starts_with("HTTP/1.1 413 "), "{host} at {}: {refused}", node.name);
            assert!(refused.contains("at most 16777216 bytes"), "{refused}");
        }
        let refused = web_chunked(node.ingress(), "held.mesh", "/", longer.clone()).await.unwrap();
        assert_eq!(refused.status, 413, "{}", refused.text());
        // Passed on as it comes: the answer may have begun, but it never looks whole.
        if let Ok(answer) = web_chunked(node.ingress(), "passed.mesh", "/", longer.clone()).await {
            assert!(!answer.status.is_success(), "{} bytes back", answer.body.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_route_names_is_not_found_and_the_answer_says_how_to_look() {
    let _turn = turn().await;
    let mesh = Mesh::start(&[("n1", &[])]).await;
    let node = &mesh.nodes[0];
    node.deploy(&manifest("hello", "hello-http", "route: { host: hello.mesh, path: /api }\n")).await;
    let found = web(node.ingress(), "HELLO.mesh:8080", "/api/x?y=1", "").await.unwrap();
    assert_eq!(found.text(), "Hello from the mesh: GET /api/x?y=1\n");
    for (host, path) in [("nobody.mesh", "/api"), ("hello.mesh", "/other"), ("", "/")] {
        let answer = web(node.ingress(), host, path, "").await.unwrap();
        assert_eq!(answer.status, 404, "{host}{path}: {answer:?}");
        assert!(answer.text().contains("orbweave get"), "{}", answer.text());
    }
}

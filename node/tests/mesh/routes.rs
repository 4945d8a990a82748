//! What is deployed can be reached: what could not be is refused, and what became
//! ambiguous behind the mesh's back is said.

use crate::support::{Keys, Mesh, component_bytes, manifest, secs, turn, until, web};
use orbweave_core::workload::Route;
use orbweave_node::api::types::{InstanceView, Phase, Status, WorkloadView};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_that_nobody_could_reach_or_run_is_refused_with_what_to_do() {
    let _turn = turn().await;
    let mesh = Mesh::start(&[("n1", &[])]).await;
    let node = &mesh.nodes[0];
    let write = |name: &str, text: &str| {
        let path = mesh.root.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    // A route to what answers no HTTP, by the command line and past it.
    let deaf = write("deaf.yaml", &manifest("deaf", "greeter", "route: { host: deaf.mesh }\n"));
    let said = node.run(&["deploy", "-f", &deaf]).await.failed();
    for word in ["deaf.yaml: spec.route", "greeter.wasm", "wasi:http/incoming-handler", "orbweave call"] {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    let keys = Keys::of(node).await;
    node.upload(&component_bytes("greeter")).await.unwrap();
    let said = node.submit(keys.record("deaf", &keys.spec(1, keys.release("deaf", "greeter")))).await;
    let said = said.unwrap_err();
    assert!(said.starts_with("422: ") && said.contains("deaf has a route"), "{said}");

    // A release of something else.
    let release = mesh.root.path().join("hello.release");
    let release = release.to_str().unwrap();
    let wasm = crate::support::component("hello-http");
    let sign = ["sign", wasm.to_str().unwrap(), "--name", "hello", "--version", "1.0.0", "-o", release];
    node.run(&sign).await.ok();
    let honest = manifest("hello", "hello-http", "route: { host: hello.mesh }\n");
    let hash = |name: &str| orbweave_model::Hash::of(&component_bytes(name)).to_string();
    for (text, words) in [
        (honest.replace("name: hello", "name: other"), ["hello".to_owned(), "other".to_owned()]),
        (honest.replace("1.0.0", "2.0.0"), ["1.0.0".to_owned(), "2.0.0".to_owned()]),
        (honest.replace("hello-http.wasm", "echo-body.wasm"), [hash("hello-http"), hash("echo-body")]),
    ] {
        let file = write("differs.yaml", &text);
        let said = node.run(&["deploy", "-f", &file, "--release", release]).await.failed();
        assert!(words.iter().all(|word| said.contains(word)), "{words:?} are not in: {said}");
        assert!(said.contains("hello.release") && said.contains("fix:"), "{said}");
    }
    let honest = write("honest.yaml", &honest);
    node.run(&["deploy", "-f", &honest, "--release", release]).await.ok();

    // A host that is taken; another path of it is free, and so is the same for a new generation.
    let second =
        write("second.yaml", &manifest("second", "hello-http", "route: { host: hello.mesh, path: / }\n"));
    let said = node.run(&["deploy", "-f", &second]).await.failed();
    assert!(said.contains("hello.mesh/ is the route of hello already, so second cannot"), "{said}");
    let beside = manifest("beside", "hello-http", "route: { host: hello.mesh, path: /api }\n");
    node.run(&["deploy", "-f", &write("beside.yaml", &beside)]).await.ok();
    node.run(&["deploy", "-f", &honest]).await.ok();
    node.run(&["delete", "hello"]).await.ok();
    node.run(&["deploy", "-f", &second]).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workloads_that_took_one_host_apart_are_named_and_the_first_by_name_answers() {
    let _turn = turn().await;
    let mut mesh = Mesh::start(&[("n1", &[]), ("n2", &[])]).await;
    let keys = Keys::of(&mesh.nodes[0]).await;
    let route =
        Route { host: Some("shop.mesh".to_owned()), path: None, idempotent: true, deadline_ms: 10_000 };
    let record = |name: &str| {
        let spec = keys.spec(1, keys.release(name, "hello-http"));
        keys.record(name, &orbweave_core::workload::WorkloadSpec { route: Some(route.clone()), ..spec })
    };
    // Each says so while the other is away: neither node can know.
    for (deploys, away, name) in [(1, 0, "beta"), (0, 1, "alpha")] {
        mesh.nodes[away].kill();
        if deploys == 0 {
            mesh.nodes[deploys].up().await;
        }
        let node = &mesh.nodes[deploys];
        node.upload(&component_bytes("hello-http")).await.unwrap();
        node.submit(record(name)).await.unwrap();
    }
    mesh.nodes[1].up().await;
    mesh.all_see_all(secs(60)).await;
    for node in &mesh.nodes {
        until(&format!("the conflict at {}", node.name), secs(30), async || {
            let status: Status = node.get("/v1/status").await;
            (status.conflicts.len() == 1).then_some(())
        })
        .await;
        let said = node.run(&["status"]).await.ok();
        assert!(said.contains("shop.mesh/ is the route of alpha and beta: alpha answers"), "{said}");
        for name in ["alpha", "beta"] {
            let said = node.run(&["describe", name]).await.ok();
            assert!(said.contains("shop.mesh/ is the route of alpha and beta: alpha answers"), "{said}");
        }
        let views: Vec<WorkloadView> = node.get("/v1/workloads").await;
        assert_eq!(views[0].rivals, [views[1].name.clone()]);
    }
    // Another node is asked for either: it refuses what the partition let in.
    let said = mesh.nodes[0].submit(record("gamma")).await.unwrap_err();
    assert!(said.contains("shop.mesh/ is the route of alpha already, so gamma cannot"), "{said}");
    mesh.nodes[0].run(&["delete", "beta"]).await.ok();
    until("the end of the conflict", secs(20), async || {
        mesh.nodes[1].get::<Status>("/v1/status").await.conflicts.is_empty().then_some(())
    })
    .await;
    mesh.nodes[1].answers("shop.mesh", secs(30)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_without_holder_and_one_that_is_not_wanted_any_more_say_why() {
    let _turn = turn().await;
    let mesh = Mesh::start(&[("n1", &[]), ("n2", &["--label=role=worker"])]).await;
    let [asked, holder] = &mesh.nodes[..] else { unreachable!() };
    let spec = "replicas: 2\nlimits: { callTime: 30s }\nplacement: { requires: [role=worker] }\n\
                route: { host: slow.mesh, deadline: 30s }\n";
    asked.deploy(&manifest("slow", "sleep-then-answer", spec)).await;
    let nowhere = manifest("nowhere", "hello-http", "placement: { requires: [role=moon] }\n");
    let file = mesh.root.path().join("nowhere.yaml");
    std::fs::write(&file, nowhere).unwrap();
    asked.run(&["deploy", "-f", file.to_str().unwrap()]).await.ok();
    for node in &mesh.nodes {
        until(&format!("the reason at {}", node.name), secs(20), async || {
            let said = node.run(&["ps"]).await.ok();
            said.contains("no node can take it (2 of 2: its labels do not satisfy `role=moon`)").then_some(())
        })
        .await;
    }
    // Deleted while it has a request: the node that does not hold it sees it drain.
    let at = holder.ingress();
    let asking = tokio::spawn(async move { web(at, "slow.mesh", "/?ms=1500", "").await });
    asked.run(&["delete", "slow"]).await.ok();
    until("a surplus slot in another node's view", secs(20), async || {
        let instances: Vec<InstanceView> = asked.get("/v1/instances").await;
        let slow = instances.iter().find(|i| i.workload.as_str() == "slow")?;
        assert!(slow.node.is_some() && slow.note.contains("the workload was deleted"), "{slow:?}");
        (slow.phase == Phase::Draining).then_some(())
    })
    .await;
    let _ = asking.await;
    until("its end", secs(20), async || {
        let instances: Vec<InstanceView> = asked.get("/v1/instances").await;
        instances.iter().all(|i| i.workload.as_str() != "slow").then_some(())
    })
    .await;
}

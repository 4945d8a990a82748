//! The command line as the README shows it, and what it says when it cannot.

use crate::support::{Mesh, Node, ORBWEAVE, component, manifest, secs, turn, until, web};
use orbweave_node::api::client::Item;
use orbweave_node::api::types::{InstanceView, LogLine, NodeView, Status, WorkloadView};
use serde_json::Value;
use std::path::Path;

/// The first six commands, each as a person would write it; the port is the test's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_six_commands_of_the_readme_bring_a_service_up_on_three_nodes() {
    let _turn = turn().await;
    let mesh = Mesh::prepare(&[("a", &[]), ("b", &[]), ("c", &[])]);
    let [a, b, c] = &mesh.nodes[..] else { unreachable!() };
    let port = |node: &Node| format!("--port={}", node.port);
    let place = ["--listen", "127.0.0.1", "--no-mdns"];

    let said = a.run(&["init", "fleet", "--name", "a"]).await.ok();
    assert!(said.contains("Founded the mesh fleet"), "{said}");
    let at = port(a);
    let up = [&["up", "-d", "--label", "tier=cloud", &at], &place[..]].concat();
    let said = a.run(&up).await.ok();
    assert!(said.contains("is up in the mesh fleet"), "{said}");
    let ticket = a.run(&["ticket", "create", "--uses", "2", "--ttl", "1h"]).await.ok();
    for node in [b, c] {
        let at = port(node);
        let join = ["join", ticket.trim(), "-d", "--label", "tier=edge", "--name", &node.name, &at];
        node.run(&[&join, &place[..]].concat()).await.ok();
    }
    let yaml = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/hello.yaml"));
    let yaml = yaml
        .unwrap()
        .replace("../components/dist/hello-http.wasm", component("hello-http").to_str().unwrap());
    let file = mesh.root.path().join("hello.yaml");
    std::fs::write(&file, yaml).unwrap();
    let said = a.run(&["deploy", "-f", file.to_str().unwrap(), "--wait"]).await;
    assert!(said.err.contains("publisher key"), "it says that it signed: {}", said.err);
    assert!(said.ok().contains("Deployed hello, generation 1, 2 replicas"));
    for node in [b, a, c] {
        let text = node.answers("hello.mesh", secs(10)).await;
        assert_eq!(text, "hello from the mesh: GET /\n");
    }
    the_lists_agree(&mesh).await;
    a_deletion_holds(&mesh, &up).await;
    for node in &mesh.nodes {
        assert_eq!(node.run(&["down"]).await.ok(), "The node is down\n");
        assert!(!node.dir.socket().exists());
    }
}

async fn the_lists_agree(mesh: &Mesh) {
    let [a, b, _] = &mesh.nodes[..] else { unreachable!() };
    let status: Status = b.run(&["status", "-o", "json"]).await.json();
    assert_eq!((status.name.as_str(), status.mesh_name.as_str(), status.members.alive), ("b", "fleet", 3));
    assert!(b.run(&["status"]).await.ok().contains("3 alive"));
    let nodes: Vec<NodeView> = b.run(&["nodes", "-o", "json"]).await.json();
    assert_eq!(nodes.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(a.run(&["nodes"]).await.ok().contains("tier=edge"));
    let workloads: Vec<WorkloadView> = b.run(&["get", "-o", "json"]).await.json();
    assert_eq!((workloads.len(), workloads[0].running, workloads[0].replicas), (1, 2, 2));
    let instances: Vec<InstanceView> = b.run(&["ps", "-o", "json"]).await.json();
    assert_eq!(instances.len(), 2);
    assert!(a.run(&["ps"]).await.ok().contains("Running"));
    let described: Value = b.run(&["describe", "hello", "-o", "json"]).await.json();
    assert_eq!(described["release"]["version"], "0.1.0");
    assert_eq!(described["verdicts"].as_array().unwrap().len(), 3);
    assert!(b.run(&["describe", "hello"]).await.ok().contains("hello.mesh"));
    assert!(b.run(&["describe", "a"]).await.ok().contains("tier=cloud"));
    let events = b.run(&["events", "-o", "json"]).await.ok();
    assert!(events.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    assert!(events.contains("workload-accepted"), "{events}");
}

async fn a_deletion_holds(mesh: &Mesh, up: &[&str]) {
    let [a, b, _] = &mesh.nodes[..] else { unreachable!() };
    assert_eq!(a.run(&["delete", "hello"]).await.ok(), "Deleted hello\n");
    until("the end of the service at another node", secs(20), async || {
        let answer = web(b.ingress(), "hello.mesh", "/", "").await.ok()?;
        (answer.status == 404).then_some(())
    })
    .await;
    a.run(&["down"]).await.ok();
    a.run(up).await.ok();
    let all: Vec<WorkloadView> = a.run(&["get", "--all", "-o", "json"]).await.json();
    assert!(all.len() == 1 && all[0].deleted, "{all:?}");
    assert_eq!(a.run(&["get", "-o", "json"]).await.json::<Vec<Value>>().len(), 0);
    assert_eq!(web(a.ingress(), "hello.mesh", "/", "").await.unwrap().status, 404);
    // Twice is once too often.
    assert!(a.run(&["delete", "hello"]).await.failed().contains("no workload is called hello"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_are_called_in_wave_and_lines_of_guests_are_shown() {
    let _turn = turn().await;
    let mesh = Mesh::start(&[("n1", &["--label=role=worker"]), ("n2", &[])]).await;
    let [holder, other] = &mesh.nodes[..] else { unreachable!() };
    let pinned = "placement: { requires: [role=worker] }\n";
    holder.deploy(&manifest("greeter", "greeter", pinned)).await;
    holder.deploy(&manifest("printer", "print-lines", pinned)).await;
    // At the node that runs it, and from another one.
    for node in [holder, other] {
        let call = async |function: &str, args: &str| {
            node.run(&["call", "greeter", function, args, "--deadline", "20s"]).await
        };
        until("the workload at the other node", secs(20), async || {
            (call("greet", "\"Ada\"").await.code == Some(0)).then_some(())
        })
        .await;
        assert_eq!(call("greet", "\"Ada\"").await.ok(), "\"Hello, Ada!\"\n");
        assert_eq!(call("greeter.greet", "\"Ada\"").await.ok(), "\"Hello, Ada!\"\n");
        assert_eq!(call("orbweave:examples/greeter.sum", "[1, 2, -7]").await.ok(), "ok(-4)\n");
        assert_eq!(call("greet-all", "[\"Ada\", \"Bo\"]").await.ok(), "[\"Hello, Ada!\", \"Hello, Bo!\"]\n");
        let visitor = "{name: \"Ada\", languages: [\"xx\", \"de\"], age: some(36)}";
        let said = call("greet-visitor", visitor).await.ok();
        assert_eq!(said, "ok({text: \"Guten Tag, Ada.\", language: \"de\", manner: formal})\n");
        let said = call("greet-visitor", "{name: \"\", languages: []}").await.ok();
        assert_eq!(said, "err(nameless)\n", "an error of the interface is an answer");
        let json: Value = node.run(&["call", "greeter", "greet", "\"Ada\"", "-o", "json"]).await.json();
        assert_eq!(json["result"], "\"Hello, Ada!\"");

        for (function, args) in [("nothing", ""), ("greet", "12"), ("greet", ""), ("greet", "\"Ada")] {
            let said = call(function, args).await.failed();
            assert!(said.contains("fix:"), "{function}({args}): {said}");
        }
    }
    let said = holder.run(&["call", "nobody", "greet"]).await.failed();
    assert!(said.contains("orbweave get"), "{said}");

    assert_eq!(other.run(&["call", "printer", "run", "\"line\""]).await.ok(), "\"printed line\\n\"\n");
    let logs = holder.run(&["logs", "printer"]).await.ok();
    assert!(logs.contains("out: line") && logs.contains("err: line"), "{logs}");
    let logs = holder.run(&["logs", "-o", "json"]).await.ok();
    assert!(logs.lines().any(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["stream"] == "stderr" && line["text"] == "err: line" && line["workload"] == "printer"
    }));
    assert_eq!(holder.run(&["logs", "greeter"]).await.ok(), "");
    // From a node that does not run it, unless only its own are wanted.
    let said = other.run(&["logs", "printer"]).await.ok();
    assert!(said.contains("out: line") && said.contains("err: line"), "{said}");
    assert_eq!(other.run(&["logs", "printer", "--here"]).await.ok(), "");
    let said = other.run(&["events", "printer"]).await.ok();
    assert!(said.contains("started"), "the holder's own event: {said}");
    assert!(!other.run(&["events", "printer", "--here"]).await.ok().contains("started"), "it is not its own");
    // And as it comes.
    let mut follows =
        other.client.lines("/v1/logs?workload=printer&everywhere=true&follow=true").await.unwrap();
    holder.run(&["call", "printer", "run", "\"anew\""]).await.ok();
    let followed = async {
        while let Some(Item::Value(line)) = follows.next::<LogLine>().await.unwrap() {
            if line.text == "out: anew" {
                return;
            }
        }
        panic!("it ended before");
    };
    tokio::time::timeout(secs(20), followed).await.expect("the line of another node");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_refused_with_a_remedy() {
    let _turn = turn().await;
    let mesh = Mesh::start(&[("n1", &[]), ("n2", &[])]).await;
    let node = &mesh.nodes[0];
    let write = |name: &str, text: &str| {
        let path = mesh.root.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let honest = manifest("hello", "hello-http", "replicas: 2\n");
    let unknown = write("unknown.yaml", &honest.replace("replicas", "replica"));
    let negative = write("negative.yaml", &honest.replace("replicas: 2", "replicas: -2"));
    let missing = write("missing.yaml", &honest.replace("hello-http.wasm", "nowhere.wasm"));
    let broken = write("broken.yaml", "a: [");
    let text = write("text.wasm", "no component");
    let honest = write("honest.yaml", &honest);
    for (args, word) in [
        (&["deploy", "-f", &unknown][..], "replica"),
        (&["deploy", "-f", &negative], "negative.yaml:8:"),
        (&["deploy", "-f", &missing], "nowhere.wasm"),
        (&["deploy", "-f", &broken], "broken.yaml:1:"),
        (&["deploy", "-f", "/nowhere.yaml"], "/nowhere.yaml"),
        (&["deploy", "-f", &honest, "--key", "/nowhere.key"], "/nowhere.key"),
        (&["sign", &text, "--name", "x", "--version", "1", "-o", "/tmp/x.release"], "text.wasm"),
        (&["delete", "nobody"], "no workload is called nobody"),
        (&["get", "nobody"], "no workload is called nobody"),
        (&["describe", "nobody"], "nobody"),
        (&["ticket", "create", "--uses", "0"], "0"),
        (&["ticket", "create", "--ttl", "soon"], "soon"),
        (&["init", "again"], "already"),
        (&["up"], "already runs"),
        (&["call", "No_Such"], "No_Such"),
        (&["frobnicate"], "frobnicate"),
        (&["join", "ow1nonsense"], "ticket"),
    ] {
        let said = node.run(args).await.failed();
        assert!(said.contains(word), "{args:?}: {word:?} is not in: {said}");
    }
    // A node without the keys says which is missing and what can be done.
    let said = mesh.nodes[1].run(&["deploy", "-f", &honest]).await.failed();
    assert!(said.contains("operator.key") && said.contains("fix:"), "{said}");
    let said = mesh.nodes[1].run(&["ticket", "create"]).await.failed();
    assert!(said.contains("admission.key"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_node_runs_each_command_says_how_to_start_one() {
    let mesh = Mesh::prepare(&[("n1", &[])]);
    let node = &mesh.nodes[0];
    let said = node.run(&["up"]).await.failed();
    assert!(said.contains("orbweave init") && said.contains("orbweave join"), "{said}");
    node.run(&["init", "fleet"]).await.ok();
    for command in ["status", "ps", "get", "nodes", "logs", "events"] {
        let said = node.run(&[command]).await.failed();
        assert!(said.contains("no node runs") && said.contains("orbweave up"), "{command}: {said}");
    }
    // It is down already: nothing to do, and no error.
    node.run(&["down"]).await.ok();
    let schema: Value = node.run(&["schema"]).await.json();
    assert!(schema["properties"]["spec"].is_object());
    let version = node.run(&["--version"]).await.ok();
    assert_eq!(version, format!("orbweave {}\n", env!("CARGO_PKG_VERSION")));
    assert!(Path::new(ORBWEAVE).is_file());
}

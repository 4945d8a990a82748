//! Why a replica is nowhere, and what a manifest would change: asked of real nodes, in words.

use crate::support::{Keys, Mesh, component_bytes, manifest, now_ms, secs, turn, until};
use orbweave_model::Wall;
use orbweave_node::api::types::{Fate, Plan, QuotaView, Why, WorkloadView};
use orbweave_trust::{ReleaseStatement, SecretKey};

/// What cannot be placed: its specification, and the reason as `plan` and `why` give it.
const NOWHERE: [(&str, &str, &str); 8] = [
    (
        "missing-label",
        "placement: { requires: [tier=orbit] }\n",
        "no node can take it (2 of 2: its labels do not satisfy `tier=orbit`)",
    ),
    (
        "contradiction",
        "placement: { requires: [tier=edge, \"tier in (cloud, orbit)\"] }\n",
        "its conditions `tier=edge` and `tier in (cloud, orbit)` contradict one another",
    ),
    (
        "memory",
        "resources: { memory: 2Gi }\n",
        "no node can take it (2 of 2: needs 2048 MiB of memory, 1024 MiB are free)",
    ),
    ("cpu", "resources: { cpu: 8 }\n", "no node can take it (2 of 2: needs 8000m of cpu, 2000m are free)"),
    (
        "accelerator",
        "resources: { accelerator: 1 }\n",
        "no node can take it (2 of 2: needs 1000m of an accelerator, 500m are free)",
    ),
    (
        "capability",
        "resources: { cpu: 100m }\n",
        "no node can take it (2 of 2: grants no guest `wasi:http/types@0.2.12`)",
    ),
    (
        "spread",
        "placement: { spread: [{ over: rack, atMost: 1 }] }\n",
        "no node can take it (2 of 2: has no label `rack`, over which replicas are spread)",
    ),
    (
        "latency",
        "placement: { near: [{ labels: [site=moon], within: 5ms }] }\n",
        "no node can take it (2 of 2: knows no way to nodes with site=moon)",
    ),
];

const OFFERS: [&str; 4] = ["--cpu=2", "--memory=1Gi", "--instances=16", "--deny=wasi:http"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_placed_says_why_before_and_after_it_is_deployed() {
    let _turn = turn().await;
    let cloud = [&OFFERS[..], &["--label=tier=cloud"]].concat();
    let edge = [&OFFERS[..], &["--label=tier=edge", "--accelerators=500m"]].concat();
    let mesh = Mesh::start(&[("n1", &cloud), ("n2", &edge)]).await;
    let [here, there] = &mesh.nodes[..] else { unreachable!() };
    for (name, spec, reason) in NOWHERE {
        let component = if name == "capability" { "hello-http" } else { "greeter" };
        let file = mesh.root.path().join(format!("{name}.yaml"));
        let file = file.to_str().unwrap();
        std::fs::write(file, manifest(name, component, spec)).unwrap();
        let said = here.run(&["plan", "-f", file]).await;
        assert_eq!(said.code, Some(1), "{name}: {}", said.err);
        assert!(said.out.contains(reason), "{name}: {}", said.out);
        here.run(&["deploy", "-f", file]).await.ok();
        // From the node that was not asked before, too.
        for node in [here, there] {
            let mut last = String::new();
            until(&format!("the reason of {name} at {}: {reason}", node.name), secs(30), async || {
                let said = node.run(&["why", name]).await;
                last = said.out.lines().next().unwrap_or_default().to_owned();
                let expected = format!("{name}/0 runs nowhere: {reason}");
                (last == expected).then_some(())
            })
            .await;
            println!("{last}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_says_what_would_start_stay_begin_anew_and_end_and_changes_nothing() {
    let _turn = turn().await;
    let mesh = Mesh::start(&[("n1", &["--label=tier=cloud"]), ("n2", &["--label=tier=edge"])]).await;
    let node = &mesh.nodes[0];
    let file = mesh.root.path().join("greeter.yaml");
    let write = |spec: &str| std::fs::write(&file, manifest("greeter", "greeter", spec)).unwrap();
    let args = ["plan", "-f", file.to_str().unwrap()];
    let json = [&args[..], &["-o", "json"]].concat();
    let plan = async |code: i32| -> Plan {
        let said = node.run(&json).await;
        assert_eq!(said.code, Some(code), "{}{}", said.out, said.err);
        serde_json::from_str(&said.out).unwrap()
    };
    let fates = |plan: &Plan| plan.slots.iter().map(|slot| slot.fate).collect::<Vec<_>>();

    write("replicas: 2\n");
    let first = plan(1).await;
    assert_eq!(fates(&first), [Fate::Starts, Fate::Starts]);
    let places: std::collections::BTreeSet<_> =
        first.slots.iter().map(|slot| slot.to.clone().unwrap().name).collect();
    assert_eq!(places.len(), 2, "apart from one another");
    assert!(node.run(&["get", "-o", "json"]).await.ok().starts_with("[]"), "a plan changes nothing");
    node.run(&["deploy", "-f", file.to_str().unwrap(), "--wait"]).await.ok();

    let same = plan(0).await;
    assert!(!same.changes && same.fits, "{same:?}");
    assert_eq!(node.run(&args).await.ok(), "greeter: nothing would change\n");
    let said = node.run(&["deploy", "-f", file.to_str().unwrap(), "--wait"]).await.ok();
    assert_eq!(said, "greeter is unchanged, generation 1\n");

    write("replicas: 1\n");
    assert_eq!(fates(&plan(1).await), [Fate::Stays, Fate::Ends]);
    write("replicas: 2\nenv: { A: b }\n");
    assert_eq!(fates(&plan(1).await), [Fate::BeginsAnew, Fate::BeginsAnew]);
    write("replicas: 2\nplacement: { requires: [tier=edge] }\n");
    let moved = plan(1).await;
    let mut all = fates(&moved);
    all.sort();
    assert_eq!(all, [Fate::Stays, Fate::Moves]);
    let moved = moved.slots.iter().find(|slot| slot.fate == Fate::Moves).unwrap();
    assert_eq!(moved.to.as_ref().unwrap().name, "n2");
    assert!(moved.why.as_ref().unwrap().contains("tier=edge"), "{moved:?}");

    let why: Why = node.get("/v1/workloads/greeter/why?slot=1").await;
    let holder = why.keeper.unwrap().name;
    assert!(why.answer.starts_with(&format!("greeter/1 runs on {holder} (epoch 1)")), "{}", why.answer);
    assert_eq!(why.places.iter().filter(|place| place.fits).count(), 2);
    assert!(node.run(&["why", "greeter/1"]).await.ok().contains("holds it"));
    let said = node.run(&["why", "nobody"]).await.failed();
    assert!(said.contains("no workload is called nobody"), "{said}");
    let said = node.run(&["why", "greeter/x"]).await.failed();
    assert!(said.contains("is no slot"), "{said}");
    std::fs::write(&file, "a: [").unwrap();
    let said = node.run(&args).await;
    assert_eq!(said.code, Some(255), "an error is no change: {}", said.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_nobody_would_run_is_named_before_it_is_deployed() {
    let _turn = turn().await;
    let mesh = Mesh::start(&[("n1", &[])]).await;
    let node = &mesh.nodes[0];
    let keys = Keys::of(node).await;
    let file = mesh.root.path().join("greeter.yaml");
    std::fs::write(&file, manifest("greeter", "greeter", "replicas: 1\n")).unwrap();
    let honest = keys.statement("greeter", &component_bytes("greeter"));
    let stranger = SecretKey::from_bytes([9; 32]);
    let expired = ReleaseStatement { expires: Wall(now_ms() - 1_000), ..honest.clone() };
    let strange = ReleaseStatement { publisher: stranger.public(), ..honest };
    for (release, word) in
        [(expired.sign(&keys.publisher), "expired"), (strange.sign(&stranger), "not trusted")]
    {
        let path = mesh.root.path().join("greeter.release");
        std::fs::write(&path, release).unwrap();
        let args = ["plan", "-f", file.to_str().unwrap(), "--release", path.to_str().unwrap()];
        let said = node.run(&args).await;
        assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
        assert!(said.out.contains("It would be refused") && said.out.contains(word), "{}", said.out);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_quota_does_not_cover_runs_nowhere_until_it_does() {
    let _turn = turn().await;
    let mesh = Mesh::start(&[("n1", &[]), ("n2", &[])]).await;
    let [node, other] = &mesh.nodes[..] else { unreachable!() };
    let file = mesh.root.path().join("greeter.yaml");
    let path = file.to_str().unwrap();
    let write = |replicas: u32| {
        let text = manifest("greeter", "greeter", &format!("replicas: {replicas}\n"));
        std::fs::write(&file, text.replacen("name: greeter", "name: greeter\n  namespace: tenant", 1))
            .unwrap();
    };
    let said = node.run(&["quota", "set", "tenant", "--replicas", "2", "--cpu", "1"]).await.ok();
    assert_eq!(said, "Namespace tenant has a quota now\n");
    let short = "the quota of namespace tenant covers 2 of 3 replicas: it allows no more replicas";
    write(3);
    let said = node.run(&["plan", "-f", path]).await;
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    assert!(said.out.contains(short), "{}", said.out);
    node.run(&["deploy", "-f", path]).await.ok();
    for node in [node, other] {
        let expected = format!("greeter/2 runs nowhere: {short}");
        until(&format!("the reason at {}", node.name), secs(30), async || {
            let said = node.run(&["why", "greeter/2"]).await;
            (said.out.lines().next() == Some(&expected)).then_some(())
        })
        .await;
    }
    let quotas: Vec<QuotaView> = node.get("/v1/quotas").await;
    assert_eq!((quotas.len(), quotas[0].used.instances, quotas[0].uncovered), (1, 2, 1), "{quotas:?}");
    let listed = node.run(&["quota", "ls"]).await.ok();
    assert!(listed.contains("tenant     2/2       200m/1"), "{listed}");

    let running = async || {
        let workloads: Vec<WorkloadView> = other.get("/v1/workloads").await;
        workloads.first().map_or(0, |workload| workload.running)
    };
    until("two of them run", secs(30), async || (running().await == 2).then_some(())).await;
    node.run(&["quota", "rm", "tenant"]).await.ok();
    until("all of them run", secs(30), async || (running().await == 3).then_some(())).await;
    node.run(&["quota", "set", "tenant", "--replicas", "1"]).await.ok();
    until("one of them is left", secs(30), async || (running().await == 1).then_some(())).await;
    let said = node.run(&["quota", "set", "tenant"]).await.failed();
    assert!(said.contains("--replicas"), "{said}");
    let said = node.run(&["quota", "set", "tenant", "--cpu", "many"]).await.failed();
    assert!(said.contains("many"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workload_is_scaled_and_what_runs_goes_on() {
    let _turn = turn().await;
    let mesh = Mesh::start(&[("n1", &[]), ("n2", &[])]).await;
    let node = &mesh.nodes[0];
    node.deploy(&manifest("greeter", "greeter", "replicas: 1\n")).await;
    let said = node.run(&["scale", "greeter", "3", "--wait"]).await.ok();
    assert_eq!(said, "Scaled greeter from 1 replica to 3, generation 2\n");
    let said = node.run(&["scale", "greeter", "3"]).await.ok();
    assert_eq!(said, "greeter has 3 replicas already\n");
    let started = |events: &str| events.lines().filter(|line| line.contains("greeter/0 runs")).count();
    assert_eq!(started(&node.run(&["events", "greeter"]).await.ok()), 1, "slot 0 was left alone");
    assert!(node.run(&["scale", "nobody", "2"]).await.failed().contains("no workload is called nobody"));
    assert!(node.run(&["scale", "greeter", "0"]).await.failed().contains('0'));
}

//! Changes go to a few replicas at a time while requests come in, and back where what is
//! new does not come up.

use crate::support::{Mesh, Node, manifest, secs, turn_alone, web};
use orbweave_node::api::types::{Describe, InstanceView, Phase, RolloutState};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use tokio::task::JoinHandle;

const REPLICAS: usize = 12;
const AT_A_TIME: usize = 3;

fn spec(greeting: &str) -> String {
    format!(
        "replicas: {REPLICAS}\nenv: {{ GREETING: {greeting} }}\nhealth: /health\n\
         resources: {{ cpu: 10m, memory: 16Mi }}\nupdate: {{ maxUnavailable: {AT_A_TIME}, settle: 1s }}\n\
         route: {{ host: hello.mesh, idempotent: true }}\n"
    )
}

/// Requests one after the other, each of which must be answered.
struct Load {
    stop: Arc<AtomicBool>,
    task: JoinHandle<BTreeSet<String>>,
}

impl Load {
    fn begin(node: &Node) -> Self {
        let (stop, ingress) = (Arc::new(AtomicBool::new(false)), node.ingress());
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let mut said = BTreeSet::new();
            while !stopped.load(SeqCst) {
                let answer = web(ingress, "hello.mesh", "/", "").await.unwrap();
                assert_eq!(answer.status, 200, "{answer:?}");
                said.insert(String::from_utf8_lossy(&answer.body).split(' ').next().unwrap().to_owned());
            }
            said
        });
        Self { stop, task }
    }

    /// The first words of all answers.
    async fn end(self) -> BTreeSet<String> {
        self.stop.store(true, SeqCst);
        self.task.await.unwrap()
    }
}

/// Counts, all the time, how few replicas run.
struct Fewest {
    stop: Arc<AtomicBool>,
    task: JoinHandle<usize>,
    looks: Arc<AtomicU32>,
}

impl Fewest {
    fn begin(node: &Node) -> Self {
        let (stop, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let client = node.client.clone();
        let (stopped, looked) = (stop.clone(), looks.clone());
        let task = tokio::spawn(async move {
            let mut fewest = usize::MAX;
            while !stopped.load(SeqCst) {
                let instances: Vec<InstanceView> = client.get("/v1/instances").await.unwrap();
                let running: BTreeSet<u32> =
                    instances.iter().filter(|i| i.phase == Phase::Running).map(|i| i.slot).collect();
                fewest = fewest.min(running.len());
                looked.fetch_add(1, SeqCst);
            }
            fewest
        });
        Self { stop, task, looks }
    }

    async fn end(self) -> usize {
        self.stop.store(true, SeqCst);
        assert!(self.looks.load(SeqCst) > 3, "it looked");
        self.task.await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_reaches_all_and_a_bad_one_is_taken_back_and_no_request_fails() {
    let _turn = turn_alone().await;
    let mesh = Mesh::start(&[("n1", &[]), ("n2", &[]), ("n3", &[])]).await;
    let node = &mesh.nodes[0];
    let file = mesh.root.path().join("hello.yaml");
    let deploy = async |component: &str, spec: &str| {
        std::fs::write(&file, manifest("hello", component, spec)).unwrap();
        node.run(&["deploy", "-f", file.to_str().unwrap(), "--wait", "--timeout", "90s"]).await
    };
    deploy("hello-http", &spec("one")).await.ok();
    let said = node.run(&["rollout", "status", "hello"]).await.ok();
    assert_eq!(said, "hello: nothing is rolled out: generation 1 runs, and there is nothing to go back to\n");

    let (load, fewest) = (Load::begin(&mesh.nodes[1]), Fewest::begin(node));
    deploy("hello-http", &spec("two")).await.ok();
    let said = node.run(&["rollout", "status", "hello", "--wait"]).await.ok();
    assert_eq!(said, "hello: generation 2 is rolled out; 12 of 12 replicas run it, 12 have settled\n");
    assert_eq!(load.end().await, BTreeSet::from(["one".to_owned(), "two".to_owned()]));
    assert!(fewest.end().await >= REPLICAS - AT_A_TIME);

    // What traps at its health check never takes the place of what answers.
    let (load, fewest) = (Load::begin(&mesh.nodes[2]), Fewest::begin(node));
    let said = deploy("trap-on-call", &spec("three")).await.failed();
    assert!(said.contains("generation 3 of hello did not come up"), "{said}");
    assert!(said.contains("replicas run generation 2 again"), "{said}");
    let said = node.run(&["rollout", "status", "hello"]).await.ok();
    assert!(said.contains("and replicas run 2 again"), "{said}");
    assert_eq!(load.end().await, BTreeSet::from(["two".to_owned()]));
    assert!(fewest.end().await >= REPLICAS - AT_A_TIME);
    let events = node.run(&["events", "hello"]).await.ok();
    assert!(events.contains("generation 3 of hello is rolled back"), "{events}");
    assert!(events.contains("health check /health"), "{events}");
    // And it stays so for whoever asks again.
    let described: Describe = mesh.nodes[2].get("/v1/workloads/hello").await;
    assert_eq!(described.rollout.unwrap().state, RolloutState::RolledBack);

    // More of what runs is no new try, and says nothing of what did not come up.
    let said = node.run(&["scale", "hello", "13", "--wait"]).await.ok();
    assert!(said.contains("to 13, generation 4"), "{said}");
    assert!(node.run(&["get"]).await.ok().contains("4, rolled back to 2"));
    // Handed in once more, it is tried once more.
    let said = deploy("trap-on-call", &spec("three")).await;
    assert!(said.out.contains("Deployed hello, generation 5"), "{}", said.out);
    assert!(said.failed().contains("generation 5 of hello did not come up"));

    // People take it back for good, and then what they had before.
    let load = Load::begin(&mesh.nodes[1]);
    let said = node.run(&["rollout", "undo", "hello"]).await.ok();
    assert_eq!(said, "hello goes back to what generation 2 was, as generation 6\n");
    node.run(&["rollout", "status", "hello", "--wait", "--timeout", "90s"]).await.ok();
    assert_eq!(load.end().await, BTreeSet::from(["two".to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_that_is_paused_goes_no_further_until_it_is_resumed() {
    let _turn = turn_alone().await;
    let mesh = Mesh::start(&[("n1", &[]), ("n2", &[])]).await;
    let node = &mesh.nodes[0];
    let file = mesh.root.path().join("greeter.yaml");
    let write = |env: &str| {
        let spec =
            format!("replicas: 4\nenv: {{ A: {env} }}\nupdate: {{ maxUnavailable: 1, settle: 30s }}\n");
        std::fs::write(&file, manifest("greeter", "greeter", &spec)).unwrap();
    };
    let rollout = async || {
        let described: Describe = node.get("/v1/workloads/greeter").await;
        described.rollout.unwrap()
    };
    assert!(node.run(&["rollout", "pause", "greeter"]).await.failed().contains("no workload is called"));
    write("one");
    let deploy = ["deploy", "-f", file.to_str().unwrap()];
    node.run(&[&deploy[..], &["--wait"]].concat()).await.ok();
    assert!(node.run(&["rollout", "pause", "greeter"]).await.failed().contains("nothing of greeter"));
    write("two");
    node.run(&deploy).await.ok();
    crate::support::until("the first replica on what is new", secs(30), async || {
        (rollout().await.updated == 1).then_some(())
    })
    .await;
    assert_eq!(node.run(&["rollout", "pause", "greeter"]).await.ok(), "Paused the rollout of greeter\n");
    crate::support::until("what runs under the new generation", secs(30), async || {
        let paused = rollout().await;
        let seen = (paused.state, paused.updated, paused.settled);
        (seen == (RolloutState::Paused, 1, 0)).then_some(())
    })
    .await;
    let said = node.run(&["rollout", "pause", "greeter"]).await.ok();
    assert_eq!(said, "The rollout of greeter is paused already\n");
    assert_eq!(
        node.run(&["rollout", "resume", "greeter"]).await.ok(),
        "Goes on with the rollout of greeter\n"
    );
    assert_eq!(rollout().await.state, RolloutState::Progressing);
    // Undone is a release like any other: it too goes one at a time.
    node.run(&["rollout", "undo", "greeter"]).await.ok();
    let said = node.run(&["rollout", "status", "greeter", "-o", "json"]).await.ok();
    assert!(said.contains("\"maxUnavailable\": 1"), "{said}");
}

//! Guests that take more than they may, and their neighbours on the same node.

use crate::support::{Keys, Mesh, Node, compile_bomb, manifest, secs, turn, until, web};
use orbweave_node::api::event::EventKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Asks a neighbour without a pause until it is told to stop: how many answers, and the
/// first failure.
struct Neighbour {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    asking: JoinHandle<Option<String>>,
}

impl Neighbour {
    fn of(node: &Node, host: &'static str, pause: Duration) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (at, stopped, count) = (node.ingress(), stop.clone(), answered.clone());
        let asking = tokio::spawn(async move {
            while !stopped.load(Relaxed) {
                match web(at, host, "/", "").await {
                    Ok(answer) if answer.status == 200 => count.fetch_add(1, Relaxed),
                    other => return Some(format!("{other:?}")),
                };
                tokio::time::sleep(pause).await;
            }
            None
        });
        Self { stop, answered, asking }
    }

    /// The number of answers, all of them good.
    async fn unharmed(self) -> u64 {
        self.stop.store(true, Relaxed);
        assert_eq!(self.asking.await.unwrap(), None);
        self.answered.load(Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_loops_or_takes_memory_without_end_harms_only_its_caller() {
    let _turn = turn().await;
    let mesh = Mesh::start(&[("n1", &[])]).await;
    let node = &mesh.nodes[0];
    node.deploy(&manifest("hello", "hello-http", "route: { host: hello.mesh }\n")).await;
    for guest in ["spin-forever", "allocate-without-end"] {
        let spec = format!(
            "resources: {{ memory: 32Mi }}\nlimits: {{ callTime: 400ms, concurrency: 2 }}\n\
             route: {{ host: {guest}.mesh }}\n"
        );
        node.deploy(&manifest(guest, guest, &spec)).await;
    }
    let neighbour = Neighbour::of(node, "hello.mesh", Duration::from_millis(2));
    let at = node.ingress();
    for round in 0..5 {
        let (spun, gorged) = tokio::join!(
            async {
                tokio::join!(web(at, "spin-forever.mesh", "/", ""), web(at, "spin-forever.mesh", "/", ""))
            },
            web(at, "allocate-without-end.mesh", "/", "")
        );
        for answer in [spun.0, spun.1] {
            let answer = answer.unwrap();
            assert_eq!(answer.status, 504, "round {round}: {answer:?}");
            assert_eq!(answer.header("orbweave-error"), "deadline-exceeded");
        }
        let answer = gorged.unwrap();
        assert_eq!(answer.status, 502, "round {round}: {answer:?}");
        assert!(answer.text().contains("32 MiB of memory"), "{}", answer.text());
    }
    let said = node.run(&["call", "spin-forever", "run", "\"x\""]).await.failed();
    assert!(said.contains("deadline") && said.contains("fix:"), "{said}");
    let said = node.run(&["call", "allocate-without-end", "run", "\"x\""]).await.failed();
    assert!(said.contains("32 MiB of memory"), "{said}");
    let answers = neighbour.unharmed().await;
    assert!(answers >= 20, "only {answers} answers of the neighbour");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_compiles_for_minutes_is_stopped_and_its_neighbours_answer() {
    let _turn = turn().await;
    let mesh = Mesh::start(&[("n1", &[])]).await;
    let node = &mesh.nodes[0];
    node.deploy(&manifest("hello", "hello-http", "route: { host: hello.mesh }\n")).await;
    let keys = Keys::of(node).await;
    let bomb = compile_bomb(100_000);
    node.upload(&bomb).await.unwrap();
    let release = keys.statement("bomb", &bomb).sign(&keys.publisher);
    node.submit(keys.record("bomb", &keys.spec(1, release))).await.unwrap();

    let neighbour = Neighbour::of(node, "hello.mesh", Duration::from_millis(20));
    let failed = until("the end of the compilation", secs(100), async || {
        let mut events = node.events().await.into_iter();
        events.find(|e| {
            e.kind == EventKind::Failed && e.workload.as_ref().is_some_and(|w| w.as_str() == "bomb")
        })
    })
    .await;
    let cause = failed.cause.unwrap_or_default();
    assert!(cause.contains("still compiling after 60 s and was stopped"), "{cause}");
    let answer = web(node.ingress(), "bomb.mesh", "/", "").await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.header("orbweave-error")), (503, "no-replica"));
    node.run(&["delete", "bomb"]).await.ok();
    let answers = neighbour.unharmed().await;
    assert!(answers >= 200, "only {answers} answers of the neighbour");
}

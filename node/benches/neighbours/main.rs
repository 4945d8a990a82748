//! What a neighbour's requests take while other guests of the same node take more than
//! they may: the latency of paced requests, alone and beside each of them, in turns.
//!
//! `cargo bench -p orbweave --bench neighbours` (by hand; figures in docs/PERFORMANCE.md).

#[allow(dead_code, unused_imports, reason = "the tests use all of it, this bench a part")]
#[path = "../../tests/mesh/support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::time::Duration;
use support::{Keys, Mesh, Node, compile_bomb, manifest, web};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

const ROUNDS: usize = 5;
const SPAN: Duration = Duration::from_secs(6);
/// What a burden of before still does is over after this.
const SETTLE: Duration = Duration::from_secs(1);
/// Two hundred requests a second: far from what a node can answer, so that waiting shows.
const PACE: Duration = Duration::from_millis(5);
const LOOPS: usize = 8;
const GORGES: usize = 2;
/// Compiles for minutes, and is stopped after one.
const BOMB_BLOCKS: u64 = 100_000;

/// What the spans of one kind took: the median and the 99th percentile of each, and how
/// many requests failed in all. Spans are compared by their medians, since one disturbance
/// of the machine would fill the upper hundredth of them all.
#[derive(Default)]
struct Spans {
    p50: Vec<f64>,
    p99: Vec<f64>,
    failed: usize,
}

fn at(sorted: &[f64], of_thousand: usize) -> f64 {
    sorted.get(sorted.len().saturating_sub(1) * of_thousand / 1_000).copied().unwrap_or(f64::NAN)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    at(values, 500)
}

/// Asks the neighbour at its pace; a late answer delays no later request.
async fn measure(to: SocketAddr, spans: &mut Spans) {
    tokio::time::sleep(SETTLE).await;
    let (mut pace, end) = (interval(PACE), Instant::now() + SPAN);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut asked = JoinSet::new();
    while Instant::now() < end {
        let due = pace.tick().await;
        asked.spawn(async move {
            let good = web(to, "hello.mesh", "/", "").await.is_ok_and(|answer| answer.status == 200);
            (good, due.elapsed())
        });
    }
    let answers = asked.join_all().await;
    spans.failed += answers.iter().filter(|(good, _)| !good).count();
    let mut times: Vec<f64> = answers.iter().map(|(_, took)| took.as_secs_f64() * 1e3).collect();
    times.sort_unstable_by(f64::total_cmp);
    spans.p50.push(at(&times, 500));
    spans.p99.push(at(&times, 990));
}

/// So many callers who ask a guest again and again.
fn burden(at: SocketAddr, host: &'static str, callers: usize) -> JoinSet<()> {
    let mut all = JoinSet::new();
    for _ in 0..callers {
        all.spawn(async move {
            loop {
                let _ = web(at, host, "/", "").await;
            }
        });
    }
    all
}

async fn deploy_bomb(node: &Node) {
    let keys = Keys::of(node).await;
    let bomb = compile_bomb(BOMB_BLOCKS);
    node.upload(&bomb).await.expect("uploaded");
    let release = keys.statement("bomb", &bomb).sign(&keys.publisher);
    node.submit(keys.record("bomb", &keys.spec(1, release))).await.expect("submitted");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mesh = Mesh::start(&[("n1", &[])]).await;
    let node = &mesh.nodes[0];
    node.deploy(&manifest("hello", "hello-http", "route: { host: hello.mesh }\n")).await;
    for guest in ["spin-forever", "allocate-without-end"] {
        let spec = format!(
            "resources: {{ memory: 32Mi }}\nlimits: {{ callTime: 2s, concurrency: {LOOPS} }}\n\
             route: {{ host: {guest}.mesh }}\n"
        );
        node.deploy(&manifest(guest, guest, &spec)).await;
    }
    let at = node.ingress();
    let [mut alone, mut loops, mut gorges, mut bomb] = <[Spans; 4]>::default();
    measure(at, &mut Spans::default()).await;
    for _ in 0..ROUNDS {
        measure(at, &mut alone).await;
        let spinning = burden(at, "spin-forever.mesh", LOOPS);
        measure(at, &mut loops).await;
        drop(spinning);
        measure(at, &mut alone).await;
        let gorging = burden(at, "allocate-without-end.mesh", GORGES);
        measure(at, &mut gorges).await;
        drop(gorging);
    }
    deploy_bomb(node).await;
    for _ in 0..ROUNDS {
        measure(at, &mut bomb).await;
    }
    let base = median(&mut alone.p99);
    println!(
        "a neighbour's requests, {:.0} a second: p50, p99 in ms, p99 against alone",
        1.0 / PACE.as_secs_f64()
    );
    let rows = [
        ("alone", alone),
        ("beside 8 endless loops", loops),
        ("beside 2 that allocate without end", gorges),
        ("beside a compile bomb", bomb),
    ];
    for (what, mut spans) in rows {
        let (middle, high) = (median(&mut spans.p50), median(&mut spans.p99));
        let failed = spans.failed;
        println!("{what:36} {middle:7.2} {high:7.2}   {:5.2}x   {failed} failed", high / base);
    }
}

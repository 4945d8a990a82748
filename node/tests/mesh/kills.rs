//! A node killed without warning while records are written: what it acknowledged to
//! somebody outside is there when it comes back.

use crate::support::{Dice, Keys, Mesh, Node, component_bytes, now_ms, secs, turn, until};
use orbweave_core::workload::WorkloadSpec;
use orbweave_model::{Hlc, Wall};
use orbweave_node::api::types::WorkloadView;
use orbweave_node::api::{Client, ClientError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const KILLS: u64 = 100;
/// Names that one writer each writes to, one record after the other.
const CALM: [&str; 2] = ["calm-one", "calm-two"];
/// A name to which two records go at the same moment, the newer one first.
const HASTY: &str = "hasty";
/// A node writes for so long before it is killed.
const LIFE_MS_MAX: u64 = 120;

/// What was sent and what was acknowledged, by name: the highest generations. It lives
/// outside of the node.
#[derive(Default)]
struct Ledger {
    sent: BTreeMap<String, u64>,
    acknowledged: BTreeMap<String, u64>,
    count: u64,
}

struct Writer {
    client: Client,
    keys: Keys,
    release: Vec<u8>,
    since_ms: u64,
    ledger: Mutex<Ledger>,
}

impl Writer {
    async fn to(node: &Node) -> Arc<Self> {
        let keys = Keys::of(node).await;
        node.upload(&component_bytes("hello-http")).await.unwrap();
        Arc::new(Self {
            client: node.client.clone(),
            release: keys.release("written", "hello-http"),
            keys,
            since_ms: now_ms(),
            ledger: Mutex::default(),
        })
    }

    /// Writes to these names until the node is killed, starts it again, compares.
    async fn write_and_kill(self: &Arc<Self>, node: &mut Node, names: &[&'static str], dice: &mut Dice) {
        let tasks: Vec<_> =
            names.iter().map(|&name| tokio::spawn(self.clone().write_until_killed(name))).collect();
        tokio::time::sleep(Duration::from_millis(dice.below(LIFE_MS_MAX))).await;
        node.kill();
        for task in tasks {
            task.await.unwrap();
        }
        node.up().await;
        let views: Vec<WorkloadView> = node.get("/v1/workloads").await;
        let ledger = self.ledger.lock().unwrap();
        for (name, acknowledged) in &ledger.acknowledged {
            let found = views.iter().find(|w| w.name.as_str() == name).map_or(0, |w| w.generation);
            assert!(
                (*acknowledged..=ledger.sent[name]).contains(&found),
                "{name} was acknowledged up to {acknowledged}, and {found} is there"
            );
        }
    }

    /// A deployment that no node takes, or a deletion: records, and no work.
    fn record(&self, name: &str, generation: u64) -> Vec<u8> {
        let spec = if generation.is_multiple_of(3) {
            WorkloadSpec::deletion(generation)
        } else {
            let requires = "nowhere=true".parse().unwrap();
            WorkloadSpec { requires, ..self.keys.spec(generation, self.release.clone()) }
        };
        let hlc = Hlc { wall: Wall(self.since_ms), count: u32::try_from(generation).unwrap() };
        self.keys.record_at(name, &spec, hlc)
    }

    fn next(&self, name: &str) -> u64 {
        let mut ledger = self.ledger.lock().unwrap();
        let sent = ledger.sent.entry(name.to_owned()).or_default();
        *sent += 1;
        *sent
    }

    /// Whether the node is still there.
    async fn write(&self, name: &str, generation: u64) -> bool {
        match self.client.post_bytes("/v1/records", self.record(name, generation).into()).await {
            Ok(_) => {
                let mut ledger = self.ledger.lock().unwrap();
                ledger.count += 1;
                let highest = ledger.acknowledged.entry(name.to_owned()).or_default();
                *highest = generation.max(*highest);
                true
            }
            Err(ClientError::Refused(refused)) => {
                let overtaken = name == HASTY && refused.error.contains("newer specification");
                assert!(overtaken, "{name}, generation {generation}: {refused}");
                true
            }
            Err(_) => false,
        }
    }

    async fn write_until_killed(self: Arc<Self>, name: &'static str) {
        loop {
            let earlier = self.next(name);
            let alive = if name == HASTY {
                let later = self.next(name);
                let (one, two) = tokio::join!(self.write(name, later), self.write(name, earlier));
                one && two
            } else {
                self.write(name, earlier).await
            };
            if !alive {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_killed_a_hundred_times_has_every_record_that_it_acknowledged() {
    let _turn = turn().await;
    let mut mesh = Mesh::start(&[("n1", &[])]).await;
    let node = &mut mesh.nodes[0];
    let writer = Writer::to(node).await;
    let mut dice = Dice(2);
    for kill in 1..=KILLS {
        // Every tenth time it is killed while it still starts.
        if kill.is_multiple_of(10) {
            node.kill();
            node.spawn(&["up"]);
            tokio::time::sleep(Duration::from_millis(dice.below(LIFE_MS_MAX))).await;
            node.kill();
            node.up().await;
            continue;
        }
        writer.write_and_kill(node, &CALM, &mut dice).await;
    }
    let count = writer.ledger.lock().unwrap().count;
    assert!(count > 2 * KILLS, "only {count} records were acknowledged in all");
    println!("{KILLS} kills, {count} records acknowledged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_records_that_come_at_once_the_newer_one_outlives_a_kill() {
    let _turn = turn().await;
    let mut mesh = Mesh::start(&[("n1", &[])]).await;
    let writer = Writer::to(&mesh.nodes[0]).await;
    let mut dice = Dice(3);
    for _ in 0..20 {
        writer.write_and_kill(&mut mesh.nodes[0], &[HASTY], &mut dice).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_outlives_a_kill() {
    let _turn = turn().await;
    let mut mesh = Mesh::start(&[("n1", &[])]).await;
    let node = &mut mesh.nodes[0];
    let keys = Keys::of(node).await;
    node.upload(&component_bytes("hello-http")).await.unwrap();
    let spec = keys.spec(1, keys.release("hello", "hello-http"));
    node.submit(keys.record("hello", &spec)).await.unwrap();
    node.answers("hello.mesh", secs(20)).await;
    node.submit(keys.record("hello", &WorkloadSpec::deletion(2))).await.unwrap();
    node.kill();
    node.up().await;
    let gone = async || {
        let views: Vec<WorkloadView> = node.get("/v1/workloads").await;
        views.iter().any(|w| w.deleted && w.generation == 2).then_some(())
    };
    until("the deletion", secs(5), gone).await;
    assert!(node.holders("hello").await.is_empty());
}

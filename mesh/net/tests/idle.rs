//! What an idle mesh costs on the wire. Run by hand:
//! `cargo test --release -p orbweave-net --test idle -- --ignored --nocapture`

mod common;

use common::{link, start};
use std::time::{Duration, Instant};

const SECONDS: u64 = 60;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute; prints figures and judges nothing"]
async fn five_linked_nodes_that_do_nothing() {
    let mut nodes = Vec::new();
    for n in 1..=5 {
        nodes.push(start(n).await);
    }
    for dialler in 1..nodes.len() {
        for dialled in 0..dialler {
            let (left, right) = nodes.split_at_mut(dialler);
            link(&mut right[0], &mut left[dialled]).await;
        }
    }
    let began = Instant::now();
    let mut before: Vec<_> = nodes.iter().map(|n| n.net.counters()).collect();
    for part in 1..=3 {
        tokio::time::sleep(Duration::from_secs(SECONDS / 3)).await;
        for (n, node) in nodes.iter().enumerate() {
            let now = node.net.counters();
            let per_second = |now: u64, before: u64| (now - before) * 3 / SECONDS;
            println!(
                "{:3} s, node {n}: quinn sent {} B/s, received {} B/s; libp2p sent {} B/s, received {} B/s",
                began.elapsed().as_secs(),
                per_second(now.quinn_sent_bytes, before[n].quinn_sent_bytes),
                per_second(now.quinn_received_bytes, before[n].quinn_received_bytes),
                per_second(now.libp2p_sent_bytes, before[n].libp2p_sent_bytes),
                per_second(now.libp2p_received_bytes, before[n].libp2p_received_bytes),
            );
            before[n] = now;
        }
        println!("part {part} of 3");
    }
}

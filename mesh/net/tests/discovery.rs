//! What libp2p is for: finding peers and spreading records. mDNS skips loopback, so it is
//! tested between network namespaces, elsewhere.

mod common;

use common::{Doorkeeper, Node, link, start, start_in, start_with};
use orbweave_model::NodeId;
use orbweave_net::{NetEvent, PeerAddress};
use std::collections::BTreeMap;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn of_three_nodes_in_a_line_the_ends_find_one_another() {
    let (mut a, mut b, mut c) = (start(1).await, start(2).await, start(3).await);
    link(&mut a, &mut b).await;
    link(&mut b, &mut c).await;
    let (c_id, c_at) = (c.id, c.address);
    let found = a
        .wait("word of the third node", |e| match e {
            NetEvent::Found { peer } if peer.node == c_id => Some(peer),
            _ => None,
        })
        .await;
    assert_eq!(found.addresses, vec![c_at]);
    a.net.dial(found);
    a.wait_up(c.id).await;
    c.wait_up(a.id).await;
}

/// Publishes again and again: gossip may be lost, and libp2p connects after the link.
async fn heard(from: &Node, by: &mut Node, text: &'static str) {
    let hear = async {
        loop {
            from.net.publish(text.into());
            let next = tokio::time::timeout(Duration::from_millis(200), by.events.recv()).await;
            if let Ok(Some(NetEvent::Gossip { bytes })) = next
                && bytes == text.as_bytes()
            {
                return;
            }
        }
    };
    tokio::time::timeout(common::DEADLINE, hear).await.expect("the gossip arrived");
}

#[tokio::test(flavor = "multi_thread")]
async fn gossip_reaches_a_node_behind_another() {
    let (mut a, mut b, mut c) = (start(1).await, start(2).await, start(3).await);
    link(&mut a, &mut b).await;
    link(&mut b, &mut c).await;
    heard(&a, &mut c, "news").await;
    assert!(a.net.counters().libp2p_sent_bytes > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_gossip_nothing_is_published_or_heard() {
    let quiet = |n| start_with(n, Doorkeeper::knowing("mesh"), "127.0.0.1:0", false);
    let (mut a, mut b, mut c) = (start(1).await, quiet(2).await, start(3).await);
    link(&mut a, &mut b).await;
    link(&mut a, &mut c).await;
    link(&mut b, &mut c).await;
    heard(&a, &mut c, "news").await;
    b.net.publish("nobody hears this".into());
    while let Ok(event) = b.events.try_recv() {
        assert!(!matches!(event, NetEvent::Gossip { .. }), "{event:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gossip_stays_within_its_zone() {
    let (mut a, mut b) = (start_in(1, "north").await, start_in(2, "north").await);
    let mut elsewhere = start_in(3, "south").await;
    link(&mut a, &mut elsewhere).await;
    link(&mut b, &mut elsewhere).await;
    link(&mut a, &mut b).await;
    heard(&a, &mut b, "news of the north").await;
    while let Ok(event) = elsewhere.events.try_recv() {
        assert!(!matches!(event, NetEvent::Gossip { .. }), "{event:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_not_admitted_hears_no_gossip() {
    let (mut a, mut b) = (start(1).await, start(2).await);
    let mut stranger = start_with(4, Doorkeeper::knowing("another mesh"), "127.0.0.1:0", true).await;
    link(&mut a, &mut b).await;
    stranger.net.dial(a.at());
    stranger.wait("refusal", |e| matches!(e, NetEvent::Refused { .. }).then_some(())).await;
    heard(&a, &mut b, "among ourselves").await;
    while let Ok(event) = stranger.events.try_recv() {
        assert!(!matches!(event, NetEvent::Gossip { .. }), "{event:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_knows_one_address_finds_five() {
    let mut nodes = Vec::new();
    for n in 1..=5 {
        nodes.push(start(n).await);
    }
    let ids: Vec<NodeId> = nodes.iter().map(|n| n.id).collect();
    let seed = nodes[0].at();
    for node in &nodes[1..] {
        node.net.dial(seed.clone());
    }
    // What the node's own loop does: dial whom it hears of, and again whom it lost. Of two
    // that dial each other at once one link is closed, and at times both.
    let mut known: BTreeMap<(usize, NodeId), PeerAddress> = BTreeMap::new();
    let whole = async {
        while nodes.iter().any(|node| node.net.peers().len() < ids.len() - 1) {
            for (i, node) in nodes.iter_mut().enumerate() {
                while let Ok(event) = node.events.try_recv() {
                    match event {
                        NetEvent::Found { peer } => {
                            known.insert((i, peer.node), peer.clone());
                            node.net.dial(peer);
                        }
                        NetEvent::LinkDown { peer } => {
                            known.get(&(i, peer)).into_iter().for_each(|peer| node.net.dial(peer.clone()));
                        }
                        _ => {}
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(common::DEADLINE, whole).await.expect("all are linked to all");
}

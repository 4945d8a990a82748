//! Links between real endpoints: admission, streams, datagrams, restarts.

mod common;

use bytes::Bytes;
use common::{Doorkeeper, link, run, secret, start, start_with, until};
use orbweave_net::{NetError, NetEvent, PeerAddress, StreamKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_link_and_exchange_datagrams_and_streams() {
    let (mut a, mut b) = (start(1).await, start(2).await);
    link(&mut a, &mut b).await;
    assert_eq!((a.net.peers(), b.net.peers()), (vec![b.id], vec![a.id]));
    assert!(a.net.rtt(b.id).is_some());

    assert!(a.net.send_datagram(b.id, "ping".into()));
    let (from, bytes) = b
        .wait("datagram", |e| match e {
            NetEvent::Datagram { peer, bytes } => Some((peer, bytes)),
            _ => None,
        })
        .await;
    assert_eq!((from, &bytes[..]), (a.id, &b"ping"[..]));
    assert!(!a.net.send_datagram(b.id, Bytes::from(vec![0; 1101])), "too long for every path");

    // Longer than the first write takes along, in both directions.
    let payload: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
    let (mut send, mut recv) = a.net.open(b.id, StreamKind::Invoke).await.expect("a stream");
    send.write_all(&payload).await.expect("written");
    send.finish().expect("finished");
    let (peer, kind, mut reply, mut request) = b
        .wait("stream", |e| match e {
            NetEvent::Stream { peer, kind, send, recv } => Some((peer, kind, send, recv)),
            _ => None,
        })
        .await;
    assert_eq!((peer, kind), (a.id, StreamKind::Invoke));
    let received = request.read_to_end(1 << 20).await.expect("read");
    reply.write_all(&received).await.expect("written");
    reply.finish().expect("finished");
    assert_eq!(recv.read_to_end(1 << 20).await.expect("read"), payload);
    let counters = a.net.counters();
    assert!(counters.quinn_sent_bytes > 100_000 && counters.quinn_received_bytes > 100_000);

    a.net.shutdown().await;
    b.wait_down(a.id).await;
    b.net.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_stream_still_names_its_kind() {
    let (mut a, mut b) = (start(1).await, start(2).await);
    link(&mut a, &mut b).await;
    let (mut send, _recv) = a.net.open(b.id, StreamKind::Sync).await.expect("a stream");
    send.finish().expect("finished");
    let kind = b
        .wait("stream", |e| match e {
            NetEvent::Stream { kind, .. } => Some(kind),
            _ => None,
        })
        .await;
    assert_eq!(kind, StreamKind::Sync);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_another_key_than_expected_is_not_linked() {
    let (a, b) = (start(1).await, start(2).await);
    let stranger = secret(9).node_id();
    a.net.dial(PeerAddress { node: stranger, addresses: vec![b.address] });
    let refused = orbweave_net::join(&secret(8), stranger, &[b.address], |_| Ok(()), b"token".to_vec()).await;
    assert!(matches!(refused, Err(NetError::Unreachable { .. })), "{refused:?}");
    assert!(a.net.peers().is_empty() && b.net.peers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_the_gate_refuses_gets_the_reason_and_no_datagram_of_its_passes() {
    // The dialler admits the acceptor, so only the acceptor's word keeps it out.
    struct Lenient;
    impl orbweave_net::Gate for Lenient {
        fn hello(&self) -> Vec<u8> {
            b"expired".to_vec()
        }
        fn admit(&self, _: orbweave_model::NodeId, _: &[u8]) -> Result<(), String> {
            Ok(())
        }
        fn join(
            &self,
            _: orbweave_model::NodeId,
            _: &[u8],
        ) -> orbweave_net::BoxFuture<'static, Result<Vec<u8>, String>> {
            Box::pin(async { Err("no".into()) })
        }
        fn may_get(&self, _: orbweave_model::NodeId, _: orbweave_model::Hash) -> bool {
            false
        }
    }
    let mut b = start(2).await;
    let dir = tempfile::tempdir().expect("a directory");
    let (net, mut events) = orbweave_net::Net::start(orbweave_net::NetConfig {
        secret: secret(1),
        mesh: common::MESH,
        zone: common::ZONE.into(),
        listen: "127.0.0.1:0".parse().expect("an address"),
        mdns: false,
        gossip: true,
        blob_dir: dir.path().to_owned(),
        gate: Arc::new(Lenient),
    })
    .await
    .expect("a network");
    net.dial(b.at());
    let event =
        tokio::time::timeout(common::DEADLINE, events.recv()).await.expect("in time").expect("an event");
    match event {
        NetEvent::Refused { peer, reason } => {
            assert_eq!(peer, Some(b.id));
            assert_eq!(reason, "by the peer: the certificate has expired");
        }
        other => panic!("{other:?}"),
    }
    assert!(!net.send_datagram(b.id, "let me in".into()));
    assert!(matches!(net.open(b.id, StreamKind::Sync).await, Err(NetError::NoLink(_))));
    let first = b.wait("refusal", Some).await;
    assert!(matches!(first, NetEvent::Refused { peer: Some(p), .. } if p == net.id()), "{first:?}");
    assert!(b.events.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_joins_over_the_same_port_once_it_checked_the_mesh() {
    let issuer = start(1).await;
    let me = secret(7);
    let ask = |request: &[u8], check: fn(&[u8]) -> Result<(), String>| {
        let (me, request) = (me.clone(), request.to_vec());
        let (id, at) = (issuer.id, [issuer.address]);
        async move { orbweave_net::join(&me, id, &at, check, request).await }
    };
    let admitted =
        ask(b"token", |hello| if hello == b"mesh" { Ok(()) } else { Err("another mesh".into()) }).await;
    assert_eq!(admitted.expect("a certificate"), me.node_id().as_bytes());

    let used_up = ask(b"old token", |_| Ok(())).await;
    assert_eq!(used_up.expect_err("refused").to_string(), "refused: by the peer: this token was used up");

    let wrong_mesh = ask(b"token", |_| Err("this is another mesh".into())).await;
    assert_eq!(wrong_mesh.expect_err("refused").to_string(), "refused: this is another mesh");
    assert!(issuer.net.peers().is_empty(), "a stranger is no peer");
}

#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_dials_leave_one_connection_and_tell_of_one_link() {
    for _ in 0..10 {
        let (mut a, mut b) = (start(1).await, start(2).await);
        a.net.dial(b.at());
        b.net.dial(a.at());
        a.wait_up(b.id).await;
        b.wait_up(a.id).await;
        // What is sent over whichever connection is left arrives; a datagram may fall into the change.
        let mut crossed = false;
        let deadline = Instant::now() + common::DEADLINE;
        while !crossed {
            assert!(Instant::now() < deadline, "no datagram crossed");
            a.net.send_datagram(b.id, "over".into());
            let event = tokio::time::timeout(Duration::from_millis(100), b.events.recv()).await;
            match event {
                Ok(Some(NetEvent::Datagram { .. })) => crossed = true,
                Ok(Some(event @ (NetEvent::LinkDown { .. } | NetEvent::LinkUp { .. }))) => {
                    panic!("{event:?}")
                }
                _ => {}
            }
        }
        assert_eq!((a.net.peers(), b.net.peers()), (vec![b.id], vec![a.id]));
        a.net.shutdown().await;
        b.net.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_restarted_on_its_port_is_noticed_by_its_first_packet() {
    let mut a = start(1).await;
    let dir = tempfile::tempdir().expect("a directory");
    let gate = Arc::new(Doorkeeper::knowing("mesh"));
    // A runtime of its own, dropped without a good-bye, stands for a killed process.
    let life = tokio::runtime::Runtime::new().expect("a runtime");
    let (port, id) = {
        let (gate, dir) = (Arc::clone(&gate), dir.path().to_owned());
        let (net, mut events) = life
            .spawn(async move { run(2, &gate, "127.0.0.1:0", false, &dir).await })
            .await
            .expect("started");
        let address = net.local_address().expect("an address");
        a.net.dial(PeerAddress { node: net.id(), addresses: vec![address] });
        a.wait_up(net.id()).await;
        while !matches!(events.recv().await, Some(NetEvent::LinkUp { .. })) {}
        std::mem::forget(events);
        (address.port(), net.id())
    };
    life.shutdown_background();
    let fresh = tempfile::tempdir().expect("a directory");
    let listen = format!("127.0.0.1:{port}");
    until("the port is free", || std::net::UdpSocket::bind(&listen).is_ok()).await;
    let (again, _events) = run(2, &gate, &listen, false, fresh.path()).await;
    // Unless a keep-alive did so already, this packet meets the new life, which answers with a reset.
    let began = Instant::now();
    a.net.send_datagram(id, "are you there?".into());
    a.wait_down(id).await;
    assert!(began.elapsed() < Duration::from_secs(5), "by a reset, not by a timeout: {:?}", began.elapsed());
    again.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_peer_that_dials_first_replaces_its_old_link() {
    let mut a = start(1).await;
    let b = start(2).await;
    let first = b.at();
    a.net.dial(first);
    a.wait_up(b.id).await;
    // The same node once more, elsewhere: a new boot.
    let fresh = tempfile::tempdir().expect("a directory");
    let (again, _events) = run(2, &b.gate, "127.0.0.1:0", true, fresh.path()).await;
    again.dial(a.at());
    a.wait_down(b.id).await;
    a.wait_up(b.id).await;
    assert_eq!(a.net.peers(), vec![b.id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evicted_peer_is_down_and_can_be_admitted_again() {
    let (mut a, mut b) = (start(1).await, start(2).await);
    link(&mut a, &mut b).await;
    a.net.evict(b.id);
    a.wait_down(b.id).await;
    b.wait_down(a.id).await;
    link(&mut a, &mut b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gate_may_take_streams_on_the_links_own_task() {
    let mut gate = Doorkeeper::knowing("mesh");
    gate.takes = Some(|mut stream| {
        tokio::spawn(async move {
            let bytes = stream.recv.read_to_end(1024).await.expect("read");
            stream.send.write_all(&bytes).await.expect("written");
        });
    });
    let mut a = start(1).await;
    let mut b = start_with(2, gate, "127.0.0.1:0", true).await;
    link(&mut a, &mut b).await;
    let (mut send, mut recv) = a.net.open(b.id, StreamKind::Invoke).await.expect("a stream");
    send.write_all(b"echo").await.expect("written");
    send.finish().expect("finished");
    assert_eq!(recv.read_to_end(1024).await.expect("read"), b"echo");
}

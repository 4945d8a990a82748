use super::*;
use crate::{BoxFuture, PeerAddress, endpoint};
use futures::FutureExt;
use orbweave_model::Hash;
use orbweave_trust::SecretKey;
use std::net::UdpSocket;

struct Open;

impl Gate for Open {
    fn hello(&self) -> Vec<u8> {
        b"hello".to_vec()
    }

    fn admit(&self, _: NodeId, _: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn join(&self, _: NodeId, _: &[u8]) -> BoxFuture<'static, Result<Vec<u8>, String>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn may_get(&self, _: NodeId, _: Hash) -> bool {
        true
    }
}

/// An acceptor that runs one exchange, and a connection to it on which anything may be sent.
async fn stranger() -> (Connection, tokio::task::JoinHandle<Result<(), NetError>>, quinn::Endpoint) {
    let secret = SecretKey::from_bytes([1; 32]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("an address");
    let server = endpoint::server(&secret, socket, address).expect("an endpoint");
    let accepting = tokio::spawn(async move {
        let connection = server.accept().await.expect("a dial").await.expect("a handshake");
        let peer = crate::tls::peer_of(&connection).expect("a key");
        accept(&connection, peer, Me { boot: 1, port: 1 }, &Open).await.map(|_| ())
    });
    let local = "127.0.0.1:0".parse().expect("an address");
    let client = endpoint::client(&SecretKey::from_bytes([2; 32]), local).expect("an endpoint");
    let to = PeerAddress { node: secret.node_id(), addresses: vec![address] };
    let connection = endpoint::connect(&client, &to).await.expect("connected");
    (connection, accepting, client)
}

async fn answered_with(bytes: &[u8]) -> String {
    let (connection, accepting, _client) = stranger().await;
    let (mut send, _recv) = connection.accept_bi().await.expect("the hello's stream");
    send.write_all(bytes).await.expect("written");
    accepting.await.expect("no panic").expect_err("not accepted").to_string()
}

#[tokio::test]
async fn a_frame_longer_than_allowed_is_refused_before_it_is_read() {
    let error = answered_with(&u32::MAX.to_be_bytes()).await;
    assert!(error.contains("4294967295 bytes, more than the"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_no_cbor_ends_the_exchange() {
    let error = answered_with(&[0, 0, 0, 3, 0xff, 0xff, 0xff]).await;
    assert!(error.contains("malformed"), "{error}");
}

#[tokio::test]
async fn every_one_byte_answer_and_every_truncation_is_refused_without_a_panic() {
    let whole = wire::encode(&Answer { version: 1, boot: 2, port: 3, joins: false, body: b"hello".to_vec() });
    assert!(wire::decode_open::<Answer>("an answer", &whole, 100).is_ok());
    for end in 0..whole.len() {
        assert!(wire::decode_open::<Answer>("an answer", &whole[..end], 100).is_err());
    }
    for byte in 0..=u8::MAX {
        assert!(wire::decode_open::<Greeting>("a hello", &[byte], 100).is_err());
    }
}

#[tokio::test]
async fn keys_of_a_newer_version_are_passed_over() {
    // {0: 1, 1: 2, 2: 3, 3: h'', 9: "new"}
    let newer = [0xa5, 0, 1, 1, 2, 2, 3, 3, 0x40, 9, 0x63, b'n', b'e', b'w'];
    assert!(wire::decode_open::<Greeting>("a hello", &newer, 100).is_ok());
}

#[tokio::test]
async fn a_stranger_can_open_no_stream() {
    let (connection, _accepting, _client) = stranger().await;
    let (_send, _recv) = connection.accept_bi().await.expect("the hello's stream");
    assert!(connection.open_bi().now_or_never().is_none());
    assert!(connection.open_uni().now_or_never().is_none());
}

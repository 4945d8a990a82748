//! The bytes of what nodes say to one another first, and on invocation streams, pinned.
//! A change here is a change of the protocol: nodes of the version before must still
//! read it. `UPDATE_GOLDEN=1` writes the files anew.

use minicbor::{Decode, Encode};
use orbweave_golden::pinned;
use orbweave_model::{MeshId, wire};
use orbweave_node::api::handshake::{Hello, JoinRequest, JoinResponse, mesh_of_hello};
use orbweave_node::ingress::frame::{
    HEAD_BYTES_MAX, Header, INVOKE_BYTES_MAX, InvokeAnswer, InvokeHead, RequestHead, ResponseHead,
    WireFailure, close_body, head_bytes, read_chunk, read_head, write_chunk,
};
use std::fmt::Debug;

fn hello() -> Hello {
    Hello { protocol: 1, mesh: MeshId([3; 32]), certificate: b"a certificate".to_vec() }
}

#[test]
fn what_is_said_at_the_door_has_the_bytes_that_it_always_had() {
    let golden = pinned!("hello", &hello().encode());
    assert_eq!(Hello::decode(&golden), Ok(hello()));
    assert_eq!(mesh_of_hello(&golden), Ok(MeshId([3; 32])));

    let request = JoinRequest::with_token([5; 32], "edge-1");
    assert!(JoinRequest::decode(&pinned!("join-request", &request.encode())) == Ok(request));
    let request = JoinRequest::renewal(b"an old certificate".to_vec());
    assert!(JoinRequest::decode(&pinned!("join-request-renewal", &request.encode())) == Ok(request));

    let response = JoinResponse {
        genesis: b"genesis".to_vec(),
        certificate: b"certificate".to_vec(),
        documents: vec![b"one".to_vec().into(), b"two".to_vec().into()],
    };
    assert_eq!(JoinResponse::decode(&pinned!("join-response", &response.encode())), Ok(response));
}

#[test]
fn a_hello_of_a_later_version_is_read_for_what_is_known_of_it() {
    #[derive(Encode)]
    #[cbor(map)]
    struct Later {
        #[n(0)]
        protocol: u32,
        #[n(1)]
        mesh: MeshId,
        #[n(2)]
        #[cbor(with = "minicbor::bytes")]
        certificate: Vec<u8>,
        #[n(40)]
        features: Vec<String>,
    }
    let later = Later {
        protocol: 1,
        mesh: MeshId([3; 32]),
        certificate: b"a certificate".to_vec(),
        features: vec!["relay".to_owned()],
    };
    assert_eq!(Hello::decode(&wire::encode(&later)), Ok(hello()));
}

async fn framed<T>(name: &str, head: T, max: usize)
where
    T: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + Debug,
{
    let golden = pinned!(name, &head_bytes(&head, max).unwrap());
    assert_eq!(read_head::<T, _>("a head", &mut &golden[..], max).await.unwrap(), head, "{name}");
    for position in 0..golden.len() {
        let mut flipped = golden.clone();
        flipped[position] ^= 1;
        // Whatever it is taken for, it is no panic.
        let _ = read_head::<T, _>("a head", &mut &flipped[..], max).await;
    }
}

#[tokio::test]
async fn frames_of_requests_and_calls_have_the_bytes_that_they_always_had() {
    let headers = vec![
        Header { name: "content-type".to_owned(), value: b"text/plain".to_vec() },
        Header { name: "x-odd".to_owned(), value: vec![0xff, 0x00] },
    ];
    let request = RequestHead {
        workload: "hello".parse().unwrap(),
        method: "POST".to_owned(),
        target: "/a?b=c".to_owned(),
        authority: "hello.mesh".to_owned(),
        headers: headers.clone(),
        deadline_ms: 1_500,
        body_bytes: Some(3),
        relays: None,
    };
    framed("http-request", request.clone(), HEAD_BYTES_MAX).await;
    framed("http-request-open", RequestHead { body_bytes: None, ..request }, HEAD_BYTES_MAX).await;
    let answer = ResponseHead { status: Some(200), headers: Some(headers), failure: None };
    framed("http-response", answer, HEAD_BYTES_MAX).await;
    let failure = Some(WireFailure { code: 3, text: "no answer within 1.5s".to_owned() });
    framed(
        "http-failure",
        ResponseHead { failure: failure.clone(), ..ResponseHead::default() },
        HEAD_BYTES_MAX,
    )
    .await;

    let call = InvokeHead {
        workload: "greeter".parse().unwrap(),
        function: "greeter.greet".to_owned(),
        deadline_ms: 10_000,
        wave: Some("\"Ada\"".to_owned()),
        encoded: None,
        relays: None,
    };
    framed("invoke-wave", call.clone(), INVOKE_BYTES_MAX).await;
    let encoded = InvokeHead { wave: None, encoded: Some(b"\x03Ada".to_vec().into()), ..call };
    framed("invoke-encoded", encoded, INVOKE_BYTES_MAX).await;
    let result = InvokeAnswer { wave: Some("\"Hello\"".to_owned()), ..InvokeAnswer::default() };
    framed("invoke-result", result, INVOKE_BYTES_MAX).await;
    framed("invoke-failure", InvokeAnswer { failure, ..InvokeAnswer::default() }, INVOKE_BYTES_MAX).await;
}

#[tokio::test]
async fn a_body_has_the_bytes_that_it_always_had() {
    let mut bytes = Vec::new();
    write_chunk(&mut bytes, b"first").await.unwrap();
    write_chunk(&mut bytes, b"second").await.unwrap();
    close_body(&mut bytes, true).await.unwrap();
    let golden = pinned!("http-body", &bytes);
    let mut read = &golden[..];
    let mut pieces = Vec::new();
    while let Some(piece) = read_chunk(&mut read).await.unwrap() {
        pieces.push(piece);
    }
    assert_eq!(pieces, [&b"first"[..], b"second"]);
    let mut aborted = Vec::new();
    close_body(&mut aborted, false).await.unwrap();
    assert!(read_chunk(&mut &pinned!("http-body-aborted", &aborted)[..]).await.is_err());
}

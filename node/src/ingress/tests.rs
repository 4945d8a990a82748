//! Ingress in a world of nodes that die, freeze, refuse and cut off.

mod beyond;
mod world;

use super::body::{self, IngressBody};
use super::failure::CallFailure;
use super::invoke::{self, Values};
use super::server::{self, ATTEMPTS_HEADER, ERROR_HEADER, REPLICA_HEADER, answer_with};
use super::traffic::in_flight_key;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use orbweave_model::limit;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;
use world::{ANSWERS, DEADLINE, FakeNode, Manner, node, world};

fn request(body: impl Into<bytes::Bytes>) -> Request<IngressBody> {
    Request::post("/path?q=1").header("host", "Hello.mesh:8080").body(body::full(body)).unwrap()
}

async fn ask(from: &FakeNode) -> Response<String> {
    read(answer_with(from, request("image")).await).await
}

async fn read(response: Response<IngressBody>) -> Response<String> {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Response::from_parts(parts, String::from_utf8(bytes.to_vec()).unwrap())
}

/// Waits for what other tasks bring about.
async fn until(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.expect("it never came about");
}

fn header<'r>(response: &'r Response<String>, name: &str) -> &'r str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn any_node_answers_for_a_service_on_another() {
    let from = world(true, &[ANSWERS]);
    let response = ask(&from).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.body(), "POST http://Hello.mesh:8080/path?q=1 image");
    assert_eq!(header(&response, REPLICA_HEADER), "0101010101/1");
    assert_eq!(header(&response, ATTEMPTS_HEADER), "1");
    assert_eq!(header(&response, "x-guest"), "yes");
    assert_eq!(header(&response, "connection"), "", "it ends at the hop");
}

#[tokio::test]
async fn a_service_on_the_same_node_is_asked_in_process() {
    let from = world(true, &[]);
    from.world.set(0, ANSWERS);
    from.world.route(true, &[0]);
    let response = ask(&from).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, REPLICA_HEADER), "0000000000/0");
}

#[tokio::test]
async fn a_repeatable_request_goes_elsewhere_when_a_replica_is_dead_absent_or_cuts_off() {
    for manner in [Manner::Dead, Manner::Absent, Manner::CutsOff] {
        let from = world(true, &[manner, ANSWERS]);
        let mut repeated = 0;
        for _ in 0..30 {
            let response = ask(&from).await;
            assert_eq!(response.status(), StatusCode::OK, "{manner:?}: {}", response.body());
            assert!(response.body().ends_with("image"), "{manner:?}: {}", response.body());
            assert_eq!(header(&response, REPLICA_HEADER), "0202020202/2");
            repeated += u64::from(header(&response, ATTEMPTS_HEADER) == "2");
        }
        assert!((1..10).contains(&repeated), "{manner:?}: it is avoided for a while, repeated {repeated}");
        assert_eq!(from.traffic.counters().retries, repeated);
        assert_eq!(from.traffic.counters().errors, 0);
        assert!(!from.traffic.to_status().contains_key(&in_flight_key(node(1))), "nothing is left behind");
    }
}

#[tokio::test]
async fn a_frozen_replica_fails_no_repeatable_request_and_is_avoided() {
    let from = world(true, &[Manner::Frozen, ANSWERS, ANSWERS]);
    for _ in 0..40 {
        let begun = Instant::now();
        let response = ask(&from).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(begun.elapsed() < DEADLINE, "{:?}", begun.elapsed());
    }
    let counters = from.traffic.counters();
    assert!((1..10).contains(&counters.hedges), "{counters:?}");
    assert_eq!(counters.errors, 0);
}

#[tokio::test]
async fn a_node_that_leaves_the_routes_is_not_waited_for() {
    let from = world(true, &[Manner::Frozen]);
    let begun = Instant::now();
    let asking = tokio::spawn({
        let from = from.clone();
        async move { ask(&from).await }
    });
    until(|| from.world.frozen() == 1).await;
    from.world.set(2, ANSWERS);
    from.world.route(true, &[2]);
    let response = asking.await.unwrap();
    assert_eq!(header(&response, REPLICA_HEADER), "0202020202/2");
    assert_eq!(header(&response, ATTEMPTS_HEADER), "2");
    assert_eq!(from.traffic.counters().hedges, 0, "it was not slowness: {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_repeatable_request_waits_for_the_replacement_of_the_only_replica() {
    let from = world(true, &[Manner::CutsOff]);
    let asking = tokio::spawn({
        let from = from.clone();
        async move { ask(&from).await }
    });
    until(|| from.world.cut_off() == 1).await;
    from.world.route(true, &[]);
    until(|| from.traffic.in_flight().is_empty()).await;
    from.world.set(2, ANSWERS);
    from.world.route(true, &[2]);
    let response = asking.await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{}", response.body());
    assert_eq!(header(&response, REPLICA_HEADER), "0202020202/2");
}

#[tokio::test]
async fn where_no_replacement_comes_in_time_the_answer_is_what_became_of_the_last_replica() {
    let from = world(true, &[Manner::CutsOff]);
    let begun = Instant::now();
    let asking = tokio::spawn({
        let from = from.clone();
        async move { ask(&from).await }
    });
    until(|| from.world.cut_off() == 1).await;
    from.world.route(true, &[]);
    let response = asking.await.unwrap();
    assert!(begun.elapsed() >= DEADLINE, "it rested for a replacement: {:?}", begun.elapsed());
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{}", response.body());
    assert_eq!(header(&response, ERROR_HEADER), "indeterminate");
    assert_eq!(header(&response, ATTEMPTS_HEADER), "1");
}

#[tokio::test]
async fn a_request_that_may_have_had_effects_is_not_repeated() {
    let from = world(false, &[Manner::Traps, Manner::Traps]);
    let response = ask(&from).await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(header(&response, ERROR_HEADER), "trapped");
    assert_eq!(from.world.asked.lock().unwrap().len(), 1);

    let from = world(false, &[Manner::Frozen, ANSWERS]);
    from.traffic.avoid(node(2), DEADLINE);
    let response = ask(&from).await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(from.world.asked.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_request_that_may_not_be_repeated_ends_when_its_node_is_held_for_dead_and_says_what_is_unknown() {
    let from = world(false, &[Manner::Frozen, ANSWERS]);
    from.traffic.avoid(node(2), DEADLINE);
    let asking = tokio::spawn({
        let from = from.clone();
        async move { ask(&from).await }
    });
    until(|| from.world.frozen() == 1).await;
    from.world.bury(&[2]);
    from.world.bury(&[1]);
    let response = asking.await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{}", response.body());
    assert_eq!(header(&response, ERROR_HEADER), "indeterminate");
    assert_eq!(header(&response, ATTEMPTS_HEADER), "1");
    assert!(
        response.body().contains("whether the request was carried out is unknown"),
        "{}",
        response.body()
    );
    assert_eq!(from.world.asked.lock().unwrap().len(), 0, "nobody else was asked");
}

#[tokio::test]
async fn a_call_ends_when_its_node_is_held_for_dead_and_is_asked_nowhere_else() {
    let from = world(false, &[Manner::Frozen, ANSWERS]);
    from.traffic.avoid(node(2), DEADLINE);
    let calling = tokio::spawn({
        let from = from.clone();
        let echo = Values::Wave("\"hi\"".to_owned());
        async move { invoke::call(&from, &"hello".parse().unwrap(), "echo", &echo, DEADLINE).await }
    });
    until(|| from.world.frozen() == 1).await;
    from.world.bury(&[1]);
    let failure = calling.await.unwrap().unwrap_err();
    assert_eq!(failure, CallFailure::Broken { node: node(1), why: "it is held for dead".to_owned() });
    assert_eq!(from.world.asked.lock().unwrap().len(), 0, "nobody else was asked");
}

#[tokio::test]
async fn a_request_that_may_not_be_repeated_is_still_answered_by_a_node_that_drains() {
    let from = world(false, &[Manner::Answers(Duration::from_millis(50))]);
    let asking = tokio::spawn({
        let from = from.clone();
        async move { ask(&from).await }
    });
    until(|| from.world.asked.lock().unwrap().len() == 1).await;
    from.world.route(false, &[]);
    assert_eq!(asking.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn an_answer_breaks_off_when_its_node_is_held_for_dead() {
    let from = world(false, &[Manner::Stalls]);
    let response = answer_with(&from, request("image")).await;
    assert_eq!(response.status(), StatusCode::OK);
    until(|| from.world.frozen() == 1).await;
    from.world.bury(&[1]);
    let broken = response.into_body().collect().await.unwrap_err().to_string();
    assert_eq!(broken, "it is held for dead");
}

#[tokio::test]
async fn a_request_that_cannot_have_had_effects_is_asked_elsewhere() {
    let from = world(false, &[Manner::Dead, ANSWERS]);
    for _ in 0..10 {
        assert_eq!(ask(&from).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn without_a_live_replica_the_answer_is_503_with_a_time_to_come_back() {
    for (idempotent, manners) in
        [(true, &[][..]), (false, &[]), (true, &[Manner::Dead]), (false, &[Manner::Dead])]
    {
        let from = world(idempotent, manners);
        let begun = Instant::now();
        let response = ask(&from).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(header(&response, "retry-after"), "1");
        assert!(begun.elapsed() < DEADLINE);
        assert_eq!(from.traffic.counters().errors, 1);
    }
}

#[tokio::test]
async fn a_deadline_is_kept_though_every_replica_hangs() {
    let from = world(true, &[Manner::Frozen, Manner::Frozen]);
    let begun = Instant::now();
    let response = ask(&from).await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(header(&response, ERROR_HEADER), "deadline-exceeded");
    assert!(begun.elapsed() >= DEADLINE);
}

#[tokio::test]
async fn an_unknown_host_is_404_and_says_how_services_are_found() {
    let from = world(true, &[ANSWERS]);
    let request = Request::get("/").header("host", "other").body(body::full("")).unwrap();
    let response = read(answer_with(&from, request).await).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert!(response.body().contains("Host header"), "{}", response.body());
}

#[tokio::test]
async fn a_body_beyond_the_limit_and_a_request_beyond_the_capacity_are_refused() {
    let from = world(true, &[ANSWERS]);
    let response = answer_with(&from, request(vec![0; limit::BODY_BYTES_MAX + 1])).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    drop(response);
    let all = u32::try_from(from.traffic.requests.available_permits()).unwrap();
    let _taken = from.traffic.requests.clone().acquire_many_owned(all).await.unwrap();
    assert_eq!(ask(&from).await.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_large_body_travels_whole_both_ways() {
    for idempotent in [true, false] {
        let from = world(idempotent, &[ANSWERS]);
        let image = vec![b'x'; 6 * 1024 * 1024];
        let response = read(answer_with(&from, request(image)).await).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.body().len() > 6 * 1024 * 1024);
    }
}

#[tokio::test]
async fn the_listener_speaks_http_and_stops_when_told() {
    let from = world(true, &[ANSWERS]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server::serve(from, listener, async move {
        let _ = stopped.await;
    }));
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request =
        b"POST /x HTTP/1.1\r\nHost: hello.mesh\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
    socket.write_all(request).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("orbweave-replica: 0101010101/1\r\n"), "{answer}");
    assert!(answer.ends_with("POST http://hello.mesh/x abc"), "{answer}");
    stop.send(()).unwrap();
    tokio::time::timeout(DEADLINE, serving).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

/// A listener for the node, with the time that it gives a client which reads nothing.
async fn listening(from: &FakeNode, stall_time_max: Duration) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = server::serve_patiently(from.clone(), listener, stall_time_max, std::future::pending());
    tokio::spawn(serving);
    address
}

#[tokio::test]
async fn a_client_that_sends_too_much_without_asking_first_still_reads_why_it_is_refused() {
    for (idempotent, host) in [(true, "hello.mesh"), (false, "hello.mesh"), (true, "nobody.mesh")] {
        let from = world(idempotent, &[ANSWERS]);
        let mut socket = TcpStream::connect(listening(&from, DEADLINE).await).await.unwrap();
        let length = limit::BODY_BYTES_MAX + 8 * 1024 * 1024;
        let head = format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n");
        // All of it first, as a simple client does, then the answer.
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(&vec![7; length]).await.unwrap();
        socket.write_all(b"GET / HTTP/1.1\r\nHost: hello.mesh\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut said = String::new();
        socket.read_to_string(&mut said).await.unwrap();
        let expected = if host == "hello.mesh" { "HTTP/1.1 413 " } else { "HTTP/1.1 404 " };
        assert!(said.starts_with(expected), "{said}");
        assert!(said.contains("HTTP/1.1 200 OK"), "the connection can be used again: {said}");
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_does_not_hold_its_request_for_ever() {
    let from = world(true, &[]);
    from.world.set(0, ANSWERS);
    from.world.route(true, &[0]);
    let free = from.traffic.requests.available_permits();
    let address = listening(&from, Duration::from_millis(100)).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut socket = socket.connect(address).await.unwrap();
    let length = limit::BODY_BYTES_MAX;
    let head = format!("POST / HTTP/1.1\r\nHost: hello.mesh\r\nContent-Length: {length}\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&vec![7; length]).await.unwrap();
    until(|| from.world.asked.lock().unwrap().len() == 1).await;
    until(|| from.traffic.requests.available_permits() == free).await;
    drop(socket);
}

#[tokio::test]
async fn a_function_is_called_wherever_it_runs_and_only_once_when_it_may_have_had_effects() {
    let hello = "hello".parse().unwrap();
    let from = world(true, &[Manner::Dead, Manner::Absent, ANSWERS]);
    let echo = Values::Wave("\"a\"".to_owned());
    let called = invoke::call(&from, &hello, "echo", &echo, DEADLINE).await.unwrap();
    assert_eq!((called.result, called.node), (echo.clone(), node(3)));
    let bytes = Values::Encoded(vec![1, 2, 3]);
    assert_eq!(invoke::call(&from, &hello, "echo", &bytes, DEADLINE).await.unwrap().result, bytes);
    let failure = invoke::call(&from, &hello, "other", &echo, DEADLINE).await.unwrap_err();
    assert_eq!(failure, CallFailure::BadRequest("there is no function other".to_owned()));

    let from = world(true, &[Manner::Traps, ANSWERS]);
    from.traffic.avoid(node(2), DEADLINE);
    let failure = invoke::call(&from, &hello, "echo", &echo, DEADLINE).await.unwrap_err();
    assert_eq!(failure, CallFailure::Trapped("unreachable code".to_owned()));
    let other = "other".parse().unwrap();
    let failure = invoke::call(&from, &other, "echo", &echo, DEADLINE).await.unwrap_err();
    assert_eq!(failure, CallFailure::NoSuchWorkload(other));
}

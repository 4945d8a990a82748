//! HTTP requests to guests that answer, stream, wait, fail and go on too long.

use crate::support::{ECHO, LIMITS, SECOND, bench, guest, lines, text};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use orbweave_wasm::{Body, BodyError, CallError, LogStream};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Frame = http_body::Frame<Bytes>;

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path).header("host", "test.mesh").body(Empty::new()).unwrap()
}

async fn read(response: Response<Body>) -> Result<Bytes, BodyError> {
    response.into_body().collect().await.map(|body| body.to_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_answered_with_the_environment_given() {
    let bench = bench();
    let env = vec![("GREETING".to_owned(), "Ahoy".to_owned())];
    let service = bench.serve_with(&guest("hello-http"), LIMITS, env, Arc::new(|_| {})).await;
    assert!(service.exports().http);
    let response = service.http(get("/harbour"), SECOND).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(read(response).await.unwrap(), "Ahoy from the mesh: GET /harbour\n");
    assert_eq!(service.outstanding(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_streams_through_both_ways() {
    let bench = bench();
    let service = bench.serve(&guest("echo-body"), LIMITS).await;
    let sent = Bytes::from(vec![7; 5 << 20]);
    let request = Request::post("/").header("host", "h").body(Full::new(sent.clone())).unwrap();
    let response = service.http(request, 5 * SECOND).await.unwrap();
    assert!(read(response).await.unwrap() == sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_flows_piece_by_piece_while_the_request_is_still_open() {
    let bench = bench();
    let service = bench.serve(&guest("echo-body"), LIMITS).await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
    let pieces = futures::stream::unfold(receiver, |mut receiver| async {
        let piece = receiver.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(piece)), receiver))
    });
    let request = Request::post("/").header("host", "h").body(StreamBody::new(pieces)).unwrap();
    let mut body = service.http(request, 5 * SECOND).await.unwrap().into_body();
    for piece in ["one", "two", "three"] {
        sender.send(piece.into()).await.unwrap();
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece);
    }
    drop(sender);
    assert!(body.frame().await.is_none());
}

/// A request whose body never ends.
fn endless() -> Request<impl http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static> {
    let first = futures::stream::iter([Ok(Frame::data(Bytes::from_static(b"begun")))]);
    let pieces = futures::StreamExt::chain(first, futures::stream::pending());
    Request::post("/").header("host", "h").body(StreamBody::new(pieces)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_does_not_end_breaks_off_at_its_deadline() {
    let bench = bench();
    let service = bench.serve(&guest("echo-body"), LIMITS).await;
    let begun = Instant::now();
    let mut body = service.http(endless(), Duration::from_millis(300)).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "begun");
    assert_eq!(body.frame().await.unwrap().unwrap_err(), BodyError(CallError::DeadlineExceeded));
    assert!(begun.elapsed() < 5 * SECOND);
    assert!(body.frame().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_nobody_reads_any_more_stops_its_guest() {
    let bench = bench();
    let service = bench.serve(&guest("echo-body"), LIMITS).await;
    let response = service.http(endless(), 9 * SECOND).await.unwrap();
    assert_eq!(service.outstanding(), 1);
    drop(response);
    let begun = Instant::now();
    while service.outstanding() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(begun.elapsed() < 2 * SECOND, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_breaks_off_or_is_too_long_never_ends_as_a_whole_response() {
    let bench = bench();
    let service = bench.serve(&guest("echo-body"), LIMITS).await;
    let broken = futures::stream::iter([
        Ok(Frame::data(Bytes::from_static(b"half"))),
        Err(std::io::Error::other("the client went away")),
    ]);
    let request = Request::post("/").header("host", "h").body(StreamBody::new(broken)).unwrap();
    let response = service.http(request, SECOND).await.unwrap();
    assert!(matches!(read(response).await, Err(BodyError(CallError::Trapped(_)))));

    let piece = Bytes::from(vec![1; 1 << 20]);
    let long = futures::stream::repeat_with(move || Ok::<_, Infallible>(Frame::data(piece.clone())));
    let request = Request::post("/").header("host", "h").body(StreamBody::new(long)).unwrap();
    let response = service.http(request, 5 * SECOND).await.unwrap();
    assert!(read(response).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_fails_before_it_answers_is_an_error_that_says_how() {
    let bench = bench();
    for (name, expected) in [
        ("trap-on-call", "trapped"),
        ("spin-forever", "deadline-exceeded"),
        ("allocate-without-end", "out-of-memory"),
    ] {
        let service = bench.serve(&guest(name), LIMITS).await;
        let error = service.http(get("/"), 2 * SECOND).await.err().unwrap();
        assert_eq!(error.code(), expected, "{name}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_sleeps_past_its_deadline_is_stopped() {
    let bench = bench();
    let service = bench.serve(&guest("sleep-then-answer"), LIMITS).await;
    let begun = Instant::now();
    let error = service.http(get("/?ms=5000"), Duration::from_millis(200)).await.err().unwrap();
    assert_eq!(error, CallError::DeadlineExceeded);
    assert!(begun.elapsed() < 2 * SECOND, "{:?}", begun.elapsed());
    let response = service.http(get("/?ms=20"), 5 * SECOND).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_guest_prints_is_logged_line_by_line() {
    let bench = bench();
    let (sink, kept) = lines();
    let service = bench.serve_with(&guest("print-lines"), LIMITS, Vec::new(), sink).await;
    read(service.http(get("/sea"), SECOND).await.unwrap()).await.unwrap();
    let kept = kept.lock().unwrap();
    let found: Vec<_> = kept.iter().map(|line| (line.stream, line.text.as_str())).collect();
    assert_eq!(found, [(LogStream::Stdout, "out: /sea"), (LogStream::Stderr, "err: /sea")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_ends_badly_is_noted_in_its_log() {
    let bench = bench();
    let (sink, kept) = lines();
    let service = bench.serve_with(&guest("trap-on-call"), LIMITS, Vec::new(), sink).await;
    service.http(get("/"), SECOND).await.err().unwrap();
    let kept = kept.lock().unwrap();
    assert!(
        kept.iter().any(|line| line.stream == LogStream::Host && line.text.contains("trapped")),
        "{kept:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_cannot_be_served_is_refused_before_anything_runs() {
    let bench = bench();
    let service = bench.serve(&text("echo", ECHO), LIMITS).await;
    let error = service.http(get("/"), SECOND).await.err().unwrap();
    assert!(matches!(error, CallError::NoSuchFunction(_)), "{error}");
    let service = bench.serve(&guest("hello-http"), LIMITS).await;
    let nameless = Request::get("/").body(Empty::<Bytes>::new()).unwrap();
    let error = service.http(nameless, SECOND).await.err().unwrap();
    assert!(matches!(error, CallError::BadArguments(_)), "{error}");
}

//! Requests and calls to what runs in another zone: over a gateway of the own zone, and one
//! of the other.

use super::world::{ANSWERS, FakeNode, Manner, node, world};
use super::{ask, header, request};
use crate::ingress::failure::CallFailure;
use crate::ingress::invoke::{self, Called, Values};
use crate::ingress::server::{ERROR_HEADER, REPLICA_HEADER, answer_with};
use http::StatusCode;
use std::time::Duration;

/// Node 0 and its gateway 1 are of one zone, gateway 2 and node 3, which runs it, of another.
fn two_zones(idempotent: bool, replica: Manner) -> FakeNode {
    let from = world(idempotent, &[Manner::Absent, Manner::Absent, replica]);
    from.world.route_in_zone(0, idempotent, &[], &[1]);
    from.world.route_in_zone(1, idempotent, &[], &[2]);
    from.world.route_in_zone(2, idempotent, &[3], &[]);
    from
}

async fn call(from: &FakeNode) -> Result<Called, CallFailure> {
    let args = Values::Wave("\"a\"".to_owned());
    invoke::call(from, &"hello".parse().unwrap(), "echo", &args, Duration::from_secs(3)).await
}

#[tokio::test]
async fn what_runs_in_another_zone_is_reached_over_two_gateways() {
    for idempotent in [true, false] {
        let from = two_zones(idempotent, ANSWERS);
        let response = ask(&from).await;
        assert_eq!(response.status(), StatusCode::OK, "{}", response.body());
        assert_eq!(response.body(), "POST http://Hello.mesh:8080/path?q=1 image");
        assert_eq!(header(&response, REPLICA_HEADER), "0101010101/beyond");
        assert_eq!(*from.world.asked.lock().unwrap(), [node(3)]);
    }
    let called = call(&two_zones(false, ANSWERS)).await.unwrap();
    assert_eq!(called, Called { result: Values::Wave("\"a\"".to_owned()), node: node(3) });
}

#[tokio::test]
async fn a_replica_of_the_own_zone_is_asked_first_and_another_zone_when_none_is_left() {
    let from = two_zones(true, ANSWERS);
    from.world.set(4, ANSWERS);
    from.world.route_in_zone(0, true, &[4], &[1]);
    for _ in 0..10 {
        assert_eq!(header(&ask(&from).await, REPLICA_HEADER), "0404040404/4");
    }
    from.world.set(4, Manner::Dead);
    assert_eq!(header(&ask(&from).await, REPLICA_HEADER), "0101010101/beyond");
    assert_eq!(call(&from).await.unwrap().node, node(3));
}

#[tokio::test]
async fn a_gateway_that_runs_it_answers_itself() {
    let from = two_zones(false, ANSWERS);
    from.world.set(2, ANSWERS);
    assert_eq!(ask(&from).await.status(), StatusCode::OK);
    assert_eq!(*from.world.asked.lock().unwrap(), [node(2)]);
}

#[tokio::test]
async fn a_request_goes_over_two_gateways_at_most_and_never_back() {
    // Gateway 2 has no replica, and knows of others that may have one.
    let from = two_zones(false, ANSWERS);
    from.world.route_in_zone(2, false, &[], &[1, 3]);
    let response = ask(&from).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header(&response, ERROR_HEADER), "unreachable");
    assert!(response.body().contains("leads to none in another"), "{}", response.body());
    // Gateway 1 knows of nobody but the one that asks.
    from.world.route_in_zone(1, false, &[0], &[0]);
    from.world.set(0, Manner::Absent);
    assert_eq!(ask(&from).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(from.world.asked.lock().unwrap().is_empty());
    assert!(matches!(call(&from).await, Err(CallFailure::Unreachable { beyond: true, .. })));
}

#[tokio::test]
async fn a_gateway_that_is_dead_is_passed_over() {
    let from = two_zones(false, ANSWERS);
    from.world.set(4, Manner::Dead);
    from.world.route_in_zone(0, false, &[], &[4, 1]);
    let response = ask(&from).await;
    assert_eq!(response.status(), StatusCode::OK, "{}", response.body());
    assert_eq!(call(&from).await.unwrap().node, node(3));
}

#[tokio::test]
async fn the_time_that_is_left_goes_along() {
    let from = two_zones(false, Manner::Frozen);
    let response = ask(&from).await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT, "{}", response.body());
    let failure = two_zones(false, Manner::Traps);
    let response = ask(&failure).await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(header(&response, ERROR_HEADER), "trapped");
    assert!(matches!(call(&failure).await, Err(CallFailure::Trapped(_))));
}

#[tokio::test]
async fn a_large_body_travels_whole_both_ways() {
    let from = two_zones(false, ANSWERS);
    let body = "x".repeat(3 * 1024 * 1024);
    let response = super::read(answer_with(&from, request(body.clone())).await).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.body().ends_with(&body));
}

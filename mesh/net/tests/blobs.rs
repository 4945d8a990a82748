//! Blobs between real stores.

mod common;

use bytes::Bytes;
use common::{link, start};
use orbweave_model::Hash;
use orbweave_net::FetchError;
use std::sync::atomic::Ordering;

const SIZE: usize = 8 * 1024 * 1024;

fn content(seed: u8) -> Bytes {
    let mut state = u32::from(seed).wrapping_add(1);
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(SIZE).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_of_8_mib_is_fetched_and_verified() {
    let (mut a, mut b) = (start(1).await, start(2).await);
    let bytes = content(1);
    let hash = b.net.add_blob(bytes.clone()).await.expect("added");
    assert_eq!(hash, Hash::of(&bytes));
    assert_eq!(a.net.blob(hash).await.expect("asked"), None);
    link(&mut a, &mut b).await;
    a.net.fetch_blob(hash, SIZE as u64, &[b.id]).await.expect("fetched");
    assert!(a.net.blob(hash).await.expect("asked").expect("complete") == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_larger_than_expected_is_not_fetched() {
    let (mut a, mut b) = (start(1).await, start(2).await);
    let hash = b.net.add_blob(content(2)).await.expect("added");
    link(&mut a, &mut b).await;
    let before = a.net.counters().quinn_received_bytes;
    let error = a.net.fetch_blob(hash, SIZE as u64 - 1, &[b.id]).await.expect_err("too large");
    assert!(matches!(error, FetchError::TooLarge { size, .. } if size == SIZE as u64), "{error}");
    assert!(a.net.counters().quinn_received_bytes - before < 64 * 1024, "only the proof of its size came");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_get_asks_the_gate_and_a_denied_one_goes_to_the_next_provider() {
    let (mut a, mut b, mut c) = (start(1).await, start(2).await, start(3).await);
    let bytes = content(3);
    let hash = b.net.add_blob(bytes.clone()).await.expect("added");
    link(&mut a, &mut b).await;
    b.gate.blobs.store(false, Ordering::Relaxed);
    let error = a.net.fetch_blob(hash, SIZE as u64, &[b.id, c.id]).await.expect_err("denied");
    assert!(matches!(&error, FetchError::NoProvider { tried, .. } if tried.len() == 2), "{error}");
    assert_eq!(b.net.counters().blobs_denied, 1);

    link(&mut a, &mut c).await;
    c.net.add_blob(bytes).await.expect("added");
    a.net.fetch_blob(hash, SIZE as u64, &[b.id, c.id]).await.expect("fetched from the other");
    assert_eq!(b.net.counters().blobs_denied, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_goes_on_from_a_second_provider_where_the_first_one_broke_off() {
    let (mut a, mut b, mut c) = (start(1).await, start(2).await, start(3).await);
    let bytes = Bytes::from([content(4), content(5), content(6), content(7)].concat());
    let size = bytes.len() as u64;
    let hash = b.net.add_blob(bytes.clone()).await.expect("added");
    c.net.add_blob(bytes.clone()).await.expect("added");
    link(&mut a, &mut b).await;
    link(&mut a, &mut c).await;

    // The link to the first provider goes once a part has come.
    let before = a.net.counters().quinn_received_bytes;
    let (net, from) = (a.net.clone(), b.id);
    let first = tokio::spawn(async move { net.fetch_blob(hash, size, &[from]).await });
    common::until("a part has come", || a.net.counters().quinn_received_bytes - before > size / 4).await;
    a.net.evict(b.id);
    let error = first.await.expect("joined").expect_err("broke off");
    assert!(matches!(error, FetchError::NoProvider { .. }), "{error}");

    let before = a.net.counters().quinn_received_bytes;
    a.net.fetch_blob(hash, size, &[b.id, c.id]).await.expect("completed");
    let rest = a.net.counters().quinn_received_bytes - before;
    assert!(rest < size - size / 8, "only the rest came: {rest} of {size}");
    assert!(a.net.blob(hash).await.expect("asked").expect("complete") == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_outlive_the_process() {
    let a = start(1).await;
    let hash = a.net.add_blob(content(8)).await.expect("added");
    a.net.shutdown().await;
    let (again, _events) = common::run(1, &a.gate, "127.0.0.1:0", true, a.dir.path()).await;
    assert!(again.blob(hash).await.expect("asked").is_some());
}

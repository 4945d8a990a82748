//! Shares of services, and guests that are given up.

use super::*;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// A guest that computes for a millisecond at a time until it is told to stop.
fn busy(stop: &Arc<AtomicBool>, slices: &Arc<AtomicU64>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let (stop, slices) = (Arc::clone(stop), Arc::clone(slices));
    Box::pin(async move {
        while !stop.load(SeqCst) {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(1) {
                std::hint::spin_loop();
            }
            slices.fetch_add(1, SeqCst);
            tokio::task::yield_now().await;
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_many_guests_gets_no_more_than_one_with_few() {
    let pool = FairPool::start(1).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (many, few) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (share_of_many, share_of_few) = (Arc::default(), Arc::default());
    let mut placed: Vec<_> = (0..20).map(|_| pool.place(&share_of_many, busy(&stop, &many))).collect();
    placed.push(pool.place(&share_of_few, busy(&stop, &few)));
    while many.load(SeqCst) + few.load(SeqCst) < 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.store(true, SeqCst);
    for guest in placed {
        assert_eq!(guest.await, Some(()));
    }
    let (many, few) = (many.load(SeqCst), few.load(SeqCst));
    assert!(few * 2 > many, "twenty guests of one service: {many} slices, one of another: {few}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_is_given_up_is_dropped() {
    struct Dropped(Arc<AtomicBool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }
    let pool = FairPool::start(1).unwrap();
    for computing in [false, true] {
        let gone = Arc::new(AtomicBool::new(false));
        let witness = Dropped(Arc::clone(&gone));
        let inner = busy(&Arc::default(), &Arc::default());
        let placed = pool.place(
            &Arc::default(),
            Box::pin(async move {
                let _witness = witness;
                if computing {
                    inner.await;
                } else {
                    std::future::pending::<()>().await;
                }
            }),
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
        drop(placed);
        while !gone.load(SeqCst) {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_waits_is_woken() {
    let pool = FairPool::start(2).unwrap();
    let placed = pool.place(
        &Arc::default(),
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            7
        }),
    );
    assert_eq!(placed.await, Some(7));
}

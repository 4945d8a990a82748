use super::*;

const IDLE: Candidate =
    Candidate { rtt_us: 1_000, outstanding: 0, local: false, failed_recently: false, untried: false };

/// Of 10,000 draws, those that explore: they fall evenly on all.
const EXPLORING: usize = 10_000 / EXPLORE_ONE_IN as usize;

/// Even bits from a counter (splitmix64).
fn bits(counter: u64) -> u64 {
    let mut z = counter.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn share(candidates: &[Candidate], of: usize) -> usize {
    (0..10_000).filter(|&i| pick(candidates, bits(i)) == Some(of)).count()
}

#[test]
fn no_candidate_gives_none_and_a_single_one_is_taken_even_if_it_failed() {
    assert_eq!(pick(&[], 9), None);
    let failed = Candidate { failed_recently: true, ..IDLE };
    assert_eq!(pick(&[failed], 9), Some(0));
}

#[test]
fn equal_replicas_share_calls_evenly() {
    for of in 0..3 {
        let got = share(&[IDLE; 3], of);
        assert!((3_000..3_700).contains(&got), "replica {of} got {got} of 10,000");
    }
}

#[test]
fn a_replica_that_failed_recently_is_avoided_while_there_is_another() {
    let failed = Candidate { failed_recently: true, ..IDLE };
    let busy = Candidate { outstanding: 500, ..IDLE };
    assert_eq!(share(&[failed, busy], 0), 0);
    assert_eq!(share(&[failed, failed, busy], 2), 10_000);
}

#[test]
fn the_busier_of_two_is_chosen_only_to_explore() {
    let busy = Candidate { outstanding: 3, ..IDLE };
    assert!((1..EXPLORING).contains(&share(&[busy, IDLE], 0)));
}

#[test]
fn a_replica_with_a_bad_round_trip_is_measured_again_now_and_then() {
    let far = Candidate { rtt_us: 500_000, ..IDLE };
    let local = Candidate { rtt_us: 0, local: true, ..IDLE };
    assert!((1..EXPLORING).contains(&share(&[far, IDLE, local], 0)));
}

#[test]
fn a_replica_that_was_never_asked_goes_first_one_call_at_a_time() {
    let fresh = Candidate { rtt_us: 500_000, untried: true, ..IDLE };
    assert_eq!(share(&[IDLE, fresh, IDLE], 1), 10_000);
    let asked = Candidate { outstanding: 1, ..fresh };
    assert!(share(&[IDLE, asked, IDLE], 1) < EXPLORING);
    let failed = Candidate { failed_recently: true, ..fresh };
    assert_eq!(share(&[IDLE, failed, IDLE], 1), 0);
}

#[test]
fn an_idle_local_replica_is_preferred_and_a_crowded_one_is_not() {
    let local = Candidate { rtt_us: 0, local: true, ..IDLE };
    assert!(share(&[IDLE, local, IDLE], 1) > 10_000 - EXPLORING);
    let crowded = Candidate { outstanding: 100, ..local };
    assert!(share(&[IDLE, crowded, IDLE], 1) < EXPLORING);
}

#[test]
fn a_near_replica_takes_more_than_a_far_one_until_it_is_crowded() {
    let far = Candidate { rtt_us: 40_000, ..IDLE };
    assert!(share(&[far, IDLE], 0) < EXPLORING);
    let crowded = Candidate { outstanding: 40, ..IDLE };
    assert!(share(&[far, crowded], 0) > 10_000 - EXPLORING);
}

#[test]
fn extreme_numbers_of_a_peer_do_not_overflow() {
    let extreme = Candidate { rtt_us: u32::MAX, outstanding: u32::MAX, ..IDLE };
    assert!(pick(&[extreme, extreme], u64::MAX).is_some());
    let mut typical = Typical::default();
    for _ in 0..100 {
        typical.observe(Duration::MAX);
    }
    assert_eq!(typical.hedge_after(), HEDGE_AFTER_MAX);
}

#[test]
fn a_hedge_waits_three_times_the_typical_and_at_least_a_quarter_second() {
    let mut fast = Typical::default();
    let mut slow = Typical::default();
    for _ in 0..200 {
        fast.observe(Duration::from_millis(2));
        slow.observe(Duration::from_millis(400));
    }
    assert_eq!(fast.hedge_after(), HEDGE_AFTER_MIN);
    let after = slow.hedge_after();
    assert!(after >= Duration::from_millis(1_190) && after <= Duration::from_millis(1_300), "{after:?}");
}

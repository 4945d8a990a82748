//! Reallocation every fifteen seconds, and its spike.

use crate::{EPOCH, shell, station};
use orbweave_contact::{Moment, Spike, WalkerKind, allocation, serving};
use orbweave_model::Wall;
use proptest::prelude::*;
use std::time::Duration;

#[test]
fn reallocations_are_at_12_27_42_and_57_seconds_past_the_minute() {
    let begins = |s: u64| allocation(Wall(EPOCH.0 + s * 1_000)).begins.0 % 60_000 / 1_000;
    let begins: Vec<u64> = (0..60).map(begins).collect();
    let expected = (0..60).map(|s| match s {
        0..12 | 57.. => 57,
        12..27 => 12,
        27..42 => 27,
        _ => 42,
    });
    assert_eq!(begins, expected.collect::<Vec<u64>>());
    let one = allocation(Wall(EPOCH.0 + 12_000));
    assert_eq!((one.begins, one.ends), (Wall(EPOCH.0 + 12_000), Wall(EPOCH.0 + 27_000)));
    assert_eq!(allocation(Wall(EPOCH.0 + 11_999)).ends, one.begins);
    assert_eq!(allocation(Wall(0)).begins, Wall(0));
}

#[test]
fn the_highest_satellite_serves_and_of_equals_the_first() {
    let satellites = shell(WalkerKind::Delta, 36, 22, 9).satellites().unwrap();
    let station = station(48.0, 11.0, 25.0);
    let at = Wall(EPOCH.0 + 3_600_000);
    let chosen = serving(&station, &satellites, at).unwrap();
    let moment = Moment::at(allocation(at).begins);
    let elevation = |i: usize| station.look(satellites[i].position(&moment).unwrap()).elevation_deg;
    assert!(elevation(chosen) >= 25.0);
    assert!((0..satellites.len()).all(|i| elevation(i) <= elevation(chosen)));

    let twice: Vec<_> = satellites.iter().chain(&satellites).cloned().collect();
    assert_eq!(serving(&station, &twice, at), Some(chosen));
    assert_eq!(serving(&crate::station(85.0, 0.0, 25.0), &satellites, at), None);
}

#[test]
fn nobody_changes_satellite_within_an_allocation_and_somebody_does_at_its_end() {
    let satellites = shell(WalkerKind::Delta, 36, 22, 9).satellites().unwrap();
    let station = station(48.0, 11.0, 25.0);
    let at = |second: u64| serving(&station, &satellites, Wall(EPOCH.0 + 12_000 + second * 1_000));
    let mut changes = 0;
    for allocation in 0..20 {
        assert_eq!(at(15 * allocation), at(15 * allocation + 14));
        changes += u32::from(at(15 * allocation) != at(15 * allocation + 15));
    }
    assert!(changes >= 2, "{changes}");
}

#[test]
fn the_spike_begins_at_its_peak_and_is_gone_when_it_has_settled() {
    let spike = Spike::default();
    assert_eq!(spike.extra_us(Duration::ZERO, 1_000), 140_000);
    assert_eq!(spike.extra_us(Duration::ZERO, 500), 70_000);
    assert_eq!(spike.extra_us(Duration::from_millis(500), 1_000), 35_000);
    assert_eq!(spike.extra_us(Duration::from_secs(1), 1_000), 0);
    assert_eq!(spike.extra_us(Duration::MAX, 1_000), 0);
    assert_eq!(Spike { peak_us: 1, settles_us: 0 }.extra_us(Duration::ZERO, 1_000), 0);
}

proptest! {
    #[test]
    fn the_spike_only_falls(a in 0_u64..1_200_000, b in 0_u64..1_200_000, strength in 0_u16..2_000) {
        let extra = |us| Spike::default().extra_us(Duration::from_micros(us), strength);
        prop_assert!(extra(a.min(b)) >= extra(a.max(b)));
        prop_assert!(extra(a) <= 140_000);
    }
}

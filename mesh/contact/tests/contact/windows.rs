//! Windows against looking once a second.

use crate::{EPOCH, shell, starlink, station};
use orbweave_contact::{
    EDGE_MS, GroundStation, Moment, Pass, Satellite, Search, SearchError, WalkerKind, Window, delay_us,
    line_of_sight,
};
use orbweave_model::Wall;
use proptest::prelude::*;
use std::time::Duration;

const HORIZON_S: u64 = 2 * 3_600;
const SHORTEST: Duration = Duration::from_secs(20);

/// Runs of whole seconds in which there is a range, each with its ranges.
fn runs(begins: Wall, range_at: impl Fn(Wall) -> Option<f64>) -> Vec<(u64, Vec<f64>)> {
    let mut runs: Vec<(u64, Vec<f64>)> = Vec::new();
    let mut open = false;
    for at in (0..=HORIZON_S).map(|s| begins.0 + s * 1_000) {
        match (range_at(Wall(at)), open) {
            (Some(range), true) => runs.last_mut().unwrap().1.push(range),
            (Some(range), false) => runs.push((at, vec![range])),
            (None, _) => {}
        }
        open = range_at(Wall(at)).is_some();
    }
    runs
}

/// Everything that the search promises of the windows of one pair.
fn agree(
    found: &[Window],
    begins: Wall,
    range_at: impl Fn(Wall) -> Option<f64>,
) -> Result<usize, TestCaseError> {
    let runs = runs(begins, &range_at);
    let ends = begins.0 + HORIZON_S * 1_000;
    for (first, ranges) in &runs {
        let last = first + (ranges.len() as u64 - 1) * 1_000;
        let window = found.iter().find(|w| w.begins.0 <= last && w.ends.0 >= *first);
        let Some(window) = window else {
            prop_assert!(last - first < SHORTEST.as_millis() as u64, "missed: {first} to {last}");
            continue;
        };
        // The true edge is within the second before the first look, the window within EDGE_MS of that.
        prop_assert!(window.begins.0 > first.saturating_sub(1_000) && window.begins.0 <= first + EDGE_MS);
        prop_assert!(window.ends.0 < last + 1_000 && window.ends.0 + EDGE_MS >= last);
        for (k, range) in ranges.iter().enumerate() {
            let at = first + k as u64 * 1_000;
            if at >= window.begins.0 && at <= window.ends.0 {
                let delay = delay_us(*range);
                prop_assert!(
                    window.delay.min_us <= delay && delay <= window.delay.max_us,
                    "{window:?} {delay}"
                );
            }
        }
        // The range is no wider than it need be.
        let nearest = ranges.iter().copied().fold(f64::MAX, f64::min);
        prop_assert!(window.delay.min_us + 30 >= delay_us(nearest), "{window:?} {nearest}");
    }
    for window in found {
        prop_assert!(window.begins >= begins && window.begins < window.ends && window.ends.0 <= ends);
        prop_assert!(range_at(window.begins).is_some() && range_at(window.ends).is_some());
    }
    Ok(runs.len())
}

fn passes_agree(
    satellites: &[Satellite],
    stations: &[GroundStation],
    begins: Wall,
) -> Result<usize, TestCaseError> {
    let search = Search::new(begins, Duration::from_secs(HORIZON_S), SHORTEST).unwrap();
    let passes = search.passes(satellites, stations).unwrap();
    prop_assert!(passes.is_sorted());
    let mut compared = 0;
    for (i, satellite) in satellites.iter().enumerate() {
        for (j, station) in stations.iter().enumerate() {
            let of_pair = passes.iter().filter(|p| (p.satellite, p.station) == (i, j));
            let windows: Vec<Window> = of_pair.map(|p| p.window).collect();
            compared += agree(&windows, begins, |wall| {
                station.range_if_seen(satellite.position(&Moment::at(wall)).unwrap())
            })?;
        }
    }
    Ok(compared)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn passes_over_stations_are_those_that_a_look_a_second_finds(
        altitude_km in 400.0..1_400.0,
        inclination_deg in 30.0..100.0,
        offset_ms in 0_u64..86_400_000,
        places in prop::collection::vec((-70.0..70.0, -180.0..180.0, 0.0..40.0), 3),
    ) {
        let walker = orbweave_contact::Walker { altitude_km, inclination_deg, ..shell(WalkerKind::Delta, 2, 3, 1) };
        let stations: Vec<_> = places.into_iter().map(|(a, b, c)| station(a, b, c)).collect();
        passes_agree(&walker.satellites().unwrap(), &stations, Wall(EPOCH.0 + offset_ms))?;
    }

    #[test]
    fn crosslinks_are_those_that_a_look_a_second_finds(
        altitude_km in 400.0..1_400.0,
        inclination_deg in 30.0..100.0,
        offset_ms in 0_u64..86_400_000,
        phasing in 0_u32..3,
    ) {
        let walker = orbweave_contact::Walker { altitude_km, inclination_deg, ..shell(WalkerKind::Delta, 3, 3, phasing) };
        let satellites = walker.satellites().unwrap();
        let begins = Wall(EPOCH.0 + offset_ms);
        let pairs = [(0, 1), (0, 3), (1, 7), (2, 6)];
        let search = Search::new(begins, Duration::from_secs(HORIZON_S), SHORTEST).unwrap();
        let links = search.crosslinks(&satellites, &pairs).unwrap();
        for (a, b) in pairs {
            let of_pair = links.iter().filter(|l| (l.first, l.second) == (a, b));
            let windows: Vec<Window> = of_pair.map(|l| l.window).collect();
            agree(&windows, begins, |wall| {
                let at = |i: usize| satellites[i].position(&Moment::at(wall)).unwrap();
                line_of_sight(at(a), at(b)).then(|| (at(b) - at(a)).norm())
            })?;
        }
    }
}

#[test]
fn passes_of_real_satellites_are_those_that_a_look_a_second_finds() {
    let stations = [station(47.4, 8.5, 25.0), station(-33.9, 151.2, 10.0), station(0.0, -78.5, 0.0)];
    assert!(passes_agree(&starlink(), &stations, EPOCH).unwrap() > 20);
}

#[test]
fn no_pass_as_long_as_the_stated_minimum_falls_between_two_steps() {
    let satellites = shell(WalkerKind::Delta, 6, 8, 1).satellites().unwrap();
    let stations: Vec<_> = (0..10).map(|i| station(f64::from(i) * 6.0, f64::from(i) * 36.0, 25.0)).collect();
    let day = Duration::from_secs(86_400);
    let passes = |seconds| {
        let search = Search::new(EPOCH, day, Duration::from_secs(seconds)).unwrap();
        search.passes(&satellites, &stations).unwrap()
    };
    let (fine, coarse) = (passes(1), passes(30));
    let mut short = 0;
    for pass in fine.iter().filter(|p| p.window.ends.0 - p.window.begins.0 >= 30_000) {
        let same = |p: &&Pass| {
            (p.satellite, p.station) == (pass.satellite, pass.station)
                && p.window.begins <= pass.window.ends
                && p.window.ends >= pass.window.begins
        };
        assert!(coarse.iter().any(|p| same(&p)), "missed: {pass:?}");
        short += u32::from(pass.window.ends.0 - pass.window.begins.0 < 60_000);
    }
    assert!(short > 10, "only {short} of them are short");
}

#[test]
fn a_contact_that_is_open_throughout_lasts_as_long_as_the_horizon() {
    let shell = shell(WalkerKind::Delta, 3, 22, 0);
    let length = Duration::from_secs(6_000);
    let search = Search::new(EPOCH, length, SHORTEST).unwrap();
    let links = search.crosslinks(&shell.satellites().unwrap(), &[(0, 1)]).unwrap();
    assert_eq!(links.len(), 1);
    assert_eq!((links[0].window.begins, links[0].window.ends), (EPOCH, EPOCH + length));
    // 2 r sin(180°/22) and nothing else, all the time.
    let range = 2.0 * 6_928.137 * libm::sin(std::f64::consts::PI / 22.0);
    let delay = links[0].window.delay;
    assert!(
        delay.max_us - delay.min_us <= 3
            && delay.min_us <= delay_us(range)
            && delay_us(range) <= delay.max_us
    );
}

#[test]
fn light_takes_as_long_as_height_and_horizon_allow() {
    let satellites = shell(WalkerKind::Delta, 6, 8, 1).satellites().unwrap();
    let stations = [station(40.0, 20.0, 25.0), station(-10.0, 120.0, 25.0)];
    let search = Search::new(EPOCH, Duration::from_secs(86_400), SHORTEST).unwrap();
    let passes = search.passes(&satellites, &stations).unwrap();
    assert!(passes.len() > 100);
    for pass in passes {
        // Straight up at the bulge of the equator, and at 25° of elevation over the poles' side.
        assert!(pass.window.delay.min_us >= delay_us(549.0), "{pass:?}");
        assert!(pass.window.delay.max_us <= delay_us(1_160.0), "{pass:?}");
    }
}

#[test]
fn a_satellite_that_falls_has_no_contacts_from_then_on() {
    let text = crate::STARLINK.lines().take(3).collect::<Vec<_>>().join("\n");
    let mut elements = orbweave_contact::Elements::parse_all(&text).unwrap().remove(0);
    elements.bstar = 0.5;
    let satellite = Satellite::from_elements(&elements).unwrap();
    let falls = (0..40)
        .find(|&day| satellite.position(&Moment::at(Wall(elements.epoch().0 + day * 86_400_000))).is_err());
    let falls = Wall(elements.epoch().0 + falls.unwrap() * 86_400_000);
    let search = Search::new(falls, Duration::from_secs(86_400), SHORTEST).unwrap();
    assert_eq!(search.passes(&[satellite], &[station(47.0, 8.0, 0.0)]).unwrap(), []);
}

#[test]
fn a_search_without_bounds_is_refused() {
    let second = Duration::from_secs(1);
    assert!(matches!(Search::new(EPOCH, second, Duration::ZERO), Err(SearchError::Step { .. })));
    assert!(matches!(Search::new(EPOCH, Duration::ZERO, second), Err(SearchError::Length { .. })));
    assert!(matches!(Search::new(EPOCH, Duration::MAX, second), Err(SearchError::Length { .. })));
    let search = Search::new(EPOCH, second, second).unwrap();
    assert_eq!(search.crosslinks(&[], &[(0, 1)]), Err(SearchError::NoSuchSatellite { index: 0 }));
}

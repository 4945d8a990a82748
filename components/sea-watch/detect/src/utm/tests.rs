use super::*;

fn close(place: LonLat, longitude: f64, latitude: f64) {
    let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
    assert!(
        near(place.longitude, longitude) && near(place.latitude, latitude),
        "{place:?} is not {longitude}, {latitude}"
    );
}

#[test]
fn the_false_origin_is_where_the_equator_meets_the_central_meridian() {
    close(Utm { zone: 18, south: false }.lon_lat(500_000.0, 0.0), -75.0, 0.0);
    close(Utm { zone: 18, south: true }.lon_lat(500_000.0, 10_000_000.0), -75.0, 0.0);
}

#[test]
fn the_meridian_arc_to_45_degrees_is_that_of_wgs_84() {
    // 4,984,944.378 m, scaled.
    close(Utm { zone: 31, south: false }.lon_lat(500_000.0, 0.9996 * 4_984_944.378), 3.0, 45.0);
}

#[test]
fn a_tower_in_toronto_is_found_again() {
    // 43° 38′ 33.24″ N, 79° 23′ 13.7″ W is 630,084 m E, 4,833,438 m N of zone 17, to the metre.
    let place = Utm { zone: 17, south: false }.lon_lat(630_084.0, 4_833_438.0);
    assert!((place.longitude + 79.387_139).abs() < 2e-5, "{place:?}");
    assert!((place.latitude - 43.642_567).abs() < 2e-5, "{place:?}");
}

#[test]
fn every_code_outside_utm_is_refused() {
    for code in [0, 4326, 32600, 32661, 32700, 32761, u16::MAX] {
        assert_eq!(Utm::from_epsg(code), None);
    }
}

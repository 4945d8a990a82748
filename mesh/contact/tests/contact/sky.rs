//! Frames, elevation, range and light time, against cases computed elsewhere.

use crate::{starlink, station};
use orbweave_contact::{
    DelayRange, Geodetic, GroundStation, LIGHT_KM_S, Moment, Vec3, delay_us, line_of_sight,
};
use orbweave_model::Wall;

#[test]
fn a_geodetic_place_is_where_others_put_it() {
    // pymap3d 3.2.0: geodetic2ecef(42, -82, 200).
    let place = Geodetic { latitude_deg: 42.0, longitude_deg: -82.0, altitude_m: 200.0 }.position();
    let expected = Vec3 { x: 660.675_251_824_733, y: -4_700.948_683_162_267, z: 4_245.737_662_222_387 };
    assert!((place - expected).norm() < 1e-9, "{place:?}");
}

#[test]
fn elevation_and_range_are_those_of_the_reference() {
    // pymap3d 3.2.0: aer2ecef(33, 70, 1000, 42, -82, 200), the example of MATLAB's geodetic2aer.
    let near = Vec3 { x: 660.930_192_761_081_6, y: -4_701.424_222_957_011, z: 4_246.579_604_632_881 };
    let look = GroundStation::new("a", 42.0, -82.0, 200.0, 0.0).unwrap().look(near);
    assert!((look.elevation_deg - 70.0).abs() < 1e-6 && (look.range_km - 1.0).abs() < 1e-9, "{look:?}");

    // pymap3d 3.2.0: ecef2aer(geodetic2ecef(50, 10, 550e3), 47.37, 8.54, 400).
    let satellite = Vec3 { x: 4_393.618_627_198_607, y: 774.713_506_918_401, z: 5_284.113_481_421_871 };
    let look = GroundStation::new("zurich", 47.37, 8.54, 400.0, 0.0).unwrap().look(satellite);
    assert!((look.elevation_deg - 57.994_390_834_968).abs() < 1e-9, "{look:?}");
    assert!((look.range_km - 638.361_364_380_938_5).abs() < 1e-9, "{look:?}");
}

#[test]
fn the_earth_stands_as_vallado_has_it() {
    // Vallado, "Fundamentals of Astrodynamics and Applications", example 3-5: 20 August 1992,
    // 12:14 UT1, θ = 152.578 787 810°, from a Julian date in one float, which is good to 1e-7°.
    let moment = Moment::at(Wall(714_312_840_000));
    assert!((moment.sidereal().to_degrees() - 152.578_787_810).abs() < 1e-7, "{}", moment.sidereal());
    // Turned by that angle, the meridian of Greenwich.
    let angle = 152.578_787_810_f64.to_radians();
    let greenwich = moment.to_earth_fixed(Vec3 { x: libm::cos(angle), y: libm::sin(angle), z: 0.5 });
    assert!((greenwich - Vec3 { x: 1.0, y: 0.0, z: 0.5 }).norm() < 1e-9, "{greenwich:?}");
    for wall in [0, 946_728_000_000, u64::MAX] {
        assert!((0.0..std::f64::consts::TAU).contains(&Moment::at(Wall(wall)).sidereal()));
    }
}

#[test]
fn a_satellite_is_seen_from_the_minimum_elevation_on() {
    let satellite = Vec3 { x: 4_393.618_627_198_607, y: 774.713_506_918_401, z: 5_284.113_481_421_871 };
    let seen = |min| GroundStation::new("zurich", 47.37, 8.54, 400.0, min).unwrap().range_if_seen(satellite);
    assert_eq!(seen(57.99).map(delay_us), Some(2_129));
    assert_eq!(seen(58.0), None);
    assert_eq!(
        station(-47.0, -171.0, 0.0).range_if_seen(satellite),
        None,
        "from the other side of the Earth"
    );
}

#[test]
fn a_station_that_cannot_be_is_refused_in_words() {
    let refused = |latitude, longitude, altitude, min| {
        GroundStation::new("x", latitude, longitude, altitude, min).unwrap_err().to_string()
    };
    assert_eq!(
        refused(90.5, 0.0, 0.0, 25.0),
        "ground station \"x\": latitude in degrees is 90.5; give a number from -90 to 90"
    );
    assert!(refused(0.0, f64::NAN, 0.0, 25.0).contains("longitude"));
    assert!(refused(0.0, 0.0, 1e6, 25.0).contains("altitude"));
    assert!(refused(0.0, 0.0, 0.0, -1.0).contains("minimum elevation"));
}

#[test]
fn light_takes_its_time_to_the_microsecond() {
    assert_eq!(delay_us(LIGHT_KM_S), 1_000_000);
    assert_eq!(delay_us(550.0), 1_835);
    assert_eq!(delay_us(0.149), 0);
    assert_eq!(delay_us(0.151), 1);
    assert_eq!(delay_us(f64::NAN), 0);
    assert_eq!(DelayRange::constant(7), DelayRange { min_us: 7, max_us: 7 });
}

#[test]
fn the_earth_and_its_air_stand_between_satellites() {
    let at = |x: f64, y: f64| Vec3 { x, y, z: 0.0 };
    let height = 6_378.137 + 80.0;
    assert!(line_of_sight(at(-3_000.0, height + 0.01), at(3_000.0, height + 0.01)));
    assert!(!line_of_sight(at(-3_000.0, height - 0.01), at(3_000.0, height - 0.01)));
    // The line grazes the Earth only beyond its ends.
    assert!(line_of_sight(at(3_000.0, height - 10.0), at(4_000.0, height - 10.0)));
    assert!(!line_of_sight(at(7_000.0, 0.0), at(-7_000.0, 0.0)));
}

#[test]
fn real_satellites_fly_where_they_should() {
    for satellite in starlink() {
        let position = satellite.position(&Moment::at(satellite.epoch())).unwrap();
        let height = position.norm() - 6_371.0;
        assert!((530.0..575.0).contains(&height), "{} at {height} km", satellite.name());
    }
}

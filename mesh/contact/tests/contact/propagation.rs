//! SGP4 against published results and the reference implementation; circles against what holds
//! of every circle.

use crate::{EPOCH, STARLINK, shell};
use orbweave_contact::{Elements, Propagator, PropagatorError, Satellite, Vec3, WalkerKind};
use orbweave_model::Wall;

const VERIFICATION: &str = include_str!("../fixtures/sgp4-verification.txt");

fn distance(a: Vec3, b: [f64; 3]) -> f64 {
    (a - Vec3 { x: b[0], y: b[1], z: b[2] }).norm()
}

#[test]
fn sgp4_gives_the_published_positions() {
    let mut lines = VERIFICATION.lines().peekable();
    let mut compared = 0;
    while let (Some(first), Some(second)) = (lines.next(), lines.next()) {
        let elements = Elements::parse_all(&format!("{first}\n{second}")).unwrap().remove(0);
        let propagator = Propagator::new(&elements).unwrap();
        while let Some(state) = lines.next_if(|line| !line.starts_with("1 ")) {
            let numbers: Vec<f64> = state.split(' ').map(|n| n.parse().unwrap()).collect();
            let is = propagator.after(numbers[0]).unwrap();
            let off = distance(is, [numbers[1], numbers[2], numbers[3]]);
            assert!(off < 1e-6, "satellite {} is {off} km off after {} min", elements.name, numbers[0]);
            compared += 1;
        }
    }
    assert_eq!(compared, 45);
}

#[test]
fn sgp4_agrees_with_the_reference_over_a_real_catalogue() {
    let reference = sgp4::parse_3les(STARLINK).unwrap();
    for (ours, theirs) in Elements::parse_all(STARLINK).unwrap().iter().zip(&reference) {
        let propagator = Propagator::new(ours).unwrap();
        let constants = sgp4::Constants::from_elements_afspc_compatibility_mode(theirs).unwrap();
        for minutes in (-2_880..=10_080).step_by(173).map(f64::from) {
            let theirs = constants.propagate(sgp4::MinutesSinceEpoch(minutes)).unwrap();
            let off = distance(propagator.after(minutes).unwrap(), theirs.position);
            assert!(off < 1e-6, "{} is {off} km off after {minutes} min", ours.name);
        }
    }
}

#[test]
fn a_wall_time_is_minutes_from_the_epoch() {
    let elements = Elements::parse_all(STARLINK).unwrap().remove(0);
    let propagator = Propagator::new(&elements).unwrap();
    let later = Wall(elements.epoch().0 + 600_000);
    let minutes = (i128::from(later.0) * 1_000_000 - elements.epoch_ns) as f64 / 60e9;
    assert!((minutes - 10.0).abs() < 1.0 / 60_000.0);
    assert_eq!(propagator.inertial(later), propagator.after(minutes));
}

#[test]
fn orbits_that_this_theory_does_not_cover_are_refused_in_words() {
    // Molniya 1-36, of the same verification set: twelve hours.
    let molniya = "1 08195U 75081A   06176.33215444  .00000099  00000-0  11873-3 0   813
2 08195  64.1586 279.0717 6877146 264.7651  20.2257  2.00491383225656";
    let elements = Elements::parse_all(molniya).unwrap().remove(0);
    let error = Satellite::from_elements(&elements).unwrap_err();
    assert!(error.to_string().contains("\"8195\": its period of 718 minutes"), "{error}");

    let no_orbit = Elements { mean_motion: 20.0, eccentricity: 0.0, ..elements.clone() };
    assert_eq!(Propagator::new(&no_orbit), Err(PropagatorError::Elements));
    let no_number = Elements { bstar: f64::NAN, mean_motion: 15.0, ..elements };
    assert_eq!(Propagator::new(&no_number), Err(PropagatorError::Elements));
}

#[test]
fn elements_are_not_asked_for_what_they_cannot_say() {
    let elements = Elements::parse_all(STARLINK).unwrap().remove(0);
    let propagator = Propagator::new(&elements).unwrap();
    assert_eq!(propagator.inertial(Wall(u64::MAX)), Err(PropagatorError::TooFar));
    assert_eq!(propagator.after(f64::NAN), Err(PropagatorError::TooFar));
    let falling = Propagator::new(&Elements { bstar: 0.5, ..elements }).unwrap();
    assert_eq!(falling.after(30.0 * 1_440.0), Err(PropagatorError::Decayed));
}

#[test]
fn a_circle_keeps_its_height_and_its_plane_drifts_as_published() {
    let satellites = shell(WalkerKind::Delta, 1, 1, 0).satellites().unwrap();
    let radius = 6_378.137 + 550.0;
    for minute in 0..1_440 {
        let position = satellites[0].inertial(Wall(EPOCH.0 + minute * 60_000)).unwrap();
        assert!((position.norm() - radius).abs() < 1e-9);
    }
    // The node of the 53° shell at 550 km moves by about -4.5 degrees a day, as its published
    // elements do: dΩ/dt = -3/2 J2 n (R/a)² cos i = -4.48°.
    let node_of = |wall: u64| {
        let plane = orbweave_contact::planes(&satellites, Wall(wall), 2.0).unwrap();
        plane[0].node_microdeg
    };
    let drift = (node_of(EPOCH.0 + 86_400_000) - node_of(EPOCH.0)) % 360_000_000;
    let drift = if drift > 180_000_000 { drift - 360_000_000 } else { drift };
    assert!((-4_500_000..-4_450_000).contains(&drift), "{drift}");
}

#[test]
fn a_circle_is_round_in_the_nodal_period_of_the_textbooks() {
    // T = 2π √(a³/μ) (1 - 3/2 J2 (R/a)² (4 cos² i - 1)), to first order in J2.
    let (a, cos_i): (f64, f64) = (6_378.137 + 550.0, libm::cos(53.0_f64.to_radians()));
    let kepler = std::f64::consts::TAU * (a * a * a / 398_600.441_8).sqrt();
    let oblateness = 1.5 * 0.001_082_63 * (6_378.137 / a) * (6_378.137 / a) * (4.0 * cos_i * cos_i - 1.0);
    let period_ms = kepler * (1.0 - oblateness) * 1_000.0;

    let satellites = shell(WalkerKind::Delta, 1, 1, 0).satellites().unwrap();
    let rises = |ms: u64| satellites[0].inertial(Wall(EPOCH.0 + ms)).unwrap().z >= 0.0;
    // The first crosses the equator northwards at the epoch; ten rounds later it does so again.
    let about = (period_ms * 10.0) as u64;
    let crossing = (about - 60_000..about + 60_000).find(|&ms| !rises(ms - 1) && rises(ms)).unwrap();
    // What is left of second order is J2² of ten rounds.
    assert!((crossing as f64 - period_ms * 10.0).abs() < 100.0, "{crossing} {period_ms}");
}

#[test]
fn a_shell_that_cannot_be_is_refused_in_words() {
    let mut impossible = shell(WalkerKind::Delta, 6, 8, 6);
    assert!(impossible.satellites().unwrap_err().to_string().contains("phasing is 6"));
    impossible.phasing = 1;
    impossible.altitude_km = f64::NAN;
    assert!(impossible.satellites().unwrap_err().to_string().contains("altitude in kilometres is NaN"));
    impossible.altitude_km = 550.0;
    impossible.planes = u32::MAX;
    assert!(impossible.grid().unwrap_err().to_string().contains("number of satellites"));
}

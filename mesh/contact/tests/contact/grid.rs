//! +Grid: four neighbours each, near ones, and no link across a seam.

use crate::{EPOCH, shell, starlink};
use orbweave_contact::{Moment, Satellite, WalkerKind, line_of_sight, planes, planes_grid};
use std::collections::BTreeMap;

fn degrees(links: &[(usize, usize)]) -> BTreeMap<usize, usize> {
    let mut degrees = BTreeMap::new();
    for &(a, b) in links {
        assert!(a < b);
        *degrees.entry(a).or_default() += 1;
        *degrees.entry(b).or_default() += 1;
    }
    degrees
}

fn longest_km(links: &[(usize, usize)], satellites: &[Satellite]) -> f64 {
    let moment = Moment::at(EPOCH);
    let at = |i: usize| satellites[i].position(&moment).unwrap();
    links.iter().map(|&(a, b)| (at(b) - at(a)).norm()).fold(0.0, f64::max)
}

#[test]
fn every_satellite_of_a_delta_has_four_neighbours_whatever_the_phasing() {
    for (planes, slots, phasing) in
        [(72, 22, 0), (72, 22, 17), (72, 22, 39), (72, 22, 71), (3, 3, 2), (5, 4, 3)]
    {
        let links = shell(WalkerKind::Delta, planes, slots, phasing).grid().unwrap();
        let degrees = degrees(&links);
        assert_eq!(degrees.len(), (planes * slots) as usize);
        assert!(degrees.values().all(|&d| d == 4), "{planes}x{slots}/{phasing}: {degrees:?}");
    }
}

#[test]
fn neighbours_are_near_and_see_each_other_also_where_the_first_plane_meets_the_last() {
    for phasing in [0, 17, 39, 71] {
        let shell = shell(WalkerKind::Delta, 72, 22, phasing);
        let (satellites, links) = (shell.satellites().unwrap(), shell.grid().unwrap());
        // In the plane they are 2 r sin(180°/22) = 1,972 km apart; to the side half a slot at most.
        assert!(longest_km(&links, &satellites) < 1_973.0, "phasing {phasing}");
        let moment = Moment::at(EPOCH);
        let at = |i: usize| satellites[i].position(&moment).unwrap();
        assert!(links.iter().all(|&(a, b)| line_of_sight(at(a), at(b))));
    }
}

#[test]
fn a_star_has_no_link_across_its_seam() {
    let links = shell(WalkerKind::Star, 6, 11, 2).grid().unwrap();
    assert!(links.iter().all(|&(a, b)| b / 11 - a / 11 <= 1));
    let degrees = degrees(&links);
    let at_the_seam = |i: usize| i / 11 == 0 || i / 11 == 5;
    assert!(degrees.iter().all(|(&i, &d)| d == if at_the_seam(i) { 3 } else { 4 }));
}

#[test]
fn tiny_shells_have_no_link_twice_and_none_with_themselves() {
    assert_eq!(shell(WalkerKind::Delta, 1, 1, 0).grid().unwrap(), []);
    assert_eq!(shell(WalkerKind::Delta, 1, 2, 0).grid().unwrap(), [(0, 1)]);
    assert_eq!(shell(WalkerKind::Delta, 2, 1, 0).grid().unwrap(), [(0, 1)]);
}

#[test]
fn planes_of_a_shell_are_found_again_from_its_positions() {
    let shell = shell(WalkerKind::Delta, 12, 9, 5);
    let satellites = shell.satellites().unwrap();
    let found = planes(&satellites, EPOCH, 2.0).unwrap();
    assert_eq!(found.len(), 12);
    for plane in &found {
        let of: Vec<usize> = plane.members.iter().map(|&(i, _)| i / 9).collect();
        assert!(of.len() == 9 && of.iter().all(|&p| p == of[0]), "{plane:?}");
    }
    assert_eq!(planes_grid(&found, WalkerKind::Delta), shell.grid().unwrap());
    assert_eq!(planes(&[], EPOCH, 2.0).unwrap(), []);
}

#[test]
fn planes_of_real_satellites_are_found_at_one_common_time() {
    let satellites = starlink();
    let found = planes(&satellites, EPOCH, 2.0).unwrap();
    assert_eq!(found.iter().map(|p| p.members.len()).collect::<Vec<_>>(), [8, 8, 8]);
    let links = planes_grid(&found, WalkerKind::Star);
    assert!(degrees(&links).values().all(|d| (3..=4).contains(d)));
}

//! Earliest arrival against trying every route.

use orbweave_contact::{
    Bottleneck, Contact, ContactPlan, DelayRange, Micros, ReserveError, Route, Shipment, Window,
};
use orbweave_model::Wall;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A contact with its bytes a second.
type Given = (Contact<u8>, u64);
/// Until when a contact is taken, by sender, receiver and begin.
type Busy = BTreeMap<(u8, u8, u64), u64>;

fn given(from: u8, to: u8, begins: u64, ends: u64, delay_us: u64, rate: u64) -> Given {
    let delay = DelayRange { min_us: delay_us / 2, max_us: delay_us };
    (Contact { from, to, window: Window { begins: Wall(begins), ends: Wall(ends), delay } }, rate)
}

fn shipment(from: u8, to: u8, bytes: u64, ready: u64, deadline: u64) -> Shipment<u8> {
    Shipment { from, to, bytes, ready: Wall(ready), deadline: Wall(deadline) }
}

/// Those that overlap another of their pair are left out.
fn plan_of(contacts: &[Given]) -> (ContactPlan<u8>, Vec<Given>) {
    let mut plan = ContactPlan::default();
    let taken = contacts.iter().filter(|(contact, rate)| plan.add(contact.clone(), *rate).is_ok()).cloned();
    let taken = taken.collect();
    (plan, taken)
}

/// Tries every route that visits no node twice, by the definition and nothing else.
fn every_route(contacts: &[Given], busy: &Busy, to: u8, bytes: u64, at: (u8, u64), seen: u32) -> Option<u64> {
    if at.0 == to {
        return Some(at.1);
    }
    let arrivals = contacts.iter().filter(|(c, _)| c.from == at.0 && seen & (1 << c.to) == 0);
    arrivals
        .filter_map(|(c, rate)| {
            let free = busy.get(&(c.from, c.to, c.window.begins.0)).copied().unwrap_or(0);
            let starts = at.1.max(c.window.begins.0 * 1_000).max(free);
            let sent = starts + (bytes * 1_000_000).div_ceil(*rate);
            if sent > c.window.ends.0 * 1_000 {
                return None;
            }
            every_route(contacts, busy, to, bytes, (c.to, sent + c.window.delay.max_us), seen | 1 << c.to)
        })
        .min()
}

fn route_holds(route: &Route<u8>, contacts: &[Given], shipment: &Shipment<u8>) -> Result<(), TestCaseError> {
    let mut at = (shipment.from, Micros::from(shipment.ready));
    let mut least = None;
    let mut light_us = 0;
    for (i, hop) in route.hops.iter().enumerate() {
        let same =
            |(c, _): &&Given| (c.from, c.to, c.window.begins) == (hop.from, hop.to, hop.contact_begins);
        let (contact, rate) = contacts.iter().find(same).expect("a contact that was given");
        prop_assert_eq!(hop.from, at.0);
        prop_assert!(hop.starts >= at.1 && hop.starts >= contact.window.begins.into());
        prop_assert!(hop.sent <= contact.window.ends.into());
        prop_assert!(
            (hop.sent.0 - hop.starts.0) * rate >= shipment.bytes * 1_000_000,
            "faster than its rate"
        );
        let delay = hop.arrives.0 - hop.sent.0;
        prop_assert!(contact.window.delay.min_us <= delay && delay <= contact.window.delay.max_us);
        light_us += contact.window.delay.min_us;
        let volume = (contact.window.ends.0 * 1_000 - hop.starts.0) * rate / 1_000_000;
        prop_assert!(volume >= shipment.bytes);
        least = Some(least.map_or((volume, i), |least: (u64, usize)| least.min((volume, i))));
        at = (hop.to, hop.arrives);
    }
    prop_assert_eq!(at, (shipment.to, route.arrives));
    prop_assert!(route.arrives.0 >= shipment.ready.0 * 1_000 + light_us, "faster than light");
    prop_assert!(route.arrives <= shipment.deadline.into());
    prop_assert_eq!(route.bottleneck, least.map(|(bytes, hop)| Bottleneck { hop, bytes }));
    Ok(())
}

fn contacts() -> impl Strategy<Value = Vec<Given>> {
    let contact = (
        0_u8..5,
        0_u8..5,
        0_u64..200,
        1_u64..80,
        0_u64..40_000,
        prop::sample::select(vec![200, 1_000, 7_000]),
    );
    let given = contact.prop_map(|(from, to, begins, length, delay, rate)| {
        given(from, to, begins, begins + length, delay, rate)
    });
    prop::collection::vec(given, 0..14)
}

fn shipments() -> impl Strategy<Value = Vec<Shipment<u8>>> {
    let one = (0_u8..5, 0_u8..5, 0_u64..60, 0_u64..150, 0_u64..300);
    prop::collection::vec(
        one.prop_map(|(f, t, bytes, ready, slack)| shipment(f, t, bytes, ready, ready + slack)),
        1..6,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_route_arrives_before_the_one_that_is_found(contacts in contacts(), shipments in shipments()) {
        let (mut plan, contacts) = plan_of(&contacts);
        let mut busy = Busy::new();
        for shipment in shipments {
            let ready = (shipment.from, shipment.ready.0 * 1_000);
            let first = every_route(&contacts, &busy, shipment.to, shipment.bytes, ready, 1 << shipment.from);
            let in_time = first.filter(|&at| at <= shipment.deadline.0 * 1_000);
            let route = plan.earliest_arrival(&shipment);
            prop_assert_eq!(route.as_ref().map(|r| r.arrives.0), in_time);
            let Some(route) = route else { continue };
            route_holds(&route, &contacts, &shipment)?;
            plan.reserve(&shipment, &route).unwrap();
            for hop in &route.hops {
                busy.insert((hop.from, hop.to, hop.contact_begins.0), hop.sent.0);
            }
        }
    }
}

#[test]
fn the_earliest_contact_is_not_always_the_earliest_arrival() {
    // The direct link is up at once, but slow; the relay is later, and fast.
    let contacts = [
        given(0, 1, 0, 10_000, 10, 100),
        given(0, 2, 1_000, 2_000, 10, 100_000),
        given(2, 1, 1_500, 9_000, 10, 100_000),
    ];
    let (plan, _) = plan_of(&contacts);
    let route = plan.earliest_arrival(&shipment(0, 1, 500, 0, 10_000)).unwrap();
    assert_eq!(route.hops.iter().map(|h| h.to).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(route.arrives, Micros(1_500_000 + 5_000 + 10));
    assert_eq!(route.arrives.wall(), Wall(1_506));
    let light = plan.earliest_arrival(&shipment(0, 1, 5, 0, 10_000)).unwrap();
    assert_eq!((light.hops.len(), light.arrives), (1, Micros(50_010)));
}

#[test]
fn what_is_reserved_is_waited_for_and_then_the_next_contact_is_taken() {
    let (mut plan, _) = plan_of(&[given(0, 1, 0, 1_000, 0, 1_000), given(0, 1, 5_000, 6_000, 0, 1_000)]);
    let shipment = shipment(0, 1, 400, 0, 10_000);
    let arrivals: Vec<u64> = (0..5)
        .map_while(|_| {
            let route = plan.earliest_arrival(&shipment)?;
            plan.reserve(&shipment, &route).unwrap();
            Some(route.arrives.0 / 1_000)
        })
        .collect();
    assert_eq!(arrivals, [400, 800, 5_400, 5_800], "two fit each contact, and no fifth");
}

#[test]
fn a_route_that_another_took_is_refused_and_nothing_is_reserved() {
    let (mut plan, _) = plan_of(&[given(0, 1, 0, 1_000, 0, 1_000), given(1, 2, 0, 1_000, 0, 1_000)]);
    let whole = shipment(0, 2, 300, 0, 1_000);
    let route = plan.earliest_arrival(&whole).unwrap();
    let second_hop = shipment(1, 2, 400, 0, 1_000);
    let other = plan.earliest_arrival(&second_hop).unwrap();
    plan.reserve(&second_hop, &other).unwrap();
    assert_eq!(plan.reserve(&whole, &route), Err(ReserveError::Taken { hop: 1 }));
    let first_hop = plan.earliest_arrival(&shipment(0, 1, 1_000, 0, 1_000)).unwrap();
    assert_eq!(first_hop.arrives, Micros(1_000_000), "the first hop is still free");
    plan.prune(Wall(1_000));
    assert_eq!(plan.reserve(&whole, &route), Err(ReserveError::Gone { hop: 0 }));
}

#[test]
fn what_is_already_there_needs_no_contact() {
    let route = ContactPlan::default().earliest_arrival(&shipment(3, 3, 9, 7, 7)).unwrap();
    assert_eq!((route.hops.len(), route.arrives, route.bottleneck), (0, Micros(7_000), None));
    assert_eq!(ContactPlan::default().earliest_arrival(&shipment(3, 3, 9, 8, 7)), None);
    assert_eq!(ContactPlan::default().earliest_arrival(&shipment(3, 4, 9, 0, 7)), None);
}

#[test]
fn numbers_of_peers_at_their_limits_neither_panic_nor_arrive() {
    let mut plan = ContactPlan::default();
    plan.add(Contact::always(0_u8, 1, DelayRange::constant(5)), 1).unwrap();
    plan.add(Contact::always(1_u8, 2, DelayRange::constant(5)), u64::MAX).unwrap();
    assert_eq!(plan.earliest_arrival(&shipment(0, 2, u64::MAX, 0, u64::MAX)), None);
    assert!(plan.earliest_arrival(&shipment(1, 2, u64::MAX, 0, u64::MAX)).is_some());
    assert_eq!(plan.earliest_arrival(&shipment(0, 2, 1, u64::MAX, u64::MAX)), None);
}

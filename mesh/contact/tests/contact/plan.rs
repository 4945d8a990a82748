//! The plan: what it takes, and who is in reach.

use orbweave_contact::{CONTACTS_MAX, Contact, ContactPlan, DelayRange, PlanError, Reach, Window};
use orbweave_model::Wall;

fn contact(from: char, to: char, begins: u64, ends: u64) -> Contact<char> {
    let delay = DelayRange { min_us: 1_000, max_us: 2_000 };
    Contact { from, to, window: Window { begins: Wall(begins), ends: Wall(ends), delay } }
}

fn plan(contacts: &[(char, char, u64, u64)]) -> ContactPlan<char> {
    let mut plan = ContactPlan::default();
    for &(from, to, begins, ends) in contacts {
        plan.add(contact(from, to, begins, ends), 1_000).unwrap();
    }
    plan
}

#[test]
fn a_plan_refuses_what_cannot_be_and_stays_as_it_was() {
    let mut plan = plan(&[('a', 'b', 100, 200)]);
    assert_eq!(plan.add(contact('a', 'a', 0, 1), 1), Err(PlanError::WithItself));
    assert!(matches!(plan.add(contact('a', 'c', 5, 5), 1), Err(PlanError::Empty { .. })));
    assert_eq!(plan.add(contact('a', 'c', 5, 6), 0), Err(PlanError::NoRate));
    let mut reversed = contact('a', 'c', 5, 6);
    reversed.window.delay = DelayRange { min_us: 2, max_us: 1 };
    assert!(matches!(plan.add(reversed, 1), Err(PlanError::Delay { .. })));
    for (begins, ends) in [(100, 200), (50, 101), (199, 300), (120, 130), (0, 999)] {
        let overlaps = PlanError::Overlaps { begins: Wall(100), ends: Wall(200) };
        assert_eq!(plan.add(contact('a', 'b', begins, ends), 1), Err(overlaps));
    }
    assert_eq!(plan.len(), 1);
    plan.add(contact('a', 'b', 200, 300), 1).unwrap();
    plan.add(contact('a', 'b', 50, 100), 1).unwrap();
    plan.add(contact('b', 'a', 100, 200), 1).unwrap();
    assert_eq!(plan.len(), 4);
    assert_eq!(plan.iter().map(|c| c.window.begins.0).collect::<Vec<_>>(), [50, 100, 200, 100]);
}

#[test]
fn a_plan_never_holds_more_than_its_bound() {
    let mut small = ContactPlan::bounded(3);
    small.add_both(contact('a', 'b', 0, 10), 1).unwrap();
    assert_eq!(small.add_both(contact('a', 'b', 10, 20), 1), Err(PlanError::Full { max: 3 }));
    assert_eq!(small.len(), 2);
    small.add(contact('a', 'b', 10, 20), 1).unwrap();
    assert_eq!(small.add(contact('a', 'b', 20, 30), 1), Err(PlanError::Full { max: 3 }));
    small.prune(Wall(10));
    assert_eq!(small.len(), 1);
    small.add_both(contact('a', 'b', 20, 30), 1).unwrap();
    let mut boundless = ContactPlan::<char>::bounded(usize::MAX);
    boundless.add(contact('a', 'b', 0, 1), 1).unwrap();
    assert_eq!(format!("{boundless:?}").matches(&format!("max: {CONTACTS_MAX}")).count(), 1);
}

#[test]
fn both_directions_are_taken_or_neither() {
    let mut plan = plan(&[('b', 'a', 5, 6)]);
    assert!(matches!(plan.add_both(contact('a', 'b', 0, 10), 1), Err(PlanError::Overlaps { .. })));
    assert_eq!(plan.len(), 1);
}

#[test]
fn a_peer_is_open_then_dark_then_out_of_the_plan() {
    let plan = plan(&[('a', 's', 100, 200), ('b', 's', 150, 260), ('a', 's', 400, 500), ('s', 'a', 0, 900)]);
    let seen = |at| plan.dark_until(&'s', Wall(at));
    assert_eq!(seen(0), Reach::Dark { until: Wall(100) });
    assert_eq!(seen(100), Reach::Open { until: Wall(200) });
    assert_eq!(seen(160), Reach::Open { until: Wall(260) });
    assert_eq!(seen(259), Reach::Open { until: Wall(260) });
    assert_eq!(seen(260), Reach::Dark { until: Wall(400) });
    assert_eq!(seen(500), Reach::Never);
    assert_eq!(plan.reach(&'a', &'s', Wall(200)), Reach::Dark { until: Wall(400) });
    assert_eq!(plan.reach(&'b', &'s', Wall(0)), Reach::Dark { until: Wall(150) });
    assert_eq!(plan.reach(&'c', &'s', Wall(0)), Reach::Never);
    assert_eq!(plan.dark_until(&'x', Wall(0)), Reach::Never);
}

#[test]
fn a_link_that_is_always_there_never_goes_dark() {
    let mut plan = ContactPlan::default();
    plan.add(Contact::always('a', 'b', DelayRange::constant(30)), 1).unwrap();
    let open = Reach::Open { until: Wall(u64::MAX) };
    assert_eq!(plan.dark_until(&'b', Wall(0)), open);
    assert_eq!(plan.dark_until(&'b', Wall(u64::MAX - 1)), open);
    assert!(matches!(plan.add(contact('a', 'b', 5, 6), 1), Err(PlanError::Overlaps { .. })));
}

#[test]
fn what_has_ended_is_forgotten_with_its_senders() {
    let mut plan = plan(&[('a', 's', 100, 200), ('b', 's', 150, 260), ('a', 's', 400, 500)]);
    plan.prune(Wall(260));
    assert_eq!(plan.len(), 1);
    assert_eq!(plan.dark_until(&'s', Wall(0)), Reach::Dark { until: Wall(400) });
    plan.prune(Wall(u64::MAX));
    assert!(plan.is_empty());
    assert_eq!(plan.dark_until(&'s', Wall(0)), Reach::Never);
}

use super::*;

fn facts(boot: u64, dialler: u8, since: Instant) -> Facts {
    Facts { boot, dialler: NodeId([dialler; 32]), since }
}

#[test]
fn of_two_connections_dialled_at_once_the_lower_diallers_stays_whichever_came_first() {
    let now = Instant::now();
    let (low, high) = (facts(7, 1, now), facts(7, 2, now));
    assert_eq!(tie_break(&low, &high), TieBreak::KeepOld);
    assert_eq!(tie_break(&high, &low), TieBreak::Swap);
}

#[test]
fn a_peer_that_restarted_replaces_its_old_link_even_at_once() {
    let now = Instant::now();
    assert_eq!(tie_break(&facts(7, 1, now), &facts(8, 2, now)), TieBreak::Replace);
}

#[test]
fn a_peer_that_dials_again_replaces_its_old_link() {
    let now = Instant::now();
    assert_eq!(tie_break(&facts(7, 1, now), &facts(7, 1, now)), TieBreak::Replace);
    let later = now + SIMULTANEOUS_WINDOW;
    assert_eq!(tie_break(&facts(7, 1, now), &facts(7, 2, later)), TieBreak::Replace);
}

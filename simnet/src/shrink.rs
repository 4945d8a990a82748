//! Making a failing schedule short, by itself.
//!
//! Delta debugging (Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing
//! Input, 2002): leave out ever smaller parts of the events, then hosts, then time, as
//! long as the same checker still notices something, until nothing can be left out.

use crate::schedule::{Action, Hosts, Schedule};

/// Makes a schedule shorter as long as `fails` holds, which runs it.
pub fn shrink(schedule: Schedule, mut fails: impl FnMut(&Schedule) -> bool) -> Schedule {
    let mut best = schedule;
    loop {
        let before = size(&best);
        events(&mut best, &mut fails);
        simplify(&mut best, &mut fails);
        hosts(&mut best, &mut fails);
        duration(&mut best, &mut fails);
        if size(&best) >= before {
            return best;
        }
    }
}

/// What gets smaller: events, the hosts that they name, hosts, and milliseconds.
fn size(schedule: &Schedule) -> (usize, usize, usize, u64) {
    let named = schedule.events.iter().map(|event| event.action.hosts().len()).sum();
    let features =
        schedule.hosts.iter().map(|host| usize::from(host.drift_ppm != 0) + host.labels.len()).sum::<usize>();
    (schedule.events.len(), named, schedule.hosts.len() + features, schedule.faults_end_ms())
}

fn attempt(best: &mut Schedule, candidate: Schedule, fails: &mut impl FnMut(&Schedule) -> bool) -> bool {
    let better = candidate != *best && fails(&candidate);
    if better {
        *best = candidate;
    }
    better
}

/// The ddmin of the paper: complements of ever finer parts.
fn events(best: &mut Schedule, fails: &mut impl FnMut(&Schedule) -> bool) {
    let mut parts = 2;
    while !best.events.is_empty() {
        let count = best.events.len();
        let part = count.div_ceil(parts);
        let mut begin = 0;
        let mut smaller = false;
        while begin < best.events.len() {
            let mut candidate = best.clone();
            let end = (begin + part).min(candidate.events.len());
            candidate.events.drain(begin..end);
            if attempt(best, candidate, fails) {
                smaller = true;
            } else {
                begin += part;
            }
        }
        if part == 1 && !smaller {
            return;
        }
        parts = if smaller { parts.max(2) } else { (parts * 2).min(count) };
    }
}

/// Leaves out hosts of events that name several, and what is not usual about the mesh.
fn simplify(best: &mut Schedule, fails: &mut impl FnMut(&Schedule) -> bool) {
    for k in 0..best.events.len() {
        let mut n = 0;
        loop {
            let mut candidate = best.clone();
            if !drop_name(&mut candidate.events[k].action, n) {
                break;
            }
            if !attempt(best, candidate, fails) {
                n += 1;
            }
        }
    }
    let plain: [fn(&mut Schedule); 7] = [
        |s| s.calm_s = None,
        |s| s.links.gossip = true,
        |s| s.links = crate::schedule::Net { gossip: s.links.gossip, ..Default::default() },
        |s| s.hosts.iter_mut().for_each(|host| (host.drift_ppm, host.skew_ms) = (0, 0)),
        |s| s.hosts.iter_mut().for_each(|host| host.previous_version = false),
        |s| s.hosts.iter_mut().for_each(|host| host.certified_hours_ago = None),
        |s| s.hosts.iter_mut().for_each(|host| host.labels.clear()),
    ];
    for change in plain {
        let mut candidate = best.clone();
        change(&mut candidate);
        attempt(best, candidate, fails);
    }
}

/// Leaves the n-th name of a list out; says whether there was one that could be spared.
fn drop_name(action: &mut Action, n: usize) -> bool {
    let drop = |list: &mut Vec<String>| {
        let may = list.len() > 1 && n < list.len();
        if may {
            list.remove(n);
        }
        may
    };
    match action {
        Action::Crash(list)
        | Action::Start(list)
        | Action::Freeze(list)
        | Action::Thaw(list)
        | Action::Split(list)
        | Action::Join(list) => drop(list),
        Action::Cut { from, to } | Action::Mend { from, to } => drop(from) || drop(to),
        _ => false,
    }
}

/// Leaves hosts out that no event names, the last ones first.
fn hosts(best: &mut Schedule, fails: &mut impl FnMut(&Schedule) -> bool) {
    expand(best);
    let mut k = best.hosts.len();
    while k > 0 {
        k -= 1;
        let name = best.hosts[k].name.clone();
        let named = best.events.iter().any(|event| event.action.hosts().contains(&name.as_str()));
        if !named && best.hosts.len() > 1 {
            let mut candidate = best.clone();
            candidate.hosts.remove(k);
            attempt(best, candidate, fails);
        }
    }
}

/// One entry a host.
fn expand(schedule: &mut Schedule) {
    let split = |group: &Hosts| -> Vec<Hosts> {
        let one = |(k, name)| Hosts {
            name,
            count: None,
            site: group.site_of(k),
            spread: 0,
            number: group.number + k,
            zone: group.zone_of(k),
            zones: 0,
            island: group.island_of(k),
            islands: 0,
            ..group.clone()
        };
        (0..).zip(group.names()).map(one).collect()
    };
    schedule.hosts = schedule.hosts.iter().flat_map(split).collect();
}

/// Ends the first phase with its last event, and moves events together.
fn duration(best: &mut Schedule, fails: &mut impl FnMut(&Schedule) -> bool) {
    let mut candidate = best.clone();
    candidate.faults_s = candidate.events.last().map_or(0, |event| event.at_ms.div_ceil(1_000));
    attempt(best, candidate, fails);
    for k in 0..best.events.len() {
        let before = if k == 0 { 0 } else { best.events[k - 1].at_ms };
        let gap = best.events[k].at_ms - before;
        for keep in [gap / 8, gap / 2] {
            let mut candidate = best.clone();
            let less = best.events[k].at_ms - before - keep;
            candidate.events[k..].iter_mut().for_each(|event| event.at_ms -= less);
            candidate.faults_s = candidate.faults_s.saturating_sub(less / 1_000);
            if less > 500 && attempt(best, candidate, fails) {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::FaultOptions;

    #[test]
    fn what_is_left_is_what_the_failure_needs_and_no_more() {
        let drawn =
            Schedule::draw(5, 20, &FaultOptions { kind_on_ppm: 1_000_000, ..FaultOptions::default() });
        let needs = |schedule: &Schedule| {
            let crash = schedule.events.iter().position(
                |e| matches!(&e.action, Action::Crash(nodes) if nodes.contains(&"node-3".to_owned())),
            );
            let frozen = schedule.events.iter().rposition(|e| matches!(&e.action, Action::Freeze(_)));
            crash.zip(frozen).is_some_and(|(a, b)| a < b)
        };
        assert!(needs(&drawn), "the seed must contain what is looked for");
        let small = shrink(drawn, needs);
        assert_eq!(small.events.len(), 2, "{}", small.to_toml());
        assert!(small.hosts.len() <= 2, "{}", small.to_toml());
        assert!(small.faults_end_ms() < 60_000, "{}", small.to_toml());
    }
}

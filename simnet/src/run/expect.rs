//! What a scenario expects, and the deaths that it measures.

use super::{Reunion, Stage};
use crate::check::{self, Violation};
use crate::dice::Dice;
use crate::schedule::{Expect, Schedule, Sight};
use orbweave_model::Mono;
use orbweave_state::membership::MemberState;
use std::time::Duration;

/// The name under which broken expectations are reported.
const NAME: &str = "expectation";

/// Whether a partition was overcome in time, and at which price.
fn reunited(reunion: &Reunion, ms: u64, round_trips: u32, overhead_percent: u64) -> Result<(), String> {
    let Reunion { differing_bytes, session_bytes, .. } = *reunion;
    let took = reunion.equal_after_ms.filter(|took| *took <= ms);
    if took.is_none() || reunion.differing == 0 {
        return Err(format!(
            "the sides did not differ, or not both held the same within {ms} ms: {reunion:?}"
        ));
    }
    if reunion.round_trips > f64::from(round_trips) {
        return Err(format!("a reconciliation took more than {round_trips} round trips: {reunion:?}"));
    }
    if session_bytes.saturating_mul(100) > differing_bytes.saturating_mul(100 + overhead_percent) {
        return Err(format!(
            "a reconciliation took {overhead_percent} % more than what differs: {reunion:?}"
        ));
    }
    Ok(())
}

/// Whether executors were told to start no more than so much since then.
fn started_since(cluster: &crate::Cluster, ms: u64, most: usize) -> Result<(), String> {
    let since = Mono(0) + Duration::from_millis(ms);
    let of = |host: &'_ crate::Host| {
        let later = host.started.iter().filter(|(at, ..)| *at >= since);
        later.map(|(at, workload, slot)| (*at, workload.clone(), *slot)).collect::<Vec<_>>()
    };
    let started: Vec<_> =
        cluster.hosts.iter().flat_map(|h| of(h).into_iter().map(|s| (&h.name, s))).collect();
    match started.iter().min_by_key(|(_, (at, ..))| *at) {
        Some((name, (at, workload, slot))) if started.len() > most => {
            let (all, at) = (started.len(), at.since(Mono(0)).as_millis());
            Err(format!(
                "{all} starts, not at most {most}; the first: {name} started {workload}/{slot} at {at} ms"
            ))
        }
        _ => Ok(()),
    }
}

impl Stage {
    pub fn expect_now(&mut self, that: &Expect) {
        if let Err(words) = self.holds(that, None) {
            let at_ms = self.at_ms();
            self.broken.push(Violation { at_ms, host: None, checker: NAME, words });
        }
    }

    /// What is expected at the end; `took` says how long the healed mesh took.
    pub fn expect_at_end(&mut self, schedule: &Schedule, took: Option<Duration>) {
        for expectation in schedule.expectations.iter().filter(|e| e.at_ms.is_none()) {
            if let Err(words) = self.holds(&expectation.that, took) {
                let at_ms = self.at_ms();
                self.broken.push(Violation { at_ms, host: None, checker: NAME, words });
            }
        }
    }

    fn holds(&self, that: &Expect, took: Option<Duration>) -> Result<(), String> {
        let cluster = &self.cluster;
        let measured = self.measured.borrow();
        match that {
            Expect::Placed { workload, replicas } => {
                check::placed(cluster, workload, *replicas).map_err(|why| format!("{workload}: {why}"))
            }
            Expect::Gone { workload } => {
                check::gone(cluster, workload).map_err(|why| format!("{workload}: {why}"))
            }
            Expect::Running { workload, least, most } => {
                let of = |host: &crate::Host| {
                    let all = host.instances.values();
                    all.filter(|x| x.running && x.workload.as_str() == workload).count() as u32
                };
                let running: u32 = cluster.up().map(|(_, host)| of(host)).sum();
                if (*least..=*most).contains(&running) {
                    Ok(())
                } else {
                    Err(format!("{running} instances of {workload} run, not {least} to {most}"))
                }
            }
            Expect::MembersAgree => check::members_agree(cluster),
            Expect::Converged => check::converged(cluster),
            Expect::ConvergedWithin { ms } => match took {
                Some(took) if took <= Duration::from_millis(*ms) => Ok(()),
                Some(took) => Err(format!("it took {took:?} until all was well, not {ms} ms")),
                None => Err("all was not well in the end".into()),
            },
            Expect::Recovered { p50_ms, p99_ms } => measured.recovery().within("recovery", *p50_ms, *p99_ms),
            Expect::FirstPlacerKnew { p50_ms, p99_ms } => {
                measured.deaths.first_placer().within("knowledge of the first placer", *p50_ms, *p99_ms)
            }
            Expect::NearlyAllKnew { p50_ms, p99_ms } => {
                measured.deaths.nearly_all().within("knowledge of nearly all", *p50_ms, *p99_ms)
            }
            Expect::Reunited { ms, round_trips, overhead_percent } => {
                let reunions = measured.reunions();
                if reunions.is_empty() {
                    return Err("no partition ended".into());
                }
                reunions.iter().try_for_each(|r| reunited(r, *ms, *round_trips, *overhead_percent))
            }
            Expect::StartedSince { ms, most } => started_since(cluster, *ms, *most),
            Expect::Holds { node, least, most } => {
                let Some(host) = cluster.host_named(node) else { return Err(format!("there is no {node}")) };
                let runs = cluster.hosts[host].instances.values().filter(|instance| instance.running).count();
                if (*least..=*most).contains(&runs) {
                    Ok(())
                } else {
                    Err(format!("{node} runs {runs} instances, not {least} to {most}"))
                }
            }
            Expect::Seen { node, state } => self.seen(node, *state),
            Expect::LandBytes(most) => match self.stopwatch.window() {
                None => Err("no window was measured".into()),
                Some(window) if window.bytes_per_node_s.land <= *most => Ok(()),
                Some(window) => {
                    let land = window.bytes_per_node_s.land;
                    Err(format!("a node on land sends {land} bytes a second, not {most}"))
                }
            },
            Expect::OrbitBytes { averaged, in_contact } => {
                let sent = self.stopwatch.whole(cluster, &measured.in_contact).bytes_per_node_s;
                let (a, b) = (sent.orbit, sent.orbit_in_contact);
                if b == 0 {
                    return Err("no satellite was ever in contact".into());
                }
                if a <= *averaged && b <= *in_contact {
                    return Ok(());
                }
                Err(format!(
                    "satellites' links carry {a} bytes a second, and {b} in contact, not {averaged} and {in_contact}"
                ))
            }
            Expect::NoFalseDeath => match measured.false_deaths.first() {
                None => Ok(()),
                Some(first) => {
                    Err(format!("{} false deaths, the first: {first}", measured.false_deaths.len()))
                }
            },
        }
    }

    fn seen(&self, node: &str, state: Sight) -> Result<(), String> {
        let Some(about) = self.cluster.host_named(node) else { return Err(format!("there is no {node}")) };
        let id = self.cluster.hosts[about].id;
        let mut asked = 0;
        for (_, host) in self.cluster.on_land_in(self.cluster.island_of[about]) {
            let Some(seen) = host.up().map(|up| up.member_state(id)) else { continue };
            let (alive, dark) = (seen == MemberState::Alive, matches!(seen, MemberState::Dark { .. }));
            let (overdue, dead) = (seen == MemberState::Overdue, seen == MemberState::Down);
            let holds = match state {
                Sight::Alive => alive,
                Sight::Dark => dark,
                Sight::Well => dark || alive,
                Sight::Overdue => overdue,
                Sight::Dead => dead,
                Sight::Missed => overdue || dead,
            };
            if !holds {
                return Err(format!("{} sees {node} as {seen:?}, not {state:?}", host.name));
            }
            asked += 1;
        }
        if asked == 0 { Err(format!("nobody is up who could see {node}")) } else { Ok(()) }
    }

    /// The power of a host that runs something goes.
    pub fn kill_somebody(&mut self, dice: &mut Dice) -> Option<usize> {
        let busy = |host: &crate::Host| host.instances.values().any(|instance| instance.running);
        let all: Vec<usize> = self.cluster.up().filter(|(_, host)| busy(host)).map(|(i, _)| i).collect();
        let victim = *dice.pick(&all)?;
        self.measured.borrow_mut().deaths.of(&self.cluster, victim);
        self.cluster.kill(victim);
        Some(victim)
    }
}

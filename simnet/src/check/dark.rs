//! Darkness is no death: nobody is held for overdue or lost who was in no reach.
//!
//! The checker knows when each satellite last had a link, and every contact that the
//! links allow. Whoever calls one overdue, or lost, must have had the time to hear it:
//! since that link, contacts with stations that are up must add up to
//! [`OVERDUE_AFTER`], or [`LOST_AFTER`], less what looking in steps can mistake.

use super::{Checker, Observed};
use crate::cluster::Cluster;
use orbweave_core::standing::{LOST_AFTER, OVERDUE_AFTER, SAMPLE};
use orbweave_core::{Event, EventKind, Output};
use orbweave_model::Mono;
use std::collections::BTreeMap;
use std::time::Duration;

/// Windows are looked at in steps by nodes, and exactly here: each of some passes may
/// look longer by up to a step at either end.
const MISTAKEN: Duration = Duration::from_secs(6 * SAMPLE.as_secs());

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Dark {
    /// Links of each satellite, and since when it has had none.
    links: BTreeMap<usize, (u32, Mono)>,
}

impl Checker for Dark {
    fn name(&self) -> &'static str {
        "dark"
    }

    fn observe(&mut self, cluster: &Cluster, host: usize, event: &Observed<'_>) -> Result<(), String> {
        match event {
            Observed::Killed | Observed::Started => drop(self.links.remove(&host)),
            Observed::Output(Output::Notify(event)) if cluster.is_satellite(host) => {
                let (links, since) = self.links.entry(host).or_default();
                match event.kind {
                    EventKind::LinkUp => *links += 1,
                    EventKind::LinkDown => (*links, *since) = (links.saturating_sub(1), cluster.time),
                    _ => {}
                }
            }
            Observed::Output(Output::Notify(event)) if !cluster.is_controlled(host) => {
                let after = match event.kind {
                    EventKind::MemberSuspect => OVERDUE_AFTER,
                    EventKind::MemberDown => LOST_AFTER,
                    _ => return Ok(()),
                };
                return self.due(cluster, event, after);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Dark {
    fn due(&self, cluster: &Cluster, event: &Event, after: Duration) -> Result<(), String> {
        let about = event.about.and_then(|id| cluster.host_of(&id)).filter(|i| cluster.is_satellite(*i));
        let Some(about) = about else { return Ok(()) };
        // It may have died or begun since; then only the links that it can no longer have count.
        let (links, since) = self.links.get(&about).copied().unwrap_or_default();
        if links > 0 && cluster.hosts[about].is_up() {
            return Err(format!("{}, and it has a link", event.text));
        }
        let reach = cluster.in_reach(about, since);
        if reach + MISTAKEN < after {
            return Err(format!("{}, and was in reach for {reach:?} since its last link", event.text));
        }
        Ok(())
    }
}

impl Cluster {
    /// How long a satellite was in contact with some host of its zone that is up, since then.
    pub fn in_reach(&self, satellite: usize, since: Mono) -> Duration {
        let mut all: Vec<(Mono, Mono)> = Vec::new();
        for (host, _) in self.on_land_in(self.island_of[satellite]) {
            if let Some(contacts) = self.links.route(satellite as u32, host as u32).model.contacts.as_ref() {
                let cut = |(begin, end): &(Mono, Mono)| ((*begin).max(since), (*end).min(self.time));
                all.extend(contacts.windows().iter().map(cut));
            }
        }
        let joined = crate::link::Contacts::new(all);
        joined.windows().iter().map(|(begin, end)| end.since(*begin)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Run, Schedule};

    #[test]
    fn a_satellite_that_is_called_lost_in_the_dark_is_noticed() {
        let text = "name = \"x\"\n[[hosts]]\nname = \"gs\"\nplace = \"station\"\n[[hosts]]\nname = \"sat\"\nplace = \"orbit\"\n[sky]\nshell = { planes = 1, satellites-per-plane = 1, phasing = 0, inclination-deg = 0, altitude-km = 550 }\n";
        let mut schedule = Schedule::parse(text).expect("a scenario");
        // The pole never sees what flies over the equator.
        let pole = orbweave_core::link_plan::Site {
            latitude_microdeg: 89_000_000,
            longitude_microdeg: 0,
            altitude_m: 0,
            min_elevation_millideg: 0,
        };
        schedule.sky.as_mut().expect("a sky").sites = vec![pole];
        let mut cluster = Run::of(schedule, 1).into_cluster();
        cluster.run(Duration::from_secs(3_600));
        assert!(cluster.violations().is_empty(), "{:?}", cluster.violations());
        let lie = Event::new(EventKind::MemberDown, "sat is lost").about(cluster.hosts[1].id);
        let told = Output::Notify(Box::new(lie));
        let outcome = Dark::default().observe(&cluster, 0, &Observed::Output(&told));
        assert!(outcome.is_err_and(|why| why.contains("in reach for 0ns")));
    }
}

//! The second phase: all is mended, and must come to rest.

use super::Stage;
use crate::check;
use crate::host::Host;
use crate::link::Weather;
use crate::schedule::Schedule;
use orbweave_model::{Mono, limit};

impl Stage {
    /// Mends links, disks, executors and the weather, takes adversaries away, starts the
    /// dead and thaws the frozen. Clocks stay as wrong as they are.
    ///
    /// Hosts whose key is revoked, that adversaries had in their hands or in whose place
    /// another began are off from now on. People hand in again what nobody has any more.
    pub fn heal(&mut self, schedule: &Schedule) {
        self.cluster.set_weather(Weather::default());
        self.cluster.heal();
        for host in self.cluster.banish_adversaries() {
            self.ledger.gone.insert(host);
        }
        let spare = schedule.hosts.iter().flat_map(|group| group.names().into_iter().map(|_| group.spare));
        for (i, spare) in spare.enumerate().collect::<Vec<_>>() {
            let host = &mut self.cluster.hosts[i];
            (host.slow_disk, host.disk_full, host.options.broken) = (None, false, false);
            // Its process would have ended by itself.
            if host.node.is_some() && self.ledger.left.contains(&(i, host.life)) {
                self.cluster.kill(i);
            }
            if self.ledger.gone.contains(&i) || self.ledger.revoked.contains(&i) {
                if self.cluster.hosts[i].node.is_some() {
                    self.cluster.kill(i);
                }
            } else if self.cluster.hosts[i].frozen {
                self.cluster.thaw(i);
            } else if !(spare && self.cluster.hosts[i].life == 0) {
                self.start(i);
            }
        }
        for i in 0..self.cluster.hosts.len() {
            if self.cluster.hosts[i].is_up() {
                self.cluster.discover(i);
            }
        }
        self.say_again();
    }

    /// People look what came of their words, and say again what no node took or what was
    /// lost with its node; and hand in again workloads whose component nobody gives out.
    fn say_again(&mut self) {
        let islands = 0..self.cluster.islands();
        let entries: Vec<Option<usize>> = islands.map(|island| self.entry_of(island)).collect();
        for (host, command) in self.ledger.words.clone().into_values() {
            let taken = matches!(self.cluster.hosts[host].replies.get(&command), Some(Ok(())));
            let Some(entry) = entries[self.cluster.island_of[host]] else { continue };
            if taken && self.cluster.hosts[host].node.is_some() {
                continue;
            }
            if let Some(record) = self.cluster.hosts[host].submission(command).map(<[u8]>::to_vec) {
                self.say(entry, record);
            }
        }
        for (name, spec) in self.ledger.workloads.clone() {
            let Some(origin) = spec.origin.and_then(|origin| self.cluster.host_of(&origin)) else { continue };
            let Some(entry) = entries[self.cluster.island_of[origin]] else { continue };
            let node = self.cluster.hosts[entry].name.clone();
            let provided = self.cluster.hosts[origin].is_up() && self.has_component(origin, &name);
            if !spec.deleted && !provided {
                self.hand_in(&name, spec, &node);
            }
        }
    }

    /// A host of an island that takes what people say now: none of which the clock is behind.
    fn entry_of(&self, island: usize) -> Option<usize> {
        let now = self.cluster.wall();
        let in_time = |host: &Host| {
            let shown = host.now(Mono(0) + self.cluster.time()).wall;
            let corrected = host.up().map(|node| node.corrected(shown));
            corrected.is_some_and(|wall| wall + limit::CLOCK_AHEAD_MAX / 2 >= now)
        };
        let there = || self.cluster.on_land_in(island);
        there().find(|(_, host)| in_time(host)).or_else(|| there().next()).map(|(i, _)| i)
    }

    /// Nodes of an island agree on what shall run, and what shall not does not.
    fn wants_are_clear(&self, island: usize) -> Result<(), String> {
        let cluster = &self.cluster;
        let Some((first, node)) = cluster.on_land_in(island).find_map(|(_, host)| Some((host, host.up()?)))
        else {
            return Err("no node is up".into());
        };
        let workloads = node.workloads();
        for (_, host) in cluster.on_land_in(island) {
            if host.up().is_some_and(|other| !other.wants_the_same(node)) {
                return Err(format!("{} and {} differ on what shall run", first.name, host.name));
            }
        }
        for workload in &workloads {
            let name = workload.name.as_str();
            if workload.spec.deleted || workload.release.is_err() {
                check::gone(cluster, name).map_err(|why| format!("{name}: {why}"))?;
            }
        }
        Ok(())
    }

    /// Nodes agree on who is there, hold the same records, and run what they should.
    pub fn all_is_well(&self) -> Result<(), String> {
        (0..self.cluster.islands()).try_for_each(|island| self.wants_are_clear(island))?;
        check::known(&self.cluster, &self.ledger.words)?;
        check::whole(&self.cluster)
    }
}

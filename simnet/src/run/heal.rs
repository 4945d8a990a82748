//! The second phase: all is mended, and must come to rest.

use super::Stage;
use crate::check;
use crate::link::Weather;
use crate::schedule::Schedule;

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

    /// People look what came of their words: revocations that nobody kept, workloads whose
    /// last specification was lost with its node, or whose component nobody has.
    fn say_again(&mut self) {
        let islands = 0..self.cluster.islands();
        let entries: Vec<Option<usize>> =
            islands.map(|island| self.cluster.on_land_in(island).next().map(|(i, _)| i)).collect();
        for record in self.ledger.revocations.clone() {
            for entry in entries.iter().flatten() {
                self.cluster.submit_record(*entry, record.clone());
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
        check::whole(&self.cluster)
    }
}

//! Nobody is buried lightly.
//!
//! - A node that ran without a break, on links that were whole and in fair weather for
//!   [`SOUND_FOR`], is declared dead by nobody who ran as well, whatever one member says
//!   of it. Two lying watchers of one node can bury it, as MEMBERSHIP.md says.
//! - One other's word is never enough.
//! - A node that loses more than half of its mesh doubts itself first, and while it
//!   does it declares nobody dead.

use super::knowledge::Known;
use super::{Checker, Observed};
use crate::cluster::Cluster;
use orbweave_core::{Event, EventKind, Output};
use orbweave_model::{Mono, NodeId};
use orbweave_state::membership::MemberState;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long nothing was wrong with a node that must not be held for dead. Longer than it
/// takes two sides of a cut to find together again.
pub const SOUND_FOR: Duration = Duration::from_secs(45);
/// A doubt explains what was declared up to this long after it began: it lasts 20 s at
/// most, and then all are judged that were silent in it.
const EXPLAINS: Duration = Duration::from_secs(60);
/// Losses are counted over this long, a little less than the node does.
const WINDOW: Duration = Duration::from_secs(25);
/// A mesh of fewer has no self-doubt.
const MEMBERS_MIN: usize = 4;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Deaths {
    /// Those that each host declared dead of late.
    dead: BTreeMap<usize, BTreeMap<NodeId, Mono>>,
    /// When each host began to doubt itself, and whether it does now.
    doubts: BTreeMap<usize, (Mono, bool)>,
    /// Hosts that said goodbye.
    gone: BTreeSet<usize>,
    /// When two that lie together buried a host.
    framed: BTreeMap<usize, Mono>,
}

impl Checker for Deaths {
    fn name(&self) -> &'static str {
        "deaths"
    }

    fn observe(&mut self, cluster: &Cluster, host: usize, event: &Observed<'_>) -> Result<(), String> {
        match event {
            Observed::Leaving => drop(self.gone.insert(host)),
            Observed::Started => {
                self.gone.remove(&host);
                self.dead.remove(&host);
                self.doubts.remove(&host);
            }
            Observed::Output(Output::Notify(event)) if !cluster.is_controlled(host) => match event.kind {
                EventKind::SelfDoubt => drop(self.doubts.insert(host, (cluster.time, true))),
                EventKind::SelfDoubtOver => {
                    if let Some((_, on)) = self.doubts.get_mut(&host) {
                        *on = false;
                    }
                }
                EventKind::MemberDown
                    if !self.gone.contains(&host) && event.cause.as_deref() != Some("it said goodbye") =>
                {
                    self.sound(cluster, host, event)?;
                    alone(cluster, host, event)?;
                    return self.doubted(cluster, host, event);
                }
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }
}

impl Deaths {
    /// Whether the one that is declared dead gave any reason.
    fn sound(&mut self, cluster: &Cluster, host: usize, event: &Event) -> Result<(), String> {
        let Some(dead) = event.about.and_then(|id| cluster.host_of(&id)) else { return Ok(()) };
        if self.gone.contains(&dead) || cluster.is_controlled(dead) {
            return Ok(());
        }
        let all =
            [cluster.linked_for(), cluster.fair_for(), cluster.steady_for(dead), cluster.steady_for(host)];
        let cause = event.cause.as_deref().unwrap_or_default();
        // One that its victim shut out as revoked finds it silent, and is right.
        let authority = cluster.authority_at(dead, Known::Heard);
        let is_shut_out = |i: usize| {
            let key = cluster.hosts[i].id.into();
            authority.as_ref().is_some_and(|authority| authority.is_revoked(&key))
        };
        let liars = cause.split([' ', ',']).filter(|word| {
            let witness = cluster.hosts.iter().position(|h| h.name == *word);
            witness.is_some_and(|i| cluster.is_controlled(i) || is_shut_out(i))
        });
        if liars.count() > 1 {
            self.framed.insert(dead, cluster.time);
            return Ok(());
        }
        // Whoever believed the liars does not answer the one that they framed.
        let framed = |i: usize| self.framed.get(&i).is_some_and(|at| cluster.time.since(*at) < SOUND_FOR);
        if all.iter().any(|calm| *calm < SOUND_FOR)
            || !cluster.connected(host, dead)
            || framed(host)
            || framed(dead)
        {
            return Ok(());
        }
        let name = &cluster.hosts[dead].name;
        Err(format!("it holds {name} for dead, with which nothing is wrong: {cause}"))
    }

    /// Whether it judges others that should doubt itself.
    fn doubted(&mut self, cluster: &Cluster, host: usize, event: &Event) -> Result<(), String> {
        let (Some(node), Some(dead)) = (cluster.hosts[host].node.as_ref(), event.about) else {
            return Ok(());
        };
        let doubt = self.doubts.get(&host);
        if doubt.is_some_and(|(_, on)| *on) {
            return Err(format!("it doubts itself, and yet: {}", event.text));
        }
        let all = self.dead.entry(host).or_default();
        all.insert(dead, cluster.time);
        all.retain(|other, at| {
            cluster.time.since(*at) <= WINDOW && node.member_state(*other) == MemberState::Down
        });
        // All that are declared dead at one moment are no longer among the others.
        let others = node.alive_count().saturating_sub(1) + all.len();
        let explained = doubt.is_some_and(|(since, _)| cluster.time.since(*since) <= EXPLAINS);
        if others + 1 >= MEMBERS_MIN && all.len() > others / 2 && !explained {
            let count = all.len();
            return Err(format!("it declares {count} of {others} others dead without a doubt about itself"));
        }
        Ok(())
    }
}

/// Whether it buries somebody on the word of one other: one watcher is enough only if
/// it is itself the one, with no other in reach.
fn alone(cluster: &Cluster, host: usize, event: &Event) -> Result<(), String> {
    let cause = event.cause.as_deref().unwrap_or_default();
    let Some(watchers) = cause.strip_prefix("its watchers ").and_then(|rest| rest.strip_suffix(" agree"))
    else {
        return Ok(());
    };
    let mut names = watchers.split(", ");
    match (names.next(), names.next()) {
        (Some(one), None) if one != cluster.hosts[host].name => {
            Err(format!("{}, and {one} alone says so", event.text))
        }
        _ => Ok(()),
    }
}

//! Nothing moves without a reason, nothing grows without end, and what is sent stays
//! within its budget.
//!
//! - No slot goes from A to B and back to A within [`HYSTERESIS`], while all was calm.
//! - Where one node goes while all was calm, others take on as many slots as it held,
//!   and at most [`MARGIN`] and a quarter more; if all are told at once of what changes.
//! - A node's tables stay within the bounds that it names.
//! - In a mesh that is calm and honest a node sends at most [`LAND_BYTES_PER_S`].

use super::knowledge::Known;
use super::{Checker, Observed};
use crate::cluster::Cluster;
use crate::link::Class;
use orbweave_core::Output;
use orbweave_core::claim::Claim;
use orbweave_core::io::Write;
use orbweave_model::Mono;
use orbweave_state::record::RecordKind;
use std::collections::BTreeMap;
use std::time::Duration;

/// A slot that moved stays where it is for this long.
pub const HYSTERESIS: Duration = Duration::from_secs(60);
/// Moves beyond a leaving node's share.
pub const MARGIN: u32 = 2;
/// Bytes a second that a node on land may send on the average of a minute, or of as many
/// seconds as there are nodes: what nodes say again every fifteen minutes travels by
/// reconciliation, of which no node has the same share in each minute.
pub const LAND_BYTES_PER_S: u64 = 2_000;
/// How long all must have been calm before a move or a leaving is judged.
const CALM: Duration = Duration::from_secs(60);
/// After this, moves have nothing to do any more with the one that left.
const SETTLES: Duration = Duration::from_secs(30);
/// Nodes that were cut off dial one another again within this time, and only then do two
/// parts learn what the other holds.
const REUNITES: Duration = Duration::from_secs(75);
/// Bytes are counted over this long at least.
const MINUTE: Duration = Duration::from_secs(60);
/// The tables of one node are looked at each time that this has passed.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A holder of a slot, since when.
type Stay = (usize, Mono);

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Churn {
    /// The last two holders of each slot.
    stays: BTreeMap<(String, u32), [Option<Stay>; 2]>,
    left: Option<Leaving>,
    /// How long it was calm when the last thing happened.
    calm: Duration,
    look_at: Mono,
    looked: usize,
    minute: Option<Minute>,
}

/// A node that went while all was calm.
#[derive(Debug)]
struct Leaving {
    host: usize,
    at: Mono,
    share: u32,
    moves: u32,
}

/// Bytes that each host had sent when a minute began.
#[derive(Debug)]
struct Minute {
    since: Mono,
    sent: Vec<u64>,
}

impl Checker for Churn {
    fn name(&self) -> &'static str {
        "churn"
    }

    fn observe(&mut self, cluster: &Cluster, host: usize, event: &Observed<'_>) -> Result<(), String> {
        let calm = std::mem::replace(&mut self.calm, cluster.calm_for());
        match event {
            Observed::Killed | Observed::Leaving => {
                let went_on = self.left.as_ref().is_some_and(|left| left.host == host);
                if !went_on {
                    self.left = (calm >= CALM && cluster.is_honest() && is_told(cluster)).then(|| {
                        let share = cluster.hosts[host].instances.len() as u32;
                        Leaving { host, at: cluster.time, share, moves: 0 }
                    });
                }
                Ok(())
            }
            Observed::Output(Output::Persist { writes, .. }) => self.note_claims(cluster, host, writes),
            Observed::Settled if cluster.time >= self.look_at => {
                self.look_at = cluster.time + LOOK_EVERY;
                self.looked = (self.looked + 1) % cluster.hosts.len();
                bounded(cluster, self.looked)?;
                self.moved(cluster)?;
                self.within_budget(cluster)
            }
            _ => Ok(()),
        }
    }
}

impl Churn {
    fn note_claims(&mut self, cluster: &Cluster, host: usize, writes: &[Write]) -> Result<(), String> {
        for write in writes {
            let Write::PutRecord { value, .. } = write else { continue };
            let Some(record) = cluster.read(value) else { continue };
            if record.id().kind != RecordKind::CLAIM || cluster.author_of(&record) != Some(host) {
                continue;
            }
            let Ok(claim) = Claim::decode(record.body()) else { continue };
            let before = cluster.last_claim(host, &record.id().key).unwrap_or_default();
            for range in &claim.ranges {
                for slot in (range.slots.start..range.slots.end).filter(|slot| before.at(*slot).is_none()) {
                    self.claimed(cluster, host, (record.id().key.clone(), slot))?;
                }
            }
        }
        Ok(())
    }

    fn claimed(&mut self, cluster: &Cluster, host: usize, slot: (String, u32)) -> Result<(), String> {
        let now = cluster.time;
        if let Some(left) = self.left.as_mut().filter(|left| left.host != host) {
            left.moves += 1;
        }
        let stays = self.stays.entry(slot.clone()).or_default();
        let [first, second] = *stays;
        if second.is_some_and(|(holder, _)| holder == host) {
            return Ok(());
        }
        *stays = [second, Some((host, now))];
        let (Some((a, _)), Some((b, since))) = (first, second) else { return Ok(()) };
        // What made it leave A came before B had it.
        let calm = cluster.calm_for() >= now.since(since) + SETTLES && cluster.linked_for() >= REUNITES;
        let judged = calm && cluster.is_honest() && !at_odds(cluster, a, b);
        if a == host && judged && now.since(since) < HYSTERESIS {
            let (name, n) = slot;
            let (a, b) = (&cluster.hosts[a].name, &cluster.hosts[b].name);
            return Err(format!("{name}/{n} went from {a} to {b} and back in {:?}", now.since(since)));
        }
        Ok(())
    }

    /// Whether others took on more than the share of the one that left.
    fn moved(&mut self, cluster: &Cluster) -> Result<(), String> {
        let over = |left: &mut Leaving| cluster.time.since(left.at) >= SETTLES;
        let Some(Leaving { host, at, share, moves }) = self.left.take_if(over) else { return Ok(()) };
        let allowed = share + share / 4 + MARGIN;
        if cluster.calm_for() >= cluster.time.since(at) && moves > allowed {
            let name = &cluster.hosts[host].name;
            return Err(format!("{name} held {share} slots when it left, and {moves} moved"));
        }
        Ok(())
    }

    fn within_budget(&mut self, cluster: &Cluster) -> Result<(), String> {
        let now = cluster.time;
        if cluster.calm_for() < CALM * 2 || !cluster.is_honest() {
            self.minute = None;
            return Ok(());
        }
        let sent = |i: usize| {
            [Class::Lan, Class::Wan].iter().map(|class| cluster.meter().of(i as u32, *class).bytes).sum()
        };
        // Each node refreshes its record every fifteen minutes, and carries those of all others:
        // what one sends in a minute is uneven in a large zone.
        let period = MINUTE.max(Duration::from_secs(cluster.hosts.len() as u64));
        let due = |minute: &mut Minute| now.since(minute.since) >= period;
        let last = self.minute.take_if(due);
        if self.minute.is_none() {
            self.minute = Some(Minute { since: now, sent: (0..cluster.hosts.len()).map(sent).collect() });
        }
        let Some(Minute { since, sent: before }) = last else { return Ok(()) };
        let millis = now.since(since).as_millis().max(1) as u64;
        for (i, before) in before.into_iter().enumerate() {
            let rate = sent(i).saturating_sub(before) * 1_000 / millis;
            if rate > LAND_BYTES_PER_S {
                return Err(format!("{} sends {rate} bytes a second", cluster.hosts[i].name));
            }
        }
        Ok(())
    }
}

/// Whether news reach every node at once: without gossip, nodes of the version before learn
/// by reconciliation alone, and offer meanwhile what others took.
fn is_told(cluster: &Cluster) -> bool {
    cluster.faults.gossip.is_some() || cluster.hosts.iter().all(|host| !host.options.previous_version)
}

/// Whether one of two has shut the other out: each then places for itself.
fn at_odds(cluster: &Cluster, a: usize, b: usize) -> bool {
    let shuts_out = |one: usize, other: usize| {
        let authority = cluster.authority_at(one, Known::Heard);
        authority.is_some_and(|authority| authority.is_revoked(&cluster.hosts[other].id.into()))
    };
    shuts_out(a, b) || shuts_out(b, a)
}

fn bounded(cluster: &Cluster, i: usize) -> Result<(), String> {
    let Some(node) = cluster.hosts[i].up() else { return Ok(()) };
    match node.tables().into_iter().find(|table| table.entries > table.bound) {
        None => Ok(()),
        Some(table) => {
            let name = &cluster.hosts[i].name;
            Err(format!("{name} has {} {}, of at most {}", table.entries, table.name, table.bound))
        }
    }
}

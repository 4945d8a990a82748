//! The two faults: a replica killed while it has a request in flight, and another one
//! frozen and thawed; and what is left once all has settled.

use super::error::DemoError;
use super::files::{REPLICAS, WORKLOAD};
use super::fleet::{Fleet, POLL_PAUSE};
use super::journal::Journal;
use super::load::Load;
use super::outcome::{RECOVERY_MAX, first_of_replacement};
use super::show::{Show, now_ms};
use crate::api::event::EventKind;
use crate::api::types::{InstanceView, Phase, Status};
use crate::ingress::in_flight_key;
use orbweave_model::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How long a replica with a request in flight is looked for.
const IN_FLIGHT_TIME_MAX: Duration = Duration::from_secs(5);
/// Between two looks: far less than a request takes.
const IN_FLIGHT_PAUSE: Duration = Duration::from_millis(2);
/// The right number of replicas counts once it has stayed so long.
const STEADY: Duration = Duration::from_secs(3);
/// A node that does not answer a question by then is not asked on.
const QUESTION_TIME_MAX: Duration = Duration::from_secs(2);

/// The mesh under load, and who holds which slot.
pub struct Scene<'s> {
    pub fleet: &'s mut Fleet,
    pub show: &'s Show,
    pub journal: &'s Journal,
    pub load: &'s Load,
    pub holders: BTreeMap<u32, NodeId>,
    /// Slots that were replaced already.
    pub replaced: BTreeSet<u32>,
    /// The place of the node that requests go through.
    pub entry: usize,
}

/// A fault and the recovery from it.
pub struct Fault {
    /// To whom it happened.
    pub victim: NodeId,
    /// When.
    pub at_ms: u64,
    /// How long it took until the replacement itself answered.
    pub failover_ms: Option<u64>,
}

impl Scene<'_> {
    /// Kills (-9) a replica that has a request in flight, and waits for its replacement.
    pub async fn kill_one(&mut self) -> Result<Fault, DemoError> {
        let (slot, victim, in_flight) = self.busy_replica().await?;
        let Some(place) = self.fleet.index_of(victim) else { return Err(unknown(victim)) };
        let at_ms = now_ms();
        self.fleet.kill(place).await?;
        let name = self.show.name_of(victim);
        self.show.line(&format!("kill -9 {name}, which holds slot {slot} and has {in_flight} in flight"));
        let failover_ms = self.replacement(slot, victim, at_ms).await;
        self.leave_holder();
        Ok(Fault { victim, at_ms, failover_ms })
    }

    /// Freezes (SIGSTOP) a replica for at least `span` and until it is replaced, and
    /// thaws it.
    pub async fn freeze_one(&mut self, span: Duration) -> Result<Fault, DemoError> {
        let healthy: BTreeSet<NodeId> = self.fleet.healthy().map(|(_, n)| n.id).collect();
        let entry = self.fleet.nodes.get(self.entry).map(|n| n.id);
        let others = self.holders.iter().filter(|(_, id)| healthy.contains(id) && Some(**id) != entry);
        // One that had its slot from the start, while there is one.
        let Some((&slot, &victim)) = others.min_by_key(|(slot, _)| self.replaced.contains(*slot)) else {
            return Err(unknown(NodeId([0; 32])));
        };
        let Some(place) = self.fleet.index_of(victim) else { return Err(unknown(victim)) };
        let (at_ms, thaw_at) = (now_ms(), Instant::now() + span);
        self.fleet.freeze(place)?;
        let name = self.show.name_of(victim);
        self.show.line(&format!("freeze (SIGSTOP) {name}, which holds slot {slot}"));
        let failover_ms = self.replacement(slot, victim, at_ms).await;
        sleep_until(thaw_at).await;
        self.fleet.thaw(place)?;
        self.show.line(&format!("thaw (SIGCONT) {name}"));
        Ok(Fault { victim, at_ms, failover_ms })
    }

    /// Replicas that run, counted on each node by itself: once the number is right, all
    /// nodes agree, and it has stayed so; or what it is when the ceiling is reached.
    pub async fn settled_replicas(&self) -> u32 {
        let until = Instant::now() + RECOVERY_MAX;
        let mut steady_since: Option<Instant> = None;
        let mut last = 0;
        while Instant::now() < until {
            let (running, agreed) = self.count().await;
            last = running;
            if running == REPLICAS && agreed {
                let since = *steady_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= STEADY {
                    self.show.line(&format!("{running} replicas run, and it stays so"));
                    return running;
                }
            } else {
                steady_since = None;
            }
            sleep(POLL_PAUSE).await;
        }
        self.show.line(&format!("{last} replicas run; it did not settle within {RECOVERY_MAX:?}"));
        // The right number that did not stay is not the right number.
        if last == REPLICAS && steady_since.is_none() { 0 } else { last }
    }

    /// Waits until an original replica has a request in flight, by the count of the node
    /// that sent it there.
    async fn busy_replica(&self) -> Result<(u32, NodeId, u64), DemoError> {
        let Some(entry) = self.fleet.nodes.get(self.entry) else { return Err(unknown(NodeId([0; 32]))) };
        let until = Instant::now() + IN_FLIGHT_TIME_MAX;
        while Instant::now() < until {
            let status: Status = entry.client.get("/v1/status").await.map_err(DemoError::api(entry.name))?;
            let in_flight = |id: &NodeId| status.counters.get(&in_flight_key(*id)).copied().unwrap_or(0);
            let busiest = self.holders.iter().map(|(slot, id)| (in_flight(id), *slot, *id)).max();
            if let Some((count, slot, id)) = busiest.filter(|(count, ..)| *count > 0) {
                return Ok((slot, id, count));
            }
            sleep(IN_FLIGHT_PAUSE).await;
        }
        let what = "a request in flight at a replica".to_owned();
        Err(DemoError::TooLate { what, within: IN_FLIGHT_TIME_MAX })
    }

    /// Waits for the first answer of the replacement itself.
    async fn replacement(&mut self, slot: u32, victim: NodeId, since_ms: u64) -> Option<u64> {
        let until = Instant::now() + RECOVERY_MAX;
        while Instant::now() < until {
            let first = first_of_replacement(&self.load.exchanges(), slot, &victim.short(), since_ms);
            if let Some((at_ms, node)) = first {
                let took_ms = at_ms - since_ms;
                let new = self.fleet.nodes.iter().map(|n| n.id).find(|id| id.short() == node);
                self.holders.extend(new.map(|id| (slot, id)));
                self.replaced.insert(slot);
                self.tell_noticed(victim, since_ms);
                let name = new.map_or(node, |id| self.show.name_of(id));
                let text = format!("slot {slot} answers from its replacement on {name}, {took_ms} ms after");
                self.show.at(at_ms, "demo", &text);
                return Some(took_ms);
            }
            sleep(POLL_PAUSE / 5).await;
        }
        self.show.line(&format!("no replacement of slot {slot} answered within {RECOVERY_MAX:?}"));
        None
    }

    fn tell_noticed(&self, victim: NodeId, since_ms: u64) {
        let about =
            |kind| self.journal.first(|e| e.kind == kind && e.about == Some(victim) && e.at_ms >= since_ms);
        for (kind, word) in
            [(EventKind::MemberSuspect, "suspected"), (EventKind::MemberDown, "held for dead")]
        {
            if let Some(event) = about(kind) {
                let (by, name) = (self.show.name_of(event.node), self.show.name_of(victim));
                self.show.line(&format!("{name} was {word} by {by} {} ms after", event.at_ms - since_ms));
            }
        }
    }

    /// Requests move on when the replacement came to the node that they go through, if
    /// another one holds no replica.
    fn leave_holder(&mut self) {
        let holders: BTreeSet<NodeId> = self.holders.values().copied().collect();
        if self.fleet.nodes.get(self.entry).is_some_and(|n| !holders.contains(&n.id)) {
            return;
        }
        if let Some((place, node)) = self.fleet.healthy().find(|(_, n)| !holders.contains(&n.id)) {
            self.load.redirect(node.port);
            self.show.line(&format!("requests go through {} from now on, which holds no replica", node.name));
            self.entry = place;
        }
    }

    /// How many replicas run by what each node says of itself, and whether every node
    /// sees just these.
    async fn count(&self) -> (u32, bool) {
        let (mut running, mut agreed) = (0, true);
        for (_, node) in self.fleet.healthy() {
            let asked = node.client.get::<Vec<InstanceView>>("/v1/instances");
            let Ok(Ok(instances)) = timeout(QUESTION_TIME_MAX, asked).await else {
                agreed = false;
                continue;
            };
            let ours = || instances.iter().filter(|i| i.workload.as_str() == WORKLOAD);
            let live = ours().filter(|i| i.phase == Phase::Running).count();
            agreed &= live == REPLICAS as usize && ours().all(|i| i.phase == Phase::Running);
            // An instance that still runs here counts even where another node holds its slot.
            let runs_here = |i: &&InstanceView| {
                i.instance.is_some() || (i.node == Some(node.id) && i.phase == Phase::Running)
            };
            let own = ours().filter(runs_here).count();
            running += u32::try_from(own).unwrap_or(u32::MAX);
        }
        (running, agreed)
    }
}

fn unknown(node: NodeId) -> DemoError {
    let what = format!("a replica on a node of the demo (found {})", node.short());
    DemoError::TooLate { what, within: Duration::ZERO }
}

//! This node as a holder: claims, and the life of what runs here.

use crate::choosing::per_replica;
use crate::claim::{Claim, ClaimRange};
use crate::cordon::Service;
use crate::event::{Event, EventKind};
use crate::io::{ExecutorEvent, Output, Start};
use crate::node::Node;
use crate::records::Promise;
use orbweave_model::plant::{self, Plant};
use orbweave_model::{Hash, InstanceId, Mono, NodeId, PublicKey, Resources, WorkloadName};
use orbweave_scheduler::rivals::{self, Phase};
use orbweave_state::record::RecordKind;
use std::time::Duration;

/// What drains goes on answering for this long, while others learn of it.
const DRAIN: Duration = Duration::from_secs(2);
/// A failed start is tried again here after this, doubling.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// The same while this node is dark.
const AGAIN_DARK: Duration = Duration::from_secs(15);
/// Failures after which the slot is given up, for another node to try.
const FAILURES_MAX: u32 = 3;

/// How far one run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Fetching,
    Compiling,
    Starting,
    Running,
}

/// One instance that runs or is about to.
#[derive(Debug)]
pub(crate) struct Run {
    pub instance: InstanceId,
    pub run_key: Hash,
    pub generation: u64,
    pub component: Hash,
    pub publisher: PublicKey,
    pub stage: Stage,
    pub since: Mono,
}

/// A slot that this node holds.
#[derive(Debug)]
pub(crate) struct Held {
    pub epoch: u64,
    pub score: i64,
    pub phase: Phase,
    /// Its claim is not durable yet.
    pub staged: bool,
    pub since: Mono,
    /// What it takes, also while it drains because nobody wants it any more.
    pub need: Resources,
    pub current: Option<Run>,
    /// Takes the place of `current` once it runs.
    pub coming: Option<Run>,
    pub retry_at: Option<Mono>,
    drain_until: Option<Mono>,
    pub failures: u32,
    /// When what runs counts as settled, where a rollout asks for it.
    pub settles_at: Option<Mono>,
    /// The revision that has settled, and one whose rollout failed: see [`crate::rollout`].
    pub settled: Option<u64>,
    pub failed: Option<u64>,
    /// How often in a row instances of one revision failed here.
    pub failures_of: Option<(Hash, u32)>,
}

impl Held {
    pub fn new(epoch: u64, score: i64, need: Resources, staged: bool, since: Mono) -> Self {
        Self {
            epoch,
            score,
            phase: Phase::Preparing,
            staged,
            since,
            need,
            current: None,
            coming: None,
            retry_at: None,
            drain_until: None,
            failures: 0,
            settles_at: None,
            settled: None,
            failed: None,
            failures_of: None,
        }
    }

    /// When it wants to be looked at.
    pub fn due(&self) -> Option<Mono> {
        self.retry_at.into_iter().chain(self.drain_until).chain(self.settles_at).min()
    }
}

type Key = (WorkloadName, u32);

impl Node {
    /// Takes up again what this node held before it was restarted.
    pub(crate) fn resume(&mut self) {
        let mine: Vec<_> = self
            .claims
            .iter()
            .filter_map(|(name, holders)| Some((name.clone(), holders.get(&self.me)?.clone())))
            .filter(|(_, claim)| !claim.is_empty())
            .collect();
        for (name, claim) in mine {
            for range in claim.ranges.iter().filter(|r| r.phase != Phase::Draining) {
                for slot in range.slots.start..range.slots.end {
                    let need = self.need_of(&name);
                    let held = Held::new(range.epoch, range.score, need, false, self.now.mono);
                    let held = Held { failed: range.failed, settled: range.settled, ..held };
                    self.held.insert((name.clone(), slot), held);
                }
            }
            self.publish_claim(&name, Vec::new());
            self.dirty.insert(name);
        }
    }

    /// The claim is durable: now the work may begin.
    pub(crate) fn on_claimed(&mut self, workload: &WorkloadName, slot: u32) {
        let Some(held) = self.held.get_mut(&(workload.clone(), slot)) else { return };
        held.staged = false;
        let text = format!("{workload}/{slot} is claimed");
        let event = Event::new(EventKind::Claim, text).of(workload).slot(slot).epoch(held.epoch);
        self.notify(event);
        self.dirty.insert(workload.clone());
    }

    /// Says which slots of a workload this node holds now.
    pub(crate) fn publish_claim(&mut self, name: &WorkloadName, promises: Vec<Promise>) {
        let claim = self.claim_of(name);
        self.say(RecordKind::CLAIM, name.as_str(), claim.encode(), promises);
    }

    /// Which slots of a workload this node holds now, as it says so.
    pub(crate) fn claim_of(&self, name: &WorkloadName) -> Claim {
        let first = (name.clone(), 0);
        let mine = self.held.range(first..).take_while(|((n, _), _)| n == name);
        Claim::of(mine.map(|((_, slot), h)| {
            let generation = h.current.as_ref().map(|run| run.generation);
            let range = ClaimRange::one(*slot, h.epoch, h.phase, h.score, generation);
            ClaimRange { settled: h.settled, failed: h.failed, ..range }
        }))
    }

    /// Keeps what this node holds of a workload in line with what is wanted.
    pub(crate) fn review_held(&mut self, name: &WorkloadName) {
        self.review_rollout(name);
        let first = (name.clone(), 0);
        let slots: Vec<u32> = self
            .held
            .range(first..)
            .take_while(|((n, _), _)| n == name)
            .filter(|(_, h)| !h.staged && h.phase != Phase::Draining)
            .map(|((_, slot), _)| *slot)
            .collect();
        for slot in slots {
            let key = (name.clone(), slot);
            match self.reason_to_drain(&key) {
                Some(why) => self.drain(&key, why),
                None => {
                    self.stop_what_is_unwanted(&key);
                    self.run_what_is_wanted(&key);
                }
            }
        }
    }

    fn reason_to_drain(&self, key: &Key) -> Option<String> {
        let (name, slot) = (&key.0, key.1);
        let Some(desired) = self.desired.get(name) else {
            return Some("its specification is gone".to_owned());
        };
        if desired.spec.deleted {
            return Some("the workload is deleted".to_owned());
        }
        if slot >= desired.spec.replicas {
            return Some("the workload was scaled down".to_owned());
        }
        if let Some(why) = self.uncovered_in_words(name, slot)
            && !plant::on(Plant::QuotaAtPlacerOnly)
        {
            return Some(why);
        }
        if let Some(term) = desired.spec.requires.first_unmet(&self.info.labels) {
            return Some(format!("this node's labels do not satisfy `{term}`"));
        }
        let held = self.held.get(key)?;
        if let Some(wanted) = self.wanted(name, slot)
            && let Err(why) = wanted.release
            && held.current.as_ref().is_none_or(|run| run.run_key == wanted.run_key)
        {
            return Some(format!("its release is no longer accepted: {why}"));
        }
        // What runs may be of an older generation, which nobody wants any more.
        if held.current.as_ref().is_some_and(|run| self.authority.is_revoked(&run.publisher)) {
            return Some("the publisher of what runs was revoked".to_owned());
        }
        if plant::on(Plant::DrainDropsTheLast) && self.service(self.me) == Service::Drained {
            return Some("this node is drained".to_owned());
        }
        if let Some(why) = self.who_runs_elsewhere(name, slot) {
            return Some(why);
        }
        let holdings = self.holdings(name, slot);
        let keeper = rivals::keeper(desired.rule(), &holdings)?;
        // The loser goes on until the winner answers.
        let runs = keeper.phase == Phase::Running || plant::on(Plant::LoserDrainsFirst);
        let stays = keeper.holder == self.me && !(plant::on(Plant::BothRivalsDrain) && holdings.len() > 1);
        (!stays && runs)
            .then(|| format!("{} keeps the slot (epoch {})", self.name(keeper.holder), keeper.epoch))
    }

    /// What was to take the place of what runs, and is wanted no more: its release was
    /// revoked, or people went back to the one before.
    fn stop_what_is_unwanted(&mut self, key: &Key) {
        let wanted = self.wanted(&key.0, key.1).filter(|w| w.release.is_ok()).map(|w| w.run_key);
        let Some(held) = self.held.get_mut(key) else { return };
        if let Some(run) = held.coming.take_if(|run| wanted != Some(run.run_key)) {
            self.outputs.push_back(Output::Stop { instance: run.instance });
        }
    }

    fn run_what_is_wanted(&mut self, key: &Key) {
        let Some(wanted) = self.wanted(&key.0, key.1) else { return };
        let Ok(release) = wanted.release else { return };
        let (run_key, statement) = (wanted.run_key, release.statement());
        let (component, publisher) = (statement.blake3, statement.publisher);
        let (generation, need) = (wanted.generation, per_replica(&wanted.need));
        let Some(held) = self.held.get_mut(key) else { return };
        // A generation that changes nothing for an instance leaves it alone.
        if let Some(run) =
            held.current.as_mut().filter(|r| r.run_key == run_key && r.generation != generation)
        {
            run.generation = generation;
            return self.publish_claim(&key.0, Vec::new());
        }
        let same = |run: &Option<Run>| run.as_ref().is_some_and(|r| r.run_key == run_key);
        if same(&held.current) || same(&held.coming) || held.retry_at.is_some() {
            return;
        }
        held.need = need;
        self.instances += 1;
        self.own_changed = true;
        let instance = InstanceId(self.instances);
        let since = self.now.mono;
        let stage = Stage::Fetching;
        held.coming = Some(Run { instance, run_key, generation, component, publisher, stage, since });
        self.fetch(key);
    }

    fn fetch(&mut self, key: &Key) {
        let Some(wanted) = self.wanted(&key.0, key.1) else { return };
        let Ok(release) = wanted.release else { return };
        let (hash, size) = (release.statement().blake3, release.statement().size);
        let providers = self.providers(&key.0);
        let text = format!("fetches the component of {}", key.0);
        self.notify(Event::new(EventKind::FetchStarted, text).of(&key.0).slot(key.1));
        self.outputs.push_back(Output::Fetch { hash, size, providers });
    }

    /// Whom to ask for a workload's component, the likeliest first.
    pub(crate) fn providers(&self, name: &WorkloadName) -> Vec<NodeId> {
        let origin = self.desired.get(name).and_then(|d| d.spec.origin);
        let holders = self.claims.get(name).into_iter().flatten();
        let running = holders.filter(|(_, c)| c.ranges.iter().any(|r| r.phase == Phase::Running));
        let mut providers: Vec<NodeId> = Vec::new();
        for node in running.map(|(n, _)| *n).chain(origin).chain(self.linked()) {
            if node != self.me && !providers.contains(&node) && self.counts(node) {
                providers.push(node);
            }
        }
        providers.extend(self.providers_beyond(name));
        providers
    }

    pub(crate) fn on_blob(&mut self, hash: Hash, outcome: Result<(), String>) {
        self.on_blob_ahead(hash, outcome.is_ok());
        let waiting: Vec<Key> = self
            .held
            .iter()
            .filter(|(_, h)| {
                h.coming.as_ref().is_some_and(|r| r.component == hash && r.stage == Stage::Fetching)
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in waiting {
            match &outcome {
                Ok(()) => self.start(&key),
                Err(why) => {
                    let text = format!("the component of {} could not be fetched", key.0);
                    let event = Event::new(EventKind::FetchFailed, text).of(&key.0).slot(key.1);
                    self.notify(event.because(why.clone()));
                    self.fail(&key, why.clone());
                }
            }
        }
    }

    fn start(&mut self, key: &Key) {
        let now = self.now.mono;
        let Some(wanted) = self.wanted(&key.0, key.1) else { return };
        // Verified again, right before it runs: a revocation may have come meanwhile.
        let Ok(release) = wanted.release else { return };
        let (release, run_key, revision) = (release.clone(), wanted.run_key, wanted.revision());
        let Some(run) = self.held.get_mut(key).and_then(|h| h.coming.as_mut()) else { return };
        if run.run_key != run_key {
            // It is about to be stopped: another revision is wanted since it was fetched.
            return;
        }
        let took = now.since(run.since);
        run.stage = Stage::Compiling;
        let start = Start {
            instance: run.instance,
            workload: key.0.clone(),
            slot: key.1,
            release,
            env: revision.env.into_iter().collect(),
            memory_bytes: revision.need.memory_bytes,
            call_time: Duration::from_millis(revision.call_time_ms),
            concurrency: revision.concurrency,
            health: revision.health,
        };
        let event = Event::new(EventKind::FetchDone, format!("the component of {} is here", key.0));
        let event = event.of(&key.0).slot(key.1).instance(run.instance).took(took);
        self.notify(event);
        self.outputs.push_back(Output::Start(Box::new(start)));
    }

    pub(crate) fn on_executor(&mut self, instance: InstanceId, event: ExecutorEvent) {
        let is = |run: &Option<Run>| run.as_ref().is_some_and(|r| r.instance == instance);
        let found = self.held.iter().find(|(_, h)| is(&h.current) || is(&h.coming));
        // An instance that was stopped meanwhile may still report: a no-op.
        let Some((key, _)) = found else { return };
        let key = key.clone();
        let about = |kind, text: String| Event::new(kind, text).of(&key.0).slot(key.1).instance(instance);
        match event {
            ExecutorEvent::Compiled { cached, took } => {
                if let Some(run) = self.held.get_mut(&key).and_then(|h| h.coming.as_mut()) {
                    run.stage = Stage::Starting;
                }
                let how = if cached { "was found compiled" } else { "is compiled" };
                let text = format!("the component of {} {how}", key.0);
                self.notify(about(EventKind::Compiled, text).took(took));
            }
            ExecutorEvent::Running => {
                let now = self.now.mono;
                let Some(held) = self.held.get_mut(&key) else { return };
                let Some(mut run) = held.coming.take_if(|r| r.instance == instance) else { return };
                run.stage = Stage::Running;
                let took = now.since(std::mem::replace(&mut run.since, now));
                let old = held.current.replace(run);
                held.failures = 0;
                if held.phase == Phase::Preparing {
                    (held.phase, held.since) = (Phase::Running, now);
                }
                let epoch = held.epoch;
                if let Some(old) = old {
                    self.outputs.push_back(Output::Stop { instance: old.instance });
                }
                self.backing_off.remove(&key.0);
                let text = format!("{}/{} runs", key.0, key.1);
                self.notify(about(EventKind::Started, text).epoch(epoch).took(took));
                self.publish_claim(&key.0, Vec::new());
                self.outputs.push_back(Output::RoutesChanged);
            }
            ExecutorEvent::Failed { reason } => {
                let text = format!("{}/{} failed", key.0, key.1);
                self.notify(about(EventKind::Failed, text).because(reason.clone()));
                let Some(held) = self.held.get_mut(&key) else { return };
                let ended = held.current.take_if(|r| r.instance == instance).map(|run| run.run_key);
                if ended.is_some() {
                    if held.phase == Phase::Draining {
                        return self.give_up(&key, EventKind::Stopped, "it drained, and failed".to_owned());
                    }
                    held.phase = Phase::Preparing;
                    self.publish_claim(&key.0, Vec::new());
                }
                // What was to take its place anyway goes on coming.
                let coming = self.held.get(&key).and_then(|h| h.coming.as_ref());
                if coming.is_none_or(|run| run.instance == instance) {
                    let failed = ended.or(coming.map(|run| run.run_key));
                    if failed.is_some_and(|run_key| self.fail_rollout(&key.0, key.1, run_key, &reason)) {
                        self.held.entry(key).and_modify(|held| held.coming = None);
                        return;
                    }
                    self.fail(&key, reason);
                }
            }
        }
    }

    /// A run did not come about: again here after a while, then another node's turn.
    fn fail(&mut self, key: &Key, why: String) {
        let now = self.now.mono;
        let dark = self.is_carried() && !self.contact.is_on();
        let Some(held) = self.held.get_mut(key) else { return };
        held.coming = None;
        if dark {
            // Nobody could have given it the component: no failure of its own.
            held.retry_at = Some(now + AGAIN_DARK);
            return;
        }
        held.failures += 1;
        let wait = AGAIN.0.saturating_mul(1 << held.failures.min(6)).min(AGAIN.1);
        if held.failures < FAILURES_MAX || held.current.is_some() {
            held.retry_at = Some(now + wait);
        } else {
            let (times, _) = self.backing_off.get(&key.0).copied().unwrap_or((0, now));
            let pause = AGAIN.0.saturating_mul(1 << (times + 4).min(6)).min(AGAIN.1);
            self.backing_off.insert(key.0.clone(), (times.saturating_add(1), now + pause));
            self.give_up(key, EventKind::ClaimReleased, format!("failed {FAILURES_MAX} times: {why}"));
        }
    }

    /// Stops taking work on, and ends once others had the time to learn of it.
    fn drain(&mut self, key: &Key, why: String) {
        let now = self.now.mono;
        let Some(held) = self.held.get_mut(key) else { return };
        let serves = held.current.is_some();
        if !serves {
            return self.give_up(key, EventKind::ClaimReleased, why);
        }
        (held.phase, held.since, held.drain_until) = (Phase::Draining, now, Some(now + DRAIN));
        // What was to take its place is not wanted here either.
        held.retry_at = None;
        let coming = held.coming.take();
        self.outputs.extend(coming.map(|run| Output::Stop { instance: run.instance }));
        let text = format!("{}/{} drains", key.0, key.1);
        self.notify(Event::new(EventKind::Drained, text).of(&key.0).slot(key.1).because(why));
        self.publish_claim(&key.0, Vec::new());
        self.outputs.push_back(Output::RoutesChanged);
    }

    fn give_up(&mut self, key: &Key, kind: EventKind, why: String) {
        let Some(held) = self.held.remove(key) else { return };
        for run in held.current.into_iter().chain(held.coming) {
            self.outputs.push_back(Output::Stop { instance: run.instance });
        }
        let text = format!("{}/{} is given up here", key.0, key.1);
        self.notify(Event::new(kind, text).of(&key.0).slot(key.1).epoch(held.epoch).because(why));
        self.publish_claim(&key.0, Vec::new());
        self.dirty.insert(key.0.clone());
        self.outputs.push_back(Output::RoutesChanged);
    }

    /// Ends what has drained, and tries again what is due.
    pub(crate) fn advance_held(&mut self) {
        let now = self.now.mono;
        let due: Vec<Key> = self
            .held
            .iter()
            .filter(|(_, h)| h.due().is_some_and(|at| at <= now))
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            let Some(held) = self.held.get_mut(&key) else { continue };
            if held.settles_at.take_if(|at| *at <= now).is_some() {
                self.dirty.insert(key.0.clone());
            }
            if held.drain_until.is_some_and(|at| at <= now) {
                self.give_up(&key, EventKind::Stopped, "it has drained".to_owned());
            } else if held.retry_at.take_if(|at| *at <= now).is_some() {
                self.run_what_is_wanted(&key);
            }
        }
        self.backing_off.retain(|_, (_, until)| *until + AGAIN.1 > now);
    }

    pub(crate) fn give_all_up(&mut self) {
        for key in self.held.keys().cloned().collect::<Vec<_>>() {
            self.drain(&key, "this node leaves".to_owned());
        }
    }

    pub(crate) fn is_backing_off(&self, name: &WorkloadName) -> bool {
        self.backing_off.get(name).is_some_and(|(_, until)| *until > self.now.mono)
    }
}

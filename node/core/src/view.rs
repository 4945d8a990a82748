//! What holds: pure functions over the records of live, authorised authors.

use crate::body::WorkloadBody;
use crate::claim::Claim;
use crate::event::{Event, EventKind};
use crate::io::Write;
use crate::node::Node;
use crate::workload::WorkloadSpec;
use orbweave_model::{Hash, Hlc, NodeId, WorkloadName};
use orbweave_scheduler::quota::Covered;
use orbweave_scheduler::rivals::{Holding, Phase, Reconcile};
use orbweave_state::record::RecordKind;
use orbweave_trust::{Release, Roles, RollbackGuard};
use std::sync::Arc;

/// The specification of a workload that holds, and this node's verdict on its release.
#[derive(Debug, Clone)]
pub(crate) struct Desired {
    pub spec: Arc<WorkloadSpec>,
    pub hlc: Hlc,
    pub run_key: Hash,
    pub release: Result<Release, String>,
    /// What ran before, where a rollout can go back to it.
    pub previous: Option<Previous>,
    /// How far the quota of its namespace covers it; all of it where there is none.
    pub covered: Option<Covered>,
}

/// The revision before, and this node's verdict on its release.
#[derive(Debug, Clone)]
pub(crate) struct Previous {
    pub run_key: Hash,
    pub release: Result<Release, String>,
}

impl Desired {
    /// Slots that shall have a holder.
    pub fn slots(&self) -> u32 {
        let wanted = if self.spec.deleted { 0 } else { self.spec.replicas };
        self.covered.map_or(wanted, |covered| covered.replicas.min(wanted))
    }

    pub fn rule(&self) -> Reconcile {
        self.spec.reconcile.unwrap_or_default()
    }
}

impl Node {
    /// Chooses among rival specifications: the highest generation, then HLC, then author.
    pub(crate) fn review_workload(&mut self, name: &WorkloadName) {
        let wall = self.wall();
        let best = self
            .store
            .rivals(RecordKind::WORKLOAD, name.as_str())
            .filter(|r| self.authority.was_entrusted(&r.id().author, Roles::OPERATE))
            .filter_map(|r| Some((WorkloadBody::of(r).ok()?, r.hlc(), r.id().author)))
            .max_by_key(|(body, hlc, author)| (body.spec.generation, *hlc, *author));
        self.dirty.insert(name.clone());
        // What it kept apart from need not keep away from it any more.
        let apart = self.desired.get(name).map(|before| before.spec.policy().apart_from.clone());
        self.dirty.extend(apart.into_iter().flatten());
        let namespace = self.desired.get(name).map(|before| before.spec.namespace());
        let Some((body, hlc, _)) = best else {
            self.desired.remove(name);
            namespace.into_iter().for_each(|namespace| self.cover_others(&namespace));
            self.refused.remove(name);
            self.note_rules(name, None);
            self.forget_components();
            return;
        };
        let spec = body.spec.clone();
        let known = self.desired.get(name);
        let before = known.map(|d| (d.spec.generation, d.hlc));
        let release = if spec.deleted {
            Err("the workload is deleted".to_owned())
        } else if known.is_some_and(|d| d.release.is_ok() && d.spec.release == spec.release)
            || self.holds_claim(name)
        {
            // Admitted before: its expiry since then does not count, a revocation does.
            Release::verify_for_resume(&spec.release, &self.authority, &self.guard, wall, &*self.check)
                .map_err(|e| e.to_string())
        } else {
            Release::verify(&spec.release, &self.authority, &self.guard, wall, &*self.check)
                .map_err(|e| e.to_string())
        };
        let release = release.map(|release| body.share(release));
        if let Ok(release) = &release {
            self.writes.extend(self.guard.note(release).map(Write::from));
        }
        let (deleted, generation, replicas) = (spec.deleted, spec.generation, spec.replicas);
        let refusal = release.as_ref().err().filter(|_| !deleted).cloned();
        if release.is_err() && !deleted {
            self.refused.insert(name.clone());
        } else {
            self.refused.remove(name);
        }
        self.note_rules(name, Some(&spec));
        self.touch_conflicts_of(name);
        let previous = spec.rollout.as_ref().and_then(|rollout| rollout.previous.as_ref());
        // It ran before by the word of whoever signed this: that it is older is no rollback.
        // It must be good when it is first heard of, as any release.
        let guard = RollbackGuard::new();
        let judged = self.desired.get(name).and_then(|d| d.previous.as_ref());
        let previous = previous.map(|previous| {
            let run_key = previous.run_key();
            let was_good = judged.is_some_and(|judged| judged.run_key == run_key && judged.release.is_ok());
            let verify = if was_good { Release::verify_for_resume } else { Release::verify };
            let release = verify(&previous.release, &self.authority, &guard, wall, &*self.check);
            Previous { run_key, release: release.map_err(|e| e.to_string()) }
        });
        let now_in = spec.namespace();
        // Of another namespace it has another turn, which is looked at below.
        let stays = namespace.as_ref() == Some(&now_in);
        let covered = self.desired.get(name).and_then(|before| before.covered).filter(|_| stays);
        let desired = Desired { run_key: body.run_key, spec, hlc, release, previous, covered };
        if self.desired.insert(name.clone(), desired).is_some() {
            self.forget_components();
        }
        self.cover_others(&now_in);
        namespace.filter(|_| !stays).into_iter().for_each(|before| self.cover_others(&before));
        if self.zones.is_many() {
            self.reseat(name);
        }
        if before != Some((generation, hlc)) {
            self.notify(if deleted {
                Event::new(EventKind::WorkloadDeleted, format!("{name} is deleted")).of(name)
            } else {
                let text = format!("{name} generation {generation}: {replicas} replicas");
                Event::new(EventKind::WorkloadAccepted, text).of(name)
            });
            if let Some(why) = refusal {
                let event =
                    Event::new(EventKind::ReleaseRefused, format!("the release of {name} is refused"));
                self.notify(event.of(name).because(why));
            }
            self.outputs.push_back(crate::io::Output::RoutesChanged);
        }
    }

    /// Looks again at releases that were refused: one whose time has come, or whose
    /// publisher was entrusted meanwhile, is accepted.
    pub(crate) fn tick_releases(&mut self) {
        for name in self.refused.clone() {
            self.review_workload(&name);
        }
    }

    /// Whether the store says that this node held part of a workload.
    pub(crate) fn holds_claim(&self, name: &WorkloadName) -> bool {
        self.claims.get(name).and_then(|c| c.get(&self.me)).is_some_and(|c| !c.is_empty())
    }

    pub(crate) fn on_claim(&mut self, name: WorkloadName, holder: NodeId, claim: Arc<Claim>) {
        if claim.is_empty() {
            self.drop_claim(&name, holder);
        } else {
            let names = self.claimed_by.entry(holder).or_default();
            if let Err(at) = names.binary_search(&name) {
                names.insert(at, name.clone());
            }
            self.claims.entry(name.clone()).or_default().insert(holder, claim);
        }
        self.touch_conflicts_of(&name);
        self.dirty.insert(name);
        self.outputs.push_back(crate::io::Output::RoutesChanged);
    }

    /// A node holds nothing of a workload any more.
    pub(crate) fn drop_claim(&mut self, name: &WorkloadName, holder: NodeId) {
        if let Some(holders) = self.claims.get_mut(name) {
            holders.remove(&holder);
            if holders.is_empty() {
                self.claims.remove(name);
            }
        }
        if let Some(names) = self.claimed_by.get_mut(&holder) {
            if let Ok(at) = names.binary_search(name) {
                names.remove(at);
            }
            if names.is_empty() {
                self.claimed_by.remove(&holder);
            }
        }
    }

    /// Whether what a node claims counts: it is this one, or a member that is not down.
    pub fn counts(&self, node: NodeId) -> bool {
        let alive = || self.carried_counts(node).unwrap_or_else(|| self.membership.is_alive(node));
        node == self.me || (self.nodes.contains_key(&node) && alive())
    }

    /// The claims on a slot of holders that are alive.
    pub(crate) fn holdings(&self, name: &WorkloadName, slot: u32) -> Vec<Holding> {
        let claims = self.claims.get(name).into_iter().flatten();
        claims
            .filter_map(|(&holder, claim)| {
                let range = claim.at(slot)?;
                let yields = false;
                Some(Holding { holder, epoch: range.epoch, phase: range.phase, score: range.score, yields })
            })
            .filter(|holding| self.counts(holding.holder))
            .map(|holding| Holding { yields: self.yields(name, slot, holding.holder), ..holding })
            .collect()
    }

    /// Of each slot of a workload, whether some holder that is alive claims it so: all claims,
    /// read once.
    pub(crate) fn claimed_slots(
        &self,
        name: &WorkloadName,
        so: impl Fn(u32, NodeId, Phase) -> bool,
    ) -> Vec<bool> {
        let mut claimed = vec![false; self.desired.get(name).map_or(0, |d| d.slots()) as usize];
        for (&holder, claim) in self.claims.get(name).into_iter().flatten() {
            if !self.counts(holder) {
                continue;
            }
            for range in &claim.ranges {
                let end = claimed.len().min(range.slots.end as usize);
                let slots =
                    (range.slots.start..).zip(claimed[..end].iter_mut().skip(range.slots.start as usize));
                for (slot, claimed) in slots {
                    *claimed |= so(slot, holder, range.phase);
                }
            }
        }
        claimed
    }

    /// The highest epoch of any claim on a slot, of holders dead or alive.
    pub(crate) fn epoch_seen(&self, name: &WorkloadName, slot: u32) -> u64 {
        let claims = self.claims.get(name).into_iter().flatten();
        claims.filter_map(|(_, claim)| Some(claim.at(slot)?.epoch)).max().unwrap_or(0)
    }

    /// How many slots of a workload a node holds, by its claim.
    pub(crate) fn held_by(&self, name: &WorkloadName, node: NodeId) -> u32 {
        self.claims.get(name).and_then(|c| c.get(&node)).map_or(0, |claim| claim.len())
    }
}

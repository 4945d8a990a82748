//! What people do meanwhile: deploy, change, delete, revoke.

use super::Draw;
use crate::dice::Dice;
use crate::schedule::{Action, Deploy, RolloutLine, ServiceLine, Timed};
use orbweave_model::Namespace;
use orbweave_scheduler::policy::{Near, Policy, Preference, Spread, Target};
use orbweave_scheduler::quota::Bounds;
use std::collections::BTreeSet;
use std::time::Duration;

/// One node of so many is out of service at most.
const OUT_OF_SERVICE_ONE_IN: usize = 5;
/// Nodes of which people revoke the key, at most.
const REVOKED_MAX: u32 = 2;

impl Draw<'_> {
    /// Draws what people do, until faults end.
    pub(super) fn people(&mut self, dice: &mut Dice) {
        let o = self.options;
        let mean = Duration::from_millis(o.change_every_ms);
        let mut known: Vec<Deploy> = Vec::new();
        let (mut nodes_revoked, mut publisher_revoked) = (0, false);
        let mut out_of_service = BTreeSet::new();
        // The first workload is there before anything goes wrong.
        let mut at = o.quiet_s * 500;
        while at < o.faults_s * 1_000 && o.workloads > 0 {
            let weights = [
                o.deploy,
                if known.is_empty() { 0 } else { o.delete },
                if nodes_revoked < REVOKED_MAX && !known.is_empty() { o.revoke_node } else { 0 },
                if publisher_revoked || known.is_empty() { 0 } else { o.revoke_publisher },
                if known.is_empty() { 0 } else { o.cordon },
                if known.is_empty() { 0 } else { o.quota },
            ];
            let mut left = dice.below(weights.iter().map(|w| u64::from(*w)).sum());
            let which = weights.iter().position(|w| match left.checked_sub(u64::from(*w)) {
                Some(rest) => {
                    left = rest;
                    false
                }
                None => true,
            });
            let node = self.hosts[dice.below(self.first as u64) as usize].name.clone();
            let action = match which {
                Some(0) => Some(Action::Deploy(self.deploy(dice, &mut known, node, publisher_revoked))),
                Some(1) => {
                    let workload = dice.pick(&known).map(|d| d.workload.clone());
                    workload.map(|workload| Action::Delete { workload, node })
                }
                Some(2) => {
                    nodes_revoked += 1;
                    let victim = self.hosts[dice.below(self.first as u64) as usize].name.clone();
                    (victim != node).then_some(Action::RevokeNode { node: victim, at: node })
                }
                Some(3) => {
                    publisher_revoked = true;
                    Some(Action::RevokePublisher { at: node })
                }
                Some(4) => {
                    let which = self.hosts[dice.below(self.first as u64) as usize].name.clone();
                    let service = [ServiceLine::Drained, ServiceLine::Drained, ServiceLine::Cordoned];
                    let service = if out_of_service.remove(&which) {
                        Some(ServiceLine::Open)
                    } else if out_of_service.len() * OUT_OF_SERVICE_ONE_IN < self.first {
                        out_of_service.insert(which.clone());
                        dice.pick(&service).copied()
                    } else {
                        None
                    };
                    service.map(|service| Action::Cordon { node: which, service, at: node })
                }
                Some(5) => Some(quota(dice, node)),
                _ => None,
            };
            if let Some(action) = action {
                self.events.push(Timed { at_ms: at, action, part_of: None });
            }
            at += dice.exponential(mean).as_millis() as u64 + 1;
        }
    }

    /// A new workload, or a change of a known one: also one that was deleted.
    fn deploy(&self, dice: &mut Dice, known: &mut Vec<Deploy>, node: String, revoked: bool) -> Deploy {
        let o = self.options;
        let which = dice.below(u64::from(o.workloads)) as usize;
        let replicas = dice.between(1, u64::from(o.replicas).max(1)) as u32;
        let others: Vec<String> =
            known.iter().enumerate().filter(|(i, _)| *i != which).map(|(_, d)| d.workload.clone()).collect();
        let Some(before) = known.get_mut(which) else {
            let new = Deploy {
                workload: format!("app-{}", known.len()),
                node,
                replicas,
                requires: requirement(dice),
                release: 1,
                variable: 0,
                bytes: dice.between(o.component_bytes.0, o.component_bytes.1) >> dice.below(8),
                second_publisher: !revoked && dice.chance(250_000),
                cpu_milli: 100,
                policy: policy(dice, &others),
                rollout: rollout(dice),
                namespace: namespace(dice),
                bad: false,
            };
            known.push(new.clone());
            return new;
        };
        before.node = node;
        match dice.below(5) {
            0 => before.replicas = replicas,
            1 => before.requires = requirement(dice),
            2 => before.release += 1,
            3 => before.policy = policy(dice, &others),
            _ => before.variable += 1,
        }
        // What never comes up must be able to go back to what did.
        before.bad = before.rollout.is_some() && !before.second_publisher && dice.chance(300_000);
        before.variable += u64::from(before.bad);
        before.clone()
    }
}

/// Half of all workloads are the tenant's, who has a quota at times.
fn namespace(dice: &mut Dice) -> Option<Namespace> {
    let tenant = "tenant".parse().ok();
    tenant.filter(|_| dice.chance(500_000))
}

/// A bound of replicas or of processor time that is often too low, or none at all.
fn quota(dice: &mut Dice, at: String) -> Action {
    let bounds = match dice.below(4) {
        0 => Bounds::default(),
        1 => Bounds { cpu_milli: Some(dice.between(0, 1_200)), ..Bounds::default() },
        _ => Bounds { instances: Some(dice.between(0, 12)), ..Bounds::default() },
    };
    let namespace = namespace(dice).unwrap_or_default();
    Action::Quota { namespace, bounds, at }
}

fn requirement(dice: &mut Dice) -> String {
    match dice.below(6) {
        0 => "tier=edge".to_owned(),
        1 => "tier!=edge".to_owned(),
        _ => String::new(),
    }
}

/// Half of all workloads change a few slots at a time.
fn rollout(dice: &mut Dice) -> Option<RolloutLine> {
    let line = RolloutLine { at_a_time: dice.between(1, 2) as u32, settle_ms: dice.between(500, 8_000) };
    dice.chance(500_000).then_some(line)
}

/// Wishes and rules, of which most workloads have none.
fn policy(dice: &mut Dice, others: &[String]) -> Policy {
    let mut policy = Policy::default();
    match dice.below(8) {
        0 => policy.spread.push(Spread { over: "node".into(), at_most: Some(1), max_skew: None }),
        1 => {
            let (at_most, max_skew) = (Some(dice.between(1, 3) as u32), None);
            policy.spread.push(Spread { over: "tier".into(), at_most, max_skew });
        }
        2 => policy.spread.push(Spread { over: "tier".into(), at_most: None, max_skew: Some(1) }),
        3 => {
            let other = dice.pick(others).and_then(|other| other.parse().ok());
            policy.apart_from.extend(other);
        }
        4 => {
            let wants = if dice.chance(500_000) { "tier=edge" } else { "tier!=edge" };
            let wants = wants.parse().unwrap_or_default();
            policy.prefers.push(Preference { wants, weight: dice.between(1, 100) as u32 });
            let to = dice.pick(others).and_then(|other| other.parse().ok());
            policy.near.extend(to.map(|to| Near { to: Target::Workload(to), within_ms: None }));
        }
        _ => {}
    }
    policy
}

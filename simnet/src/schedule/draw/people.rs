//! What people do meanwhile: deploy, change, delete, revoke.

use super::Draw;
use crate::dice::Dice;
use crate::schedule::{Action, Deploy, Timed};
use std::time::Duration;

/// Nodes of which people revoke the key, at most.
const REVOKED_MAX: u32 = 2;

impl Draw<'_> {
    /// Draws what people do, until faults end.
    pub(super) fn people(&mut self, dice: &mut Dice) {
        let o = self.options;
        let mean = Duration::from_millis(o.change_every_ms);
        let mut known: Vec<Deploy> = Vec::new();
        let (mut nodes_revoked, mut publisher_revoked) = (0, false);
        // The first workload is there before anything goes wrong.
        let mut at = o.quiet_s * 500;
        while at < o.faults_s * 1_000 && o.workloads > 0 {
            let weights = [
                o.deploy,
                if known.is_empty() { 0 } else { o.delete },
                if nodes_revoked < REVOKED_MAX && !known.is_empty() { o.revoke_node } else { 0 },
                if publisher_revoked || known.is_empty() { 0 } else { o.revoke_publisher },
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
            };
            known.push(new.clone());
            return new;
        };
        before.node = node;
        match dice.below(4) {
            0 => before.replicas = replicas,
            1 => before.requires = requirement(dice),
            2 => before.release += 1,
            _ => before.variable += 1,
        }
        before.clone()
    }
}

fn requirement(dice: &mut Dice) -> String {
    match dice.below(6) {
        0 => "tier=edge".to_owned(),
        1 => "tier!=edge".to_owned(),
        _ => String::new(),
    }
}

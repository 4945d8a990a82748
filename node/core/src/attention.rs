//! What is looked at again, and when: a workload is evaluated when something that it
//! depends on changed, and all of them by and by, in case a change was overlooked.
//! So the work of a quiet second does not grow with the mesh.

use crate::node::Node;
use orbweave_model::{NodeId, WorkloadName};
use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;

/// How long a node that learns of others looks around before it places anything.
pub(crate) const SETTLE: Duration = Duration::from_secs(4);
/// The same for a node that knows of no other.
pub(crate) const SETTLE_ALONE: Duration = Duration::from_secs(1);
/// The same for a node that was held for dead.
pub(crate) const SETTLE_RENEWED: Duration = Duration::from_secs(2);
/// Between two looks at a share of all workloads, whether or not anything changed.
const SWEEP: Duration = Duration::from_secs(10);
/// Shares in which all are looked at: within five minutes.
const SHARES: usize = 30;

impl Node {
    /// Places nothing for a while: what this node believes of others is not worth much yet.
    pub(crate) fn look_around(&mut self, time: Duration) {
        self.settled_at = self.settled_at.max(self.now.mono + time);
        self.settled = false;
        // Ranks among members that are not known yet mean nothing.
        self.vacancies.clear();
    }

    /// Ends looking around in time: now every slot counts.
    pub(crate) fn settle_down(&mut self) {
        if !self.settled && self.now.mono >= self.settled_at {
            self.settled = true;
            self.touch_all();
        }
    }

    /// Everything depends on what changed.
    pub(crate) fn touch_all(&mut self) {
        self.dirty.extend(self.desired.keys().cloned());
        self.dirty.extend(self.held.keys().map(|(name, _)| name.clone()));
    }

    /// Whether a member's claims count may have changed.
    pub(crate) fn touch_claims_of(&mut self, node: NodeId) {
        self.dirty.extend(self.claimed_by.get(&node).into_iter().flatten().cloned());
    }

    /// A share of all workloads, in turn.
    pub(crate) fn sweep(&mut self) {
        if self.now.mono < self.next_sweep {
            return;
        }
        self.next_sweep = self.now.mono + SWEEP;
        let share = self.desired.len().div_ceil(SHARES);
        let after = self.swept.take();
        let from = after.as_ref().map_or(Unbounded, Excluded);
        let names = self.desired.range::<WorkloadName, _>((from, Unbounded)).map(|(name, _)| name);
        let names: Vec<WorkloadName> = names.take(share).cloned().collect();
        // At the end it begins anew with the next share.
        self.swept = names.last().cloned();
        self.dirty.extend(names);
    }
}

//! What is said of this node's slots in its name, and is not so: it says what it holds.

use crate::node::Node;
use orbweave_model::WorkloadName;
use std::time::Duration;

/// Between two contradictions about one workload.
const EVERY: Duration = Duration::from_secs(5);

impl Node {
    /// Others believe what this node said in a life that it forgot, or what another says with
    /// its key: they learn what it holds, but not so often that two that share a key shout.
    pub(crate) fn contradict(&mut self, name: &WorkloadName) {
        let now = self.now.mono;
        self.contradicted.retain(|_, last| *last + EVERY > now);
        if self.contradicted.contains_key(name) {
            return;
        }
        self.contradicted.insert(name.clone(), now);
        let staged = self.staged.len();
        self.publish_claim(name, Vec::new());
        self.staged.iter_mut().skip(staged).for_each(|staged| staged.contradicts = true);
    }
}

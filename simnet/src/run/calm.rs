//! All is well and stays so for a while, and then one node goes: what that costs is judged
//! only where nothing else happens, as hardly ever in the first phase.

use super::Stage;
use crate::dice::Dice;
use std::time::Duration;

/// The dice for whom it hits.
const LEAVER: u64 = 22;
/// What is missed by a node that went is back after this: churn is judged half a minute
/// after somebody went.
const GONE_FOR: Duration = Duration::from_secs(40);

/// How long all that takes, until it must be well again.
pub(super) fn length(calm_s: u64) -> Duration {
    Duration::from_secs(calm_s) + GONE_FOR
}

impl Stage {
    /// Lets time pass, takes a node away and brings it back. Says how long all then takes to
    /// be well, or what is wrong.
    pub fn stay_calm(&mut self, calm: Duration, limit: Duration, seed: u64) -> Result<Duration, String> {
        self.cluster.run(calm);
        let all: Vec<usize> =
            self.cluster.up().map(|(i, _)| i).filter(|i| !self.cluster.is_satellite(*i)).collect();
        if let Some(&leaver) = Dice::new(seed).child(LEAVER).pick(&all) {
            self.cluster.kill(leaver);
            self.cluster.run(GONE_FOR);
            self.cluster.boot(leaver);
        }
        self.converge(limit)
    }
}

//! Every duration that membership goes by.

use std::time::Duration;

/// How a watcher probes one class of link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchTiming {
    /// From the last sign of life to the next probe.
    pub interval: Duration,
    /// Probes in a row that must stay unanswered before the node counts as missing.
    pub attempts: u8,
    /// The shortest wait for one answer; twice the measured round trip if that is longer.
    pub timeout_min: Duration,
}

/// Every duration that membership goes by. The default suits a LAN, and stretches
/// by itself where a longer round trip is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// Watching over links with a round trip under [`Timing::wan_from`].
    pub lan: WatchTiming,
    /// Watching over longer links.
    pub wan: WatchTiming,
    /// The round trip from which on a link counts as wide-area.
    pub wan_from: Duration,
    /// The wait for an answer while no round trip has been measured yet.
    pub timeout_unmeasured: Duration,
    /// How long a verdict of a watcher counts.
    pub verdict_window: Duration,
    /// A watcher that is itself missing for so long no longer counts.
    pub unreachable_grace: Duration,
    /// SWIM's probe period.
    pub swim_period: Duration,
    /// SWIM's wait for a direct answer, at least; three round trips if that is longer.
    pub swim_timeout_min: Duration,
    /// From SWIM's suspicion to its verdict, at least.
    pub swim_suspicion: Duration,
    /// SWIM's gossip period; nothing is sent while there is no news.
    pub gossip_period: Duration,
    /// A timer that fires so late means that this process stood still.
    pub late_wake: Duration,
    /// How long nobody is judged after that.
    pub thaw_grace: Duration,
    /// Losses within this time count towards self-doubt together.
    pub doubt_window: Duration,
    /// How long self-doubt lasts when contact is not regained.
    pub doubt_max: Duration,
    /// One node that is down is probed this often, in case a partition healed.
    pub down_probe_period: Duration,
    /// First wait between two announces to a node that has not answered.
    pub announce_min: Duration,
    /// Longest wait between two announces.
    pub announce_max: Duration,
    /// Two of our own renewals are at least this far apart.
    pub renewal_spacing: Duration,
    /// One single accuser can make us renew only this often.
    pub accuser_cooldown: Duration,
    /// A changed load figure is told to one peer at most this often.
    pub load_spacing: Duration,
    /// An unchanged one is repeated this often, should the last have been lost.
    pub load_refresh: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let (ms, s) = (Duration::from_millis, Duration::from_secs);
        Self {
            // Four quick tries make a second of silence, as two misses at 500 ms would,
            // at two thirds of the traffic while all is well.
            lan: WatchTiming { interval: ms(750), attempts: 4, timeout_min: ms(260) },
            wan: WatchTiming { interval: s(2), attempts: 4, timeout_min: ms(500) },
            wan_from: ms(50),
            timeout_unmeasured: s(1),
            verdict_window: s(5),
            unreachable_grace: s(2),
            swim_period: s(5),
            swim_timeout_min: ms(500),
            swim_suspicion: s(4),
            gossip_period: ms(500),
            late_wake: s(1),
            thaw_grace: s(2),
            doubt_window: s(30),
            doubt_max: s(20),
            down_probe_period: s(10),
            announce_min: s(1),
            announce_max: s(30),
            renewal_spacing: s(2),
            accuser_cooldown: s(30),
            load_spacing: s(2),
            load_refresh: s(10),
        }
    }
}

impl Timing {
    pub(super) fn watch(&self, rtt: Option<Duration>) -> WatchTiming {
        match rtt {
            None => WatchTiming { timeout_min: self.timeout_unmeasured, ..self.lan },
            Some(rtt) if rtt >= self.wan_from => self.wan,
            Some(_) => self.lan,
        }
    }

    /// The wait for one answer from a watched node.
    pub(super) fn timeout(&self, rtt: Option<Duration>) -> Duration {
        self.watch(rtt).timeout_min.max(rtt.unwrap_or_default().saturating_mul(2))
    }

    /// A verdict says that the node was silent for about this long: having heard it
    /// ourselves within that time contradicts the verdict.
    pub(super) fn veto_span(&self, rtt: Option<Duration>) -> Duration {
        let rtt = rtt.unwrap_or_default();
        let silence = self.timeout(Some(rtt)).saturating_mul(u32::from(self.watch(Some(rtt)).attempts));
        silence / 4 * 3
    }

    /// SWIM's wait for a direct answer.
    pub(super) fn swim_timeout(&self, rtt: Option<Duration>) -> Duration {
        self.swim_timeout_min.max(rtt.unwrap_or_default().saturating_mul(3))
    }
}

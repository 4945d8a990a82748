//! Defects that are planted, so that it shows whether the simulator notices them.
//!
//! Without the feature `plants`, which only the simulator has, [`on`] is always false
//! and nothing of them is compiled.
//!
//! ```
//! use orbweave_model::plant::{self, Plant};
//!
//! assert!(!plant::on(Plant::AdmissionSkipped));
//! ```

/// Whether defects can be planted into what is being built. Whatever is shipped refuses
/// to be built so.
pub const SOWABLE: bool = cfg!(feature = "plants");

/// One defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plant {
    /// A merge prefers the smaller reading of the clock.
    SmallerReadingWins,
    /// A merge lets another author's newer record supersede.
    AnotherAuthorSupersedes,
    /// A node that restarts forgets deletions.
    DeletionForgotten,
    /// The timer of a vacant slot acts although the slot has a holder again.
    TimerUnguarded,
    /// A promise is made before it is durable.
    PromiseBeforePersistence,
    /// A node that lost sight of most others does not doubt itself.
    SelfDoubtOff,
    /// A candidate takes what it is offered, whatever it lacks.
    AdmissionSkipped,
    /// The loser of a slot drains before the winner runs.
    LoserDrainsFirst,
    /// Both rivals for a slot drain.
    BothRivalsDrain,
    /// One watcher's verdict is enough.
    OneVerdictSuffices,
    /// A reconciliation drops the last range.
    LastRangeDropped,
    /// Records from the future are not held back.
    HoldBackOff,
    /// What a reconciliation brings is not verified.
    SignatureUnchecked,
    /// A fan-out goes in the order of a hash map.
    HashOrder,
    /// A drained node gives up what it holds before another one runs it.
    DrainDropsTheLast,
    /// A rollout does not wait for what went before to settle.
    GateIgnored,
    /// A rollout that was taken back begins again.
    RollbackUndone,
    /// Of a zone that is split one part alone counts.
    SplitZoneCountedOnce,
    /// What the leader before allotted counts beside what its successor allots.
    AllotmentsAddedTwice,
    /// A quota is kept by whoever offers a slot, and not by who takes it.
    QuotaAtPlacerOnly,
}

impl Plant {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::SmallerReadingWins,
        Self::AnotherAuthorSupersedes,
        Self::DeletionForgotten,
        Self::TimerUnguarded,
        Self::PromiseBeforePersistence,
        Self::SelfDoubtOff,
        Self::AdmissionSkipped,
        Self::LoserDrainsFirst,
        Self::BothRivalsDrain,
        Self::OneVerdictSuffices,
        Self::LastRangeDropped,
        Self::HoldBackOff,
        Self::SignatureUnchecked,
        Self::HashOrder,
        Self::DrainDropsTheLast,
        Self::GateIgnored,
        Self::RollbackUndone,
        Self::SplitZoneCountedOnce,
        Self::AllotmentsAddedTwice,
        Self::QuotaAtPlacerOnly,
    ];

    /// Its name, in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SmallerReadingWins => "smaller-reading-wins",
            Self::AnotherAuthorSupersedes => "another-author-supersedes",
            Self::DeletionForgotten => "deletion-forgotten",
            Self::TimerUnguarded => "timer-unguarded",
            Self::PromiseBeforePersistence => "promise-before-persistence",
            Self::SelfDoubtOff => "self-doubt-off",
            Self::AdmissionSkipped => "admission-skipped",
            Self::LoserDrainsFirst => "loser-drains-first",
            Self::BothRivalsDrain => "both-rivals-drain",
            Self::OneVerdictSuffices => "one-verdict-suffices",
            Self::LastRangeDropped => "last-range-dropped",
            Self::HoldBackOff => "hold-back-off",
            Self::SignatureUnchecked => "signature-unchecked",
            Self::HashOrder => "hash-order",
            Self::DrainDropsTheLast => "drain-drops-the-last",
            Self::GateIgnored => "gate-ignored",
            Self::RollbackUndone => "rollback-undone",
            Self::SplitZoneCountedOnce => "split-zone-counted-once",
            Self::AllotmentsAddedTwice => "allotments-added-twice",
            Self::QuotaAtPlacerOnly => "quota-at-placer-only",
        }
    }
}

#[cfg(feature = "plants")]
mod sown {
    use super::Plant;
    use std::cell::Cell;

    thread_local! {
        static SOWN: Cell<Option<Plant>> = const { Cell::new(None) };
    }

    /// Plants a defect into all that runs on this thread from now on, or none.
    pub fn sow(plant: Option<Plant>) {
        SOWN.set(plant);
    }

    /// Whether this defect is planted on this thread.
    pub fn on(plant: Plant) -> bool {
        SOWN.get() == Some(plant)
    }
}

#[cfg(feature = "plants")]
pub use sown::{on, sow};

/// Whether this defect is planted: never.
#[cfg(not(feature = "plants"))]
pub const fn on(_: Plant) -> bool {
    false
}

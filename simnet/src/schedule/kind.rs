//! The kinds of fault, by which a swarm counts what it covered.

use serde::{Deserialize, Serialize};

/// A kind of fault. [`FaultOptions`](super::FaultOptions) says what each is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each is described where its knob is")]
pub enum Kind {
    Crash,
    LostWrites,
    LostDisk,
    SlowDisk,
    FullDisk,
    ClockJump,
    Epoch,
    Freeze,
    Leave,
    Flap,
    OneWay,
    Partition,
    Swizzle,
    SiteCut,
    SitePower,
    GatewaysLost,
    Weather,
    Refusal,
    InstanceFails,
    Stranger,
    Liar,
    Drift,
    GossipOff,
    PreviousVersion,
    OldCertificates,
    Zones,
}

impl Kind {
    /// Those that happen at moments of a run.
    pub const EVENTS: [Self; 21] = [
        Self::Crash,
        Self::LostWrites,
        Self::LostDisk,
        Self::SlowDisk,
        Self::FullDisk,
        Self::ClockJump,
        Self::Epoch,
        Self::Freeze,
        Self::Leave,
        Self::Flap,
        Self::OneWay,
        Self::Partition,
        Self::Swizzle,
        Self::SiteCut,
        Self::SitePower,
        Self::GatewaysLost,
        Self::Weather,
        Self::Refusal,
        Self::InstanceFails,
        Self::Stranger,
        Self::Liar,
    ];
    /// Those that hold for a whole run.
    pub const LASTING: [Self; 5] =
        [Self::Drift, Self::GossipOff, Self::PreviousVersion, Self::OldCertificates, Self::Zones];

    /// Its name, as in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::LostWrites => "lost-writes",
            Self::LostDisk => "lost-disk",
            Self::SlowDisk => "slow-disk",
            Self::FullDisk => "full-disk",
            Self::ClockJump => "clock-jump",
            Self::Epoch => "epoch",
            Self::Freeze => "freeze",
            Self::Leave => "leave",
            Self::Flap => "flap",
            Self::OneWay => "one-way",
            Self::Partition => "partition",
            Self::Swizzle => "swizzle",
            Self::SiteCut => "site-cut",
            Self::SitePower => "site-power",
            Self::GatewaysLost => "gateways-lost",
            Self::Weather => "weather",
            Self::Refusal => "refusal",
            Self::InstanceFails => "instance-fails",
            Self::Stranger => "stranger",
            Self::Liar => "liar",
            Self::Drift => "drift",
            Self::GossipOff => "gossip-off",
            Self::PreviousVersion => "previous-version",
            Self::OldCertificates => "old-certificates",
            Self::Zones => "zones",
        }
    }
}

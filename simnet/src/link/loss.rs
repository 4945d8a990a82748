//! Losses: each packet by itself, and in bursts.

use serde::{Deserialize, Serialize};

/// How a link loses packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Loss {
    /// Packets of a million that are lost, each by itself.
    pub independent_ppm: u32,
    /// Losses that come together.
    pub burst: Option<Burst>,
}

/// Losses in bursts (Gilbert 1960, Elliott 1963): a link is good or bad, and changes
/// with these probabilities at each packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burst {
    /// From good to bad, of a million packets.
    pub enter_ppm: u32,
    /// From bad to good.
    pub leave_ppm: u32,
    /// Packets of a million that are lost while it is bad.
    pub loss_ppm: u32,
}

impl Loss {
    /// None.
    pub const NONE: Self = Self { independent_ppm: 0, burst: None };

    /// So many of a million, each by itself.
    pub const fn independent(ppm: u32) -> Self {
        Self { independent_ppm: ppm, burst: None }
    }
}

impl Burst {
    /// Bursts of ten packets, of which nine are lost, at one packet of a thousand.
    pub const fn short() -> Self {
        Self { enter_ppm: 1_000, leave_ppm: 100_000, loss_ppm: 900_000 }
    }
}

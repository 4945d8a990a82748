//! What fetching, compiling and starting a component take, from measurements of the
//! runtime of production.

use crate::dice::Dice;
use std::time::Duration;

/// A model of the executor.
///
/// Compiling is a straight line through two measurements: 18 KB in 24 ms and 17.8 MB
/// in 6.2 s. A start takes 1 to 5 ms, drawn evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecutorModel {
    /// Compiling: what it takes at any size.
    pub compile_base: Duration,
    /// Compiling: nanoseconds a byte.
    pub compile_ns_per_byte: u64,
    /// Starting what is compiled: the least and the most.
    pub start: (Duration, Duration),
    /// What a host sends of blobs, in bits a second, all transfers together; they share
    /// it evenly.
    pub uplink_bits_per_s: u64,
    /// What a host takes of blobs.
    pub downlink_bits_per_s: u64,
}

impl Default for ExecutorModel {
    fn default() -> Self {
        Self {
            compile_base: Duration::from_micros(17_750),
            compile_ns_per_byte: 347,
            start: (Duration::from_millis(1), Duration::from_millis(5)),
            uplink_bits_per_s: 100_000_000,
            downlink_bits_per_s: 100_000_000,
        }
    }
}

impl ExecutorModel {
    /// What compiling a component of this size takes.
    pub fn compile(&self, bytes: u64) -> Duration {
        self.compile_base + Duration::from_nanos(bytes.saturating_mul(self.compile_ns_per_byte))
    }

    /// What this start takes.
    pub(crate) fn start(&self, dice: &mut Dice) -> Duration {
        dice.duration(self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiling_takes_what_was_measured() {
        let model = ExecutorModel::default();
        let ms = |bytes| model.compile(bytes).as_millis();
        assert_eq!(ms(18_000), 23);
        assert!((6_150..6_250).contains(&ms(17_800_000)), "{}", ms(17_800_000));
    }
}

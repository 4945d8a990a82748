//! Chance, in integers only: the same seed rolls the same on any machine.

use std::time::Duration;

/// Rolls of a million that come true always.
pub const PPM: u32 = 1_000_000;

/// Quantiles of the exponential distribution at k/64, in units of a 1,024th of its
/// mean; the last is the one at 999/1,000, beyond which nothing is drawn. A table,
/// since a logarithm may differ between two machines' libraries.
const EXPONENTIAL: [u32; 65] = [
    0, 16, 33, 49, 66, 83, 101, 119, 137, 155, 174, 193, 213, 233, 253, 273, 295, 316, 338, 361, 384, 407,
    431, 456, 481, 507, 534, 561, 589, 618, 648, 678, 710, 742, 776, 811, 847, 884, 922, 963, 1004, 1048,
    1093, 1141, 1191, 1244, 1299, 1357, 1420, 1486, 1556, 1632, 1714, 1803, 1901, 2009, 2129, 2266, 2424,
    2611, 2839, 3134, 3549, 4259, 7074,
];

/// A generator of random numbers of eight bytes: SplitMix64 (Steele, Lea and Flood,
/// OOPSLA 2014). Small enough that each link has one, so that what happens on one link
/// does not change the luck of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dice(u64);

impl Dice {
    /// Dice of this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Dice for a part of what these are for; the parent's next rolls stay as they were.
    pub const fn child(self, label: u64) -> Self {
        Self(mix(self.0 ^ mix(label.wrapping_add(0x6a09_e667_f3bc_c909))))
    }

    /// 64 random bits.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number under `n`; 0 if there is none.
    pub fn below(&mut self, n: u64) -> u64 {
        // The bias is under n/2⁶⁴.
        ((u128::from(self.roll()) * u128::from(n)) >> 64) as u64
    }

    /// A number from `from` to `to`, both included.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from).saturating_add(1))
    }

    /// Whether something of this probability (of a million) happens.
    pub fn chance(&mut self, ppm: u32) -> bool {
        ppm > 0 && self.below(u64::from(PPM)) < u64::from(ppm)
    }

    /// A duration between two, drawn evenly in microseconds.
    pub fn duration(&mut self, (from, to): (Duration, Duration)) -> Duration {
        Duration::from_micros(self.between(from.as_micros() as u64, to.as_micros() as u64))
    }

    /// A duration of this mean, exponentially distributed, and at most 6.9 times the mean.
    pub fn exponential(&mut self, mean: Duration) -> Duration {
        let bits = self.roll();
        let cell = (bits >> 58) as usize;
        let (low, high) = (u64::from(EXPONENTIAL[cell]), u64::from(EXPONENTIAL[cell + 1]));
        let within = (bits >> 38) & 0xf_ffff;
        let parts = (low << 20) + (high - low) * within;
        let nanos = (mean.as_nanos() * u128::from(parts)) >> 30;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// One of these, if there is any.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len() as u64) as usize)
    }

    /// Puts these into a random order.
    pub fn shuffle<T>(&mut self, of: &mut [T]) {
        for i in (1..of.len()).rev() {
            of.swap(i, self.below(i as u64 + 1) as usize);
        }
    }

    /// A seed for a generator that wants 32 bytes.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        for eight in seed.chunks_exact_mut(8) {
            eight.copy_from_slice(&self.roll().to_le_bytes());
        }
        seed
    }
}

const fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exponential_draw_has_its_mean_and_its_median() {
        let mut dice = Dice::new(1);
        let mut all: Vec<u64> =
            (0..100_000).map(|_| dice.exponential(Duration::from_micros(1_000)).as_micros() as u64).collect();
        all.sort_unstable();
        let mean = all.iter().sum::<u64>() / 100_000;
        assert!((950..1_050).contains(&mean), "{mean}");
        assert!((670..720).contains(&all[50_000]), "{}", all[50_000]);
    }

    #[test]
    fn a_child_does_not_follow_its_parent() {
        let mut parent = Dice::new(7);
        let (mut one, mut other) = (parent.child(1), parent.child(2));
        let rolls = [parent.roll(), one.roll(), other.roll()];
        assert!(rolls[0] != rolls[1] && rolls[1] != rolls[2] && rolls[0] != rolls[2]);
        assert_eq!(Dice::new(7).child(1).roll(), rolls[1]);
    }
}

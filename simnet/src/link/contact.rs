//! Links that open and close, and whose delay follows the time.

use orbweave_model::Mono;
use std::fmt::Debug;
use std::time::Duration;

/// When a link is open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contacts(Vec<(Mono, Mono)>);

impl Contacts {
    /// Contacts from a beginning to an end each, in any order; those that overlap are one.
    pub fn new(mut windows: Vec<(Mono, Mono)>) -> Self {
        windows.retain(|(begin, end)| begin < end);
        windows.sort_unstable();
        let mut merged: Vec<(Mono, Mono)> = Vec::with_capacity(windows.len());
        for (begin, end) in windows {
            match merged.last_mut() {
                Some(last) if begin <= last.1 => last.1 = last.1.max(end),
                _ => merged.push((begin, end)),
            }
        }
        Self(merged)
    }

    /// Whether a contact is on.
    pub fn is_open(&self, at: Mono) -> bool {
        self.opens(at) == at
    }

    /// The beginning of the next contact, or `at` itself while one is on; the end of
    /// time after the last.
    pub fn opens(&self, at: Mono) -> Mono {
        let next = self.0.partition_point(|(_, end)| *end <= at);
        self.0.get(next).map_or(Mono(u64::MAX), |(begin, _)| at.max(*begin))
    }

    /// The end of the contact that is on.
    pub fn closes(&self, at: Mono) -> Option<Mono> {
        let next = self.0.partition_point(|(_, end)| *end <= at);
        self.0.get(next).filter(|(begin, _)| *begin <= at).map(|(_, end)| *end)
    }

    /// All contacts in order, none touching another.
    pub fn windows(&self) -> &[(Mono, Mono)] {
        &self.0
    }
}

/// A delay that depends on the time, as that between two satellites does.
pub trait DelayAt: Debug + Send + Sync {
    /// The delay of what is sent then.
    fn delay_at(&self, at: Mono) -> Duration;
}

/// A delay that was computed ahead at even steps; between two of them it is drawn as a
/// straight line. It repeats from the beginning at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelayTable {
    step: Duration,
    micros: Vec<u32>,
}

impl DelayTable {
    /// One value a step, in microseconds.
    pub fn new(step: Duration, micros: Vec<u32>) -> Self {
        Self { step: step.max(Duration::from_nanos(1)), micros }
    }
}

impl DelayAt for DelayTable {
    fn delay_at(&self, at: Mono) -> Duration {
        let step = self.step.as_nanos() as u64;
        let count = self.micros.len() as u64;
        let Some(cell) = (at.0 / step).checked_rem(count) else { return Duration::ZERO };
        let (a, b) = (self.micros[cell as usize], self.micros[((cell + 1) % count) as usize]);
        let (a, b) = (i128::from(a) * 1_000, i128::from(b) * 1_000);
        let nanos = a + (b - a) * i128::from(at.0 % step) / i128::from(step);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contacts_that_touch_are_one_and_the_next_is_found() {
        let at = |(a, b)| (Mono(a), Mono(b));
        let contacts = Contacts::new([(30, 40), (5, 10), (10, 15), (8, 9), (7, 7)].map(at).to_vec());
        assert_eq!(contacts.windows(), [(5, 15), (30, 40)].map(at));
        let opens: Vec<u64> = [0, 5, 14, 15, 39, 40].map(|t| contacts.opens(Mono(t)).0).to_vec();
        assert_eq!(opens, [5, 5, 14, 30, 39, u64::MAX]);
        assert!(contacts.is_open(Mono(9)) && !contacts.is_open(Mono(15)));
    }

    #[test]
    fn a_delay_table_is_drawn_as_straight_lines_and_repeats() {
        let table = DelayTable::new(Duration::from_secs(1), vec![1_000, 3_000, 2_000]);
        let at = |ms: u64| table.delay_at(Mono(ms * 1_000_000)).as_micros();
        assert_eq!(
            [at(0), at(500), at(1_000), at(1_500), at(2_500), at(3_000)],
            [1_000, 2_000, 3_000, 2_500, 1_500, 1_000]
        );
    }
}

//! A hash table that can only be asked for what is known: it gives no iteration, so
//! that its order can decide nothing.

use orbweave_model::{Hash, NodeId};

/// No entry here.
const EMPTY: u32 = u32::MAX;
/// An odd number with its bits well mixed, by which keys are spread.
const SPREAD: u64 = 0xf135_7aea_2e62_a9c5;

/// What can be looked up. Keys are hashes or small numbers; nobody hostile chooses them.
pub trait Key: Copy + Eq {
    /// A number of which the high bits differ between keys.
    fn spread(&self) -> u64;
}

impl Key for Hash {
    fn spread(&self) -> u64 {
        first_eight(self.as_bytes())
    }
}

impl Key for NodeId {
    fn spread(&self) -> u64 {
        first_eight(self.as_bytes())
    }
}

impl Key for (u32, u32) {
    fn spread(&self) -> u64 {
        let word = (u64::from(self.0) << 32 | u64::from(self.1)).wrapping_mul(SPREAD);
        (word ^ (word >> 32)).wrapping_mul(SPREAD)
    }
}

fn first_eight(bytes: &[u8; 32]) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[..8]);
    u64::from_le_bytes(eight).wrapping_mul(SPREAD)
}

/// Values by key, found in constant time: entries in a row, and a table of where each
/// lies (open addressing, at most half full).
#[derive(Debug, Clone)]
pub struct Lookup<K, V> {
    entries: Vec<(K, V)>,
    places: Vec<u32>,
}

impl<K: Key, V> Lookup<K, V> {
    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        let place = self.place(key)?;
        self.entries.get(self.places[place] as usize).map(|(_, value)| value)
    }

    /// The value of a key.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = self.place(key)?;
        self.entries.get_mut(self.places[place] as usize).map(|(_, value)| value)
    }

    /// The value of a key, made if there is none yet.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if self.places.len() < (self.entries.len() + 1) * 2 {
            self.spread_out();
        }
        let place = self.place(&key).unwrap_or_default();
        if self.places[place] == EMPTY {
            self.places[place] =
                u32::try_from(self.entries.len()).expect("under four thousand million entries");
            self.entries.push((key, make()));
        }
        &mut self.entries[self.places[place] as usize].1
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Keeps what satisfies a rule that looks at nothing but the entry.
    pub fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        self.entries.retain(|(_, value)| keep(value));
        self.spread_out();
    }

    /// Where a key lies, or where it would.
    fn place(&self, key: &K) -> Option<usize> {
        let mask = self.places.len().checked_sub(1)?;
        let mut place = (key.spread() >> 32) as usize & mask;
        loop {
            match self.places[place] {
                EMPTY => return Some(place),
                entry if self.entries[entry as usize].0 == *key => return Some(place),
                _ => place = (place + 1) & mask,
            }
        }
    }

    /// Makes the table of places anew, four times as large as what is in it.
    fn spread_out(&mut self) {
        let size = ((self.entries.len() + 4) * 4).next_power_of_two();
        self.places = vec![EMPTY; size];
        for k in 0..self.entries.len() {
            let place = self.place(&self.entries[k].0).unwrap_or_default();
            self.places[place] = k as u32;
        }
    }
}

impl<K, V> Default for Lookup<K, V> {
    fn default() -> Self {
        Self { entries: Vec::new(), places: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found_and_nothing_else() {
        let mut lookup = Lookup::default();
        for n in 0..10_000 {
            assert_eq!(*lookup.get_or_insert_with((n, n / 7), || n), n);
            assert_eq!(*lookup.get_or_insert_with((n, n / 7), || 0), n);
        }
        assert_eq!(lookup.len(), 10_000);
        lookup.retain(|n| n % 3 == 0);
        for n in 0..10_000 {
            assert_eq!(lookup.get(&(n, n / 7)).copied(), (n % 3 == 0).then_some(n));
            assert_eq!(lookup.get(&(n, n / 7 + 1)), None);
        }
        assert_eq!(Lookup::<(u32, u32), u32>::default().get(&(0, 0)), None);
    }
}

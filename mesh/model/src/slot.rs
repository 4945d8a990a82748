//! Slots: the numbered places of a workload's replicas, kept as ranges so that
//! a claim of thousands stays small.

use crate::limit;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// The slots `start..end`; never empty when it came through [`Slots`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct SlotRange {
    /// The first slot.
    #[n(0)]
    pub start: u32,
    /// One past the last slot.
    #[n(1)]
    pub end: u32,
}

/// A set of slots: ranges in order, apart from one another.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Serialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct Slots(#[n(0)] Vec<SlotRange>);

impl Slots {
    /// The slots `start..end`.
    pub fn range(start: u32, end: u32) -> Self {
        if start < end { Self(vec![SlotRange { start, end }]) } else { Self::default() }
    }

    /// Whether the slot is among them.
    pub fn contains(&self, slot: u32) -> bool {
        let i = self.0.partition_point(|r| r.end <= slot);
        self.0.get(i).is_some_and(|r| r.start <= slot)
    }

    /// Adds one slot.
    pub fn insert(&mut self, slot: u32) {
        let i = self.0.partition_point(|r| r.end < slot);
        match self.0.get_mut(i) {
            Some(r) if r.start <= slot && slot < r.end => return,
            Some(r) if r.end == slot => r.end += 1,
            Some(r) if slot + 1 == r.start => {
                r.start = slot;
                return;
            }
            _ => {
                self.0.insert(i, SlotRange { start: slot, end: slot + 1 });
                return;
            }
        }
        if self.0.get(i + 1).is_some_and(|next| next.start == self.0[i].end) {
            self.0[i].end = self.0.remove(i + 1).end;
        }
    }

    /// Takes one slot away.
    pub fn remove(&mut self, slot: u32) {
        let i = self.0.partition_point(|r| r.end <= slot);
        let Some(&SlotRange { start, end }) = self.0.get(i) else { return };
        if slot < start {
            return;
        }
        let rest = [SlotRange { start, end: slot }, SlotRange { start: slot + 1, end }];
        self.0.splice(i..=i, rest.into_iter().filter(|r| r.start < r.end));
    }

    /// Each slot, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().flat_map(|r| r.start..r.end)
    }

    /// The ranges, in order.
    pub fn ranges(&self) -> &[SlotRange] {
        &self.0
    }

    /// How many slots there are.
    pub fn len(&self) -> u32 {
        self.0.iter().map(|r| r.end - r.start).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<u32> for Slots {
    fn from_iter<I: IntoIterator<Item = u32>>(slots: I) -> Self {
        let mut set = Self::default();
        for slot in slots {
            set.insert(slot);
        }
        set
    }
}

impl<'b, C> Decode<'b, C> for Slots {
    fn decode(d: &mut minicbor::Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        let mut ranges: Vec<SlotRange> = Vec::new();
        for range in d.array_iter_with::<C, SlotRange>(ctx)? {
            let range = range?;
            let in_order = ranges.last().is_none_or(|last| last.end < range.start);
            if !in_order || range.start >= range.end || range.end > limit::REPLICAS_MAX {
                return Err(minicbor::decode::Error::message(
                    "slot ranges are not in order or out of bounds",
                ));
            }
            if ranges.len() == limit::SLOT_RANGES_MAX {
                return Err(minicbor::decode::Error::message("too many slot ranges"));
            }
            ranges.push(range);
        }
        Ok(Self(ranges))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_set_of_ranges_behaves_as_a_set() {
        let mut state = 7_u32;
        let (mut slots, mut model) = (Slots::default(), BTreeSet::new());
        for _ in 0..20_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let slot = (state >> 16) % 64;
            if state & 0x8000 == 0 {
                slots.insert(slot);
                model.insert(slot);
            } else {
                slots.remove(slot);
                model.remove(&slot);
            }
            assert!(slots.iter().eq(model.iter().copied()));
            assert!(slots.ranges().windows(2).all(|w| w[0].end < w[1].start), "ranges touch: {slots:?}");
            assert_eq!(slots.contains(slot), model.contains(&slot));
        }
    }
}

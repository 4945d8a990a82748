//! Which slots of one workload a node holds: one record a (workload, holder), in
//! ranges, so that two million replicas on six thousand hosts are six thousand records.

use minicbor::{Decode, Encode};
use orbweave_model::wire::{self, WireError};
use orbweave_model::{SlotRange, limit};
use orbweave_scheduler::rivals::Phase;

/// The highest epoch that is understood. An honest one counts replacements, so a
/// claim above it is a lie meant to win every view.
pub const EPOCH_MAX: u64 = 1 << 40;

/// Slots held alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ClaimRange {
    /// The slots.
    #[n(0)]
    pub slots: SlotRange,
    /// Orders claims on a slot.
    #[n(1)]
    pub epoch: u64,
    /// How far the holder is.
    #[n(2)]
    pub phase: Phase,
    /// The place's score when it was claimed.
    #[n(3)]
    pub score: i64,
    /// The generation of the specification that answers; none before one does.
    #[n(4)]
    pub generation: Option<u64>,
    /// The mark of the revision that has run here for as long as its rollout asks.
    #[n(5)]
    pub settled: Option<u64>,
    /// The mark of the revision whose rollout failed, as far as the holder knows.
    #[n(6)]
    pub failed: Option<u64>,
}

/// The body of a claim record. No range means that the holder gave all up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct Claim {
    /// In order of their slots, apart from one another.
    #[n(0)]
    pub ranges: Vec<ClaimRange>,
}

impl ClaimRange {
    /// One slot.
    pub fn one(slot: u32, epoch: u64, phase: Phase, score: i64, generation: Option<u64>) -> Self {
        let slots = SlotRange { start: slot, end: slot + 1 };
        Self { slots, epoch, phase, score, generation, settled: None, failed: None }
    }
}

impl Claim {
    /// Joins ranges that touch and are held alike. They come in order.
    pub fn of(ranges: impl Iterator<Item = ClaimRange>) -> Self {
        let mut joined: Vec<ClaimRange> = Vec::new();
        for range in ranges {
            match joined.last_mut() {
                Some(last)
                    if ClaimRange { slots: SlotRange { start: last.slots.end, ..range.slots }, ..*last }
                        == range =>
                {
                    last.slots.end = range.slots.end;
                }
                _ => joined.push(range),
            }
        }
        Self { ranges: joined }
    }

    /// The range that a slot lies in.
    pub fn at(&self, slot: u32) -> Option<&ClaimRange> {
        let i = self.ranges.partition_point(|r| r.slots.end <= slot);
        self.ranges.get(i).filter(|r| r.slots.start <= slot)
    }

    /// Whether it holds a slot that another claim holds too. Takes as long as both have
    /// ranges, which are in order.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (mut a, mut b) = (self.ranges.iter().peekable(), other.ranges.iter().peekable());
        while let (Some(one), Some(two)) = (a.peek(), b.peek()) {
            if one.slots.end <= two.slots.start {
                a.next();
            } else if two.slots.end <= one.slots.start {
                b.next();
            } else {
                return true;
            }
        }
        false
    }

    /// How many slots it holds.
    pub fn len(&self) -> u32 {
        self.ranges.iter().map(|r| r.slots.end - r.slots.start).sum()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The bytes of a record's body.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads a record's body and checks order and bounds.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let claim: Self = wire::decode_open("a claim", body, limit::RECORD_BYTES_MAX)?;
        let malformed = |why: &str| WireError::Malformed { what: "a claim", why: why.to_owned() };
        if claim.ranges.len() > limit::SLOT_RANGES_MAX {
            return Err(malformed("too many ranges"));
        }
        let mut end = 0;
        for (i, range) in claim.ranges.iter().enumerate() {
            let SlotRange { start, end: next } = range.slots;
            if start >= next || next > limit::REPLICAS_MAX || (i > 0 && start < end) {
                return Err(malformed("ranges out of order or out of bounds"));
            }
            if range.epoch > EPOCH_MAX {
                return Err(malformed("an epoch that no honest claim reaches"));
            }
            end = next;
        }
        Ok(claim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_overlap_where_one_slot_is_in_both() {
        let claim = |slots: &[u32]| {
            Claim::of(slots.iter().map(|slot| ClaimRange::one(*slot, 1, Phase::Running, 0, None)))
        };
        for (one, other, both) in [
            (&[0, 1, 5][..], &[2, 3, 4][..], false),
            (&[0, 1, 5], &[2, 3, 4, 5], true),
            (&[7], &[0, 2, 4, 6, 7, 9], true),
            (&[], &[1], false),
        ] {
            assert_eq!(claim(one).overlaps(&claim(other)), both, "{one:?} {other:?}");
            assert_eq!(claim(other).overlaps(&claim(one)), both, "{one:?} {other:?}");
        }
    }
}

//! Short forms of digests, and how many of them travel.

use super::SyncError;
use crate::store::index::{Entry, Key, Total};
use negentropy::{Bound, Item, NegentropyStorageBase};
use orbweave_model::{Hash, Wall};

/// Bytes of a short digest. Where two look alike, a fingerprint differs still, and
/// the next session has another salt.
pub(super) const SHORT: usize = 6;
/// Bytes of the fingerprint of one range.
pub(super) const RANGE_FINGERPRINT: usize = 8;
/// Bytes of a salted identity.
pub(super) const TAG: usize = 4;

/// How a digest begins.
pub(super) fn prefix(digest: &Hash) -> [u8; SHORT] {
    first_of(&digest.0)
}

/// A digest in short, for this session only.
pub(super) fn short(salt: u64, digest: &Hash) -> [u8; SHORT] {
    salted(salt, &digest.0)
}

/// The fingerprint of one range, for this session only.
pub(super) fn of_range(salt: u64, total: &Total) -> [u8; RANGE_FINGERPRINT] {
    let mut message = [0; 40];
    let (sum, count) = message.split_at_mut(32);
    sum.copy_from_slice(&total.sum());
    count.copy_from_slice(&total.count.to_le_bytes());
    salted(salt, &message)
}

/// Stands for a record's identity, in this session only.
pub(super) fn tag(salt: u64, entry: &Entry) -> [u8; TAG] {
    salted(salt, &entry.identity.to_le_bytes())
}

fn salted<const N: usize>(salt: u64, message: &[u8]) -> [u8; N] {
    let mut bytes = [0; 48];
    let (head, tail) = bytes.split_at_mut(8);
    head.copy_from_slice(&salt.to_le_bytes());
    for (to, from) in tail.iter_mut().zip(message) {
        *to = *from;
    }
    let hash = Hash::of(&bytes[..8 + message.len().min(40)]);
    first_of(&hash.0)
}

fn first_of<const N: usize>(bytes: &[u8; 32]) -> [u8; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = *from;
    }
    out
}

/// The fingerprint of everything, as version 1 computes it.
pub(super) fn of_all(total: &Total) -> Result<[u8; 16], SyncError> {
    /// One item that stands for all: their sum.
    struct Sum(Total);

    impl NegentropyStorageBase for Sum {
        fn size(&self) -> Result<usize, negentropy::Error> {
            Ok(self.0.count as usize)
        }
        fn get_item(&self, _: usize) -> Result<Option<Item>, negentropy::Error> {
            Ok(None)
        }
        fn iterate(
            &self,
            _: usize,
            _: usize,
            visit: &mut dyn FnMut(Item, usize) -> Result<bool, negentropy::Error>,
        ) -> Result<(), negentropy::Error> {
            let id = negentropy::Id::from_byte_array(self.0.sum());
            visit(Item::with_timestamp_and_id(0, id), 0).map(drop)
        }
        fn find_lower_bound(&self, first: usize, _: usize, _: &Bound) -> usize {
            first
        }
    }

    let fingerprint = Sum(*total).fingerprint(0, total.count as usize).map_err(super::ranges_error)?;
    Ok(fingerprint.to_bytes())
}

/// A digest that a peer offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offered {
    /// The wall time of its record.
    pub wall: Wall,
    /// How it begins.
    pub prefix: [u8; SHORT],
    pub(super) tag: Option<[u8; TAG]>,
}

/// Writes an offer of records, with their identities' tags if `salt` is given.
pub(super) fn write_offer(entries: &[&Entry], salt: Option<u64>) -> Vec<u8> {
    let mut out = vec![u8::from(salt.is_some())];
    let mut last = 0;
    for entry in entries {
        let Key { wall, digest } = entry.key;
        write_number(&mut out, zigzag(wall.0.wrapping_sub(last)));
        last = wall.0;
        out.extend(digest.0.iter().take(SHORT));
        if let Some(salt) = salt {
            out.extend(tag(salt, entry));
        }
    }
    out
}

/// Writes what was read, without tags.
pub(super) fn repeat_offer(offers: &[Offered]) -> Vec<u8> {
    let (mut out, mut last) = (vec![0], 0);
    for Offered { wall, prefix, .. } in offers {
        write_number(&mut out, zigzag(wall.0.wrapping_sub(last)));
        last = wall.0;
        out.extend(prefix);
    }
    out
}

/// Reads an offer of at most `max` digests.
pub(super) fn read_offer(mut bytes: &[u8], max: usize) -> Result<Vec<Offered>, SyncError> {
    let tagged = match take::<1>(&mut bytes)? {
        [0] => false,
        [1] => true,
        [other] => return Err(SyncError::Ranges(format!("an offer of form {other}"))),
    };
    let (mut offers, mut last) = (Vec::new(), 0_u64);
    while !bytes.is_empty() {
        if offers.len() >= max {
            return Err(SyncError::TooMuch);
        }
        last = last.wrapping_add(unzigzag(read_number(&mut bytes)?));
        let prefix = take(&mut bytes)?;
        let tag = if tagged { Some(take(&mut bytes)?) } else { None };
        offers.push(Offered { wall: Wall(last), prefix, tag });
    }
    Ok(offers)
}

/// One bit each.
pub(super) fn write_bits(bits: &[bool]) -> Vec<u8> {
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    bits.chunks(8).map(byte).collect()
}

/// Those of `all` whose bit is set.
pub(super) fn chosen<T: Copy>(all: &[T], bits: &[u8]) -> Vec<T> {
    let bit = |at: usize| bits.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
    all.iter().enumerate().filter(|(at, _)| bit(*at)).map(|(_, item)| *item).collect()
}

pub(super) fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn read_number(bytes: &mut &[u8]) -> Result<u64, SyncError> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let [byte] = take::<1>(bytes)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(SyncError::Ranges("a number without end".to_owned()))
}

pub(super) fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], SyncError> {
    let (head, tail) =
        bytes.split_first_chunk().ok_or_else(|| SyncError::Ranges("they end too early".to_owned()))?;
    *bytes = tail;
    Ok(*head)
}

/// Small differences either way become small numbers.
fn zigzag(difference: u64) -> u64 {
    difference << 1 ^ ((difference as i64) >> 63) as u64
}

fn unzigzag(number: u64) -> u64 {
    number >> 1 ^ (number & 1).wrapping_neg()
}

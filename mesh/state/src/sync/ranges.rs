//! Range-based set reconciliation (after Meyer, "Range-Based Set Reconciliation",
//! 2022) over the store's own index. A range whose fingerprints differ is split; a
//! small one is listed by short digests. Nothing is kept between two messages but
//! what was listed last, and no range costs more than O(log n) to look at.
//!
//! Unlike negentropy's, a list is answered by bits and by an offer of what it lacks,
//! and not by a list: a difference costs some 20 bytes and not 60 per digest near it.
//!
//! A message is a row of ranges, each from where the one before it ends: a byte
//! (what follows, and how many bytes of its upper bound's digest), the bound's wall
//! time as a difference, the bytes, and then a fingerprint or a list.

use super::SyncError;
use super::digest::{self, RANGE_FINGERPRINT, SHORT, read_number, take, write_number};
use crate::store::index::Key;
use crate::store::view::View;
use orbweave_model::plant::{self, Plant};
use orbweave_model::{Hash, Wall};
use std::collections::BTreeMap;

/// A range of so many records is listed, not split.
const LIST_MAX: u64 = 24;
/// Records in a piece after a split that another split or a list follows.
const PIECE: u64 = 8;
/// Pieces of one range.
const PIECES_MAX: u64 = 16;
/// Pieces of the whole, and records in each: a round trip less in large stores.
const FIRST_PIECES: (u64, u64) = (16, 256);
const FIRST_PIECE: u64 = 64;
/// Bytes of one message; what does not fit is the next session's.
const MESSAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

const SKIP: u8 = 0;
const FINGERPRINT: u8 = 1;
const LIST: u8 = 2;
/// Instead of a number of digest bytes: the range has no upper bound.
const OPEN: u8 = 63;

/// What a message of ranges led to.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// The message in answer; empty if no range is left open.
    pub ranges: Vec<u8>,
    /// What that lists, in order.
    pub listed: Vec<Key>,
    /// What we have and the peer lacks.
    pub ours: Vec<Key>,
    /// For each digest that the peer listed, whether we lack it.
    pub lack: Vec<bool>,
    /// Something did not fit.
    pub cut_short: bool,
}

/// The whole, split for the first time.
pub(super) fn begin(view: &View, salt: u64) -> Compared {
    let mut writer = Writer::new(view, salt);
    let count = view.total().count;
    writer.split(&Key::FIRST, None, (count / FIRST_PIECE).clamp(FIRST_PIECES.0, FIRST_PIECES.1));
    writer.compared
}

/// Compares a message of the peer with what this store has.
pub(super) fn compare(view: &View, salt: u64, mut message: &[u8]) -> Result<Compared, SyncError> {
    let mut writer = Writer::new(view, salt);
    let (mut low, mut ended) = (Key::FIRST, false);
    while !message.is_empty() {
        if ended {
            return Err(SyncError::Ranges("something follows the last range".to_owned()));
        }
        let [head] = take::<1>(&mut message)?;
        let high = read_bound(&mut message, head >> 2, low)?;
        ended = high.is_none();
        match head & 3 {
            SKIP => {}
            FINGERPRINT => {
                let theirs = take::<RANGE_FINGERPRINT>(&mut message)?;
                let total = view.between(&low, high.as_ref());
                if theirs != digest::of_range(salt, &total) {
                    writer.split(&low, high, (total.count / PIECE).clamp(2, PIECES_MAX));
                }
            }
            LIST => {
                let count = read_number(&mut message)?;
                let bytes = usize::try_from(count).ok().and_then(|count| count.checked_mul(SHORT));
                let Some((list, rest)) = bytes.and_then(|bytes| message.split_at_checked(bytes)) else {
                    return Err(SyncError::Ranges("a list ends too early".to_owned()));
                };
                message = rest;
                writer.compare_list(&low, high.as_ref(), list);
            }
            other => return Err(SyncError::Ranges(format!("a range of kind {other}"))),
        }
        if let Some(high) = high {
            low = high;
        }
    }
    Ok(writer.compared)
}

fn read_bound(message: &mut &[u8], digest_bytes: u8, low: Key) -> Result<Option<Key>, SyncError> {
    if digest_bytes == OPEN {
        return Ok(None);
    }
    let wall = low.wall.0.checked_add(read_number(message)?);
    let bytes = message.split_at_checked(usize::from(digest_bytes)).filter(|_| digest_bytes <= 32);
    let (Some(wall), Some((bytes, rest))) = (wall, bytes) else {
        return Err(SyncError::Ranges("a bound that is none".to_owned()));
    };
    *message = rest;
    let mut digest = [0; 32];
    for (to, from) in digest.iter_mut().zip(bytes) {
        *to = *from;
    }
    let high = Key { wall: Wall(wall), digest: Hash(digest) };
    if high < low { Err(SyncError::Ranges("a bound before the last one".to_owned())) } else { Ok(Some(high)) }
}

struct Writer<'a> {
    view: &'a View<'a>,
    salt: u64,
    /// Where the last range that was written ends.
    end: Key,
    compared: Compared,
}

impl<'a> Writer<'a> {
    fn new(view: &'a View<'a>, salt: u64) -> Self {
        Self { view, salt, end: Key::FIRST, compared: Compared::default() }
    }

    /// Says of what the next payload is: a range from `low` to `high`. What lies
    /// between the last range and this one is done.
    fn head(&mut self, kind: u8, low: &Key, high: Option<&Key>) {
        if self.end != *low {
            self.bound(SKIP, Some(low));
        }
        self.bound(kind, high);
    }

    fn bound(&mut self, kind: u8, high: Option<&Key>) {
        let out = &mut self.compared.ranges;
        let Some(high) = high else { return out.push(kind | OPEN << 2) };
        // A bound of zeros is told by its absence.
        let bytes = high.digest.0.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        out.push(kind | (bytes as u8) << 2);
        write_number(out, high.wall.0.saturating_sub(self.end.wall.0));
        out.extend(high.digest.0.iter().take(bytes));
        self.end = *high;
    }

    fn full(&mut self) -> bool {
        let full = self.compared.ranges.len() > MESSAGE_BYTES_MAX;
        self.compared.cut_short |= full;
        full
    }

    fn split(&mut self, low: &Key, high: Option<Key>, pieces: u64) {
        if self.full() {
            return;
        }
        if self.view.between(low, high.as_ref()).count <= LIST_MAX {
            return self.list(low, high.as_ref());
        }
        let mut from = *low;
        let last = (!plant::on(Plant::LastRangeDropped)).then_some(high);
        let cuts = self.view.cuts(low, high.as_ref(), pieces);
        for upto in cuts.iter().map(|(before, at)| Some(parting(before, at))).chain(last) {
            let total = self.view.between(&from, upto.as_ref());
            self.head(FINGERPRINT, &from, upto.as_ref());
            self.compared.ranges.extend(digest::of_range(self.salt, &total));
            if let Some(upto) = upto {
                from = upto;
            }
        }
    }

    fn list(&mut self, low: &Key, high: Option<&Key>) {
        let before = self.compared.listed.len();
        self.view.walk(low, high, &mut |entry| {
            self.compared.listed.push(entry.key);
            true
        });
        self.head(LIST, low, high);
        let Self { salt, compared: Compared { ranges, listed, .. }, .. } = self;
        write_number(ranges, (listed.len() - before) as u64);
        for key in listed.iter().skip(before) {
            ranges.extend(digest::short(*salt, &key.digest));
        }
    }

    fn compare_list(&mut self, low: &Key, high: Option<&Key>, list: &[u8]) {
        let from = self.compared.lack.len();
        let theirs = list.as_chunks::<SHORT>().0;
        let places: BTreeMap<[u8; SHORT], usize> = theirs.iter().copied().zip(from..).collect();
        self.compared.lack.resize(from + theirs.len(), true);
        let Self { salt, view, compared, .. } = self;
        view.walk(low, high, &mut |entry| {
            match places.get(&digest::short(*salt, &entry.key.digest)) {
                Some(place) => {
                    if let Some(lack) = compared.lack.get_mut(*place) {
                        *lack = false;
                    }
                }
                None => compared.ours.push(entry.key),
            }
            true
        });
    }
}

/// The shortest key that is after one and not after the next.
fn parting(before: &Key, at: &Key) -> Key {
    let mut digest = [0; 32];
    if before.wall == at.wall {
        for ((to, from), other) in digest.iter_mut().zip(at.digest.0).zip(before.digest.0) {
            *to = from;
            if from != other {
                break;
            }
        }
    }
    Key { wall: at.wall, digest: Hash(digest) }
}

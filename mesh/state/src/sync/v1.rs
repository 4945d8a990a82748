//! How version 1 reconciles: negentropy over a copy of the live records, taken when
//! the session begins. Spoken with peers of that version only.

use super::frame::Frame;
use super::{RECORDS_FRAME_BYTES, ROUNDS_MAX, SESSION_BYTES_MAX, Step, SyncError, into_bytes, ranges_error};
use crate::store::Store;
use crate::store::index::Key;
use minicbor::bytes::ByteVec;
use negentropy::{Id, Negentropy, NegentropyStorageVector};
use orbweave_model::{Hash, Wall, limit, wire};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Digests that one frame may ask for.
const WANT_MAX: usize = limit::RECORDS_MAX;

/// Ranges of which none is open: only negentropy's protocol version.
pub(super) const NOTHING_OPEN: &[u8] = &[0x61];

/// One side of a session of version 1, after its hello.
pub(super) struct Session {
    initiator: bool,
    /// The bodies are what is missing.
    closing: bool,
    rounds: u32,
    negentropy: Negentropy<'static, NegentropyStorageVector>,
    /// What the store held when the session began, in order of digest.
    snapshot: Vec<(Hash, Arc<[u8]>)>,
    /// Digests that the peer turned out to lack, and those that we do.
    peer_lacks: Vec<Hash>,
    we_lack: Vec<Hash>,
}

impl Session {
    /// A side that compares what its store holds at `cutoff`.
    pub fn new(store: &Store, cutoff: Wall, initiator: bool) -> Result<Self, SyncError> {
        let mut storage = NegentropyStorageVector::with_capacity(store.len());
        let (mut snapshot, mut failed) = (Vec::with_capacity(store.len()), None);
        store.live(cutoff).walk(&Key::FIRST, None, &mut |entry| {
            let Key { wall, digest } = entry.key;
            failed = storage.insert(wall.0, Id::from_byte_array(digest.0)).err();
            snapshot.push((digest, entry.bytes.clone()));
            failed.is_none()
        });
        if let Some(error) = failed {
            return Err(ranges_error(error));
        }
        storage.seal().map_err(ranges_error)?;
        snapshot.sort_unstable_by_key(|(digest, _)| *digest);
        // No frame limit: one of 16 KiB turns 3 round trips into 57.
        let mut negentropy = Negentropy::owned(storage, 0).map_err(ranges_error)?;
        if initiator {
            negentropy.set_initiator();
        }
        let (peer_lacks, we_lack) = (Vec::new(), Vec::new());
        Ok(Self { initiator, closing: false, rounds: 0, negentropy, snapshot, peer_lacks, we_lack })
    }

    /// Begins a session of version 1, with its hello.
    pub fn initiate(store: &Store, now: Wall) -> Result<(Self, Frame), SyncError> {
        let mut session = Self::new(store, now, false)?;
        session.initiator = true;
        let ranges = session.negentropy.initiate().map_err(ranges_error)?.into();
        let hello = Frame::Hello {
            version: 1,
            now,
            cutoff: now,
            ranges,
            mark: None,
            seen: None,
            salt: None,
            scope: None,
        };
        Ok((session, hello))
    }

    /// Takes one frame of the peer, the hello aside.
    pub fn step(&mut self, now: Wall, frame: Frame) -> Result<Step, SyncError> {
        match (self.initiator, self.closing, frame) {
            (true, false, Frame::Ranges { now: peer_now, ranges }) => self.compare(now, &ranges, peer_now),
            (false, false, Frame::Ranges { now: peer_now, ranges }) => self.answer(now, &ranges, peer_now),
            (false, false, Frame::Records { records, want, last }) => {
                let send = if last { self.records(&want, Vec::new()) } else { Vec::new() };
                Ok(Step { send, received: into_bytes(records), finished: last, ..Step::default() })
            }
            (true, true, Frame::Records { records, last, .. }) => {
                Ok(Step { received: into_bytes(records), finished: last, ..Step::default() })
            }
            _ => Err(SyncError::OutOfTurn),
        }
    }

    /// The responder's answer to the ranges of a hello, or of a later frame.
    pub fn answer(&mut self, now: Wall, query: &[u8], peer_now: Wall) -> Result<Step, SyncError> {
        self.count_round()?;
        let ranges = self.negentropy.reconcile(query).map_err(ranges_error)?;
        let send = vec![wire::encode(&Frame::Ranges { now, ranges: ranges.into() })];
        Ok(Step { send, peer_now: Some(peer_now), ..Step::default() })
    }

    fn compare(&mut self, now: Wall, answer: &[u8], peer_now: Wall) -> Result<Step, SyncError> {
        self.count_round()?;
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let open = self.negentropy.reconcile_with_ids(answer, &mut have, &mut need).map_err(ranges_error)?;
        self.peer_lacks.extend(have.into_iter().map(|id| Hash(id.to_bytes())));
        self.we_lack.extend(need.into_iter().map(|id| Hash(id.to_bytes())));
        self.we_lack.truncate(WANT_MAX);
        let send = match open {
            Some(ranges) => vec![wire::encode(&Frame::Ranges { now, ranges: ranges.into() })],
            None => {
                self.closing = true;
                let (give, want) = (std::mem::take(&mut self.peer_lacks), std::mem::take(&mut self.we_lack));
                self.records(&give, want)
            }
        };
        Ok(Step { send, peer_now: Some(peer_now), ..Step::default() })
    }

    /// The bodies of these digests in frames of bounded size; the last frame asks for `want`.
    fn records(&self, give: &[Hash], want: Vec<Hash>) -> Vec<Vec<u8>> {
        let (mut frames, mut records, mut size, mut total) = (Vec::new(), Vec::new(), 0, 0);
        // Each once, however often it was asked for.
        let give: BTreeSet<&Hash> = give.iter().take(WANT_MAX).collect();
        let held = give.into_iter().filter_map(|digest| {
            let at = self.snapshot.binary_search_by_key(digest, |(d, _)| *d).ok()?;
            Some(&self.snapshot[at].1)
        });
        for bytes in held {
            total += bytes.len();
            if total > SESSION_BYTES_MAX {
                break;
            }
            if size + bytes.len() > RECORDS_FRAME_BYTES && !records.is_empty() {
                let records = std::mem::take(&mut records);
                frames.push(wire::encode(&Frame::Records { records, want: Vec::new(), last: false }));
                size = 0;
            }
            size += bytes.len();
            records.push(ByteVec::from(bytes.to_vec()));
        }
        frames.push(wire::encode(&Frame::Records { records, want, last: true }));
        frames
    }

    fn count_round(&mut self) -> Result<(), SyncError> {
        self.rounds += 1;
        if self.rounds > ROUNDS_MAX { Err(SyncError::Endless) } else { Ok(()) }
    }
}

/// What version 2 begins with, so that version 1 understands it as well: one range
/// over everything.
pub(super) fn one_range(fingerprint: [u8; 16]) -> Vec<u8> {
    // Protocol version; no upper bound, no bytes of an id; a fingerprint.
    [&[0x61, 0, 0, 1][..], &fingerprint].concat()
}

/// The fingerprint of [`one_range`].
pub(super) fn fingerprint_of(ranges: &[u8]) -> Option<[u8; 16]> {
    ranges.strip_prefix(&[0x61, 0, 0, 1])?.try_into().ok()
}

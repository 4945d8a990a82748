//! A peer of version 1: the code that spoke it, kept as it was, to be reconciled with.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use negentropy::{Id, Negentropy, NegentropyStorageVector};
use orbweave_model::wire::{self, WireError};
use orbweave_model::{Hash, Wall, limit};
use orbweave_state::store::Store;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The protocol version that this code speaks: the first, told to the peer and judged by nobody yet.
const SYNC_VERSION: u16 = 1;
/// Round trips after which a session is given up.
const ROUNDS_MAX: u32 = 64;
/// Record bytes in one frame, a single record aside.
const RECORDS_FRAME_BYTES: usize = 512 * 1024;
/// Record bytes that one session carries each way; what is left is the next one's.
const SESSION_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Digests that one frame may ask for.
const WANT_MAX: usize = limit::RECORDS_MAX;

/// One message of a session.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
enum Frame {
    #[n(0)]
    #[cbor(map)]
    Hello {
        #[n(0)]
        version: u16,
        #[n(1)]
        now: Wall,
        #[n(2)]
        cutoff: Wall,
        #[n(3)]
        ranges: ByteVec,
    },
    #[n(1)]
    #[cbor(map)]
    Ranges {
        #[n(0)]
        now: Wall,
        #[n(1)]
        ranges: ByteVec,
    },
    #[n(2)]
    #[cbor(map)]
    Records {
        #[n(0)]
        records: Vec<ByteVec>,
        #[n(1)]
        want: Vec<Hash>,
        #[n(2)]
        last: bool,
    },
}

/// Why a session ended early. Records taken before it stay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// A frame was not understood.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The set reconciliation found the peer's ranges malformed.
    #[error("the peer's ranges are malformed: {0}")]
    Ranges(String),
    /// A frame that has no place at this point.
    #[error("a frame out of turn")]
    OutOfTurn,
    /// More than [`ROUNDS_MAX`] round trips.
    #[error("no end after {ROUNDS_MAX} round trips")]
    Endless,
}

/// What one frame led to.
#[derive(Debug, Default)]
pub struct Step {
    /// Frames to send, in order.
    pub send: Vec<Vec<u8>>,
    /// Envelopes that the peer sent: neither verified nor authorised yet.
    pub received: Vec<Vec<u8>>,
    /// The peer's corrected wall clock, where the frame told it.
    #[allow(dead_code, reason = "part of the code as it was")]
    pub peer_now: Option<Wall>,
    /// Nothing more will come: the stream can be closed.
    pub finished: bool,
}

enum Phase {
    AwaitHello,
    Ranges,
    AwaitRecords,
    Over,
}

/// One side of one reconciliation.
pub struct Session {
    phase: Phase,
    initiator: bool,
    rounds: u32,
    negentropy: Option<Negentropy<'static, NegentropyStorageVector>>,
    /// What the store held when the session began, in order of digest.
    snapshot: Vec<(Hash, Arc<[u8]>)>,
    /// Digests that the peer turned out to lack, and those that we do.
    peer_lacks: Vec<Hash>,
    we_lack: Vec<Hash>,
}

impl Session {
    /// Begins a session and gives its first frame. `now` is the corrected wall clock.
    pub fn initiate(store: &Store, now: Wall) -> Result<(Self, Vec<u8>), SyncError> {
        let mut session = Self { phase: Phase::Ranges, initiator: true, ..Self::respond() };
        let negentropy = session.open(store, now)?;
        let ranges = negentropy.initiate().map_err(ranges_error)?;
        let hello = Frame::Hello { version: SYNC_VERSION, now, cutoff: now, ranges: ranges.into() };
        Ok((session, wire::encode(&hello)))
    }

    /// The other side of a session that a peer began.
    pub fn respond() -> Self {
        Self {
            phase: Phase::AwaitHello,
            initiator: false,
            rounds: 0,
            negentropy: None,
            snapshot: Vec::new(),
            peer_lacks: Vec::new(),
            we_lack: Vec::new(),
        }
    }

    /// Takes one frame of the peer. After an error the session is over.
    pub fn handle(&mut self, store: &Store, now: Wall, bytes: &[u8]) -> Result<Step, SyncError> {
        let result = self.step(store, now, bytes);
        if !matches!(result, Ok(Step { finished: false, .. })) {
            self.phase = Phase::Over;
        }
        result
    }

    fn step(&mut self, store: &Store, now: Wall, bytes: &[u8]) -> Result<Step, SyncError> {
        let frame: Frame = wire::decode_open("a sync frame", bytes, limit::SYNC_FRAME_BYTES_MAX)?;
        match (&self.phase, frame) {
            (Phase::AwaitHello, Frame::Hello { now: peer_now, cutoff, ranges, .. }) => {
                self.open(store, cutoff)?;
                self.phase = Phase::Ranges;
                self.answer(now, &ranges, peer_now)
            }
            (Phase::Ranges, Frame::Ranges { now: peer_now, ranges }) if self.initiator => {
                self.compare(now, &ranges, peer_now)
            }
            (Phase::Ranges, Frame::Ranges { now: peer_now, ranges }) => self.answer(now, &ranges, peer_now),
            (Phase::Ranges, Frame::Records { records, want, last }) if !self.initiator => {
                let send = if last { self.records(&want, Vec::new()) } else { Vec::new() };
                Ok(Step { send, received: into_bytes(records), finished: last, ..Step::default() })
            }
            (Phase::AwaitRecords, Frame::Records { records, last, .. }) => {
                Ok(Step { received: into_bytes(records), finished: last, ..Step::default() })
            }
            _ => Err(SyncError::OutOfTurn),
        }
    }

    /// Takes the snapshot that this session compares: what holds at `cutoff`.
    fn open(
        &mut self,
        store: &Store,
        cutoff: Wall,
    ) -> Result<&mut Negentropy<'static, NegentropyStorageVector>, SyncError> {
        let mut storage = NegentropyStorageVector::with_capacity(store.len());
        for record in store.iter().filter(|r| store.expires(r).is_none_or(|end| end > cutoff)) {
            let id = Id::from_byte_array(record.digest().0);
            storage.insert(record.hlc().wall.0, id).map_err(ranges_error)?;
            self.snapshot.push((record.digest(), record.bytes().clone()));
        }
        storage.seal().map_err(ranges_error)?;
        self.snapshot.sort_unstable_by_key(|(digest, _)| *digest);
        // No frame limit: one of 16 KiB turns 3 round trips into 57.
        Ok(self.negentropy.insert(Negentropy::owned(storage, 0).map_err(ranges_error)?))
    }

    fn answer(&mut self, now: Wall, query: &[u8], peer_now: Wall) -> Result<Step, SyncError> {
        self.count_round()?;
        let negentropy = self.negentropy.as_mut().ok_or(SyncError::OutOfTurn)?;
        let ranges = negentropy.reconcile(query).map_err(ranges_error)?;
        let send = vec![wire::encode(&Frame::Ranges { now, ranges: ranges.into() })];
        Ok(Step { send, peer_now: Some(peer_now), ..Step::default() })
    }

    fn compare(&mut self, now: Wall, answer: &[u8], peer_now: Wall) -> Result<Step, SyncError> {
        self.count_round()?;
        let negentropy = self.negentropy.as_mut().ok_or(SyncError::OutOfTurn)?;
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let open = negentropy.reconcile_with_ids(answer, &mut have, &mut need).map_err(ranges_error)?;
        self.peer_lacks.extend(have.into_iter().map(|id| Hash(id.to_bytes())));
        self.we_lack.extend(need.into_iter().map(|id| Hash(id.to_bytes())));
        self.we_lack.truncate(WANT_MAX);
        let send = match open {
            Some(ranges) => vec![wire::encode(&Frame::Ranges { now, ranges: ranges.into() })],
            None => {
                self.phase = Phase::AwaitRecords;
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

fn ranges_error(error: negentropy::Error) -> SyncError {
    SyncError::Ranges(error.to_string())
}

fn into_bytes(records: Vec<ByteVec>) -> Vec<Vec<u8>> {
    records.into_iter().map(Vec::from).collect()
}

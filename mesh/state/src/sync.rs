//! Reconciliation: two nodes end with the same records, at a cost that follows the
//! difference.
//!
//! ```text
//! initiator                                        responder
//!   Hello{fingerprint of all, cutoff, cursor} ─────▶
//!   ◀──────────────────────────────────────── Turn{equal}                 it is over, or
//!
//!   ◀───── Turn{digests that arrived since your cursor, my cursor}        news, or
//!   Turn{bits: what I lack; digests since yours} ──▶
//!   ◀────────────── Turn{records; bits: what I lack}
//!   Turn{records; fingerprint of all} ─────────────▶
//!   ◀──────────────────────────────────────── Turn{equal}                 and else ranges
//!
//!   ◀──────────── Turn{fingerprints of some ranges}                       ranges
//!   Turn{those that differ, split or listed} ──────▶                      and so on
//! ```
//!
//! **Cutoff.** Both sides leave out what had expired at the initiator's time. The
//! fingerprint at any cutoff is at hand: the sum of all digests, less those of the
//! few records that have expired and are not dropped yet.
//!
//! **Cursors.** A store numbers what arrives in it. The *receiver* remembers how far
//! it has taken a peer's arrivals in ([`Cursors`]), and says so in its hello; so what
//! is remembered dies with the store that it describes. A store has another number in
//! each life, and a cursor on another number counts for nothing.
//!
//! **Why nothing is lost by them.** A cursor only chooses which digests are offered
//! *first*. No session that ends in order ends with it: the sets' fingerprints are
//! compared in each, before anything else and after the news, and where they differ
//! ranges find what it is, whatever any cursor says: a record that was expired,
//! evicted, refused, held back or staged when the cursor passed it. A cursor advances
//! only when a session ended in order and all that was asked for came. A lying peer
//! thus hides nothing but what it could have kept to itself.
//!
//! **Changes meanwhile.** A session keeps no copy: each turn reads the store as it is.
//! What arrives after a range was compared is the next session's, and a record that
//! was superseded since it was asked for is not sent.
//!
//! **Scope.** Two nodes of one zone compare all that they hold; two of different zones
//! what is for the whole mesh, of which a store keeps an index of its own.
//!
//! A peer of version 1 reads the hello as one range over everything, and is answered
//! in its own protocol; so is one that begins.

mod cursor;
mod digest;
mod frame;
mod outbox;
mod ranges;
mod scoped;
mod turns;
mod v1;

pub use cursor::{CURSORS_MAX, Cursors};
pub use digest::Offered;
pub use scoped::CARRIED_MAX;

use crate::record::Scope;
use crate::store::index::{Entry, Key};
use crate::store::{Mark, Store};
use frame::{Frame, Turn};
use minicbor::bytes::ByteVec;
use orbweave_model::wire::{self, WireError};
use orbweave_model::{Wall, limit};
use outbox::Outbox;

/// The protocol version that this code speaks. It understands version 1 as well.
pub const SYNC_VERSION: u16 = 2;

/// Which version of the wire a node speaks. A fleet in the middle of an upgrade holds
/// nodes of both, and so does a simulated one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WireVersion {
    /// The one before: version 1 of reconciliation, and no rumours.
    Previous,
    /// Version [`SYNC_VERSION`].
    #[default]
    Current,
}

/// Round trips after which a session of version 1 is given up.
pub const ROUNDS_MAX: u32 = 64;
/// Turns of a peer after which a session is given up: twice what a million records take.
pub const TURNS_MAX: u32 = 16;
/// What arrived since a cursor, at most; where it is more, ranges are cheaper.
pub const NEWS_MAX: usize = 4_096;
/// Digests that a peer may offer in one session.
const OFFERS_MAX: usize = limit::RECORDS_MAX;
/// Bytes of ranges that a peer may send in one session.
const RANGES_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Record bytes in one frame, a single record aside.
const RECORDS_FRAME_BYTES: usize = 512 * 1024;
/// Record bytes that one session carries each way; what is left is the next one's.
pub const SESSION_BYTES_MAX: usize = 16 * 1024 * 1024;

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
    /// More than [`TURNS_MAX`] turns, or [`ROUNDS_MAX`] round trips of version 1.
    #[error("the reconciliation does not come to an end")]
    Endless,
    /// A peer of another zone wants to compare what is for its own zone alone.
    #[error("a peer of another zone compares more than what is for the whole mesh")]
    OutOfScope,
    /// More digests, ranges or records than one session may carry.
    #[error("the peer sends more than one session may carry")]
    TooMuch,
}

/// What one frame led to.
#[derive(Debug, Default)]
pub struct Step {
    /// Frames to send, in order.
    pub send: Vec<Vec<u8>>,
    /// Envelopes that the peer sent: neither verified nor authorised yet.
    pub received: Vec<Vec<u8>>,
    /// The peer waits: take `received` in, then call [`Session::answer`].
    pub answer_due: bool,
    /// A node on scheduled links listed what it has: call [`Session::give`] with what
    /// concerns it.
    pub scope_due: bool,
    /// The peer's corrected wall clock, where the frame told it.
    pub peer_now: Option<Wall>,
    /// Nothing more will come: the stream can be closed.
    pub finished: bool,
    /// All of the peer's arrivals up to here were taken in: what to remember of it.
    pub seen: Option<Mark>,
    /// Whether ranges had to be compared, for those who measure.
    pub ranges: bool,
}

/// How a session begins. By default as with a stranger.
#[derive(Debug, Clone, Copy, Default)]
pub struct Opening {
    /// How far this store knows the peer's arrivals.
    pub seen: Option<Mark>,
    /// A random number: the salt of short digests.
    pub salt: u64,
    /// The version that this side speaks.
    pub speaks: WireVersion,
    /// What a peer may begin with.
    pub begins: Begins,
    /// What the two have in common.
    pub scope: Scope,
}

/// What a peer may begin with. The narrow way is for those on scheduled links: elsewhere
/// it would be a way round the bounds of a reconciliation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Begins {
    /// A reconciliation.
    #[default]
    Whole,
    /// The list of what it carries, or a reconciliation: it is on scheduled links.
    Listed,
    /// A call for our list, and nothing else: we are on scheduled links.
    Called,
}

enum Phase {
    AwaitHello,
    /// The hello is sent: the answer shows the peer's version.
    AwaitVersion,
    Turns,
    Version1(Box<v1::Session>),
    Scoped(scoped::Phase),
    Over,
}

/// One side of one reconciliation.
pub struct Session {
    phase: Phase,
    cutoff: Wall,
    salt: u64,
    speaks: WireVersion,
    begins: Begins,
    scope: Scope,
    /// How far this store knows the peer's arrivals.
    seen: Option<Mark>,
    /// How far they went when the session began.
    peer_mark: Option<Mark>,
    /// A turn of the peer that is to be answered.
    due: Option<Turn>,
    /// The session began with news: whether they were all is still to be shown.
    unverified: bool,
    /// It began with news, and all of them are told.
    after_news: bool,
    /// What our last turn offered, and what it listed.
    offered: Vec<Key>,
    listed: Vec<Key>,
    /// Records that our last turn asked for, and those that came since.
    asked: usize,
    came: usize,
    /// Nothing was left out so far.
    whole: bool,
    turns: u32,
    offers_taken: usize,
    ranges_taken: usize,
    records_taken: usize,
    outbox: Outbox,
}

impl Session {
    /// Begins a session and gives its first frame. `now` is the corrected wall clock.
    pub fn initiate(store: &Store, now: Wall, opening: Opening) -> Result<(Self, Vec<u8>), SyncError> {
        if opening.speaks == WireVersion::Previous {
            if opening.scope != Scope::Zone {
                return Err(SyncError::OutOfScope);
            }
            let (session, hello) = v1::Session::initiate(store, now)?;
            let phase = Phase::Version1(Box::new(session));
            return Ok((Self { phase, cutoff: now, ..Self::respond(opening) }, wire::encode(&hello)));
        }
        let fingerprint = digest::of_all(&store.live_in(opening.scope, now).total())?;
        let hello = Frame::Hello {
            version: SYNC_VERSION,
            now,
            cutoff: now,
            ranges: v1::one_range(fingerprint).into(),
            mark: Some(store.mark()),
            seen: opening.seen,
            salt: Some(opening.salt),
            scope: (opening.scope != Scope::Zone).then_some(opening.scope),
        };
        let session = Self { phase: Phase::AwaitVersion, cutoff: now, ..Self::respond(opening) };
        Ok((session, wire::encode(&hello)))
    }

    /// The other side of a session that a peer began.
    pub fn respond(opening: Opening) -> Self {
        Self {
            phase: Phase::AwaitHello,
            cutoff: Wall(0),
            salt: opening.salt,
            speaks: opening.speaks,
            begins: opening.begins,
            scope: opening.scope,
            seen: opening.seen,
            peer_mark: None,
            due: None,
            unverified: false,
            after_news: false,
            offered: Vec::new(),
            listed: Vec::new(),
            asked: 0,
            came: 0,
            whole: true,
            turns: 0,
            offers_taken: 0,
            ranges_taken: 0,
            records_taken: 0,
            outbox: Outbox::default(),
        }
    }

    /// Takes one frame of the peer. After an error the session is over.
    pub fn handle(&mut self, store: &Store, now: Wall, bytes: &[u8]) -> Result<Step, SyncError> {
        let result = self.step(store, now, bytes);
        self.end_if_over(result)
    }

    /// Answers the peer's turn, once its records are taken in.
    pub fn answer(&mut self, store: &Store) -> Result<Step, SyncError> {
        let Some(turn) = self.due.take() else { return Err(SyncError::OutOfTurn) };
        let result = self.answer_turn(store, turn);
        self.end_if_over(result)
    }

    fn end_if_over(&mut self, result: Result<Step, SyncError>) -> Result<Step, SyncError> {
        if !matches!(result, Ok(Step { finished: false, .. })) {
            self.phase = Phase::Over;
        }
        result
    }

    fn step(&mut self, store: &Store, now: Wall, bytes: &[u8]) -> Result<Step, SyncError> {
        let frame: Frame = wire::decode_open("a sync frame", bytes, limit::SYNC_FRAME_BYTES_MAX)?;
        if self.is_scoped(&frame) {
            return self.step_scoped(store, now, frame);
        }
        match (&mut self.phase, frame) {
            (Phase::AwaitHello, hello @ Frame::Hello { .. }) if self.begins != Begins::Called => {
                self.greet(store, now, hello)
            }
            (Phase::AwaitVersion, Frame::Ranges { .. }) if self.scope != Scope::Zone => {
                Err(SyncError::OutOfScope)
            }
            (Phase::AwaitVersion, frame @ Frame::Ranges { .. }) => {
                // Nothing open is the answer of an equal store: there is nothing to copy.
                let equal = matches!(&frame, Frame::Ranges { ranges, .. } if ranges[..] == *v1::NOTHING_OPEN);
                let nothing = Store::default();
                let compared = if equal { &nothing } else { store };
                let mut session = v1::Session::new(compared, self.cutoff, true)?;
                let step = session.step(now, frame)?;
                self.phase = Phase::Version1(Box::new(session));
                Ok(Step { ranges: true, ..step })
            }
            (Phase::AwaitVersion | Phase::Turns, Frame::Turn(turn)) if self.due.is_none() => self.hear(turn),
            (Phase::Version1(session), frame) => session.step(now, frame),
            _ => Err(SyncError::OutOfTurn),
        }
    }

    fn greet(&mut self, store: &Store, now: Wall, hello: Frame) -> Result<Step, SyncError> {
        let Frame::Hello { version, now: peer_now, cutoff, ranges, mark, seen, salt, scope } = hello else {
            return Err(SyncError::OutOfTurn);
        };
        // Whoever wants less gets less; more than what both have in common nobody does.
        let theirs = scope.unwrap_or_default();
        if theirs < self.scope {
            return Err(SyncError::OutOfScope);
        }
        self.scope = theirs;
        self.cutoff = cutoff;
        let both = version > 1 && self.speaks == WireVersion::Current;
        let (Some(mark), Some(salt), true) = (mark, salt, both) else {
            if self.scope != Scope::Zone {
                return Err(SyncError::OutOfScope);
            }
            let mut session = v1::Session::new(store, cutoff, false)?;
            let step = session.answer(now, &ranges, peer_now)?;
            self.phase = Phase::Version1(Box::new(session));
            return Ok(Step { ranges: true, ..step });
        };
        (self.phase, self.salt, self.peer_mark) = (Phase::Turns, salt, Some(mark));
        let step = self.begin(store, now, v1::fingerprint_of(&ranges), seen)?;
        Ok(Step { peer_now: Some(peer_now), ..step })
    }
}

/// The digests of these records in short, to be offered outside of a session.
pub fn write_offer(entries: &[&Entry]) -> Vec<u8> {
    digest::write_offer(entries, None)
}

/// Asks for what was offered, in the form in which it was offered.
pub fn repeat_offer(offers: &[Offered]) -> Vec<u8> {
    digest::repeat_offer(offers)
}

/// Reads an offer of at most `max` digests.
pub fn read_offer(bytes: &[u8], max: usize) -> Result<Vec<Offered>, SyncError> {
    digest::read_offer(bytes, max)
}

fn ranges_error(error: negentropy::Error) -> SyncError {
    SyncError::Ranges(error.to_string())
}

fn into_bytes(records: Vec<ByteVec>) -> Vec<Vec<u8>> {
    records.into_iter().map(Vec::from).collect()
}

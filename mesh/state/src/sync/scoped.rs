//! The narrow way, for a node on scheduled links: it carries a few records, so it lists
//! all of them, and its host gives it what concerns it.
//!
//! ```text
//! narrow                                           host
//!   ◀───────────────────────────────────────── Call          only where the host begins
//!   Carry{digests of all that it has} ────────────▶
//!   ◀───────── Give{what concerns it and it lacks; bits: what the host lacks}
//!   Give{records} ────────────────────────────────▶
//! ```
//!
//! Nothing is remembered of one another, and no fingerprint is compared: what two hosts
//! find that concerns a node may differ, and neither would ever be done.

use super::frame::{Frame, Given};
use super::{Begins, SESSION_BYTES_MAX, Session, Step, SyncError, digest, into_bytes};
use crate::store::Store;
use crate::store::index::{Entry, Key};
use minicbor::bytes::ByteVec;
use orbweave_model::{Wall, limit, wire};
use std::collections::BTreeSet;

/// Records that a node on scheduled links lists at most, the newest.
pub const CARRIED_MAX: usize = 1_024;
/// Record bytes that one side gives in a session: a frame's worth.
const GIVEN_BYTES_MAX: usize = limit::SYNC_FRAME_BYTES_MAX / 4;

/// Where a narrow session is.
pub(super) enum Phase {
    /// The host called, and waits for the list.
    Called,
    /// The host was sent the list, of these.
    Listed(Vec<Key>),
    /// The list is here; whoever owns the session says what concerns its sender.
    Read(BTreeSet<(Wall, [u8; digest::SHORT])>, Vec<bool>),
    /// So many records were asked for.
    Asked(usize),
}

impl Session {
    /// A host asks a node on scheduled links to begin.
    pub fn call(now: Wall) -> (Self, Vec<u8>) {
        let session =
            Self { phase: super::Phase::Scoped(Phase::Called), ..Self::respond(Default::default()) };
        (session, wire::encode(&Frame::Call { now }))
    }

    /// A node on scheduled links lists what it has.
    pub fn carry(store: &Store, now: Wall) -> (Self, Vec<u8>) {
        let mut session = Self::respond(Default::default());
        let frame = session.list(store, now);
        (session, frame)
    }

    fn list(&mut self, store: &Store, now: Wall) -> Vec<u8> {
        let mut entries: Vec<&Entry> = Vec::new();
        store.live(now).walk(&Key::FIRST, None, &mut |entry| {
            entries.push(entry);
            true
        });
        let entries = entries.split_off(entries.len().saturating_sub(CARRIED_MAX));
        let offer = digest::write_offer(&entries, None).into();
        self.phase = super::Phase::Scoped(Phase::Listed(entries.iter().map(|entry| entry.key).collect()));
        wire::encode(&Frame::Carry { now, offer })
    }

    /// Answers a list with what concerns its sender, the most urgent first.
    pub fn give(&mut self, store: &Store, now: Wall, concerns: &[Key]) -> Result<Step, SyncError> {
        let super::Phase::Scoped(Phase::Read(has, wants)) = &self.phase else {
            return Err(SyncError::OutOfTurn);
        };
        let asked = wants.iter().filter(|want| **want).count();
        let want = digest::write_bits(wants);
        let view = store.live(now);
        let lacks = concerns.iter().filter(|key| !has.contains(&(key.wall, digest::prefix(&key.digest))));
        let records = bounded(lacks.filter_map(|key| view.get(key)));
        let given = Given { now: Some(now), records, want: Some(want.into()) };
        self.phase = super::Phase::Scoped(Phase::Asked(asked));
        let step = Step { send: vec![wire::encode(&Frame::Give(given))], ..Step::default() };
        Ok(if asked == 0 { self.ended(step) } else { step })
    }

    /// Whether a frame belongs to this way, at this point.
    pub(super) fn is_scoped(&self, frame: &Frame) -> bool {
        match (&self.phase, frame) {
            (super::Phase::Scoped(_), Frame::Call { .. } | Frame::Carry { .. } | Frame::Give(_)) => true,
            (super::Phase::AwaitHello, Frame::Call { .. }) => self.begins == Begins::Called,
            (super::Phase::AwaitHello, Frame::Carry { .. }) => self.begins == Begins::Listed,
            _ => false,
        }
    }

    pub(super) fn step_scoped(&mut self, store: &Store, now: Wall, frame: Frame) -> Result<Step, SyncError> {
        use super::Phase::{AwaitHello, Scoped};
        match (&mut self.phase, frame) {
            (AwaitHello, Frame::Call { now: theirs }) => {
                let send = vec![self.list(store, now)];
                Ok(Step { send, peer_now: Some(theirs), ..Step::default() })
            }
            (AwaitHello | Scoped(Phase::Called), Frame::Carry { now: theirs, offer }) => {
                let offers = digest::read_offer(&offer, CARRIED_MAX)?;
                let wants = offers.iter().map(|o| store.find(o.wall, &o.prefix).is_none()).collect();
                let has = offers.iter().map(|o| (o.wall, o.prefix)).collect();
                self.phase = Scoped(Phase::Read(has, wants));
                Ok(Step { scope_due: true, peer_now: Some(theirs), ..Step::default() })
            }
            (Scoped(Phase::Listed(listed)), Frame::Give(given)) => {
                let keys = given.want.as_deref().map_or(Vec::new(), |bits| digest::chosen(listed, bits));
                let received = within_budget(given.records)?;
                let mut step = Step { received, peer_now: given.now, ..Step::default() };
                if !keys.is_empty() {
                    let view = store.live(now);
                    let records = bounded(keys.iter().filter_map(|key| view.get(key)));
                    let answer = Given { now: None, records, want: None };
                    step.send.push(wire::encode(&Frame::Give(answer)));
                }
                Ok(self.ended(step))
            }
            (Scoped(Phase::Asked(asked)), Frame::Give(given)) => {
                if given.records.len() > *asked {
                    return Err(SyncError::TooMuch);
                }
                let received = within_budget(given.records)?;
                Ok(self.ended(Step { received, ..Step::default() }))
            }
            _ => Err(SyncError::OutOfTurn),
        }
    }

    fn ended(&self, step: Step) -> Step {
        Step { finished: true, ..step }
    }
}

fn bounded<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<ByteVec> {
    let mut size = 0;
    let fits = |entry: &&Entry| {
        size += entry.bytes.len();
        size <= GIVEN_BYTES_MAX
    };
    entries.take_while(fits).map(|entry| ByteVec::from(entry.bytes.to_vec())).collect()
}

fn within_budget(records: Vec<ByteVec>) -> Result<Vec<Vec<u8>>, SyncError> {
    let size: usize = records.iter().map(|record| record.len()).sum();
    if size > SESSION_BYTES_MAX { Err(SyncError::TooMuch) } else { Ok(into_bytes(records)) }
}

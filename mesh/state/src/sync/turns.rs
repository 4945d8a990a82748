//! Turn by turn: answers to what the peer asked, and questions of our own.

use super::digest::{self, Offered};
use super::frame::Turn;
use super::ranges::{self, Compared};
use super::{
    NEWS_MAX, OFFERS_MAX, RANGES_BYTES_MAX, SESSION_BYTES_MAX, Session, Step, SyncError, into_bytes,
};
use crate::store::index::Entry;
use crate::store::view::View;
use crate::store::{Mark, Store};
use orbweave_model::Wall;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where news did not suffice, one session in so many takes no notice of identities, so
/// that two that look alike hide nothing for good: two peers that reconcile again and again
/// begin with news. Elsewhere it would bring what is superseded as well, all of it, and two
/// that look alike hide one another only while the newer one is on one side alone.
const BLIND_ONE_IN: u64 = 8;

impl Session {
    /// The responder's first turn: equal, news, or ranges.
    pub(super) fn begin(
        &mut self,
        store: &Store,
        now: Wall,
        theirs: Option<[u8; 16]>,
        seen: Option<Mark>,
    ) -> Result<Step, SyncError> {
        let view = store.live_in(self.scope, self.cutoff);
        let mut reply = Turn { now: Some(now), mark: Some(store.mark()), ..Turn::default() };
        let mut compared = Compared::default();
        let both_remember = self.remembers_peer();
        if theirs == Some(digest::of_all(&view.total())?) {
            reply.equal = Some(true);
        } else if let Some(news) = news(store, &view, seen).filter(|_| both_remember) {
            self.unverified = true;
            reply.seen = self.seen;
            self.offer(&mut reply, &news, None);
        } else {
            compared = ranges::begin(&view, self.salt);
        }
        Ok(self.send(&view, reply, compared, Vec::new()))
    }

    /// Whether what this side remembers is of the store that the peer has now.
    fn remembers_peer(&self) -> bool {
        matches!((self.seen, self.peer_mark), (Some(seen), Some(mark)) if seen.store == mark.store && seen.upto <= mark.upto)
    }

    /// Takes a frame of a turn in. The last one is answered when its records are taken in.
    pub(super) fn hear(&mut self, mut turn: Turn) -> Result<Step, SyncError> {
        let received = into_bytes(turn.records.take().unwrap_or_default());
        self.came += received.len();
        self.records_taken += received.iter().map(Vec::len).sum::<usize>();
        if self.records_taken > SESSION_BYTES_MAX || self.came > self.asked {
            return Err(SyncError::TooMuch);
        }
        if turn.more == Some(true) {
            if received.is_empty() {
                return Err(SyncError::OutOfTurn);
            }
            return Ok(Step { received, ..Step::default() });
        }
        self.phase = super::Phase::Turns;
        let peer_now = turn.now;
        self.due = Some(turn);
        Ok(Step { received, answer_due: true, peer_now, ..Step::default() })
    }

    pub(super) fn answer_turn(&mut self, store: &Store, turn: Turn) -> Result<Step, SyncError> {
        self.turns += 1;
        if self.turns > super::TURNS_MAX {
            return Err(SyncError::Endless);
        }
        // Fewer came than were asked for: something is left for the next session.
        self.whole &= self.came == self.asked;
        (self.came, self.asked) = (0, 0);
        self.whole |= turn.equal == Some(true);
        self.peer_mark = self.peer_mark.or(turn.mark);
        if !turn.asks() {
            return Ok(self.over(Step::default()));
        }
        let view = store.live_in(self.scope, self.cutoff);
        let (offered, listed) = (std::mem::take(&mut self.offered), std::mem::take(&mut self.listed));
        let mut reply = Turn::default();

        let offers = self.read_offer(&turn)?;
        let mut wants: Vec<bool> = offers.iter().map(|o| store.find(o.wall, &o.prefix).is_none()).collect();
        let lacked = turn.lack.as_deref().map_or(Vec::new(), |bits| digest::chosen(&listed, bits));
        let mut give: Vec<&Entry> = lacked.iter().filter_map(|key| view.get(key)).collect();
        self.heed_identities(&offers, &mut wants, &mut give);
        if let Some(bits) = &turn.want {
            give.extend(digest::chosen(&offered, bits).iter().filter_map(|key| view.get(key)));
        }
        if turn.offer.is_some() {
            self.asked += wants.iter().filter(|want| **want).count();
            reply.want = Some(digest::write_bits(&wants).into());
        }

        let mut compared = Compared::default();
        if let Some(bytes) = &turn.ranges {
            self.ranges_taken += bytes.len();
            if self.ranges_taken > RANGES_BYTES_MAX {
                return Err(SyncError::TooMuch);
            }
            compared = ranges::compare(&view, self.salt, bytes)?;
        }
        if turn.seen.is_some() {
            // The peer began with news: these are ours.
            self.unverified = true;
            match news(store, &view, turn.seen) {
                Some(news) => self.offer(&mut reply, &news, None),
                None => compared = ranges::begin(&view, self.salt),
            }
        }
        if let Some(theirs) = &turn.state {
            (self.unverified, self.after_news) = (false, true);
            if theirs[..] == digest::of_all(&view.total())? {
                (self.whole, reply.equal) = (true, Some(true));
            } else {
                compared = ranges::begin(&view, self.salt);
            }
        }
        let give = give.into_iter().map(|entry| entry.bytes.clone()).collect();
        Ok(self.send(&view, reply, compared, give))
    }

    /// Completes a turn and sends it.
    fn send(&mut self, view: &View, mut reply: Turn, compared: Compared, give: Vec<Arc<[u8]>>) -> Step {
        let Compared { ranges, listed, ours, lack, cut_short } = compared;
        self.whole &= !cut_short;
        let open = !ranges.is_empty();
        if open {
            self.unverified = false;
            reply.ranges = Some(ranges.into());
        }
        self.listed = listed;
        if lack.contains(&true) {
            self.asked += lack.iter().filter(|lack| **lack).count();
            reply.lack = Some(digest::write_bits(&lack).into());
        }
        if !ours.is_empty() {
            self.whole &= ours.len() <= OFFERS_MAX;
            let ours: Vec<&Entry> = ours.iter().take(OFFERS_MAX).filter_map(|key| view.get(key)).collect();
            self.offer(&mut reply, &ours, Some(self.salt));
        }
        // All news are told: whether they were all that differed is now to be seen.
        if self.unverified
            && !reply.asks()
            && let Ok(state) = digest::of_all(&view.total())
        {
            (self.unverified, self.after_news) = (false, true);
            reply.state = Some(state.to_vec().into());
        }
        let last = !reply.asks();
        let step = Step { send: self.outbox.frames(reply, give), ranges: open, ..Step::default() };
        if last { self.over(step) } else { step }
    }

    /// The session ended in order.
    fn over(&self, step: Step) -> Step {
        Step { finished: true, seen: self.peer_mark.filter(|_| self.whole), ..step }
    }

    fn offer(&mut self, reply: &mut Turn, entries: &[&Entry], salt: Option<u64>) {
        reply.offer = Some(digest::write_offer(entries, salt).into());
        self.offered = entries.iter().map(|entry| entry.key).collect();
    }

    fn read_offer(&mut self, turn: &Turn) -> Result<Vec<Offered>, SyncError> {
        let Some(bytes) = &turn.offer else { return Ok(Vec::new()) };
        let offers = digest::read_offer(bytes, OFFERS_MAX - self.offers_taken)?;
        self.offers_taken += offers.len();
        Ok(offers)
    }

    /// Of two records of one identity, one on each side, only the newer one travels.
    fn heed_identities(&self, offers: &[Offered], wants: &mut [bool], give: &mut Vec<&Entry>) {
        if self.after_news && self.salt.is_multiple_of(BLIND_ONE_IN) {
            return;
        }
        let theirs: BTreeMap<_, (Wall, usize)> =
            offers.iter().zip(0..).filter_map(|(o, at)| Some((o.tag?, (o.wall, at)))).collect();
        if theirs.is_empty() {
            return;
        }
        give.retain(|entry| {
            let Some((wall, at)) = theirs.get(&digest::tag(self.salt, entry)) else { return true };
            if *wall < entry.key.wall
                && let Some(want) = wants.get_mut(*at)
            {
                *want = false;
            }
            *wall <= entry.key.wall
        });
    }
}

/// What arrived since a mark on this store, if it is one and that is not too much.
fn news<'a>(store: &Store, view: &View<'a>, seen: Option<Mark>) -> Option<Vec<&'a Entry>> {
    let (seen, mark) = (seen?, store.mark());
    if seen.store != mark.store || seen.upto > mark.upto {
        return None;
    }
    let news: Vec<&Entry> = view.arrived_after(seen.upto).take(NEWS_MAX + 1).collect();
    (news.len() <= NEWS_MAX).then_some(news)
}

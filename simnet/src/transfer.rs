//! Transfers of blobs, which share the lines of their hosts.
//!
//! Processor sharing: a transfer runs at the lesser of an even share of its sender's
//! uplink and an even share of its receiver's downlink. What a transfer leaves of its
//! share because its other end is slower, others do not take (max-min fairness would
//! give it to them), so that a change on one host concerns its own transfers only.

use orbweave_model::{Hash, Mono};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What hosts send and take at most, in bits a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    pub uplink: u64,
    pub downlink: u64,
}

/// Names the expected end of a transfer; stale once its rate changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    id: u64,
    turn: u64,
}

/// A blob on its way.
#[derive(Debug, Clone)]
pub(crate) struct Transfer {
    pub from: u32,
    pub to: u32,
    pub hash: Hash,
    line: Line,
    /// What is left, in bits times 10⁹, as of `since`.
    left: u128,
    since: Mono,
    rate: u64,
    turn: u64,
}

/// All transfers of a run.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    all: BTreeMap<u64, Transfer>,
    sent_by: BTreeMap<u32, BTreeSet<u64>>,
    taken_by: BTreeMap<u32, BTreeSet<u64>>,
    begun: u64,
    turns: u64,
}

const NANOS: u128 = 1_000_000_000;

impl Transfers {
    /// Begins a transfer; gives when those that it touches will end.
    pub fn begin(
        &mut self,
        now: Mono,
        line: Line,
        from: u32,
        to: u32,
        bytes: u64,
        hash: Hash,
    ) -> Vec<(Mono, Ticket)> {
        self.begun += 1;
        let left = u128::from(bytes) * 8 * NANOS;
        let transfer = Transfer { from, to, hash, line, left, since: now, rate: 0, turn: 0 };
        self.all.insert(self.begun, transfer);
        self.sent_by.entry(from).or_default().insert(self.begun);
        self.taken_by.entry(to).or_default().insert(self.begun);
        self.share(now, from, to)
    }

    /// Ends a transfer, if the ticket still holds; gives when others will end now.
    pub fn finish(&mut self, now: Mono, ticket: Ticket) -> Option<(Transfer, Vec<(Mono, Ticket)>)> {
        if self.all.get(&ticket.id)?.turn != ticket.turn {
            return None;
        }
        let done = self.remove(ticket.id)?;
        let due = self.share(now, done.from, done.to);
        Some((done, due))
    }

    /// Ends all transfers of a host before their time.
    pub fn forget(&mut self, now: Mono, host: u32) -> (Vec<Transfer>, Vec<(Mono, Ticket)>) {
        let of = |by: &BTreeMap<u32, BTreeSet<u64>>| by.get(&host).cloned().unwrap_or_default();
        let ids: Vec<u64> = of(&self.sent_by).into_iter().chain(of(&self.taken_by)).collect();
        let lost: Vec<Transfer> = ids.into_iter().filter_map(|id| self.remove(id)).collect();
        let due = lost.iter().flat_map(|t| self.share(now, t.from, t.to)).collect();
        (lost, due)
    }

    fn remove(&mut self, id: u64) -> Option<Transfer> {
        let transfer = self.all.remove(&id)?;
        for (by, host) in [(&mut self.sent_by, transfer.from), (&mut self.taken_by, transfer.to)] {
            if let Some(ids) = by.get_mut(&host) {
                ids.remove(&id);
                if ids.is_empty() {
                    by.remove(&host);
                }
            }
        }
        Some(transfer)
    }

    /// Shares the lines of two hosts anew.
    fn share(&mut self, now: Mono, from: u32, to: u32) -> Vec<(Mono, Ticket)> {
        let of = |by: &BTreeMap<u32, BTreeSet<u64>>, host| by.get(&host).cloned().unwrap_or_default();
        let mut touched = of(&self.sent_by, from);
        touched.extend(of(&self.taken_by, to));
        let mut due = Vec::new();
        for id in touched {
            let Some(transfer) = self.all.get_mut(&id) else { continue };
            let count =
                |by: &BTreeMap<u32, BTreeSet<u64>>, host| by.get(&host).map_or(1, BTreeSet::len) as u64;
            let up = transfer.line.uplink / count(&self.sent_by, transfer.from).max(1);
            let down = transfer.line.downlink / count(&self.taken_by, transfer.to).max(1);
            let passed = now.since(transfer.since).as_nanos();
            transfer.left = transfer.left.saturating_sub(passed * u128::from(transfer.rate));
            self.turns += 1;
            (transfer.since, transfer.rate, transfer.turn) = (now, up.min(down).max(1), self.turns);
            let nanos = transfer.left.div_ceil(u128::from(transfer.rate));
            let after = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            due.push((now + after, Ticket { id, turn: transfer.turn }));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: Line = Line { uplink: 8_000_000, downlink: 8_000_000 };

    fn at(ms: u64) -> Mono {
        Mono(ms * 1_000_000)
    }

    #[test]
    fn two_transfers_share_an_uplink_and_the_one_that_is_left_has_all_of_it() {
        let mut transfers = Transfers::default();
        let hash = Hash::of(b"blob");
        let alone = transfers.begin(at(0), LINE, 0, 1, 1_000_000, hash);
        assert_eq!(alone.iter().map(|(t, _)| *t).collect::<Vec<_>>(), [at(1_000)]);
        // Half of the first is there when the second begins.
        let both = transfers.begin(at(500), LINE, 0, 2, 250_000, hash);
        assert_eq!(both.iter().map(|(t, _)| *t).collect::<Vec<_>>(), [at(1_500), at(1_000)]);
        assert!(transfers.finish(at(1_000), alone[0].1).is_none(), "it became slower");
        let (done, rest) = transfers.finish(at(1_000), both[1].1).expect("the second is there");
        assert_eq!((done.to, rest[0].0), (2, at(1_250)));
        assert!(transfers.finish(at(1_250), rest[0].1).is_some_and(|(t, rest)| t.to == 1 && rest.is_empty()));
    }

    #[test]
    fn a_host_that_goes_gives_its_share_of_the_other_ends_back() {
        let mut transfers = Transfers::default();
        let hash = Hash::of(b"blob");
        transfers.begin(at(0), LINE, 0, 1, 1_000_000, hash);
        transfers.begin(at(0), LINE, 2, 1, 1_000_000, hash);
        let (lost, due) = transfers.forget(at(1_000), 2);
        assert_eq!((lost.len(), due.len(), due[0].0), (1, 1, at(1_500)));
    }
}

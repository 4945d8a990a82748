//! Verdicts, and the doubt of a node about itself.

use super::identity::Identity;
use super::peer::{Peer, Status};
use super::wire::{Frame, Verdict};
use super::{DownCause, Event, Membership, Timing};
use foca::State;
use orbweave_model::plant::{self, Plant};
use orbweave_model::{Mono, NodeId};
use rand::RngExt;
use std::collections::BTreeSet;
use std::time::Duration;

/// A mesh of fewer has no self-doubt: of three nodes two may really be dead.
const DOUBT_MEMBERS_MIN: usize = 4;
/// Looking around, at most this often.
const LOOK_SPACING: Duration = Duration::from_secs(5);
/// How many are asked when the first goes missing; all, when it is not the only one.
const GLANCE: usize = 16;
/// Whoever was heard within this time need not be looked for.
const IN_SIGHT: Duration = Duration::from_millis(500);
/// A watcher repeats its verdict with each probe that stays unanswered, not more often.
const VERDICT_SPACING: Duration = Duration::from_millis(900);
/// Verdicts of its watchers that make a member down.
const VERDICTS: usize = 2;

/// Whether this node trusts its own eyes.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    since: Option<Mono>,
    /// Losses up to here were judged already.
    floor: Mono,
    /// Nobody is judged before.
    judge_after: Mono,
    /// Those whose answer we await since somebody went missing.
    looking: BTreeSet<NodeId>,
    looked_at: Option<(Mono, usize)>,
}

impl Doubt {
    pub(super) fn is_on(&self) -> bool {
        self.since.is_some()
    }

    pub(super) fn ends(&self, timing: &Timing) -> Option<Mono> {
        self.since.map(|since| since + timing.doubt_max)
    }

    pub(super) fn forget(&mut self, node: NodeId) {
        self.looking.remove(&node);
    }

    /// After a freeze of `gap`.
    pub(super) fn hold_until(&mut self, judge_after: Mono, gap: Duration) {
        self.judge_after = judge_after;
        self.looking.clear();
        self.since = self.since.map(|since| since + gap);
    }
}

impl Membership {
    /// Whether judging has to wait.
    pub(super) fn holding(&self) -> bool {
        self.doubt.is_on() || !self.doubt.looking.is_empty() || self.now < self.doubt.judge_after
    }

    /// A whole round of probes to a node stayed unanswered.
    pub(super) fn missed(&mut self, node: NodeId) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&node) else { return };
        let news = !std::mem::replace(&mut peer.told_suspect, true);
        let first = peer.missing_since.is_none();
        peer.missing_since.get_or_insert(now);
        self.doubt.looking.remove(&node);
        if news {
            self.tell(Event::Suspect { node });
        }
        if first {
            let missing =
                self.peers.values().filter(|peer| peer.is_alive() && peer.missing_since.is_some()).count();
            self.look_around(if missing > 1 { usize::MAX } else { GLANCE });
        }
        self.weigh_doubt();
        self.seek_other_watchers(node);
        self.rejudge = true;
    }

    /// A node was heard that may have been missing.
    pub(super) fn seen_again(&mut self, node: NodeId) {
        if self.doubt.looking.remove(&node) && self.doubt.looking.is_empty() {
            self.rejudge = true;
        }
        if self.doubt.is_on() {
            self.weigh_doubt();
        }
    }

    /// Is it them, or is it us? Asks that many others, who were not just heard.
    fn look_around(&mut self, width: usize) {
        let now = self.now;
        if self.doubt.looked_at.is_some_and(|(at, last)| now.since(at) < LOOK_SPACING && last >= width) {
            return;
        }
        self.doubt.looked_at = Some((now, width));
        let mut live = self.live_peers();
        if !live.is_empty() {
            let first = self.rng.random_range(0..live.len());
            live.rotate_left(first);
        }
        for node in live.into_iter().take(width) {
            let Some(peer) = self.peers.get(&node) else { continue };
            let in_sight = peer.heard_at.is_some_and(|at| now.since(at) < IN_SIGHT);
            if peer.missing_since.is_none() && !in_sight {
                self.doubt.looking.insert(node);
                self.begin_round(node);
            }
        }
    }

    /// A verdict needs company. If the other watchers are dead too, find that out.
    fn seek_other_watchers(&mut self, node: NodeId) {
        let watchers = self.ring.watchers_of(node);
        if !watchers.contains(&self.me) {
            return;
        }
        for watcher in watchers {
            let Some(peer) = self.peers.get(&watcher) else { continue };
            let in_sight = peer.heard_at.is_some_and(|at| self.now.since(at) < self.timing.lan.interval);
            if peer.is_alive() && peer.missing_since.is_none() && !in_sight {
                self.begin_round(watcher);
            }
        }
    }

    /// The watchers of a member that find it silent, as they said of late. Nobody else's
    /// verdict counts: two members that lie could bury everybody.
    fn accusers(&self, node: NodeId, peer: &Peer) -> Vec<NodeId> {
        if peer.verdicts.is_empty() {
            return Vec::new();
        }
        let spoke = |watcher: &NodeId| peer.verdicts.spoke(*watcher, self.now, self.timing.verdict_window);
        self.ring.watchers_of(node).into_iter().filter(spoke).collect()
    }

    /// Whether a member is out of sight: for us, or for two of its watchers. What these
    /// say counts as much as what we see, or half a mesh could be declared down on their
    /// word before we missed anybody.
    fn is_lost(&self, node: NodeId, peer: &Peer) -> bool {
        peer.is_alive() && (peer.missing_since.is_some() || self.accusers(node, peer).len() >= VERDICTS)
    }

    /// Begins to doubt ourselves, or stops.
    fn weigh_doubt(&mut self) {
        let (now, floor, window) = (self.now, self.doubt.floor, self.timing.doubt_window);
        let just_lost = |peer: &Peer| {
            peer.status == Status::Down
                && peer.down_at.is_some_and(|at| at > floor && now.since(at) <= window)
        };
        let others = self.peers.values().filter(|peer| peer.is_alive() || just_lost(peer)).count();
        let is_lost = |(node, peer): &(&NodeId, &Peer)| self.is_lost(**node, peer) || just_lost(peer);
        let lost = self.peers.iter().filter(is_lost).count();
        let doubtful =
            others + 1 >= DOUBT_MEMBERS_MIN && lost * 2 > others && !plant::on(Plant::SelfDoubtOff);
        match (self.doubt.since, doubtful) {
            (None, true) => {
                self.doubt.since = Some(now);
                self.tell(Event::SelfDoubt { on: true });
            }
            (Some(_), false) => {
                self.doubt.since = None;
                self.rejudge = true;
                self.tell(Event::SelfDoubt { on: false });
            }
            _ => {}
        }
    }

    /// Doubt is bounded: whoever is still out of sight then is declared down.
    pub(super) fn end_doubt_in_time(&mut self) {
        if self.doubt.ends(&self.timing).is_none_or(|end| self.now < end) {
            return;
        }
        (self.doubt.since, self.doubt.floor) = (None, self.now);
        self.tell(Event::SelfDoubt { on: false });
        let lost = self.peers.iter().filter(|(node, peer)| self.is_lost(**node, peer));
        let lost: Vec<(NodeId, DownCause)> = lost
            .map(|(node, peer)| match peer.missing_since {
                Some(_) => (*node, DownCause::Swim),
                None => (*node, DownCause::Watchers { verdicts: self.accusers(*node, peer) }),
            })
            .collect();
        for (node, cause) in lost {
            self.declare_down(node, cause);
        }
        self.doubt.floor = self.now;
    }

    /// Looks again at everybody about whom there is any doubt, ourselves first.
    pub(super) fn judge_all(&mut self) {
        self.weigh_doubt();
        let doubtful: Vec<NodeId> = self
            .peers
            .iter()
            .filter(|(_, peer)| {
                peer.is_alive() && (peer.missing_since.is_some() || !peer.verdicts.is_empty())
            })
            .map(|(node, _)| *node)
            .collect();
        for node in doubtful {
            self.judge(node);
            if self.rejudge {
                // Each death changes who watches whom: doubt is weighed anew before the next.
                return;
            }
        }
    }

    fn judge(&mut self, node: NodeId) {
        if self.holding() {
            return;
        }
        let now = self.now;
        let watchers = self.ring.watchers_of(node);
        let Some(peer) = self.peers.get(&node) else { return };
        if !peer.is_alive() {
            return;
        }
        let missing = peer.missing_since.is_some();
        if missing && watchers.contains(&self.me) && !peer.verdicts.spoke(self.me, now, VERDICT_SPACING) {
            self.cast_verdict(node);
        }
        let Some(peer) = self.peers.get(&node) else { return };
        let verdicts = self.accusers(node, peer);
        let in_reach = watchers.iter().filter(|watcher| self.counts(**watcher)).count();
        // Two verdicts; one is enough if it is ours and no other watcher can be reached.
        let enough = if plant::on(Plant::OneVerdictSuffices) { 1 } else { VERDICTS };
        if verdicts.len() >= enough || (in_reach == 1 && missing && verdicts.contains(&self.me)) {
            self.declare_down(node, DownCause::Watchers { verdicts });
        } else if missing {
            // Our own eyes and the word of a live member that holds it for dead.
            let claimed =
                peer.claims.fresh(now, self.timing.verdict_window).any(|member| self.is_alive(member));
            if claimed {
                self.declare_down(node, DownCause::Swim);
            }
        }
    }

    /// Whether a watcher's silence means anything: one that is itself out of reach for
    /// long does not hold up the verdict for ever.
    fn counts(&self, watcher: NodeId) -> bool {
        let grace = self.timing.unreachable_grace;
        let missing = self.peers.get(&watcher).and_then(|peer| peer.missing_since);
        missing.is_none_or(|since| self.now.since(since) < grace)
    }

    fn cast_verdict(&mut self, node: NodeId) {
        let (now, me, generation) = (self.now, self.me, self.generation());
        let Some(peer) = self.peers.get_mut(&node) else { return };
        peer.verdicts.note(me, now);
        let about = Identity { node, generation: peer.generation };
        let frame = Frame::Verdict(Verdict { generation, about }).encode();
        for to in self.live_peers() {
            if to != node {
                self.send(to, frame.clone());
            }
        }
    }

    fn declare_down(&mut self, node: NodeId, cause: DownCause) {
        let Some(peer) = self.peers.get_mut(&node) else { return };
        if !peer.is_alive() {
            return;
        }
        peer.clear_doubts();
        (peer.status, peer.next_probe, peer.down_at) = (Status::Down, None, Some(self.now));
        let generation = peer.generation;
        self.next_down_probe = self.next_down_probe.max(self.now + self.timing.announce_min);
        self.ring.remove(node);
        self.doubt.looking.remove(&node);
        self.swim.note(Identity { node, generation }, 0, State::Down);
        self.touched.push(node);
        self.tell(Event::Down { node, generation, cause });
        // Should it live after all, it learns of it.
        self.bury(node, generation);
        self.retarget();
        // Others may have lost a watcher that held up their verdict.
        self.rejudge = true;
    }

    /// SWIM's own suspicion ran out.
    pub(super) fn swim_says_down(&mut self, id: Identity) {
        if self.peers.get(&id.node).is_some_and(|peer| peer.generation == id.generation) {
            self.declare_down(id.node, DownCause::Swim);
        }
    }
}

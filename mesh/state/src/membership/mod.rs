//! Who is in the zone, and who is alive: SWIM, watchers, self-doubt.
//!
//! Three sources of evidence, one judge:
//!
//! - **Watchers.** The next three live nodes on a hashed ring probe a node; two of
//!   their verdicts make it down. This is the fast path.
//! - **SWIM** (`foca`): random probes, indirect probes, rumours. It covers what the
//!   watchers cannot: watchers that died with the node that they watched.
//! - **Hearing.** Whoever sends us anything lives. It ends every doubt about it here.
//!
//! Nothing that one member says of another is believed alone: a rumour only makes
//! this node look for itself. What a node says of itself is believed, since the link
//! authenticated it. Down is final for one *generation* of a node; a node that comes
//! back, or learns that it was buried, takes the next ([`Event::Renewed`]).
//!
//! Order of use: one call that takes `now`, or one mutator; then [`Membership::poll_output`]
//! until it is empty; then sleep until [`Membership::next_timeout`].
//!
//! ```
//! use orbweave_model::{Mono, NodeId};
//! use orbweave_state::membership::{Event, Membership, MembershipConfig, Output, Timing};
//!
//! let node = |n: u8| MembershipConfig { me: NodeId([n; 32]), generation: 1, seed: [n; 32], timing: Timing::default() };
//! let now = Mono(0);
//! let (mut a, mut b) = (Membership::new(node(1), now), Membership::new(node(2), now));
//!
//! a.announce(now, NodeId([2; 32]));
//! while let Some(output) = a.poll_output() {
//!     if let Output::Send { bytes, .. } = output {
//!         b.handle_datagram(now, NodeId([1; 32]), &bytes).unwrap();
//!     }
//! }
//! assert!(b.is_alive(NodeId([1; 32])));
//! assert!(matches!(b.poll_output(), Some(Output::Event(Event::Up { .. }))));
//! ```

mod identity;
mod judge;
mod peer;
mod probe;
mod receive;
mod ring;
mod swim;
mod timing;
mod wire;

#[cfg(test)]
mod tests;

pub use ring::WATCHERS;
pub use timing::{Timing, WatchTiming};
pub use wire::{DatagramError, LOAD_BYTES_MAX};

use identity::Identity;
use judge::Doubt;
use orbweave_model::{Mono, NodeId, Wall, limit};
use peer::{Peer, Status};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use ring::Ring;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use swim::Swim;
use wire::{Frame, Leave};

/// What its owner puts round a message on the wire may take this many bytes.
const FRAMING_BYTES: usize = 16;
/// The longest message that [`Output::Send`] gives: with its framing it fits a datagram.
pub const MESSAGE_BYTES_MAX: usize = limit::DATAGRAM_BYTES_MAX - FRAMING_BYTES;

/// What a membership begins with.
#[derive(Debug, Clone)]
pub struct MembershipConfig {
    /// This node.
    pub me: NodeId,
    /// This life of it, from its signed record: higher on each start.
    pub generation: u64,
    /// All randomness comes from here.
    pub seed: [u8; 32],
    /// Every duration.
    pub timing: Timing,
}

/// What a node is, as this one sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberState {
    /// Heard, and not missed since.
    Alive,
    /// Counted as alive, but it does not answer this node.
    Suspect,
    /// On scheduled links, and out of reach of everybody for now, as planned.
    Dark {
        /// When its next contact begins, if one is near.
        until: Option<Wall>,
    },
    /// On scheduled links; it was in reach, and was not heard. It still counts.
    Overdue,
    /// Judged dead. Final for its generation.
    Down,
    /// Gone on purpose.
    Left,
    /// Never heard, or forgotten.
    Unknown,
}

/// Why a node was judged dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DownCause {
    /// It answered neither SWIM's probes nor our own.
    Swim,
    /// Enough of its watchers find it silent.
    Watchers {
        /// Those that said so.
        verdicts: Vec<NodeId>,
    },
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A node is alive: new, back with a higher generation (the old one is over,
    /// without a `Down`), or no longer suspect (the generation is the same).
    Up {
        /// Which.
        node: NodeId,
        /// Which life of it.
        generation: u64,
        /// It did not count as alive until now: neither a suspicion that ended nor a life
        /// that followed another without a `Down`.
        came: bool,
    },
    /// A node does not answer this one. It still counts as alive.
    Suspect {
        /// Which.
        node: NodeId,
    },
    /// A node was judged dead. Final for this generation.
    Down {
        /// Which.
        node: NodeId,
        /// Which life of it.
        generation: u64,
        /// Why.
        cause: DownCause,
    },
    /// A node said that it goes.
    Left {
        /// Which.
        node: NodeId,
    },
    /// We were buried and took the next generation: publish a new node record with it.
    Renewed {
        /// Ours from now on.
        generation: u64,
    },
    /// We lost sight of more than half of the others at once, and so doubt ourselves:
    /// we declare nobody dead while this is on. Or that is over.
    SelfDoubt {
        /// Whether it began.
        on: bool,
    },
}

/// What the owner has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this over the authenticated link to that node; without one, drop it or dial.
    Send {
        /// To whom.
        to: NodeId,
        /// At most [`MESSAGE_BYTES_MAX`].
        bytes: Vec<u8>,
    },
    /// Take note.
    Event(Event),
}

/// The members of one zone, as one node sees them. See the [module](self).
pub struct Membership {
    timing: Timing,
    now: Mono,
    me: NodeId,
    left: bool,
    swim: Swim,
    peers: BTreeMap<NodeId, Peer>,
    /// Those that are down.
    down: BTreeSet<NodeId>,
    ring: Ring,
    /// Those that we watch.
    targets: BTreeSet<NodeId>,
    forgotten: BTreeSet<NodeId>,
    rng: Xoshiro256PlusPlus,
    outputs: VecDeque<Output>,
    wakes: BTreeSet<(Mono, NodeId)>,
    /// Whose timers may have changed; a node may stand here twice.
    touched: Vec<NodeId>,
    swim_timers: BTreeMap<(Mono, u64), foca::Timer<Identity>>,
    swim_timers_made: u64,
    /// SWIM's gossip timer, while there is nothing to pass on.
    gossip_timer: Option<foca::Timer<Identity>>,
    indirect_delay: Duration,
    load: Vec<u8>,
    load_version: u64,
    /// 0 is healthy; each point lengthens our timeouts by half.
    ill_health: u32,
    doubt: Doubt,
    rejudge: bool,
    accusers: BTreeSet<NodeId>,
    renewed_at: Option<Mono>,
    next_down_probe: Mono,
    down_probed: Option<NodeId>,
}

impl Membership {
    /// A node that knows nobody yet.
    pub fn new(config: MembershipConfig, now: Mono) -> Self {
        let MembershipConfig { me, generation, seed, timing } = config;
        let child =
            |purpose: &[u8]| Xoshiro256PlusPlus::from_seed(*blake3::keyed_hash(&seed, purpose).as_bytes());
        let mut ring = Ring::default();
        ring.insert(me);
        Self {
            now,
            me,
            left: false,
            swim: Swim::new(Identity { node: me, generation }, &timing, child(b"swim")),
            peers: BTreeMap::new(),
            down: BTreeSet::new(),
            ring,
            targets: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            rng: child(b"membership"),
            outputs: VecDeque::new(),
            wakes: BTreeSet::new(),
            touched: Vec::new(),
            swim_timers: BTreeMap::new(),
            swim_timers_made: 0,
            gossip_timer: None,
            indirect_delay: timing.swim_timeout_min,
            load: Vec::new(),
            load_version: 0,
            ill_health: 0,
            doubt: Doubt::default(),
            rejudge: false,
            accusers: BTreeSet::new(),
            renewed_at: None,
            next_down_probe: now + timing.down_probe_period,
            down_probed: None,
            timing,
        }
    }

    /// Whether this node counts as alive here; suspects do.
    pub fn is_alive(&self, node: NodeId) -> bool {
        if node == self.me { !self.left } else { self.peers.get(&node).is_some_and(Peer::is_alive) }
    }

    /// Everybody that counts as alive, this node too, in the order of their ids.
    pub fn alive(&self) -> impl Iterator<Item = NodeId> {
        let live = |(node, peer): (&NodeId, &Peer)| peer.is_alive().then_some(*node);
        let me = (!self.left).then_some(self.me);
        self.peers
            .range(..self.me)
            .filter_map(live)
            .chain(me)
            .chain(self.peers.range(self.me..).filter_map(live))
    }

    /// What a node is, as this one sees it.
    pub fn state(&self, node: NodeId) -> MemberState {
        if node == self.me {
            return if self.left { MemberState::Left } else { MemberState::Alive };
        }
        match self.peers.get(&node) {
            None => MemberState::Unknown,
            Some(peer) => match peer.status {
                Status::Candidate => MemberState::Unknown,
                Status::Alive if peer.is_suspect() => MemberState::Suspect,
                Status::Alive => MemberState::Alive,
                Status::Down => MemberState::Down,
                Status::Left => MemberState::Left,
            },
        }
    }

    /// Our own generation.
    pub fn generation(&self) -> u64 {
        self.swim.me().generation
    }

    /// The generation in which a node is known here.
    pub fn generation_of(&self, node: NodeId) -> Option<u64> {
        if node == self.me {
            Some(self.generation())
        } else {
            self.peers.get(&node).map(|peer| peer.generation)
        }
    }

    /// Whether this node doubts itself, and so declares nobody dead.
    pub fn in_self_doubt(&self) -> bool {
        self.doubt.is_on()
    }

    /// Those that watch a node, as this one sees the ring.
    pub fn watchers_of(&self, node: NodeId) -> Vec<NodeId> {
        self.ring.watchers_of(node)
    }

    /// When a node was last heard.
    pub fn heard_at(&self, node: NodeId) -> Option<Mono> {
        self.peers.get(&node)?.heard_at
    }

    /// The last load figure that a node told us, and when. Watchers and those that
    /// they watch tell one another.
    pub fn load_of(&self, node: NodeId) -> Option<(&[u8], Mono)> {
        self.peers.get(&node)?.load.as_ref().map(|(load, at)| (load.as_slice(), *at))
    }

    /// Our own load figure, at most [`LOAD_BYTES_MAX`] bytes; a longer one is not taken.
    pub fn set_load(&mut self, load: Vec<u8>) {
        if load.len() <= LOAD_BYTES_MAX && load != self.load {
            self.load = load;
            self.load_version += 1;
        }
    }

    /// A round trip that was measured elsewhere, such as by the link.
    pub fn set_rtt(&mut self, node: NodeId, rtt: Duration) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.rtt = Some(rtt);
        }
    }

    /// Seeks contact with a node, again and again, until it is a member or forgotten.
    pub fn announce(&mut self, now: Mono, to: NodeId) {
        self.set_now(now);
        if to == self.me || self.left {
            return;
        }
        self.forgotten.remove(&to);
        if !self.make_room(to) {
            return;
        }
        let backoff = self.timing.announce_min;
        let peer = self.peers.entry(to).or_insert_with(|| Peer::candidate(0, backoff));
        match peer.status {
            Status::Candidate => {
                (peer.announce, peer.backoff, peer.round) = (true, backoff, None);
                self.seek(to);
            }
            Status::Down => self.send_probe(to),
            Status::Alive | Status::Left => {}
        }
        self.settle();
    }

    /// The generation that a node's signed record names: an older one is over, and
    /// nobody else can invent a newer one. A node that is no member yet is sought.
    pub fn set_known_generation(&mut self, node: NodeId, generation: u64) {
        if node == self.me || self.left {
            return;
        }
        self.forgotten.remove(&node);
        if !self.make_room(node) {
            return;
        }
        let backoff = self.timing.announce_min;
        // Many learn of a node at the same moment: they seek it one after the other.
        let soon = self.now + self.jitter(backoff) + backoff / 4;
        let peer = self.peers.entry(node).or_insert_with(|| Peer::candidate(0, backoff));
        let news = generation > peer.signed || (peer.status == Status::Candidate && peer.due().is_none());
        peer.signed = peer.signed.max(generation);
        if news && peer.status != Status::Alive && peer.signed >= peer.generation {
            if peer.signed > peer.generation {
                (peer.status, peer.generation) = (Status::Candidate, peer.signed);
            }
            if peer.status == Status::Candidate {
                let soon = peer.next_probe.map_or(soon, |at| at.min(soon));
                (peer.backoff, peer.round, peer.next_probe) = (backoff, None, Some(soon));
            }
        } else if peer.is_alive() && peer.signed > peer.generation {
            self.begin_round(node);
        }
        self.touched.push(node);
        self.settle();
    }

    /// Drops a node that was revoked or evicted. Its datagrams are refused until
    /// [`announce`](Self::announce) or [`set_known_generation`](Self::set_known_generation) names it again.
    pub fn forget(&mut self, node: NodeId) {
        if let Some(peer) = self.peers.remove(&node) {
            self.down.remove(&node);
            self.wakes.retain(|(_, other)| *other != node);
            self.ring.remove(node);
            self.swim.remove(Identity { node, generation: peer.generation });
            self.doubt.forget(node);
            self.retarget();
        }
        if node != self.me && self.forgotten.len() < limit::MEMBERS_MAX {
            self.forgotten.insert(node);
        }
        self.settle();
    }

    /// Tells everybody that this node goes, and falls silent.
    pub fn leave(&mut self, now: Mono) {
        self.set_now(now);
        let frame = Frame::Leave(Leave { generation: self.generation() }).encode();
        for to in self.live_peers() {
            self.send(to, frame.clone());
        }
        self.left = true;
        self.wakes.clear();
        self.swim_timers.clear();
    }

    /// The next thing to do. Drain after every call that changes anything.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn next_timeout(&self) -> Option<Mono> {
        if self.left {
            return None;
        }
        let wake = self.wakes.first().map(|(at, _)| *at);
        let swim = self.swim_timers.first_key_value().map(|((at, _), _)| *at);
        let down = (!self.down.is_empty()).then_some(self.next_down_probe);
        [wake, swim, down, self.doubt.ends(&self.timing)].into_iter().flatten().min()
    }

    fn set_now(&mut self, now: Mono) {
        self.now = self.now.max(now);
    }

    fn send(&mut self, to: NodeId, bytes: Vec<u8>) {
        self.outputs.push_back(Output::Send { to, bytes });
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn live_peers(&self) -> Vec<NodeId> {
        self.peers.iter().filter(|(_, peer)| peer.is_alive()).map(|(node, _)| *node).collect()
    }

    /// Up to `span`, at random.
    fn jitter(&mut self, span: Duration) -> Duration {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX).max(1);
        Duration::from_nanos(self.rng.random_range(0..nanos))
    }

    /// Whether there is a place for a node; the one longest dead gives up its own.
    fn make_room(&mut self, node: NodeId) -> bool {
        if self.peers.len() < limit::MEMBERS_MAX || self.peers.contains_key(&node) {
            return true;
        }
        let gone = |peer: &Peer| matches!(peer.status, Status::Down | Status::Left);
        let oldest = self.peers.iter().filter(|(_, peer)| gone(peer)).min_by_key(|(_, peer)| peer.down_at);
        let Some(oldest) = oldest.map(|(node, _)| *node) else { return false };
        if let Some(peer) = self.peers.remove(&oldest) {
            self.down.remove(&oldest);
            self.wakes.retain(|(_, other)| *other != oldest);
            self.swim.remove(Identity { node: oldest, generation: peer.generation });
        }
        true
    }

    /// Recomputes whom we watch, after the ring changed.
    fn retarget(&mut self) {
        let targets: BTreeSet<NodeId> = self.ring.watched_by(self.me).into_iter().collect();
        let interval = self.timing.lan.interval;
        let before = std::mem::take(&mut self.targets);
        for &node in before.symmetric_difference(&targets) {
            let first = self.now + self.jitter(interval);
            let Some(peer) = self.peers.get_mut(&node) else { continue };
            peer.watched = targets.contains(&node);
            if peer.watched {
                peer.next_probe = Some(first);
            } else if peer.is_alive() && peer.missing_since.is_none() {
                peer.next_probe = None;
            }
            self.touched.push(node);
        }
        self.targets = targets;
    }

    /// Ends every public call: judges what is to be judged anew, does what SWIM wants,
    /// and sets the timers of whomever that touched.
    fn settle(&mut self) {
        loop {
            self.drain_swim();
            if !std::mem::take(&mut self.rejudge) {
                break;
            }
            self.judge_all();
        }
        self.touched.sort_unstable();
        self.touched.dedup();
        for node in self.touched.drain(..) {
            let Some(peer) = self.peers.get_mut(&node) else { continue };
            if peer.status == Status::Down {
                self.down.insert(node);
            } else {
                self.down.remove(&node);
            }
            let due = peer.due();
            if due != peer.wake {
                if let Some(wake) = std::mem::replace(&mut peer.wake, due) {
                    self.wakes.remove(&(wake, node));
                }
                if let Some(due) = due {
                    self.wakes.insert((due, node));
                }
            }
        }
    }
}

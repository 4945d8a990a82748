//! SWIM by `foca`, behind a small face of our own.
//!
//! foca keeps the list it probes, pings at random, asks others to ping for it and
//! spreads rumours. What it is told of third parties never reaches it from the wire:
//! the module above decides by evidence of its own and then tells foca.

use super::Timing;
use super::identity::{Codec, Identity, header_only};
use foca::{Config, Foca, Header, Member, NoCustomBroadcast, Notification, PeriodicParams, State, Timer};
use rand::rngs::Xoshiro256PlusPlus;
use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

/// How often one rumour is passed on.
const TRANSMISSIONS: NonZeroU8 = NonZeroU8::new(6).unwrap();
/// Whom SWIM asks to ping for it, and gossips to at once.
const FANOUT: NonZeroUsize = NonZeroUsize::new(3).unwrap();
/// A datagram, less the byte that says that it is SWIM's.
const PACKET_BYTES_MAX: NonZeroUsize = NonZeroUsize::new(super::MESSAGE_BYTES_MAX - 1).unwrap();

/// What foca wants done; drained after each call.
#[derive(Default)]
pub(super) struct Wanted {
    pub sends: Vec<(Identity, Vec<u8>)>,
    pub timers: Vec<(Duration, Timer<Identity>)>,
    pub downs: Vec<Identity>,
}

impl foca::Runtime<Identity> for Wanted {
    fn notify(&mut self, notification: Notification<'_, Identity>) {
        if let Notification::MemberDown(id) = notification {
            self.downs.push(*id);
        }
    }

    fn send_to(&mut self, to: Identity, data: &[u8]) {
        self.sends.push((to, data.to_vec()));
    }

    fn submit_after(&mut self, event: Timer<Identity>, after: Duration) {
        self.timers.push((after, event));
    }
}

pub(super) struct Swim {
    foca: Foca<Identity, Codec, Xoshiro256PlusPlus, NoCustomBroadcast>,
    wanted: Wanted,
}

impl Swim {
    pub(super) fn new(me: Identity, timing: &Timing, rng: Xoshiro256PlusPlus) -> Self {
        let config = Config {
            probe_period: timing.swim_period,
            probe_rtt: timing.swim_timeout_min,
            num_indirect_probes: FANOUT,
            max_transmissions: TRANSMISSIONS,
            suspect_to_down_after: timing.swim_suspicion,
            // Forgetting is ours to order: see `remove`.
            remove_down_after: None,
            max_packet_size: PACKET_BYTES_MAX,
            // Notices of burial, announces and their retries are ours.
            notify_down_members: false,
            periodic_announce: None,
            periodic_announce_to_down_members: None,
            periodic_gossip: Some(PeriodicParams { frequency: timing.gossip_period, num_members: FANOUT }),
        };
        Self { foca: Foca::new(me, config, rng, Codec), wanted: Wanted::default() }
    }

    pub(super) fn me(&self) -> Identity {
        *self.foca.identity()
    }

    /// Notes what a node itself, or enough evidence, showed.
    pub(super) fn note(&mut self, id: Identity, incarnation: u16, state: State) {
        // The errors of foca here are encoding errors, and our codec has room for one member.
        let _ = self.foca.apply_many(
            std::iter::once(Member::new(id, incarnation, state)),
            true,
            &mut self.wanted,
        );
    }

    /// Takes the next generation of our own, if there is one.
    pub(super) fn renew(&mut self) {
        self.note(self.me(), 0, State::Down);
    }

    /// Forgets a node altogether.
    pub(super) fn remove(&mut self, id: Identity) {
        let _ = self.foca.apply_many(std::iter::once(Member::down(id)), false, &mut self.wanted);
        let _ = self.foca.handle_timer(Timer::RemoveDown(id), &mut self.wanted);
    }

    pub(super) fn announce(&mut self, to: Identity) {
        let _ = self.foca.announce(to, &mut self.wanted);
    }

    /// Hands on what a live member says to us, without what it says of others.
    pub(super) fn receive(&mut self, header: &Header<Identity>) -> Result<(), foca::Error> {
        self.foca.handle_data(&header_only(header), &mut self.wanted)
    }

    pub(super) fn timer(&mut self, timer: Timer<Identity>) {
        // A probe cycle that was cut short by a freeze repairs itself with the next.
        let _ = self.foca.handle_timer(timer, &mut self.wanted);
    }

    /// Whether there are rumours to pass on.
    pub(super) fn has_rumours(&self) -> bool {
        self.foca.updates_backlog() > 0
    }

    pub(super) fn take_wanted(&mut self) -> Wanted {
        std::mem::take(&mut self.wanted)
    }
}

//! Links between any number of ends: when a message arrives, and whether it does.
//!
//! Sans-IO and generic over what is carried. It knows ends by a number and messages by
//! their size; it takes the time as an argument and its luck from a seed. The simulator
//! puts arrivals on its own queue; whoever carries real packets uses an [`Emulator`],
//! which has a queue:
//!
//! ```
//! use orbweave_model::Mono;
//! use orbweave_simnet::link::{Care, Emulator, LinkModel, Parcel, Uniform};
//! use std::time::Duration;
//!
//! let model = LinkModel::wan().delay(Duration::from_millis(40)).jitter(Duration::ZERO);
//! let mut net = Emulator::new(7, Uniform::new(model));
//! net.send(Mono(0), Parcel::new(0, 1, Care::Lossy, 200, "hello"));
//! assert!(net.poll(Mono(39_000_000)).is_none());
//! assert_eq!(net.poll(Mono(41_000_000)).map(|p| p.payload), Some("hello"));
//! ```
//!
//! Each direction of a link is a link of its own: model, cut and luck. Nothing is kept
//! for a direction that never carried anything.

mod contact;
mod emulator;
mod loss;
mod meter;
mod model;
mod sky;
mod topology;

pub use contact::{Contacts, DelayAt, DelayTable};
pub use emulator::Emulator;
pub use loss::{Burst, Loss};
pub use meter::{CLASSES, Meter, Overhead, Sent};
pub use model::{Class, LinkModel, Weather};
pub use sky::{Body, SkyLinks};
pub use topology::{OneByOne, RoundTrips, Route, Sites, Topology, Uniform};

use crate::dice::Dice;
use crate::lookup::Lookup;
use orbweave_model::Mono;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// QUIC packets of a long message carry this much of it.
const PACKET_BYTES: u64 = 1_200;
/// Rounds of retransmission after which a message got through, so that a link that
/// loses all delays and does not stop for ever.
const ROUNDS_MAX: u32 = 12;
/// A receiver acknowledges at the latest after this (RFC 9000's default).
const ACK_DELAY: Duration = Duration::from_millis(25);

/// How a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// As a datagram: it may be lost, doubled, overtaken.
    Lossy,
    /// On a stream: it arrives, in order, as long as the link lives. A loss costs the
    /// time of a retransmission, and a cut stalls it.
    Ordered,
}

/// A message on its way.
#[derive(Debug, Clone)]
pub struct Parcel<P> {
    /// Who sent it.
    pub from: u32,
    /// To whom.
    pub to: u32,
    /// How it travels.
    pub care: Care,
    /// Bytes of the payload.
    pub bytes: u32,
    /// What it carries.
    pub payload: P,
    /// Which connection it belongs to; see [`Links::reset`].
    epoch: u32,
    /// Its place among the ordered ones of its direction.
    place: u32,
}

impl<P> Parcel<P> {
    /// A message that is about to be sent.
    pub fn new(from: u32, to: u32, care: Care, bytes: u32, payload: P) -> Self {
        Self { from, to, care, bytes, payload, epoch: 0, place: 0 }
    }
}

/// One direction of a link that has carried something.
#[derive(Debug)]
struct Direction {
    route: Route,
    dice: Dice,
    /// When the sender's side has put all bytes on the line.
    busy_until: Mono,
    /// When the last ordered message arrives.
    ordered_until: Mono,
    epoch: u32,
    /// Ordered messages so far, and those that have not reached the end.
    ordered: u32,
    in_flight: u32,
    /// Whether a burst of losses is on.
    bad: bool,
    /// How many cuts hold it.
    cuts: u32,
    /// Whether ordered messages are stalled: later ones must not overtake them.
    holding: bool,
}

/// All links among a number of ends.
#[derive(Debug)]
pub struct Links<P> {
    dice: Dice,
    topology: Box<dyn Topology>,
    directions: Lookup<(u32, u32), Direction>,
    /// Ordered messages that met a cut, and go on when it is mended.
    stalled: BTreeMap<(u32, u32), Vec<Parcel<P>>>,
    cut: BTreeSet<(u32, u32)>,
    /// What goes wrong on every link, beyond what its model says.
    pub weather: Weather,
    /// Bytes sent, by end and class of link.
    pub meter: Meter,
}

impl<P: Clone> Links<P> {
    /// Links whose luck comes from this seed.
    pub fn new(seed: u64, topology: impl Topology + 'static) -> Self {
        Self {
            dice: Dice::new(seed),
            topology: Box::new(topology),
            directions: Lookup::default(),
            stalled: BTreeMap::new(),
            cut: BTreeSet::new(),
            weather: Weather::default(),
            meter: Meter::default(),
        }
    }

    /// Takes a message; its luck is drawn now. `arrives` is given it with its time:
    /// once, twice, or not at all.
    pub fn send(&mut self, now: Mono, mut parcel: Parcel<P>, mut arrives: impl FnMut(Mono, Parcel<P>)) {
        let weather = self.weather;
        let (from, to) = (parcel.from, parcel.to);
        let direction = Self::direction(&mut self.directions, &*self.topology, self.dice, from, to);
        parcel.epoch = direction.epoch;
        if parcel.care == Care::Ordered {
            parcel.place = direction.ordered;
            direction.ordered += 1;
            if direction.cuts > 0 || direction.holding {
                direction.holding = true;
                self.stalled.entry((from, to)).or_default().push(parcel);
                return;
            }
        }
        let on_wire = self.meter.count(direction.route.model.class, &parcel);
        let Some(line) = direction.enter(now, parcel.care, on_wire) else { return };
        match parcel.care {
            Care::Lossy => {
                let lost = direction.loses(&weather) || !direction.route.model.is_open(now);
                let dice = &mut direction.dice;
                if dice.chance(direction.route.model.duplicate_ppm.saturating_add(weather.duplicate_ppm)) {
                    let late = dice.duration((Duration::ZERO, weather.reorder_by));
                    arrives(direction.travels(line) + late, parcel.clone());
                }
                if lost {
                    return;
                }
                let at = direction.travels(line);
                let dice = &mut direction.dice;
                let model = &direction.route.model;
                let overtaken = dice.chance(model.reorder_ppm.saturating_add(weather.reorder_ppm));
                let by = model.reorder_by.max(weather.reorder_by);
                let late = if overtaken { dice.duration((Duration::ZERO, by)) } else { Duration::ZERO };
                arrives(at + late, parcel);
            }
            Care::Ordered => {
                let again = direction.retransmissions(&weather, line, parcel.bytes);
                let leaves = direction.route.model.opens(line);
                let at = (direction.travels(leaves) + again).max(direction.ordered_until);
                direction.ordered_until = at;
                direction.in_flight += 1;
                arrives(at, parcel);
            }
        }
    }

    /// A message reached the end of its link. Gives it, unless a cut or a reset of its
    /// connection took it meanwhile. `arrives` is given what this lets go on.
    pub fn arrive(
        &mut self,
        now: Mono,
        parcel: Parcel<P>,
        arrives: impl FnMut(Mono, Parcel<P>),
    ) -> Option<Parcel<P>> {
        if parcel.care == Care::Lossy && self.cut.is_empty() {
            return Some(parcel);
        }
        let key = (parcel.from, parcel.to);
        let direction = self.directions.get_mut(&key)?;
        if parcel.care == Care::Lossy {
            return (direction.cuts == 0).then_some(parcel);
        }
        if direction.epoch != parcel.epoch {
            return None;
        }
        direction.in_flight -= 1;
        if direction.cuts == 0 && !direction.holding {
            return Some(parcel);
        }
        direction.holding = true;
        self.stalled.entry(key).or_default().push(parcel);
        self.release(now, key, arrives);
        None
    }

    /// Nothing passes from one end to another any more; the other way is left as it is.
    /// As many mends undo as many cuts.
    pub fn cut(&mut self, from: u32, to: u32) {
        self.touch(from, to).cuts += 1;
        self.cut.insert((from, to));
    }

    /// Takes one cut away. Messages pass again when it was the last; those of streams
    /// that still live go on.
    pub fn mend(&mut self, now: Mono, from: u32, to: u32, arrives: impl FnMut(Mono, Parcel<P>)) {
        let direction = self.touch(from, to);
        direction.cuts = direction.cuts.saturating_sub(1);
        if direction.cuts == 0 {
            self.cut.remove(&(from, to));
            self.release(now, (from, to), arrives);
        }
    }

    /// Takes every cut of every link away.
    pub fn mend_all(&mut self, now: Mono, mut arrives: impl FnMut(Mono, Parcel<P>)) {
        for (from, to) in std::mem::take(&mut self.cut) {
            self.touch(from, to).cuts = 0;
            self.release(now, (from, to), &mut arrives);
        }
    }

    /// Lets stalled messages go on in their order, once none before them is in flight.
    fn release(&mut self, now: Mono, key: (u32, u32), mut arrives: impl FnMut(Mono, Parcel<P>)) {
        let Some(direction) = self.directions.get_mut(&key) else { return };
        if direction.cuts > 0 || direction.in_flight > 0 {
            return;
        }
        direction.holding = false;
        let mut stalled = self.stalled.remove(&key).unwrap_or_default();
        stalled.sort_by_key(|parcel| parcel.place);
        for parcel in stalled {
            self.send(now, parcel, &mut arrives);
        }
    }

    /// Whether messages pass in both directions, at this time.
    pub fn passes(&self, now: Mono, a: u32, b: u32) -> bool {
        [(a, b), (b, a)].iter().all(|key| match self.directions.get(key) {
            Some(direction) => direction.cuts == 0 && direction.route.model.is_open(now),
            None => self.topology.route(key.0, key.1).model.is_open(now),
        })
    }

    /// When a contact between two ends is over that is on now; never, where links are
    /// always there.
    pub fn closes(&self, now: Mono, a: u32, b: u32) -> Option<Mono> {
        self.topology.route(a, b).model.closes(now)
    }

    /// Whether a direction is cut.
    pub fn is_cut(&self, from: u32, to: u32) -> bool {
        self.cut.contains(&(from, to))
    }

    /// Whether no direction is cut.
    pub fn is_whole(&self) -> bool {
        self.cut.is_empty()
    }

    /// The connection between two ends is gone, and with it what its streams carried.
    pub fn reset(&mut self, a: u32, b: u32) {
        for (from, to) in [(a, b), (b, a)] {
            if let Some(direction) = self.directions.get_mut(&(from, to)) {
                direction.epoch = direction.epoch.wrapping_add(1);
                direction.ordered_until = Mono(0);
                (direction.in_flight, direction.holding) = (0, false);
            }
            self.stalled.remove(&(from, to));
        }
    }

    /// What a message goes and comes back in, when nothing is in its way.
    pub fn round_trip(&mut self, now: Mono, a: u32, b: u32) -> Duration {
        self.touch(a, b).usual(now) + self.touch(b, a).usual(now)
    }

    /// The model that a direction follows.
    pub fn route(&self, from: u32, to: u32) -> Route {
        self.topology.route(from, to)
    }

    fn touch(&mut self, from: u32, to: u32) -> &mut Direction {
        Self::direction(&mut self.directions, &*self.topology, self.dice, from, to)
    }

    fn direction<'a>(
        directions: &'a mut Lookup<(u32, u32), Direction>,
        topology: &dyn Topology,
        dice: Dice,
        from: u32,
        to: u32,
    ) -> &'a mut Direction {
        directions.get_or_insert_with((from, to), || Direction {
            route: topology.route(from, to),
            dice: dice.child((u64::from(from) << 32) | u64::from(to)),
            busy_until: Mono(0),
            ordered_until: Mono(0),
            epoch: 0,
            ordered: 0,
            in_flight: 0,
            bad: false,
            cuts: 0,
            holding: false,
        })
    }
}

impl Direction {
    /// When the message is on the line; nothing if the queue before it is full.
    fn enter(&mut self, now: Mono, care: Care, bytes: u64) -> Option<Mono> {
        let Some(rate) = self.route.model.bits_per_s else { return Some(now) };
        let begins = self.busy_until.max(now);
        let waiting = u128::from(begins.since(now).as_nanos() as u64) * u128::from(rate) / 8_000_000_000;
        if care == Care::Lossy && waiting > u128::from(self.route.model.queue_bytes) {
            return None;
        }
        let nanos = u128::from(bytes) * 8_000_000_000 / u128::from(rate.max(1));
        self.busy_until = begins + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        Some(self.busy_until)
    }

    /// When what entered the line then is at the other end.
    fn travels(&mut self, at: Mono) -> Mono {
        let model = &self.route.model;
        let jitter =
            if model.jitter.is_zero() { Duration::ZERO } else { self.dice.exponential(model.jitter) };
        at + model.delay_of(at) + self.route.extra + jitter
    }

    fn usual(&self, now: Mono) -> Duration {
        self.route.model.delay_of(now) + self.route.extra + self.route.model.jitter
    }

    fn loses(&mut self, weather: &Weather) -> bool {
        let Loss { independent_ppm, burst } = self.route.model.loss;
        let mut ppm = independent_ppm.saturating_add(weather.loss_ppm);
        if let Some(burst) = burst {
            let turns = if self.bad { burst.leave_ppm } else { burst.enter_ppm };
            self.bad ^= self.dice.chance(turns);
            if self.bad {
                ppm = ppm.saturating_add(burst.loss_ppm);
            }
        }
        self.dice.chance(ppm)
    }

    /// How much longer a message on a stream takes because pieces of it were lost: each
    /// round of losses costs a round trip and the wait for the acknowledgement.
    fn retransmissions(&mut self, weather: &Weather, now: Mono, bytes: u32) -> Duration {
        let clear = self.route.model.loss == Loss::NONE && weather.loss_ppm == 0;
        if clear {
            return Duration::ZERO;
        }
        let mut missing = u64::from(bytes).div_ceil(PACKET_BYTES).max(1);
        let mut rounds = 0;
        while rounds < ROUNDS_MAX {
            missing = (0..missing).filter(|_| self.loses(weather)).count() as u64;
            if missing == 0 {
                break;
            }
            rounds += 1;
        }
        (self.usual(now) * 2 + ACK_DELAY) * rounds
    }
}

#[cfg(test)]
mod tests;

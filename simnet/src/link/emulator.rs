//! Links with a queue of their own, for whoever has none.

use super::{Links, Parcel, Topology};
use crate::queue::Queue;
use orbweave_model::Mono;

/// Takes messages and gives them when they arrive.
#[derive(Debug)]
pub struct Emulator<P> {
    links: Links<P>,
    queue: Queue<Parcel<P>>,
}

impl<P: Clone> Emulator<P> {
    /// Links whose luck comes from this seed.
    pub fn new(seed: u64, topology: impl Topology + 'static) -> Self {
        Self { links: Links::new(seed, topology), queue: Queue::default() }
    }

    /// Takes a message.
    pub fn send(&mut self, now: Mono, parcel: Parcel<P>) {
        self.links.send(now, parcel, |at, parcel| self.queue.put(at, parcel));
    }

    /// When to call [`Emulator::poll`] next.
    pub fn next_due(&self) -> Option<Mono> {
        self.queue.next_at()
    }

    /// The next message that has arrived by now.
    pub fn poll(&mut self, now: Mono) -> Option<Parcel<P>> {
        while let Some((_, parcel)) = self.queue.pop(now) {
            let Self { links, queue } = self;
            if let Some(parcel) = links.arrive(now, parcel, |at, parcel| queue.put(at, parcel)) {
                return Some(parcel);
            }
        }
        None
    }

    /// Nothing passes in this direction any more.
    pub fn cut(&mut self, from: u32, to: u32) {
        self.links.cut(from, to);
    }

    /// Takes one cut away.
    pub fn mend(&mut self, now: Mono, from: u32, to: u32) {
        self.links.mend(now, from, to, |at, parcel| self.queue.put(at, parcel));
    }

    /// The links themselves: weather, counters.
    pub fn links(&mut self) -> &mut Links<P> {
        &mut self.links
    }
}

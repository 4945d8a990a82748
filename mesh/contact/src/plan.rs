//! A contact plan: who reaches whom, when, how far and how fast; given by pass tables, computed,
//! or both.

use crate::{DelayRange, Window};
use orbweave_model::Wall;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use thiserror::Error;

/// Contacts of one plan.
pub const CONTACTS_MAX: usize = 1_000_000;
/// The longest one-way light time of a contact: an hour and a half, as far as Saturn.
pub const DELAY_US_MAX: u64 = 5_400_000_000;

/// Wall time in microseconds since the Unix epoch: milliseconds are too coarse for light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Micros(pub u64);

impl From<Wall> for Micros {
    /// Saturates.
    fn from(wall: Wall) -> Self {
        Micros(wall.0.saturating_mul(1_000))
    }
}

impl Micros {
    /// The first millisecond at which this has been.
    pub fn wall(self) -> Wall {
        Wall(self.0.div_ceil(1_000))
    }

    pub(crate) fn after(self, us: u64) -> Micros {
        Micros(self.0.saturating_add(us))
    }
}

/// One direction of a link while it is up: `from` can send to `to`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contact<I> {
    /// Who sends.
    pub from: I,
    /// Who receives.
    pub to: I,
    /// When, and with what delay.
    pub window: Window,
}

impl<I> Contact<I> {
    /// A contact that is always there.
    pub fn always(from: I, to: I, delay: DelayRange) -> Self {
        Self { from, to, window: Window { begins: Wall(0), ends: Wall(u64::MAX), delay } }
    }

    /// The same contact the other way.
    pub fn reversed(self) -> Self {
        Self { from: self.to, to: self.from, window: self.window }
    }
}

/// What a plan knows of one contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) window: Window,
    pub(crate) bytes_per_s: u64,
    /// What is reserved is sent until here.
    pub(crate) busy_until: Micros,
}

/// Whether somebody can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Now, and until the contact ends.
    Open {
        /// The latest end of the contacts that are open.
        until: Wall,
    },
    /// Not now: silence is no sign of death.
    Dark {
        /// When the next contact begins.
        until: Wall,
    },
    /// In no contact that the plan knows.
    Never,
}

type ByBegin = BTreeMap<Wall, Planned>;

/// Contacts of many pairs. Those of one pair in one direction never overlap: it is one link.
#[derive(Debug, Clone)]
pub struct ContactPlan<I> {
    /// From, to, begin.
    pub(crate) contacts: BTreeMap<I, BTreeMap<I, ByBegin>>,
    sources: BTreeMap<I, BTreeSet<I>>,
    len: usize,
    max: usize,
}

impl<I: Ord + Clone> Default for ContactPlan<I> {
    fn default() -> Self {
        Self::bounded(CONTACTS_MAX)
    }
}

impl<I: Ord + Clone> ContactPlan<I> {
    /// An empty plan that takes at most `max` contacts, and never more than [`CONTACTS_MAX`].
    pub fn bounded(max: usize) -> Self {
        Self { contacts: BTreeMap::new(), sources: BTreeMap::new(), len: 0, max: max.min(CONTACTS_MAX) }
    }

    /// How many contacts it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The contacts, by sender, receiver and time.
    pub fn iter(&self) -> impl Iterator<Item = Contact<I>> + '_ {
        self.contacts.iter().flat_map(|(from, by_to)| {
            by_to.iter().flat_map(move |(to, by_begin)| {
                by_begin.values().map(move |planned| contact(from, to, planned))
            })
        })
    }

    /// Takes a contact over which so many bytes a second pass. On an error the plan is unchanged.
    pub fn add(&mut self, contact: Contact<I>, bytes_per_s: u64) -> Result<(), PlanError> {
        let window = contact.window;
        if contact.from == contact.to {
            return Err(PlanError::WithItself);
        }
        if window.begins >= window.ends {
            return Err(PlanError::Empty { begins: window.begins, ends: window.ends });
        }
        if bytes_per_s == 0 {
            return Err(PlanError::NoRate);
        }
        let DelayRange { min_us, max_us } = window.delay;
        if min_us > max_us || max_us > DELAY_US_MAX {
            return Err(PlanError::Delay { min_us, max_us });
        }
        if let Some(other) = self.overlapping(&contact) {
            return Err(PlanError::Overlaps { begins: other.begins, ends: other.ends });
        }
        if self.len >= self.max {
            return Err(PlanError::Full { max: self.max });
        }
        let planned = Planned { window, bytes_per_s, busy_until: window.begins.into() };
        self.sources.entry(contact.to.clone()).or_default().insert(contact.from.clone());
        let by_begin = self.contacts.entry(contact.from).or_default().entry(contact.to).or_default();
        by_begin.insert(window.begins, planned);
        self.len += 1;
        Ok(())
    }

    /// Takes a contact in both directions, or neither.
    pub fn add_both(&mut self, contact: Contact<I>, bytes_per_s: u64) -> Result<(), PlanError> {
        let back = contact.clone().reversed();
        if let Some(other) = self.overlapping(&back) {
            return Err(PlanError::Overlaps { begins: other.begins, ends: other.ends });
        }
        if self.len + 2 > self.max {
            return Err(PlanError::Full { max: self.max });
        }
        self.add(contact, bytes_per_s)?;
        self.add(back, bytes_per_s)
    }

    /// Forgets contacts that ended by then.
    pub fn prune(&mut self, ended_by: Wall) {
        let mut len = 0;
        self.contacts.retain(|from, by_to| {
            by_to.retain(|to, by_begin| {
                by_begin.retain(|_, planned| planned.window.ends > ended_by);
                len += by_begin.len();
                if by_begin.is_empty()
                    && let Some(sources) = self.sources.get_mut(to)
                {
                    sources.remove(from);
                }
                !by_begin.is_empty()
            });
            !by_to.is_empty()
        });
        self.sources.retain(|_, sources| !sources.is_empty());
        self.len = len;
    }

    /// The contact from one to the other that is open at a time, or else the next.
    pub fn next_contact(&self, from: &I, to: &I, at: Wall) -> Option<Contact<I>> {
        let by_begin = self.contacts.get(from)?.get(to)?;
        from_then_on(by_begin, at).next().map(|planned| contact(from, to, planned))
    }

    /// Whether `from` can send to `to` at a time, and otherwise when.
    pub fn reach(&self, from: &I, to: &I, at: Wall) -> Reach {
        self.next_contact(from, to, at).map_or(Reach::Never, |contact| reach(contact.window, at))
    }

    /// Whether anybody can send to a peer at a time, and otherwise when: the `Dark{until}` of
    /// membership.
    pub fn dark_until(&self, peer: &I, at: Wall) -> Reach {
        let reaches = self.sources.get(peer).into_iter().flatten().map(|from| self.reach(from, peer, at));
        reaches.fold(Reach::Never, |best, next| match (best, next) {
            (Reach::Open { until: a }, Reach::Open { until: b }) => Reach::Open { until: a.max(b) },
            (Reach::Dark { until: a }, Reach::Dark { until: b }) => Reach::Dark { until: a.min(b) },
            (open @ Reach::Open { .. }, _) | (_, open @ Reach::Open { .. }) => open,
            (dark @ Reach::Dark { .. }, _) | (_, dark @ Reach::Dark { .. }) => dark,
            (Reach::Never, Reach::Never) => Reach::Never,
        })
    }

    fn overlapping(&self, contact: &Contact<I>) -> Option<Window> {
        let by_begin = self.contacts.get(&contact.from)?.get(&contact.to)?;
        let (_, before) = by_begin.range(..contact.window.ends).next_back()?;
        (before.window.ends > contact.window.begins).then_some(before.window)
    }
}

/// The contacts of a pair that end after a time, in their order. Since they do not overlap, at
/// most one of them began before.
pub(crate) fn from_then_on(by_begin: &ByBegin, at: Wall) -> impl Iterator<Item = &Planned> {
    let open = by_begin.range(..=at).next_back().map(|(_, planned)| planned);
    let later = match at.0.checked_add(1) {
        Some(next) => by_begin.range(Wall(next)..),
        None => by_begin.range(at..at),
    };
    open.filter(|planned| planned.window.ends > at).into_iter().chain(later.map(|(_, planned)| planned))
}

fn contact<I: Clone>(from: &I, to: &I, planned: &Planned) -> Contact<I> {
    Contact { from: from.clone(), to: to.clone(), window: planned.window }
}

fn reach(window: Window, at: Wall) -> Reach {
    if window.begins <= at {
        Reach::Open { until: window.ends }
    } else {
        Reach::Dark { until: window.begins }
    }
}

/// A contact that a plan does not take.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanError {
    /// A node is no contact of its own.
    #[error("a contact joins two nodes; this one names the same twice")]
    WithItself,
    /// Ends before it begins.
    #[error("the contact begins at {} and ends at {} ms; it must end after it begins", begins.0, ends.0)]
    Empty {
        /// As given.
        begins: Wall,
        /// As given.
        ends: Wall,
    },
    /// Nothing passes.
    #[error("the contact carries no bytes; give its bytes a second")]
    NoRate,
    /// A delay that cannot be.
    #[error("the contact's delay is from {min_us} to {max_us} µs; give a range up to 5,400,000,000")]
    Delay {
        /// As given.
        min_us: u64,
        /// As given.
        max_us: u64,
    },
    /// The pair has a contact then.
    #[error("the pair already has a contact from {} to {} ms; join the two, or leave one out", begins.0, ends.0)]
    Overlaps {
        /// Of the other.
        begins: Wall,
        /// Of the other.
        ends: Wall,
    },
    /// No more room.
    #[error("the plan holds {max} contacts, as many as it may; prune it, or plan a shorter time")]
    Full {
        /// Its bound.
        max: usize,
    },
}

//! What one direction of a link is like.

use super::contact::{Contacts, DelayAt};
use super::loss::{Burst, Loss};
use orbweave_model::Mono;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Kinds of link that have a traffic budget each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// One site.
    Lan,
    /// Between sites.
    Wan,
    /// To, from and between satellites.
    Orbit,
}

/// One direction of a link. Most links of a run share one of these.
#[derive(Debug, Clone)]
pub struct LinkModel {
    /// Whose budget its bytes count against.
    pub class: Class,
    /// What a bit takes from end to end.
    pub delay: Duration,
    /// Where the delay is a function of time, as between satellites: what is added.
    pub delay_at: Option<Arc<dyn DelayAt>>,
    /// The mean of an exponentially distributed delay on top, cut off at 6.9 times that.
    pub jitter: Duration,
    /// Bandwidth; none means without limit.
    pub bits_per_s: Option<u64>,
    /// What may wait for the line. Of datagrams the last one is dropped when it is full;
    /// streams wait.
    pub queue_bytes: u64,
    /// Losses.
    pub loss: Loss,
    /// Datagrams of a million that arrive twice.
    pub duplicate_ppm: u32,
    /// Datagrams of a million that are held up, by up to `reorder_by`.
    pub reorder_ppm: u32,
    /// See `reorder_ppm`.
    pub reorder_by: Duration,
    /// When it is open; always, if there are none.
    pub contacts: Option<Arc<Contacts>>,
}

/// What goes wrong on all links for a while, on top of their models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Weather {
    /// Packets of a million that are lost.
    pub loss_ppm: u32,
    /// Datagrams of a million that arrive twice.
    pub duplicate_ppm: u32,
    /// Datagrams of a million that are overtaken by what was sent up to `reorder_by` later.
    pub reorder_ppm: u32,
    /// See `reorder_ppm`.
    pub reorder_by: Duration,
}

impl LinkModel {
    /// A switched gigabit network in one room.
    pub fn lan() -> Self {
        Self {
            class: Class::Lan,
            delay: Duration::from_micros(150),
            delay_at: None,
            jitter: Duration::from_micros(100),
            bits_per_s: Some(1_000_000_000),
            queue_bytes: 1 << 20,
            loss: Loss::NONE,
            duplicate_ppm: 0,
            reorder_ppm: 0,
            reorder_by: Duration::ZERO,
            contacts: None,
        }
    }

    /// The open internet between two sites of one continent; say the delay where it is known.
    pub fn wan() -> Self {
        Self {
            class: Class::Wan,
            delay: Duration::from_millis(20),
            jitter: Duration::from_millis(2),
            bits_per_s: Some(100_000_000),
            loss: Loss::independent(1_000),
            ..Self::lan()
        }
    }

    /// A link with a satellite at one end: its delay is to come from its orbit.
    pub fn orbit() -> Self {
        Self {
            class: Class::Orbit,
            delay: Duration::ZERO,
            jitter: Duration::from_millis(3),
            bits_per_s: Some(20_000_000),
            queue_bytes: 256 << 10,
            loss: Loss { independent_ppm: 2_000, burst: Some(Burst::short()) },
            ..Self::lan()
        }
    }

    /// The same with another delay.
    pub fn delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// The same with a delay that depends on the time.
    pub fn delay_at(self, delay: impl DelayAt + 'static) -> Self {
        Self { delay_at: Some(Arc::new(delay)), ..self }
    }

    /// The same with another jitter.
    pub fn jitter(self, jitter: Duration) -> Self {
        Self { jitter, ..self }
    }

    /// The same with another bandwidth.
    pub fn bits_per_s(self, bits_per_s: u64) -> Self {
        Self { bits_per_s: Some(bits_per_s), ..self }
    }

    /// The same with other losses.
    pub fn loss(self, loss: Loss) -> Self {
        Self { loss, ..self }
    }

    /// The same, open only at times.
    pub fn contacts(self, contacts: Contacts) -> Self {
        Self { contacts: Some(Arc::new(contacts)), ..self }
    }

    pub(super) fn delay_of(&self, at: Mono) -> Duration {
        self.delay_at.as_ref().map_or(self.delay, |table| self.delay + table.delay_at(at))
    }

    /// Whether anything passes at this time.
    pub fn is_open(&self, at: Mono) -> bool {
        self.contacts.as_ref().is_none_or(|contacts| contacts.is_open(at))
    }

    /// When the contact that is on now is over.
    pub fn closes(&self, at: Mono) -> Option<Mono> {
        self.contacts.as_ref().and_then(|contacts| contacts.closes(at))
    }

    /// When something passes next: now, if it is open. After the last contact, never.
    pub fn opens(&self, at: Mono) -> Mono {
        self.contacts.as_ref().map_or(at, |contacts| contacts.opens(at))
    }
}

//! What goes wrong, in one place.

use std::time::Duration;

/// The surroundings of a run. The default is a LAN on which nothing goes wrong.
#[derive(Debug, Clone)]
pub struct Faults {
    /// The least and the most that a message takes, one way.
    pub delay: (Duration, Duration),
    /// Datagrams and gossip messages lost, of a thousand. On a stream it costs a retransmission.
    pub loss_per_mille: u32,
    /// Those that arrive twice.
    pub duplicate_per_mille: u32,
    /// Those that are overtaken by what was sent up to `reorder_by` later.
    pub reorder_per_mille: u32,
    /// See `reorder_per_mille`.
    pub reorder_by: Duration,
    /// Whether nodes publish on gossip.
    pub gossip: bool,
    /// After this long without a sign of life a link is declared down.
    pub notice_after: Duration,
    /// The least and the most that a disk takes for a batch.
    pub disk: (Duration, Duration),
    /// The same for a fetch, a compilation and a start.
    pub executor: (Duration, Duration),
}

impl Default for Faults {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self {
            delay: (ms(1), ms(2)),
            loss_per_mille: 0,
            duplicate_per_mille: 0,
            reorder_per_mille: 0,
            reorder_by: ms(50),
            gossip: true,
            notice_after: Duration::from_secs(10),
            disk: (ms(1), ms(8)),
            executor: (ms(5), ms(60)),
        }
    }
}

impl Faults {
    /// Messages are lost, doubled and reordered, each one of ten; disks are slow.
    pub fn rough() -> Self {
        Self {
            loss_per_mille: 100,
            duplicate_per_mille: 100,
            reorder_per_mille: 100,
            disk: (Duration::from_millis(1), Duration::from_millis(60)),
            ..Self::default()
        }
    }

    /// The same without gossip: reconciliation does all.
    pub fn without_gossip(self) -> Self {
        Self { gossip: false, ..self }
    }
}

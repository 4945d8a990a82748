//! The surroundings of a run, and what is wrong with them all the time.

use crate::disk::DiskModel;
use crate::executor::ExecutorModel;
use crate::gossip::GossipModel;
use crate::link::{LinkModel, Weather};
use std::time::Duration;

/// The surroundings of a run. The default is a LAN on which nothing goes wrong.
#[derive(Debug, Clone)]
pub struct Faults {
    /// What each link is like, unless a [topology](crate::link::Topology) says it.
    pub link: LinkModel,
    /// What goes wrong on every link, beyond that.
    pub weather: Weather,
    /// How records are pushed, if they are.
    pub gossip: Option<GossipModel>,
    /// After this long without a sign of life a link is declared down.
    pub notice_after: Duration,
    /// What each disk is like.
    pub disk: DiskModel,
    /// What fetching, compiling and starting take.
    pub executor: ExecutorModel,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            link: LinkModel::lan(),
            weather: Weather::default(),
            gossip: Some(GossipModel::default()),
            notice_after: Duration::from_secs(10),
            disk: DiskModel::solid_state(),
            executor: ExecutorModel::default(),
        }
    }
}

impl Faults {
    /// Messages are lost, doubled and reordered, each one of ten; disks are slow.
    pub fn rough() -> Self {
        let tenth = 100_000;
        let weather = Weather {
            loss_ppm: tenth,
            duplicate_ppm: tenth,
            reorder_ppm: tenth,
            reorder_by: Duration::from_millis(50),
        };
        let disk = DiskModel::between(Duration::from_millis(1), Duration::from_millis(60));
        Self { weather, disk, ..Self::default() }
    }

    /// The same without gossip: reconciliation does all.
    pub fn without_gossip(self) -> Self {
        Self { gossip: None, ..self }
    }
}

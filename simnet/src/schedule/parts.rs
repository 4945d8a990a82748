//! The parts of a schedule beside its events: hosts, links, kills, expectations.

use super::Place;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One host, or a number of them that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Hosts {
    /// The name of the one host; of several, what their names begin with: `node` gives
    /// `node-0`, `node-1` and so on.
    pub name: String,
    /// How many; without this it is one host, called by the name alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Their zone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub zone: String,
    /// Over how many zones they are spread in turn: `zone-0`, `zone-1` and so on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub zones: u32,
    /// Their island: a mesh side by side with others, which know nothing of one another.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub island: u32,
    /// Over how many islands they are spread in turn, from `island` on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub islands: u32,
    /// Where they stand; links between two sites may be longer. Also their row in a
    /// matrix of round trips. `spread` gives each host of a group a site of its own.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub site: u32,
    /// Over how many sites they are spread, from `site` on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub spread: u32,
    /// Whether they are stations or satellites.
    #[serde(default, skip_serializing_if = "is_land")]
    pub place: Place,
    /// The number of the first among stations or satellites.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub number: u32,
    /// Their labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Their processors, in thousandths; 8,000 if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_milli: Option<u32>,
    /// How far their wall clocks are off, in milliseconds.
    #[serde(default, skip_serializing_if = "is_zero_signed")]
    pub skew_ms: i64,
    /// How much faster their clocks run, in millionths.
    #[serde(default, skip_serializing_if = "is_zero_ppm")]
    pub drift_ppm: i32,
    /// Whether they are of the previous wire version.
    #[serde(default, skip_serializing_if = "is_false")]
    pub previous_version: bool,
    /// How many hours ago their certificates of 90 days were issued; 24 if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certified_hours_ago: Option<u32>,
    /// Whether they are off until something starts them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub spare: bool,
}

impl Hosts {
    /// One host of this name.
    pub fn one(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The names of its hosts.
    pub fn names(&self) -> Vec<String> {
        match self.count {
            None => vec![self.name.clone()],
            Some(count) => (0..count).map(|k| format!("{}-{k}", self.name)).collect(),
        }
    }

    /// The zone of its k-th host; empty if nothing is said.
    pub fn zone_of(&self, k: u32) -> String {
        k.checked_rem(self.zones).map_or_else(|| self.zone.clone(), |zone| format!("zone-{zone}"))
    }

    /// The island of its k-th host.
    pub fn island_of(&self, k: u32) -> u32 {
        self.island + k.checked_rem(self.islands).unwrap_or(0)
    }

    /// The site of its k-th host.
    pub fn site_of(&self, k: u32) -> u32 {
        self.site + k.checked_rem(self.spread).unwrap_or(0)
    }
}

/// What a link is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Medium {
    /// One site's network.
    #[default]
    Lan,
    /// The internet.
    Wan,
    /// Radio.
    Orbit,
}

/// The links of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Net {
    /// Links within a site.
    pub inside: Medium,
    /// Links between sites.
    pub between: Medium,
    /// What a bit takes from one site to another, in milliseconds, where no matrix says it.
    pub between_ms: u64,
    /// A file of measured round trips between sites, in milliseconds; see
    /// [`Net::read_matrix`]. Its path is relative to the scenario's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matrix: Option<String>,
    /// The least and the most that a round trip of the file counts as, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_trip_limits_ms: Option<(u32, u32)>,
    /// What the file says, in microseconds, row by row; whoever reads files fills it.
    #[serde(skip)]
    pub round_trip_us: Vec<u32>,
    /// Packets of a million that are lost between sites, each by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_ppm: Option<u32>,
    /// Whether gossip pushes records.
    pub gossip: bool,
}

impl Default for Net {
    fn default() -> Self {
        Self {
            inside: Medium::Lan,
            between: Medium::Lan,
            between_ms: 0,
            matrix: None,
            round_trip_limits_ms: None,
            round_trip_us: Vec::new(),
            loss_ppm: None,
            gossip: true,
        }
    }
}

impl Net {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Hosts that die one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Kills {
    /// How many deaths.
    pub count: u32,
    /// The first, in milliseconds.
    pub from_ms: u64,
    /// Between two.
    pub every_ms: u64,
    /// After its death a host starts again.
    pub back_after_ms: u64,
}

impl Kills {
    /// When the last one is back.
    pub fn end_ms(&self) -> u64 {
        let all = self.every_ms.saturating_mul(u64::from(self.count));
        self.from_ms.saturating_add(all).saturating_add(self.back_after_ms)
    }
}

/// The part of a run of which speed and traffic are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Window {
    /// Where it begins, in milliseconds.
    pub from_ms: u64,
    /// Where it ends.
    pub to_ms: u64,
}

/// What must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expectation {
    /// When, in milliseconds, before what happens at that moment; without this, at the end, after all was healed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_ms: Option<u64>,
    /// What.
    pub that: Expect,
}

/// What may be expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Expect {
    /// Every slot of a workload has one holder, which runs, and all nodes agree on it.
    Placed {
        /// The workload.
        workload: String,
        /// How many slots.
        replicas: u32,
    },
    /// Nothing of a workload runs, and nobody claims it.
    Gone {
        /// The workload.
        workload: String,
    },
    /// So many instances of a workload run, on hosts that are up, whoever knows of it.
    Running {
        /// The workload.
        workload: String,
        /// At least.
        least: u32,
        /// At most.
        most: u32,
    },
    /// Every node that is up sees exactly the nodes that are up.
    MembersAgree,
    /// Every node that is up holds the same records.
    Converged,
    /// After healing, all was well within this.
    ConvergedWithin {
        /// Milliseconds.
        ms: u64,
    },
    /// What ran on a host that died ran elsewhere within this.
    Recovered {
        /// In the median, milliseconds.
        p50_ms: u64,
        /// In 99 of 100 cases.
        p99_ms: u64,
    },
    /// A death was known to the node that places first in the place of the dead.
    FirstPlacerKnew {
        /// In the median, milliseconds.
        p50_ms: u64,
        /// In 99 of 100 cases.
        p99_ms: u64,
    },
    /// A death was known to 99 of 100 nodes within this.
    NearlyAllKnew {
        /// In the median, milliseconds.
        p50_ms: u64,
        /// In 99 of 100 cases.
        p99_ms: u64,
    },
    /// After each partition that ended with `join`, all nodes held the same records.
    Reunited {
        /// Within this, in milliseconds.
        ms: u64,
        /// No reconciliation across took more.
        round_trips: u32,
        /// None took so many percent more bytes than what differed has.
        overhead_percent: u64,
    },
    /// Executors were told to start so much since then.
    StartedSince {
        /// Milliseconds of the run.
        ms: u64,
        /// At most.
        most: usize,
    },
    /// So many instances run on one host.
    Holds {
        /// Which.
        node: String,
        /// At least.
        least: usize,
        /// At most.
        most: usize,
    },
    /// Nobody who was up was declared dead.
    NoFalseDeath,
    /// Every node on land that is up sees a satellite so.
    Seen {
        /// Which.
        node: String,
        /// As what.
        state: Sight,
    },
    /// In the window that is measured, a node on land sent at most so many bytes a second,
    /// on average.
    LandBytes(u64),
    /// Bytes over links of satellites stayed within these, so far.
    OrbitBytes {
        /// A satellite and second, in the average.
        averaged: u64,
        /// A second in which a satellite has a link.
        in_contact: u64,
    },
}

/// How a node sees another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sight {
    /// It hears of it.
    Alive,
    /// It is out of reach, as was known ahead.
    Dark,
    /// One of these two.
    Well,
    /// It should have come into reach.
    Overdue,
    /// It is held for dead.
    Dead,
    /// One of these two.
    Missed,
}

fn is_land(place: &Place) -> bool {
    *place == Place::Land
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

fn is_zero_signed(n: &i64) -> bool {
    *n == 0
}

fn is_zero_ppm(n: &i32) -> bool {
    *n == 0
}

fn is_false(b: &bool) -> bool {
    !*b
}

//! What must hold, seen from outside the nodes: a node cannot certify itself.
//!
//! A [`Checker`] watches a run and says what was broken at any moment; what must hold
//! once all is well is in the functions of [`settled`]. Each checker is a file here.

mod memory;
mod promises;
mod readable;
pub mod settled;

pub use memory::AuthorRemembers;
pub use promises::PromisesKept;
pub use readable::Readable;
pub use settled::{converged, gone, healthy, members_agree, placed};

use crate::cluster::Cluster;
use orbweave_core::Output;
use orbweave_core::io::BatchId;
use orbweave_model::Mono;
use orbweave_state::record::Record;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// Violations of one run that are kept.
const VIOLATIONS_MAX: usize = 1_000;

/// Watches a run.
pub trait Checker {
    /// Its name, in reports.
    fn name(&self) -> &'static str;

    /// Something happened at a host; it has not taken effect yet if it is an output.
    fn observe(&mut self, cluster: &Cluster, host: usize, event: &Observed<'_>) -> Result<(), String>;

    /// The run is over, and everything was healed before.
    fn at_end(&mut self, _cluster: &Cluster) -> Result<(), String> {
        Ok(())
    }
}

/// What a checker is shown.
#[derive(Debug)]
pub enum Observed<'a> {
    /// The node put this out.
    Output(&'a Output),
    /// A batch became durable, with these records.
    Durable {
        /// Which.
        batch: BatchId,
        /// The envelopes that it put.
        records: &'a [Arc<[u8]>],
    },
    /// Somebody handed a record in.
    Submitted {
        /// Names the answer.
        command: u64,
        /// The envelope.
        record: &'a [u8],
    },
    /// The node was started from what its disk holds.
    Started,
    /// The power of the host went.
    Killed,
    /// The host stands still.
    Frozen,
    /// The host goes on.
    Thawed,
}

/// Something that must hold was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// When, in milliseconds of the run.
    pub at_ms: u64,
    /// Where; nowhere in particular if it was found at the end.
    pub host: Option<String>,
    /// Who noticed.
    pub checker: &'static str,
    /// What is wrong.
    pub words: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_deref().unwrap_or("the end");
        write!(f, "{:9} ms, {host}, {}: {}", self.at_ms, self.checker, self.words)
    }
}

/// Those that watch every run.
pub fn always() -> Vec<Box<dyn Checker>> {
    vec![Box::<PromisesKept>::default(), Box::new(AuthorRemembers), Box::new(Readable)]
}

impl Cluster {
    /// Shows every checker what happened at a host.
    pub(crate) fn observe(&mut self, host: usize, event: &Observed<'_>) {
        let mut checkers = std::mem::take(&mut self.checkers);
        for checker in &mut checkers {
            if let Err(words) = checker.observe(self, host, event) {
                self.broken(Some(host), checker.name(), words);
            }
        }
        self.checkers = checkers;
    }

    /// Asks every checker for its last word. Call it once all is healed and settled.
    pub fn conclude(&mut self) {
        let mut checkers = std::mem::take(&mut self.checkers);
        for checker in &mut checkers {
            if let Err(words) = checker.at_end(self) {
                self.broken(None, checker.name(), words);
            }
        }
        self.checkers = checkers;
    }

    fn broken(&mut self, host: Option<usize>, checker: &'static str, words: String) {
        if self.violations.len() < VIOLATIONS_MAX {
            let host = host.map(|i| self.hosts[i].name.clone());
            let at_ms = self.time.since(Mono(0)).as_millis() as u64;
            self.violations.push(Violation { at_ms, host, checker, words });
        }
    }

    /// Whether a host's disk holds this record, or one that superseded it.
    pub fn is_durable(&self, i: usize, record: &Record) -> bool {
        let held = self.hosts[i].disk.record(&orbweave_model::wire::encode(record.id()));
        held.and_then(|bytes| self.read(bytes)).is_some_and(|held| !record.supersedes(&held))
    }

    /// A record of this mesh.
    pub fn read(&self, bytes: &[u8]) -> Option<Record> {
        Record::open(bytes, self.world.mesh, &*self.check).ok()
    }
}

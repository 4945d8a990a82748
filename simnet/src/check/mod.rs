//! What must hold, seen from outside the nodes: a node cannot certify itself.
//!
//! A [`Checker`] watches a run and says what was broken at any moment; what must hold
//! once all is well is in the functions of [`settled`], [`liveness`] and [`known`]. Each checker is
//! a file here. Leases and jobs will bring theirs.
//!
//! | checker | watches |
//! |---|---|
//! | [`Placement`] | starts: claim, specification, labels, capacity, trust |
//! | [`Records`] | disks: nothing forged, rolled back, undeleted, from the future |
//! | [`PromisesKept`] | answers: what was acknowledged is durable, and outlives a crash |
//! | [`AuthorRemembers`] | others' disks and the wire: nothing that its author could forget |
//! | [`Offers`] | placers: nobody offers away what it knows to be held |
//! | [`Allotments`] | leaders: nobody takes for its zone what another zone holds |
//! | [`Rollouts`] | starts: what is new goes to a few slots at a time, and to none once it failed |
//! | [`WorkKept`] | holders: nobody gives a slot up but for a reason that holds |
//! | [`Deaths`] | verdicts: nobody is buried on one word, or by a node that lost its sight |
//! | [`Dark`] | verdicts on satellites: nobody is missed who was in no reach |
//! | [`Reconciled`] | reconciliations: what either side knew before, both know after |
//! | [`Churn`] | moves, tables and bytes |
//! | [`Liveness`] | the end: every slot has its one holder, all views are equal |
//! | [`Readable`] | datagrams: others can read them |

mod allotments;
mod calm;
mod churn;
mod dark;
mod deaths;
mod knowledge;
mod known;
mod liars;
pub mod liveness;
mod memory;
mod offers;
mod placement;
mod promises;
mod quotas;
mod readable;
mod reader;
mod reconciled;
mod records;
mod rollouts;
pub mod settled;
mod yielding;

pub use allotments::Allotments;
pub use calm::Calm;
pub use churn::Churn;
pub use dark::Dark;
pub use deaths::Deaths;
pub use known::known;
pub use liars::WorkKept;
pub use liveness::{Liveness, whole};
pub use memory::AuthorRemembers;
pub use offers::Offers;
pub use placement::Placement;
pub use promises::PromisesKept;
pub use readable::Readable;
pub(crate) use reader::{Reader, order};
pub use reconciled::Reconciled;
pub use records::Records;
pub use rollouts::Rollouts;
pub use settled::{converged, gone, healthy, members_agree, placed};

use crate::cluster::Cluster;
use orbweave_core::Output;
use orbweave_core::io::BatchId;
use orbweave_core::message::Message;
use orbweave_model::wire::WireError;
use orbweave_model::{Mono, NodeId};
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

    /// Whether it wants to see what datagrams say, beside that they are sent.
    fn reads_messages(&self) -> bool {
        true
    }

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
    /// That output was a datagram, and this is what it says.
    Said {
        /// To whom.
        to: NodeId,
        /// What; or why nobody can read it.
        message: &'a Result<Message<'a>, WireError>,
    },
    /// All is put out that the last input led to.
    Settled,
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
    /// The node was asked to leave; what it does about that comes next.
    Leaving,
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
    vec![
        Box::<Placement>::default(),
        Box::<Records>::default(),
        Box::<PromisesKept>::default(),
        Box::<AuthorRemembers>::default(),
        Box::<Offers>::default(),
        Box::<Allotments>::default(),
        Box::<Rollouts>::default(),
        Box::<WorkKept>::default(),
        Box::<Deaths>::default(),
        Box::<Dark>::default(),
        Box::<Reconciled>::default(),
        Box::<Churn>::default(),
        Box::new(Readable),
    ]
}

/// Those that watch a run which ends healed and settled: [`always`], and what must hold
/// in the end.
pub fn with_an_end() -> Vec<Box<dyn Checker>> {
    let mut checkers = always();
    checkers.push(Box::new(Liveness));
    checkers
}

impl Cluster {
    /// Shows every checker what happened at a host.
    pub(crate) fn observe(&mut self, host: usize, event: &Observed<'_>) {
        let mut calm = std::mem::take(&mut self.calm);
        calm.observe(self, host, event);
        self.calm = calm;
        if self.checkers.is_empty() {
            return;
        }
        self.show(host, event);
        if let Observed::Output(Output::Datagram { to, bytes }) = event
            && self.checkers.iter().any(|checker| checker.reads_messages())
        {
            self.show(host, &Observed::Said { to: *to, message: &Message::decode(bytes) });
        }
    }

    fn show(&mut self, host: usize, event: &Observed<'_>) {
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
}

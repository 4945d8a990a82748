//! One run as a picture: what happened, who saw whom, what ran, what was sent, and how
//! long it took until what died ran again, on one axis of time.
//!
//! The picture is drawn from outside, as checkers see a run, and the same seed gives the
//! same bytes.
//!
//! ```
//! use orbweave_simnet::{FaultOptions, Schedule, plot};
//!
//! let faults = FaultOptions { faults_s: 60, ..FaultOptions::default() };
//! let story = plot::story(Schedule::draw(3, 5, &faults), 3);
//! assert!(story.report.converged && story.svg.starts_with("<svg"));
//! ```

mod axis;
mod marks;
mod panels;
mod recording;
mod style;

use crate::run::{Report, Run};
use crate::schedule::Schedule;
use recording::{Recorder, Recording};
use std::cell::RefCell;
use std::rc::Rc;

/// A run and its picture.
#[derive(Debug)]
pub struct Story {
    /// What the run showed.
    pub report: Report,
    /// The picture.
    pub svg: String,
}

/// Runs a schedule and draws what happened.
pub fn story(schedule: Schedule, seed: u64) -> Story {
    let recording = Rc::new(RefCell::new(Recording::default()));
    let run = Run::of(schedule, seed).watched_also_by(Box::new(Recorder(recording.clone())));
    let schedule = run.schedule().clone();
    let report = run.execute();
    let svg = panels::draw(&schedule, &report, &recording.borrow());
    Story { report, svg }
}

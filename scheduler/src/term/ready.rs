//! A place that need not fetch and compile starts at once.

use super::{Term, fits};
use crate::candidate::{Candidate, Choice};

pub(super) const TERM: Term = Term {
    name: "ready",
    about: "+950 if it stands by: the component is there, compiled",
    judge: fits,
    weigh,
};

fn weigh(_: &Choice, candidate: &Candidate) -> i64 {
    if candidate.ready { 950 } else { 0 }
}

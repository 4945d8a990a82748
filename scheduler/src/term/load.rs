//! Fewer slots of any workload are better.

use super::{Term, fits};
use crate::candidate::{Candidate, Choice};

pub(super) const TERM: Term =
    Term { name: "load", about: "-1,000 for each slot of any workload that it holds", judge: fits, weigh };

fn weigh(_: &Choice, candidate: &Candidate) -> i64 {
    -1_000 * i64::from(candidate.load)
}

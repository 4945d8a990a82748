//! Fewer slots of any workload are better.

use super::{Term, wish};

pub(super) const TERM: Term =
    wish("load", "-1,000 for each slot of any workload that it holds", |_, candidate| {
        -1_000 * i64::from(candidate.load)
    });

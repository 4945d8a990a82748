//! What speaks for and against a place, one file each: whether the place is out of the
//! question, and what it counts in the score. A new one is a file here and a line in
//! [`ALL`].

mod accelerator;
mod apart;
mod capability;
mod distance;
mod hindrance;
mod label;
mod load;
mod near;
mod preference;
mod ready;
mod resource;
mod spread;

use crate::candidate::{Candidate, Choice};
use crate::verdict::Verdict;
use serde::Serialize;

/// One reason for or against a place.
pub struct Term {
    /// What it is called.
    pub name: &'static str,
    /// What it counts, for people.
    pub about: &'static str,
    /// Whether the place is not out of the question; none where it never is. Asked of
    /// every node, so without the words of a verdict.
    pub(crate) fits: Option<fn(&Choice, &Candidate) -> bool>,
    /// Why it is.
    pub(crate) verdict: fn(&Choice, &Candidate) -> Verdict,
    /// Its share of the score.
    pub(crate) weigh: fn(&Choice, &Candidate) -> i64,
}

/// A term's share of one score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Share {
    /// The term.
    pub name: &'static str,
    /// What it counts here.
    pub value: i64,
}

/// All terms. The first that refuses a place names the reason: what never changes comes
/// before what is so at the moment.
pub const ALL: &[Term] = &[
    label::TERM,
    capability::TERM,
    accelerator::TERM,
    resource::TERM,
    apart::TERM,
    spread::TERM,
    near::TERM,
    hindrance::TERM,
    preference::TERM,
    load::TERM,
    ready::TERM,
    distance::TERM,
];

/// A term that refuses places, and counts nothing.
const fn rule(
    name: &'static str,
    about: &'static str,
    fits: fn(&Choice, &Candidate) -> bool,
    verdict: fn(&Choice, &Candidate) -> Verdict,
) -> Term {
    Term { name, about, fits: Some(fits), verdict, weigh: |_, _| 0 }
}

/// A term that counts, and refuses nothing.
const fn wish(name: &'static str, about: &'static str, weigh: fn(&Choice, &Candidate) -> i64) -> Term {
    Term { name, about, fits: None, verdict: |_, _| Verdict::Fits, weigh }
}

#[cfg(test)]
mod sample;

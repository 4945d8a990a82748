//! A place that need not fetch and compile starts at once.

use super::{Term, wish};

pub(super) const TERM: Term =
    wish("ready", "+950 if it stands by: the component is there, compiled", |_, candidate| {
        if candidate.ready { 950 } else { 0 }
    });

//! What this repository demands of itself, checked as tests.
//!
//! Every checker is a pure function: text (or the output of `cargo metadata`) goes
//! in, [`Finding`]s come out, and none means that all is well. The tests in
//! `tests/` run each over the repository, and each over a sample that must fail, so
//! that no rule is kept merely because its checker is blind.
//!
//! ```
//! use orbweave_tidy::calls;
//!
//! let clean = "fn later(now: Mono) -> Mono { now + STEP } // not Instant::now()";
//! assert!(calls::ambient("mesh/state/src/timer.rs", clean).is_empty());
//!
//! let ambient = "fn later() -> Instant { Instant::now() + STEP }";
//! let findings = calls::ambient("mesh/state/src/timer.rs", ambient);
//! assert!(findings[0].to_string().starts_with("mesh/state/src/timer.rs:1: "));
//! ```

pub mod arrows;
pub mod calls;
pub mod docs;
pub mod features;
pub mod files;
pub mod manifest;
pub mod metadata;
pub mod rust_text;
pub mod tree;

use std::fmt;

/// One broken rule, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A file, a file and line, or a crate.
    pub place: String,
    /// What is wrong, and what to do instead.
    pub what: String,
}

impl Finding {
    /// A finding about a file or a crate as a whole.
    pub fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }

    /// A finding at a line, counted from 1.
    pub fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self::new(format!("{path}:{line}"), what)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Fails the calling test with every finding on a line of its own.
///
/// # Panics
///
/// When there is a finding.
#[track_caller]
pub fn assert_clean(findings: &[Finding]) {
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(lines.is_empty(), "\n{}", lines.join("\n"));
}

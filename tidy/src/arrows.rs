//! The arrows between crates, as `docs/ARCHITECTURE.md` draws them.

use crate::Finding;
use crate::metadata::Metadata;

/// Each crate with the crates of the workspace that it may depend on.
pub const ALLOWED: &[(&str, &[&str])] = &[
    ("orbweave-model", &[]),
    ("orbweave-trust", &["orbweave-model"]),
    ("orbweave-contact", &["orbweave-model"]),
    ("orbweave-state", &["orbweave-model", "orbweave-trust", "orbweave-contact"]),
    ("orbweave-scheduler", &["orbweave-model", "orbweave-contact"]),
    (
        "orbweave-core",
        &["orbweave-model", "orbweave-trust", "orbweave-contact", "orbweave-state", "orbweave-scheduler"],
    ),
    (
        "orbweave-simnet",
        &[
            "orbweave-model",
            "orbweave-trust",
            "orbweave-contact",
            "orbweave-state",
            "orbweave-scheduler",
            "orbweave-core",
        ],
    ),
    ("orbweave-net", &["orbweave-model", "orbweave-trust"]),
    ("orbweave-wasm", &["orbweave-model", "orbweave-trust"]),
    (
        "orbweave",
        &[
            "orbweave-model",
            "orbweave-trust",
            "orbweave-state",
            "orbweave-scheduler",
            "orbweave-core",
            "orbweave-net",
            "orbweave-wasm",
            "sea-watch-detect",
        ],
    ),
    ("sea-watch-detect", &[]),
];

/// The crates that decide. They link no driver, however far down.
pub const SANS_IO: &[&str] = &[
    "orbweave-model",
    "orbweave-trust",
    "orbweave-contact",
    "orbweave-state",
    "orbweave-scheduler",
    "orbweave-core",
    "orbweave-simnet",
];

/// Drivers, by the beginning of their crates' names.
pub const DRIVERS: &[&str] = &["libp2p", "quinn", "iroh", "noq", "wasmtime", "tokio", "mio", "redb"];

/// Arrows that are not drawn.
pub fn undrawn(metadata: &Metadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in metadata.members.keys() {
        let allowed = ALLOWED.iter().find(|(name, _)| name == member).map_or(&[][..], |(_, allowed)| allowed);
        for other in metadata.direct(member) {
            if metadata.members.contains_key(other) && !allowed.contains(&other) {
                findings.push(Finding::new(member, format!("must not depend on {other}")));
            }
        }
    }
    findings
}

/// Drivers that a sans-IO crate links, directly or through others.
pub fn drivers_linked(metadata: &Metadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in SANS_IO {
        for name in metadata.linked(member) {
            if DRIVERS.iter().any(|driver| name.starts_with(driver)) {
                findings.push(Finding::new(*member, format!("decides, and yet links {name}")));
            }
        }
    }
    findings
}

//! What each crate's own folder must hold.

use crate::Finding;

/// A crate whose manifest does not take the workspace's lints.
pub fn own_lints(path: &str, manifest: &str) -> Vec<Finding> {
    let mut section = "";
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        }
        let setting: String = line.split_whitespace().collect();
        if matches!((section, &*setting), ("[lints]", "workspace=true") | ("", "lints.workspace=true")) {
            return Vec::new();
        }
    }
    vec![Finding::new(path, "add [lints] with workspace = true")]
}

/// A sans-IO crate whose `clippy.toml` is not the common one, byte for byte.
pub fn own_clippy(path: &str, own: Option<&str>, common: &str) -> Vec<Finding> {
    match own {
        Some(text) if text == common => Vec::new(),
        Some(_) => vec![Finding::new(path, "differs from clippy-sans-io.toml: link to that")],
        None => vec![Finding::new(path, "missing: link it to clippy-sans-io.toml")],
    }
}

//! Manifests: YAML in, a workload's specification out.
//!
//! Unknown fields are errors. Each error names the file, the line and column, the
//! field, and what to write instead.

pub mod contacts;
mod de;
mod error;
pub(crate) mod field;
pub mod quantity;
mod schema;
mod tree;
mod types;
mod workload;

#[cfg(test)]
mod tests;

pub use error::ManifestError;
pub use schema::schema_text;
pub use types::Manifest;

use std::io::Read;
use std::path::{Path, PathBuf};

/// A manifest and the folder that its paths are relative to.
#[derive(Debug)]
pub struct ManifestFile {
    /// What it says.
    pub manifest: Manifest,
    folder: PathBuf,
}

impl Manifest {
    /// Reads a manifest.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        parse_yaml(text)
    }
}

/// Reads another file of the same kind: unknown fields are errors, and each error has its
/// line and its field.
pub(crate) fn parse_yaml<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, ManifestError> {
    de::from_node(&tree::parse(text)?)
}

impl ManifestFile {
    /// Reads a manifest from a file; `-` is standard input, with paths relative to the current folder.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let manifest = read_yaml(path, Manifest::parse)?;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self { manifest, folder })
    }

    /// The component's file.
    pub fn component(&self) -> PathBuf {
        self.folder.join(self.manifest.spec.component.file())
    }

    /// The release that was signed elsewhere, where the manifest names one.
    pub fn release(&self) -> Option<PathBuf> {
        Some(self.folder.join(self.manifest.spec.component.release()?))
    }
}

/// Reads a file; an error names it.
fn read_yaml<T>(
    path: &Path,
    parse: impl FnOnce(&str) -> Result<T, ManifestError>,
) -> Result<T, ManifestError> {
    let unreadable =
        |e| ManifestError::new(format!("cannot be read: {e}")).help("give the path of a YAML file");
    read_text(path).map_err(unreadable).and_then(|text| parse(&text)).map_err(|mut e| {
        e.file = Some(path.to_owned());
        e
    })
}

fn read_text(path: &Path) -> std::io::Result<String> {
    // One byte more than allowed: the parser then says how much is too much.
    let bound = tree::MANIFEST_BYTES_MAX as u64 + 1;
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().take(bound).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(path)?.take(bound).read_to_string(&mut text)?;
    }
    Ok(text)
}

//! The files of the repository, as they lie on the disk.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold no source of ours, by name.
const SKIPPED: &[&str] = &["target", ".git"];

/// One file. Symbolic links are followed.
#[derive(Debug, Clone)]
pub struct File {
    /// Relative to the root, with `/` between the parts.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl File {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }

    /// Whether the path ends so.
    pub fn is(&self, suffix: &str) -> bool {
        self.path.ends_with(suffix)
    }
}

/// The root of the repository.
///
/// Asked for at run time: with a target directory that several clones share, a
/// path from compile time might lead to another of them.
///
/// # Panics
///
/// When it is not run by cargo.
pub fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").expect("run this by `cargo test`");
    Path::new(&manifest).parent().expect("this crate lies in a folder of the repository").to_owned()
}

/// Every file of the repository, in order of path.
///
/// # Panics
///
/// When a file cannot be read.
pub fn files() -> Vec<File> {
    let root = root();
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The Rust sources with their text.
pub fn rust_files() -> Vec<(String, String)> {
    files()
        .into_iter()
        .filter(|f| f.is(".rs"))
        .filter_map(|f| f.text().map(str::to_owned).map(|text| (f.path, text)))
        .collect()
}

/// One file's text.
///
/// # Panics
///
/// When it is missing or no text.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<File>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries {
        let entry = entry.unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let path = entry.path();
        if path.is_dir() {
            if !SKIPPED.iter().any(|name| entry.file_name() == *name) {
                collect(root, &path, files);
            }
            continue;
        }
        // A file may go away between listing and reading, as an editor's own do.
        let Ok(bytes) = fs::read(&path) else { continue };
        let relative = path.strip_prefix(root).expect("it was found below the root");
        files.push(File { path: relative.to_string_lossy().replace('\\', "/"), bytes });
    }
}

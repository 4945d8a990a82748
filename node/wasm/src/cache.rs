//! Compiled components on disk, each under a keyed MAC.
//!
//! Machine code is loaded as it stands: whoever can change a file here and have it
//! accepted runs what he likes. So the whole file is authenticated under a key that
//! only this node has, before a byte of it is looked at:
//! `MAC (32) ‖ "owcache1" ‖ key (32) ‖ length of the code (8) ‖ code`.

use crate::limit;
use orbweave_model::Hash;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

const MAGIC: &[u8; 8] = b"owcache1";
const MAC_BYTES: usize = 32;
const HEADER_BYTES: usize = MAC_BYTES + MAGIC.len() + 32 + 8;
const SUFFIX: &str = "cwasm";
const UNFINISHED_SUFFIX: &str = "tmp";

/// The cache of one node.
pub(crate) struct Cache {
    dir: PathBuf,
    mac_key: [u8; 32],
    bytes_max: u64,
    writes: AtomicU64,
}

/// Why a file in the cache was not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it does not carry this node's MAC over these bytes")]
pub(crate) struct Refused;

impl Cache {
    pub(crate) fn open(dir: &Path, mac_key: [u8; 32], bytes_max: u64) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let cache = Self { dir: dir.to_owned(), mac_key, bytes_max, writes: AtomicU64::new(0) };
        // What a crash left unfinished.
        for entry in fs::read_dir(dir)?.flatten() {
            if entry.path().extension().is_some_and(|e| e == UNFINISHED_SUFFIX) {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(cache)
    }

    /// The code under a key, if it is there and authentic. Any other file is removed.
    pub(crate) fn get(&self, key: &Hash) -> Option<Vec<u8>> {
        let path = self.path(key);
        let mut file = File::open(&path).ok()?;
        let mut bytes = Vec::new();
        let most = limit::ARTEFACT_BYTES_MAX.saturating_add(HEADER_BYTES as u64);
        (&mut file).take(most).read_to_end(&mut bytes).ok()?;
        if let Err(refused) = check(&self.mac_key, key, &bytes) {
            tracing::warn!(path = %path.display(), "a cached compilation is refused and made again: {refused}");
            let _ = fs::remove_file(&path);
            return None;
        }
        // The age that counts for eviction is that of the last use.
        let _ = file.set_modified(SystemTime::now());
        bytes.drain(..HEADER_BYTES);
        Some(bytes)
    }

    /// Keeps code under a key, and makes room for it.
    pub(crate) fn put(&self, key: &Hash, code: &[u8]) -> io::Result<()> {
        let count = self.writes.fetch_add(1, Relaxed);
        let unfinished = self.dir.join(format!("{key}.{}.{count}.{UNFINISHED_SUFFIX}", std::process::id()));
        let written = self.write(&unfinished, key, code);
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written?;
        self.evict(key)
    }

    fn write(&self, unfinished: &Path, key: &Hash, code: &[u8]) -> io::Result<()> {
        let header = header(key, code);
        let mut mac = blake3::Hasher::new_keyed(&self.mac_key);
        mac.update(&header).update(code);
        let mut file = File::create(unfinished)?;
        file.write_all(mac.finalize().as_bytes())?;
        file.write_all(&header)?;
        file.write_all(code)?;
        file.sync_all()?;
        fs::rename(unfinished, self.path(key))?;
        File::open(&self.dir)?.sync_all()
    }

    fn evict(&self, keep: &Hash) -> io::Result<()> {
        let keep = self.path(keep);
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)?.flatten() {
            let Ok(about) = entry.metadata() else { continue };
            if entry.path().extension().is_some_and(|e| e == SUFFIX) {
                files.push((about.modified().unwrap_or(SystemTime::UNIX_EPOCH), entry.path(), about.len()));
            }
        }
        files.sort();
        let mut total: u64 = files.iter().map(|f| f.2).sum();
        for (_, path, len) in files {
            if total <= self.bytes_max {
                break;
            }
            if path != keep {
                fs::remove_file(&path)?;
                total -= len;
            }
        }
        Ok(())
    }

    fn path(&self, key: &Hash) -> PathBuf {
        self.dir.join(format!("{key}.{SUFFIX}"))
    }
}

fn header(key: &Hash, code: &[u8]) -> [u8; HEADER_BYTES - MAC_BYTES] {
    let mut header = [0; HEADER_BYTES - MAC_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[8..40].copy_from_slice(key.as_bytes());
    header[40..].copy_from_slice(&(code.len() as u64).to_le_bytes());
    header
}

/// Whether a whole file is what this node wrote under this key.
fn check(mac_key: &[u8; 32], key: &Hash, file: &[u8]) -> Result<(), Refused> {
    let (mac, rest) = file.split_first_chunk::<MAC_BYTES>().ok_or(Refused)?;
    // blake3's comparison takes the same time wherever the first difference is.
    if blake3::keyed_hash(mac_key, rest) != *mac {
        return Err(Refused);
    }
    let code = rest.get(HEADER_BYTES - MAC_BYTES..).ok_or(Refused)?;
    if rest.starts_with(&header(key, code)) { Ok(()) } else { Err(Refused) }
}

#[cfg(test)]
mod tests;

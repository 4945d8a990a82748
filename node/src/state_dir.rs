//! The state directory: where a node keeps its keys, its store and its socket.
//!
//! Only its owner may enter it. A secret key that others could read is refused rather
//! than used. One process at a time holds the directory, by a lock that the operating
//! system takes back however the process ends.

use orbweave_trust::SecretKey;
use rand::TryRng;
use rand::rngs::SysRng;
use rustix::fs::FlockOperation;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The longest path that a Unix socket can have (`sun_path`, with its closing zero).
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// The largest small file: keys, genesis, certificate, peers.
const SMALL_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// The operating system refused.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Neither `--dir` nor a home is known.
    #[error("no place for the state: give --dir, or set ORBWEAVE_DIR or HOME")]
    NoHome,
    /// Another process holds the directory.
    #[error("a node already runs in {}{}; stop it with `orbweave down`, or give another --dir", dir.display(), process(*pid))]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// The process that holds it, where it said so.
        pid: Option<u32>,
    },
    /// Others than the owner could read a secret.
    #[error("{} can be read by others (mode {mode:03o}); if nobody did, run: chmod 600 {}", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A key file does not hold a key.
    #[error("{} holds no secret key: it must be 64 hexadecimal digits", .0.display())]
    NoKey(PathBuf),
    /// A file that is never overwritten is already there.
    #[error("{} is already there, and is never overwritten", .0.display())]
    Exists(PathBuf),
    /// A file is far larger than what belongs there.
    #[error("{} is larger than {SMALL_FILE_BYTES_MAX} bytes and cannot be what belongs there", .0.display())]
    TooLarge(PathBuf),
    /// The directory's path is too long for a socket in it.
    #[error("{} is too long for a Unix socket ({SOCKET_PATH_BYTES_MAX} bytes at most); give a shorter --dir", .0.display())]
    SocketPath(PathBuf),
}

fn process(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateDirError {
    move |source| StateDirError::Io { what, path: path.to_owned(), source }
}

/// A secret key that a state directory may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFile {
    /// The node's own identity.
    Node,
    /// Signs the genesis and trust documents.
    Root,
    /// Signs certificates of nodes.
    Admission,
    /// Signs releases.
    Publisher,
    /// Signs what should run.
    Operator,
}

impl KeyFile {
    /// The file's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Node => "node.key",
            Self::Root => "root.key",
            Self::Admission => "admission.key",
            Self::Publisher => "publisher.key",
            Self::Operator => "operator.key",
        }
    }
}

/// The paths in a state directory, and what is kept there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir {
    root: PathBuf,
}

/// Holds the directory; released when dropped, or when the process ends.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

impl StateDir {
    /// The directory that was given, or `$XDG_STATE_HOME/orbweave`, or
    /// `~/.local/state/orbweave`. Nothing is created.
    pub fn locate(given: Option<PathBuf>) -> Result<Self, StateDirError> {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
        let root = given
            .or_else(|| absolute("XDG_STATE_HOME").map(|state| state.join("orbweave")))
            .or_else(|| absolute("HOME").map(|home| home.join(".local/state/orbweave")))
            .ok_or(StateDirError::NoHome)?;
        // Absolute, since a node in the background changes its working directory.
        let root = std::path::absolute(&root).map_err(io_error("find", &root))?;
        Ok(Self { root })
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The mesh's first document.
    pub fn genesis(&self) -> PathBuf {
        self.root.join("genesis")
    }

    /// This node's certificate.
    pub fn certificate(&self) -> PathBuf {
        self.root.join("certificate")
    }

    /// The store.
    pub fn database(&self) -> PathBuf {
        self.root.join("state.redb")
    }

    /// Components and other content by hash.
    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// Compiled components.
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// The admin API's socket.
    pub fn socket(&self) -> PathBuf {
        self.root.join("admin.sock")
    }

    /// The token of the admin API on TCP.
    pub fn token(&self) -> PathBuf {
        self.root.join("admin.token")
    }

    /// What a node in the background writes.
    pub fn log(&self) -> PathBuf {
        self.root.join("node.log")
    }

    /// The process that holds the directory.
    pub fn pid(&self) -> PathBuf {
        self.root.join("pid")
    }

    /// Nodes to ask first, one `NODEID@address` a line: those that a ticket named.
    pub fn peers(&self) -> PathBuf {
        self.root.join("peers")
    }

    /// What the node was told by flags, for the next start.
    pub fn settings(&self) -> PathBuf {
        self.root.join("node.yaml")
    }

    /// The file of a key.
    pub fn key(&self, key: KeyFile) -> PathBuf {
        self.root.join(key.name())
    }

    /// Whether there is a genesis and a certificate: the node belongs to a mesh.
    pub fn is_member(&self) -> bool {
        self.genesis().is_file() && self.certificate().is_file()
    }

    /// The socket's path, if the operating system can take it.
    pub fn socket_checked(&self) -> Result<PathBuf, StateDirError> {
        let socket = self.socket();
        if socket.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
            return Err(StateDirError::SocketPath(socket));
        }
        Ok(socket)
    }

    /// Makes the directory, for its owner alone.
    pub fn create(&self) -> Result<(), StateDirError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.root);
        made.map_err(io_error("make", &self.root))?;
        // It may have been there, or a umask may have been at work.
        fs::set_permissions(&self.root, fs::Permissions::from_mode(0o700))
            .map_err(io_error("close to others", &self.root))
    }

    /// Takes the directory for this process. [`StateDirError::InUse`] names who has it.
    pub fn lock(&self) -> Result<DirLock, StateDirError> {
        let path = self.root.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(io_error("open", &path))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                self.write(&self.pid(), format!("{}\n", std::process::id()).as_bytes())?;
                Ok(DirLock { _file: file })
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                Err(StateDirError::InUse { dir: self.root.clone(), pid: self.running_pid() })
            }
            Err(errno) => Err(io_error("lock", &path)(errno.into())),
        }
    }

    /// Blocks until no process holds the directory.
    pub fn wait_unlocked(&self) -> Result<(), StateDirError> {
        let path = self.root.join("lock");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(io_error("open", &path)(e)),
        };
        rustix::fs::flock(&file, FlockOperation::LockShared)
            .map_err(|e| io_error("wait for", &path)(e.into()))
    }

    /// The process that took the directory last.
    pub fn running_pid(&self) -> Option<u32> {
        fs::read_to_string(self.pid()).ok()?.trim().parse().ok()
    }

    /// Reads a small file.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, StateDirError> {
        let file = File::open(path).map_err(io_error("read", path))?;
        read_small(file, path)
    }

    /// Writes a small file, whole or not at all, for its owner alone.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), StateDirError> {
        let written = || -> io::Result<()> {
            let folder = path.parent().unwrap_or(&self.root);
            // Made with mode 0600 by the crate, beside its place so that the rename is one step.
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            File::open(folder)?.sync_all()
        };
        written().map_err(io_error("write", path))
    }

    /// Writes a small file that must not be there yet.
    pub fn write_new(&self, path: &Path, bytes: &[u8]) -> Result<(), StateDirError> {
        if path.exists() {
            return Err(StateDirError::Exists(path.to_owned()));
        }
        self.write(path, bytes)
    }

    /// Reads one of the directory's own keys.
    pub fn read_key(&self, key: KeyFile) -> Result<SecretKey, StateDirError> {
        read_key_file(&self.key(key))
    }

    /// Draws a new key and keeps it. An existing one is never replaced.
    pub fn create_key(&self, key: KeyFile) -> Result<SecretKey, StateDirError> {
        let path = self.key(key);
        let bytes = Zeroizing::new(random_bytes().map_err(io_error("draw a key for", &path))?);
        let text = Zeroizing::new(format!("{}\n", data_encoding::HEXLOWER.encode(bytes.as_slice())));
        self.write_new(&path, text.as_bytes())?;
        Ok(SecretKey::from_bytes(*bytes))
    }

    /// The key, drawn now if there is none.
    pub fn key_or_new(&self, key: KeyFile) -> Result<SecretKey, StateDirError> {
        if self.key(key).exists() { self.read_key(key) } else { self.create_key(key) }
    }
}

/// Bytes from the operating system's source of randomness.
pub fn random_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// Reads a key file, which nobody but its owner may be able to read.
pub fn read_key_file(path: &Path) -> Result<SecretKey, StateDirError> {
    let file = File::open(path).map_err(io_error("read", path))?;
    // Asked of the file that was opened, so that it cannot be exchanged in between.
    let mode = file.metadata().map_err(io_error("read", path))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(StateDirError::Exposed { path: path.to_owned(), mode });
    }
    let text = Zeroizing::new(read_small(file, path)?);
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.trim_ascii()).map(Zeroizing::new);
    let bytes: Option<[u8; 32]> = bytes.ok().and_then(|bytes| bytes.as_slice().try_into().ok());
    bytes.map(SecretKey::from_bytes).ok_or_else(|| StateDirError::NoKey(path.to_owned()))
}

fn read_small(file: File, path: &Path) -> Result<Vec<u8>, StateDirError> {
    let mut bytes = Vec::new();
    file.take(SMALL_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(io_error("read", path))?;
    if bytes.len() as u64 > SMALL_FILE_BYTES_MAX {
        return Err(StateDirError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> (tempfile::TempDir, StateDir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::locate(Some(temp.path().join("a/state"))).unwrap();
        dir.create().unwrap();
        (temp, dir)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn only_the_owner_may_enter_the_directory_and_read_its_files() {
        let (_temp, dir) = fresh();
        assert_eq!(mode(dir.path()), 0o700);
        dir.create_key(KeyFile::Node).unwrap();
        assert_eq!(mode(&dir.key(KeyFile::Node)), 0o600);
        dir.write(&dir.genesis(), b"genesis").unwrap();
        assert_eq!(mode(&dir.genesis()), 0o600);
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        dir.create().unwrap();
        assert_eq!(mode(dir.path()), 0o700, "an open directory is closed");
    }

    #[test]
    fn a_key_is_read_back_and_never_replaced() {
        let (_temp, dir) = fresh();
        let key = dir.create_key(KeyFile::Publisher).unwrap();
        assert_eq!(dir.read_key(KeyFile::Publisher).unwrap().public(), key.public());
        assert_eq!(dir.key_or_new(KeyFile::Publisher).unwrap().public(), key.public());
        assert!(matches!(dir.create_key(KeyFile::Publisher), Err(StateDirError::Exists(_))));
        assert_ne!(dir.create_key(KeyFile::Operator).unwrap().public(), key.public());
    }

    #[test]
    fn a_key_that_others_could_read_is_refused() {
        let (_temp, dir) = fresh();
        dir.create_key(KeyFile::Node).unwrap();
        let path = dir.key(KeyFile::Node);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = dir.read_key(KeyFile::Node).unwrap_err().to_string();
        let path = path.display();
        assert_eq!(
            error,
            format!("{path} can be read by others (mode 640); if nobody did, run: chmod 600 {path}")
        );
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        let (_temp, dir) = fresh();
        for text in [&b"secret"[..], b"", &[b'0'; 65], &[0xff; 64]] {
            dir.write(&dir.key(KeyFile::Node), text).unwrap();
            let error = dir.read_key(KeyFile::Node).unwrap_err();
            assert!(matches!(error, StateDirError::NoKey(_)), "{error}");
        }
        dir.write(&dir.key(KeyFile::Node), &vec![b'0'; 100_000]).unwrap();
        assert!(matches!(dir.read_key(KeyFile::Node), Err(StateDirError::TooLarge(_))));
    }

    #[test]
    fn one_process_at_a_time_holds_the_directory() {
        let (_temp, dir) = fresh();
        dir.wait_unlocked().unwrap();
        let lock = dir.lock().unwrap();
        let error = dir.lock().unwrap_err().to_string();
        let expected = format!(
            "a node already runs in {} (process {}); stop it with `orbweave down`, or give another --dir",
            dir.path().display(),
            std::process::id()
        );
        assert_eq!(error, expected);
        drop(lock);
        dir.wait_unlocked().unwrap();
        dir.lock().unwrap();
    }

    #[test]
    fn a_path_that_no_socket_can_have_is_refused_with_the_remedy() {
        let dir = StateDir::locate(Some(PathBuf::from(format!("/tmp/{}", "d".repeat(120))))).unwrap();
        assert!(dir.socket_checked().unwrap_err().to_string().ends_with("give a shorter --dir"));
    }
}

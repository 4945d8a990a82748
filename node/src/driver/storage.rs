//! The store on disk (redb): records by identity, and what the node must know of
//! itself. A batch is one transaction, durable before it is reported.

use orbweave_core::Restored;
use orbweave_core::io::{BatchId, Write};
use redb::{Builder, Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};
use std::path::{Path, PathBuf};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

const RECORDS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");
const OWN: TableDefinition<&str, &[u8]> = TableDefinition::new("own");
/// Releases that were taken in, against rollback.
const RELEASES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("releases");
const OWN_KEY: &str = "node";
/// Batches that wait for the disk; the node waits beyond that.
const QUEUE: usize = 1_024;
/// Batches that one transaction takes together.
const GROUP: usize = 256;
/// What redb may keep in memory.
const CACHE_BYTES: usize = 8 << 20;

/// Why the store cannot be used. What was written before stays.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The file cannot be opened as a store.
    #[error("the store {} cannot be opened: {why}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the library says.
        why: String,
    },
    /// It could not be read or written.
    #[error("the store failed: {0}")]
    Redb(Box<redb::Error>),
}

impl<E: Into<redb::Error>> From<E> for StorageError {
    fn from(error: E) -> Self {
        Self::Redb(Box::new(error.into()))
    }
}

/// The open store.
pub struct Storage {
    database: Database,
}

impl Storage {
    /// Opens or creates the store, repairs what a crash left, and reads everything.
    pub fn open(path: &Path) -> Result<(Self, Restored), StorageError> {
        let failed = |why: String| StorageError::Open { path: path.to_owned(), why };
        if !path.exists() {
            Self::create(path).map_err(|e| failed(e.to_string()))?;
        }
        let database = Builder::new().set_cache_size(CACHE_BYTES).open(path);
        Self::read(database.map_err(|e| failed(e.to_string()))?)
    }

    /// Makes an empty store beside its place and moves it there whole: a power cut
    /// while it is made leaves none, not half of one.
    fn create(path: &Path) -> Result<(), StorageError> {
        let io = |e: std::io::Error| StorageError::from(redb::Error::Io(e));
        let new = path.with_extension("new");
        match std::fs::remove_file(&new) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io(e)),
            _ => {}
        }
        let (storage, _) = Self::read(Builder::new().set_cache_size(CACHE_BYTES).create(&new)?)?;
        drop(storage);
        std::fs::rename(&new, path).map_err(io)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)
    }

    /// The same on any backend: how tests cut the power.
    pub fn open_on(backend: impl StorageBackend) -> Result<(Self, Restored), StorageError> {
        Self::read(Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend)?)
    }

    fn read(database: Database) -> Result<(Self, Restored), StorageError> {
        let create = database.begin_write()?;
        {
            create.open_table(RECORDS)?;
            create.open_table(OWN)?;
            create.open_table(RELEASES)?;
        }
        create.commit()?;
        let read = database.begin_read()?;
        let mut restored = Restored::default();
        for entry in read.open_table(RECORDS)?.iter()? {
            restored.records.push(entry?.1.value().to_vec());
        }
        for entry in read.open_table(RELEASES)?.iter()? {
            restored.releases.push(entry?.1.value().to_vec());
        }
        restored.own = read.open_table(OWN)?.get(OWN_KEY)?.map(|value| value.value().to_vec());
        drop(read);
        Ok((Self { database }, restored))
    }

    /// Makes all these writes durable, together or not at all.
    pub fn commit<'a>(&self, writes: impl IntoIterator<Item = &'a Write>) -> Result<(), StorageError> {
        let transaction = self.database.begin_write()?;
        {
            let mut records = transaction.open_table(RECORDS)?;
            let mut own = transaction.open_table(OWN)?;
            let mut releases = transaction.open_table(RELEASES)?;
            for write in writes {
                match write {
                    Write::PutRecord { key, value } => {
                        records.insert(key.as_slice(), value.as_slice())?;
                    }
                    Write::DropRecord { key } => {
                        records.remove(key.as_slice())?;
                    }
                    Write::PutSelf { value } => {
                        own.insert(OWN_KEY, value.as_slice())?;
                    }
                    Write::PutRelease { key, value } => {
                        releases.insert(key.as_slice(), value.as_slice())?;
                    }
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

/// The task that writes. Batches that queue up share one transaction.
pub struct Writer {
    queue: mpsc::Sender<(BatchId, Vec<Write>)>,
    task: JoinHandle<()>,
}

impl Writer {
    /// Begins to write. The report is the last durable batch: batches are written in
    /// order, so the writer never waits for whoever reads it. It ends when the disk fails.
    pub fn spawn(storage: Storage) -> (Self, watch::Receiver<BatchId>) {
        let (queue, batches) = mpsc::channel(QUEUE);
        let (done, reports) = watch::channel(BatchId(0));
        (Self { queue, task: tokio::spawn(write(storage, batches, done)) }, reports)
    }

    /// Hands a batch over.
    pub async fn write(&self, batch: BatchId, writes: Vec<Write>) {
        let _ = self.queue.send((batch, writes)).await;
    }

    /// Waits until all that was handed over is durable.
    pub async fn finish(self) {
        drop(self.queue);
        let _ = self.task.await;
    }
}

async fn write(
    mut storage: Storage,
    mut batches: mpsc::Receiver<(BatchId, Vec<Write>)>,
    done: watch::Sender<BatchId>,
) {
    let mut group = Vec::new();
    while batches.recv_many(&mut group, GROUP).await > 0 {
        let work = move || {
            let result = storage.commit(group.iter().flat_map(|(_, writes)| writes));
            (storage, group, result)
        };
        let Ok(worked) = tokio::task::spawn_blocking(work).await else { return };
        let result;
        (storage, group, result) = worked;
        if let Err(error) = result {
            // redb takes no more writes after one failed. Nothing of this batch was
            // acknowledged; a node that cannot write must not go on promising.
            return tracing::error!(%error, "the store cannot be written: the node stops");
        }
        if let Some((last, _)) = group.last() {
            done.send_replace(*last);
        }
        group.clear();
    }
}

#[cfg(test)]
mod tests;

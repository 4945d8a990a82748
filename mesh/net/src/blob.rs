//! Content by its BLAKE3 hash: kept by iroh-blobs, carried by our own streams.
//!
//! iroh-blobs speaks its verified protocol over anything that looks like a pair of
//! streams; here these are streams of a link, so the key of whoever asks is known for
//! every get. Only plain gets of one blob are served: a get of a hash sequence would
//! hand out children that nobody was asked about.

use crate::counters::{Counts, count};
use crate::limit::{BLOB_FETCHES_MAX, BLOB_SERVE_DEADLINE, BLOB_SERVES_MAX, BLOB_STALL_MAX};
use crate::link::Link;
use crate::net::open_on;
use crate::{FetchError, Gate, NetError, RecvStream, SendStream, StreamKind};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use iroh::endpoint::VarInt;
use iroh_blobs::api::blobs::BlobStatus;
use iroh_blobs::api::remote::GetProgressItem;
use iroh_blobs::get::fsm::{AtConnected, BlobContentNext, ConnectedNext, EndBlobNext};
use iroh_blobs::protocol::{
    ChunkRanges, ChunkRangesExt, ChunkRangesSeq, ERR_LIMIT, ERR_PERMISSION, GetRequest, Request,
};
use iroh_blobs::provider::events::EventSender;
use iroh_blobs::store::fs::FsStore;
use iroh_blobs::{HashAndFormat, get, provider};
use orbweave_model::{Hash, NodeId};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::debug;

/// Bulk yields to calls and reconciliation on the same link.
const BLOB_PRIORITY: i32 = -1;
/// The most that one read is trusted to be given a buffer for at once.
const READ_BYTES_MAX: usize = 64 * 1024;

/// The node's blobs.
pub(crate) struct BlobStore {
    store: FsStore,
    counts: Arc<Counts>,
    serves: Semaphore,
    fetches: Semaphore,
    /// One fetch a blob: whoever comes second finds it done.
    under_way: Mutex<BTreeMap<Hash, Weak<tokio::sync::Mutex<()>>>>,
}

impl BlobStore {
    pub(crate) async fn open(dir: &Path, counts: Arc<Counts>) -> Result<Self, NetError> {
        let store = FsStore::load(dir)
            .await
            .map_err(|e| NetError::Blobs(format!("it cannot be opened at {}: {e:#}", dir.display())))?;
        Ok(Self {
            store,
            counts,
            serves: Semaphore::new(BLOB_SERVES_MAX),
            fetches: Semaphore::new(BLOB_FETCHES_MAX),
            under_way: Mutex::default(),
        })
    }

    pub(crate) async fn add(&self, bytes: Bytes) -> Result<Hash, NetError> {
        let failed = |e: &dyn std::fmt::Display| NetError::Blobs(e.to_string());
        let tag = self.store.blobs().add_bytes(bytes).temp_tag().await.map_err(|e| failed(&e))?;
        self.store.sync_db().await.map_err(|e| failed(&e))?;
        Ok(Hash(*tag.hash().as_bytes()))
    }

    pub(crate) async fn get(&self, hash: Hash) -> Result<Option<Bytes>, NetError> {
        if !self.has(hash).await.map_err(NetError::Blobs)? {
            return Ok(None);
        }
        let bytes = self.store.blobs().get_bytes(native(hash)).await;
        bytes.map(Some).map_err(|e| NetError::Blobs(e.to_string()))
    }

    async fn has(&self, hash: Hash) -> Result<bool, String> {
        let status = self.store.blobs().status(native(hash)).await.map_err(|e| e.to_string())?;
        Ok(matches!(status, BlobStatus::Complete { .. }))
    }

    pub(crate) async fn close(&self) {
        if let Err(error) = self.store.shutdown().await {
            debug!(%error, "the blob store did not close in order");
        }
    }

    /// Answers one request of a peer.
    pub(crate) async fn serve(&self, link: &Link, gate: &dyn Gate, mut send: SendStream, recv: RecvStream) {
        let (Ok(_any), Ok(_peer)) = (self.serves.try_acquire(), link.blob_serves.try_acquire()) else {
            send.reset(code(ERR_LIMIT));
            return;
        };
        send.set_priority(BLOB_PRIORITY);
        let peer = link.peer;
        match timeout(BLOB_SERVE_DEADLINE, self.serve_request(link, gate, send, recv)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(peer = %peer.short(), error, "a blob was not served"),
            Err(_) => debug!(peer = %peer.short(), "serving a blob took too long"),
        }
    }

    async fn serve_request(
        &self,
        link: &Link,
        gate: &dyn Gate,
        mut send: SendStream,
        mut recv: RecvStream,
    ) -> Result<(), String> {
        let read = timeout(BLOB_STALL_MAX, Request::read_async(&mut Received(&mut recv))).await;
        let (request, _) = read.map_err(|_| "no request came")?.map_err(|e| e.to_string())?;
        let request = match request {
            Request::Get(request)
                if request.ranges.is_blob() && gate.may_get(link.peer, Hash(*request.hash.as_bytes())) =>
            {
                request
            }
            _ => {
                count(&self.counts.blobs_denied);
                send.reset(code(ERR_PERMISSION));
                return Err("denied".to_owned());
            }
        };
        let id = link.connection.stable_id() as u64;
        let pair = provider::StreamPair::new(id, Received(recv), Sent(send), EventSender::DEFAULT);
        provider::handle_get(pair, (*self.store).clone(), request).await.map_err(|e| format!("{e:#}"))
    }

    /// Tries the providers in turn until the blob is complete.
    pub(crate) async fn fetch(
        &self,
        hash: Hash,
        size_max: u64,
        providers: Vec<(NodeId, Option<Arc<Link>>)>,
    ) -> Result<(), FetchError> {
        let turn = self.turn(hash);
        let _turn = turn.lock().await;
        if self.has(hash).await.map_err(FetchError::Store)? {
            return Ok(());
        }
        let _permit = self.fetches.acquire().await.map_err(|e| FetchError::Store(e.to_string()))?;
        let mut tried = Vec::new();
        for (node, link) in providers {
            let Some(link) = link else {
                tried.push((node, "no link".to_owned()));
                continue;
            };
            match self.fetch_from(&link, hash, size_max).await {
                Ok(()) => {
                    return self.store.sync_db().await.map_err(|e| FetchError::Store(e.to_string()));
                }
                Err(OneProvider::TooLarge(size)) => {
                    return Err(FetchError::TooLarge { hash, size, max: size_max });
                }
                Err(OneProvider::Failed(why)) => tried.push((node, why)),
            }
        }
        Err(FetchError::NoProvider { hash, tried })
    }

    async fn fetch_from(&self, link: &Link, hash: Hash, size_max: u64) -> Result<(), OneProvider> {
        let size = timeout(BLOB_STALL_MAX, verified_size(link, hash)).await.map_err(|_| stalled())??;
        if size > size_max {
            return Err(OneProvider::TooLarge(size));
        }
        let (send, recv) = open_on(link, StreamKind::Blob).await.map_err(failed)?;
        let id = link.connection.stable_id() as u64;
        let pair = get::StreamPair::new(id, Received(recv), Sent(send));
        let progress = self.store.remote().fetch(pair, HashAndFormat::raw(native(hash))).stream();
        let mut progress = std::pin::pin!(progress);
        loop {
            match timeout(BLOB_STALL_MAX, progress.next()).await.map_err(|_| stalled())? {
                Some(GetProgressItem::Progress(_)) => {}
                Some(GetProgressItem::Done(_)) => break,
                Some(GetProgressItem::Error(error)) => return Err(failed(format!("{error:#}"))),
                None => return Err(failed("the transfer ended without a result")),
            }
        }
        match self.has(hash).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(failed("the provider has only a part of it")),
            Err(why) => Err(failed(why)),
        }
    }

    /// The lock of this blob's fetch.
    fn turn(&self, hash: Hash) -> Arc<tokio::sync::Mutex<()>> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = under_way.get(&hash).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        under_way.insert(hash, Arc::downgrade(&turn));
        turn
    }
}

/// Why one provider did not deliver.
enum OneProvider {
    /// Verified: no other provider has it smaller.
    TooLarge(u64),
    Failed(String),
}

fn failed(why: impl std::fmt::Display) -> OneProvider {
    OneProvider::Failed(why.to_string())
}

fn stalled() -> OneProvider {
    failed(format!("nothing came for {} s", BLOB_STALL_MAX.as_secs()))
}

/// Asks for the last chunk, whose proof also proves the size.
async fn verified_size(link: &Link, hash: Hash) -> Result<u64, OneProvider> {
    let (send, recv) = open_on(link, StreamKind::Blob).await.map_err(failed)?;
    let request = GetRequest::new(native(hash), ChunkRangesSeq::from_ranges([ChunkRanges::last_chunk()]));
    let pair = get::StreamPair::new(0, Received(recv), Sent(send));
    let connected = AtConnected::new(pair.t0, pair.recv, pair.send, request, Default::default());
    let ConnectedNext::StartRoot(root) = connected.next().await.map_err(failed)? else {
        return Err(failed("the answer does not begin with the blob"));
    };
    let (mut content, size) = root.next().next().await.map_err(failed)?;
    loop {
        match content.next().await {
            BlobContentNext::More((next, item)) => {
                item.map_err(failed)?;
                content = next;
            }
            BlobContentNext::Done(end) => {
                if let EndBlobNext::Closing(closing) = end.next() {
                    closing.next().await.map_err(failed)?;
                }
                return Ok(size);
            }
        }
    }
}

fn native(hash: Hash) -> iroh_blobs::Hash {
    iroh_blobs::Hash::from_bytes(hash.0)
}

/// Their codes are varints, ours 32 bits wide; theirs are below ten.
fn code(code: VarInt) -> u32 {
    u32::try_from(u64::from(code)).unwrap_or(u32::MAX)
}

/// Our sending half as iroh-blobs wants it.
#[derive(Debug)]
struct Sent(SendStream);

impl iroh_blobs::util::SendStream for Sent {
    async fn send_bytes(&mut self, bytes: Bytes) -> io::Result<()> {
        self.0.write_chunk(bytes).await
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await
    }

    async fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn reset(&mut self, reason: VarInt) -> io::Result<()> {
        self.0.reset(code(reason));
        Ok(())
    }

    async fn stopped(&mut self) -> io::Result<Option<VarInt>> {
        Ok(self.0.stopped().await?.and_then(|code| VarInt::from_u64(code).ok()))
    }

    fn id(&self) -> u64 {
        self.0.id()
    }
}

/// Our receiving half as iroh-blobs wants it.
#[derive(Debug)]
struct Received<R>(R);

impl<R: std::borrow::BorrowMut<RecvStream> + Send> iroh_blobs::util::RecvStream for Received<R> {
    async fn recv_bytes(&mut self, len: usize) -> io::Result<Bytes> {
        // The length may be a peer's word: the buffer grows with what really came.
        let mut buffer = BytesMut::with_capacity(len.min(READ_BYTES_MAX));
        while buffer.len() < len {
            match self.0.borrow_mut().read_chunk(len - buffer.len()).await? {
                Some(chunk) => buffer.extend_from_slice(&chunk),
                None => break,
            }
        }
        Ok(buffer.freeze())
    }

    async fn recv_bytes_exact(&mut self, len: usize) -> io::Result<Bytes> {
        let bytes = self.recv_bytes(len).await?;
        match bytes.len() {
            n if n == len => Ok(bytes),
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the stream ended")),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the stream ended within a message")),
        }
    }

    async fn recv_exact(&mut self, target: &mut [u8]) -> io::Result<()> {
        self.0.borrow_mut().read_exact(target).await
    }

    fn stop(&mut self, reason: VarInt) -> io::Result<()> {
        self.0.borrow_mut().stop(code(reason));
        Ok(())
    }

    fn id(&self) -> u64 {
        self.0.borrow().id()
    }
}

//! Reconciliation streams: frames with a length before them, one task a stream.

use super::actor::{Inbox, Message, sync_frame};
use orbweave_core::Input;
use orbweave_core::io::SyncId;
use orbweave_model::{NodeId, limit};
use orbweave_net::{Net, RecvStream, SendStream, StreamKind};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;

/// Frames that wait to be sent on one stream.
const QUEUE: usize = 256;
/// A stream on which nothing moves for this long is given up.
const IDLE: Duration = Duration::from_secs(60);

/// The open streams, by reconciliation.
pub struct SyncStreams {
    net: Net,
    inbox: Inbox,
    open: BTreeMap<SyncId, mpsc::Sender<Vec<u8>>>,
    accepted: u64,
}

impl SyncStreams {
    /// No stream yet.
    pub fn new(net: Net, inbox: Inbox) -> Self {
        Self { net, inbox, open: BTreeMap::new(), accepted: 0 }
    }

    /// Sends a frame; the first of one of ours opens its stream.
    pub fn send(&mut self, id: SyncId, bytes: Vec<u8>) {
        self.open.retain(|_, queue| !queue.is_closed());
        if !id.ours && !self.open.contains_key(&id) {
            // The peer's stream has ended meanwhile.
            return;
        }
        let queue = self.open.entry(id).or_insert_with(|| {
            let (queue, frames) = mpsc::channel(QUEUE);
            let (net, inbox) = (self.net.clone(), self.inbox.clone());
            tokio::spawn(async move {
                if let Ok((send, recv)) = net.open(id.peer, StreamKind::Sync).await {
                    carry(id, send, recv, frames, &inbox).await;
                }
                let _ = inbox.send(Message::Input(Input::SyncClosed { id })).await;
            });
            queue
        });
        // A full queue is a peer that does not read: the stream is given up.
        if queue.try_send(bytes).is_err() {
            self.open.remove(&id);
        }
    }

    /// Ends a stream once its frames are sent.
    pub fn close(&mut self, id: SyncId) {
        self.open.remove(&id);
    }

    /// A peer opened one.
    pub fn accept(&mut self, peer: NodeId, send: SendStream, recv: RecvStream) {
        self.accepted += 1;
        let id = SyncId { peer, ours: false, number: self.accepted };
        let (queue, frames) = mpsc::channel(QUEUE);
        self.open.insert(id, queue);
        let inbox = self.inbox.clone();
        tokio::spawn(async move {
            carry(id, send, recv, frames, &inbox).await;
            let _ = inbox.send(Message::Input(Input::SyncClosed { id })).await;
        });
    }
}

/// Moves frames both ways until both sides have finished, or nothing moves.
async fn carry(
    id: SyncId,
    mut send: SendStream,
    mut recv: RecvStream,
    mut frames: mpsc::Receiver<Vec<u8>>,
    inbox: &Inbox,
) {
    let outgoing = async {
        while let Some(frame) = frames.recv().await {
            let length = (frame.len() as u32).to_be_bytes();
            send.write_all(&[&length[..], &frame].concat()).await?;
        }
        send.finish()
    };
    let incoming = async {
        loop {
            let mut length = [0; 4];
            let read = tokio::time::timeout(IDLE, recv.read_exact(&mut length)).await;
            // The end of the stream, or of our patience.
            if !matches!(read, Ok(Ok(()))) {
                return Ok(());
            }
            let length = u32::from_be_bytes(length) as usize;
            if length > limit::SYNC_FRAME_BYTES_MAX {
                return Err(std::io::Error::other("a sync frame above its bound"));
            }
            let frame = read_frame(&mut recv, length).await?;
            if !sync_frame(inbox, id, frame).await {
                return Ok(());
            }
        }
    };
    let _ = tokio::try_join!(outgoing, incoming);
}

/// Takes memory as bytes arrive, not as the peer promises them.
async fn read_frame(recv: &mut RecvStream, length: usize) -> std::io::Result<Vec<u8>> {
    let mut frame = Vec::new();
    while frame.len() < length {
        let chunk = tokio::time::timeout(IDLE, recv.read_chunk(length - frame.len()))
            .await
            .map_err(|_| std::io::Error::other("a sync frame that does not end"))??;
        let Some(chunk) = chunk else { return Err(std::io::ErrorKind::UnexpectedEof.into()) };
        frame.extend_from_slice(&chunk);
    }
    Ok(frame)
}

//! Logs and events of other nodes: what a node remembers and sees of one workload, read by
//! any member over a stream of kind `Admin`. Nothing can be changed by it: there are only
//! these two questions, the link has shown that the peer is a member, and bytes, time and
//! readers are bounded.
//!
//! A request is a head (see [`frame`]); the answer is a body of chunks, each one JSON
//! object. A chunk of one line feed ends what is remembered; what follows is new.

use super::NodeHandle;
use crate::api::backend::{Backend, Elsewhere, Source};
use crate::api::line::Missing;
use crate::ingress::frame;
use bytes::Bytes;
use minicbor::{Decode, Encode};
use orbweave_model::{NodeId, WorkloadName};
use orbweave_net::{RecvStream, SendStream, StreamKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;
use tokio::sync::{Semaphore, broadcast, mpsc};
use tokio::time::{Instant, timeout, timeout_at};

/// Peers that read here at once.
const READERS_MAX: usize = 32;
/// Bytes of what is remembered, and then of what follows, that one reader gets.
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long one reader may follow.
const FOLLOW_TIME_MAX: Duration = Duration::from_secs(3_600);
/// A peer has this long to ask, to take a line, or to send what it remembers.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest request.
const REQUEST_BYTES_MAX: usize = 1024;
/// Nodes that are asked for one reader.
const NODES_MAX: usize = 256;
/// Lines that wait for a reader.
const QUEUE: usize = 1_024;
/// Stands between what is remembered and what follows.
const END_OF_MEMORY: &[u8] = b"\n";

static READERS: Semaphore = Semaphore::const_new(READERS_MAX);

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Request {
    /// 1: logs, 2: events. Others are refused.
    #[n(0)]
    what: u8,
    #[n(1)]
    workload: WorkloadName,
    #[n(2)]
    follow: bool,
}

/// Answers a member that reads.
pub async fn serve(handle: NodeHandle, peer: NodeId, mut send: SendStream, mut recv: RecvStream) {
    if let Err(e) = answer(&handle, &mut send, &mut recv).await {
        tracing::debug!("node {} read no further: {e}", peer.short());
        send.reset(0);
    }
}

async fn answer(handle: &NodeHandle, send: &mut SendStream, recv: &mut RecvStream) -> io::Result<()> {
    let asked = frame::read_head("a question", recv, REQUEST_BYTES_MAX);
    let Request { what, workload, follow } = timeout(PATIENCE, asked).await??;
    let Ok(_place) = READERS.try_acquire() else { return frame::close_body(send, false).await };
    match what {
        1 => {
            let (last, new) = handle.logs(Some(&workload));
            tell(send, last, new, follow, |line| line.workload == workload).await
        }
        2 => {
            let (mut last, new) = handle.events();
            last.retain(|event| event.workload.as_ref() == Some(&workload));
            tell(send, last, new, follow, |event| event.workload.as_ref() == Some(&workload)).await
        }
        _ => frame::close_body(send, false).await,
    }
}

async fn tell<T: Serialize + Clone>(
    send: &mut SendStream,
    last: Vec<T>,
    mut new: broadcast::Receiver<T>,
    follow: bool,
    keep: impl Fn(&T) -> bool,
) -> io::Result<()> {
    let mut room = BYTES_MAX;
    let lines = last.iter().rev().map_while(|value| {
        let line = serde_json::to_vec(value).ok()?;
        room = room.checked_sub(line.len())?;
        Some(line)
    });
    let lines: Vec<Vec<u8>> = lines.collect();
    for line in lines.iter().rev() {
        timeout(PATIENCE, frame::write_chunk(send, line)).await??;
    }
    if !follow {
        return timeout(PATIENCE, frame::close_body(send, true)).await?;
    }
    timeout(PATIENCE, frame::write_chunk(send, END_OF_MEMORY)).await??;
    let (mut room, end) = (BYTES_MAX, Instant::now() + FOLLOW_TIME_MAX);
    loop {
        let received = tokio::select! {
            received = timeout_at(end, new.recv()) => received,
            gone = send.stopped() => return gone.map(drop),
        };
        let value = match received {
            Ok(Ok(value)) if keep(&value) => value,
            Ok(Ok(_) | Err(broadcast::error::RecvError::Lagged(_))) => continue,
            Ok(Err(broadcast::error::RecvError::Closed)) | Err(_) => break,
        };
        let line = serde_json::to_vec(&value).unwrap_or_default();
        let Some(left) = room.checked_sub(line.len()) else { break };
        room = left;
        timeout(PATIENCE, frame::write_chunk(send, &line)).await??;
    }
    frame::close_body(send, true).await
}

/// What comes from a node.
enum Piece {
    Line(u64, Bytes),
    EndOfMemory(NodeId),
    Missing(NodeId, String),
}

/// Asks every other node that holds a replica: what they remember, and what follows.
pub async fn elsewhere(
    handle: &NodeHandle,
    what: Source,
    workload: &WorkloadName,
    follow: bool,
) -> Elsewhere {
    let request = Request { what: what as u8, workload: workload.clone(), follow };
    let (pieces, mut read) = mpsc::channel(QUEUE);
    let mut asked = BTreeSet::new();
    ask_new(handle, &request, &mut asked, &pieces).await;
    let mut awaited = asked.clone();
    let mut lines = Vec::new();
    let patience = Instant::now() + 2 * PATIENCE;
    if !follow {
        drop(pieces);
    } else {
        tokio::spawn(ask_those_that_come(handle.clone(), request, asked, pieces));
    }
    while !awaited.is_empty() {
        match timeout_at(patience, read.recv()).await {
            Ok(Some(Piece::Line(at_ms, line))) => lines.push((at_ms, line)),
            Ok(Some(Piece::EndOfMemory(node))) => drop(awaited.remove(&node)),
            Ok(Some(Piece::Missing(node, why))) => {
                awaited.remove(&node);
                lines.push((u64::MAX, missing(node, why)));
            }
            Ok(None) => break,
            Err(_) => {
                let late = std::mem::take(&mut awaited).into_iter();
                lines.extend(
                    late.map(|node| (u64::MAX, missing(node, "it did not answer in time".to_owned()))),
                );
            }
        }
    }
    let (tell, follows) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        while let Some(piece) = read.recv().await {
            let line = match piece {
                Piece::Line(_, line) => line,
                Piece::Missing(node, why) => missing(node, why),
                Piece::EndOfMemory(_) => continue,
            };
            if tell.send(line).await.is_err() {
                return;
            }
        }
    });
    Elsewhere { lines, follows }
}

fn missing(node: NodeId, why: String) -> Bytes {
    let mut line = serde_json::to_vec(&Missing { missing: node, why }).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

/// Replicas move: whoever holds one later is asked then.
async fn ask_those_that_come(
    handle: NodeHandle,
    request: Request,
    mut asked: BTreeSet<NodeId>,
    pieces: mpsc::Sender<Piece>,
) {
    let mut changes = handle.route_changes();
    loop {
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = pieces.closed() => return,
            () = handle.stopped() => return,
        }
        ask_new(&handle, &request, &mut asked, &pieces).await;
    }
}

async fn ask_new(
    handle: &NodeHandle,
    request: &Request,
    asked: &mut BTreeSet<NodeId>,
    pieces: &mpsc::Sender<Piece>,
) {
    let holders = handle.holders(&request.workload).await;
    for node in holders.into_iter().filter(|node| *node != handle.id()) {
        if asked.len() < NODES_MAX && asked.insert(node) {
            tokio::spawn(ask(handle.clone(), node, request.clone(), pieces.clone()));
        }
    }
}

async fn ask(handle: NodeHandle, node: NodeId, request: Request, pieces: mpsc::Sender<Piece>) {
    let reading = read(&handle, node, &request, &pieces);
    let ended = tokio::select! {
        ended = reading => ended,
        () = pieces.closed() => return,
    };
    let last = match ended {
        Ok(()) => Piece::EndOfMemory(node),
        Err(e) => Piece::Missing(node, e.to_string()),
    };
    let _ = pieces.send(last).await;
}

async fn read(
    handle: &NodeHandle,
    node: NodeId,
    request: &Request,
    pieces: &mpsc::Sender<Piece>,
) -> io::Result<()> {
    let opened = timeout(PATIENCE, handle.net().open(node, StreamKind::Admin)).await?;
    let (mut send, mut recv) = opened.map_err(io::Error::other)?;
    let head = frame::head_bytes(request, REQUEST_BYTES_MAX)
        .ok_or_else(|| io::Error::other("the question is too long"))?;
    send.write_all(&head).await?;
    send.finish()?;
    let mut remembered = false;
    let mut room = 2 * BYTES_MAX;
    loop {
        let next = frame::read_chunk(&mut recv);
        // What is remembered comes at once; what follows comes when it happens.
        let next = if remembered { next.await? } else { timeout(PATIENCE, next).await?? };
        let Some(chunk) = next else { return Ok(()) };
        let left = room.checked_sub(chunk.len());
        room = left.ok_or_else(|| io::Error::other("it sent more than it may"))?;
        let piece = if chunk == END_OF_MEMORY {
            remembered = true;
            Piece::EndOfMemory(node)
        } else {
            line_of(node, chunk)?
        };
        if pieces.send(piece).await.is_err() {
            return Ok(());
        }
    }
}

/// A line of JSON that is about its sender; another node's words are not passed on.
fn line_of(node: NodeId, mut chunk: Vec<u8>) -> io::Result<Piece> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Origin {
        at_ms: u64,
        node: NodeId,
    }
    let origin: Origin = serde_json::from_slice(&chunk).map_err(io::Error::other)?;
    if origin.node != node || chunk.contains(&b'\n') {
        return Err(io::Error::other("it sent what is not its own"));
    }
    chunk.push(b'\n');
    Ok(Piece::Line(origin.at_ms, chunk.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_has_the_bytes_that_it_always_had() {
        let request = Request { what: 2, workload: "hello".parse().unwrap(), follow: true };
        let bytes = frame::head_bytes(&request, REQUEST_BYTES_MAX).unwrap();
        assert_eq!(data_encoding::HEXLOWER.encode(&bytes), "0000000ca30002016568656c6c6f02f5");
    }

    #[test]
    fn a_line_of_another_node_or_of_no_json_is_not_passed_on() {
        let node = NodeId([1; 32]);
        let line = |node: NodeId| format!("{{\"atMs\":7,\"node\":\"{node}\",\"text\":\"x\"}}").into_bytes();
        assert!(matches!(line_of(node, line(node)), Ok(Piece::Line(7, line)) if line.ends_with(b"}\n")));
        assert!(line_of(node, line(NodeId([2; 32]))).is_err());
        assert!(line_of(node, [&line(node)[..], b"\n{}"].concat()).is_err());
        assert!(line_of(node, b"\x1b[2J".to_vec()).is_err());
    }
}

//! Streams of JSON, one value a line: the last ones, then those that follow.

use super::backend::Elsewhere;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};
use http::header::CONTENT_TYPE;
use orbweave_model::NodeId;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::sync::CancellationToken;

/// Stands in a stream for values that came faster than the reader took them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// How many.
    pub skipped: u64,
}

/// Stands in a stream for a node that could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    /// Which.
    pub missing: NodeId,
    /// Why.
    pub why: String,
}

fn line<T: Serialize>(value: &T) -> Result<Bytes, Infallible> {
    let mut bytes = serde_json::to_vec(value).unwrap_or_default();
    bytes.push(b'\n');
    Ok(bytes.into())
}

/// Answers with `last` and, when asked to follow, with what passes `keep` until the
/// reader leaves or the node stops.
pub fn stream<T>(
    last: Vec<T>,
    follow: Option<broadcast::Receiver<T>>,
    keep: impl Fn(&T) -> bool + Send + 'static,
    stop: CancellationToken,
) -> Response
where
    T: Serialize + Clone + Send + 'static,
{
    let last = stream::iter(last.into_iter().map(|value| line(&value)).collect::<Vec<_>>());
    answer(last.chain(following(follow, keep, stop)))
}

/// The same with what other nodes say, all in the order of their times.
pub fn merged<T>(
    last: Vec<(u64, T)>,
    elsewhere: Elsewhere,
    follow: Option<broadcast::Receiver<T>>,
    keep: impl Fn(&T) -> bool + Send + 'static,
    stop: CancellationToken,
) -> Response
where
    T: Serialize + Clone + Send + 'static,
{
    let here = last.into_iter().filter_map(|(at, value)| Some((at, line(&value).ok()?)));
    let Elsewhere { lines, mut follows } = elsewhere;
    let mut lines: Vec<(u64, Bytes)> = here.chain(lines).collect();
    lines.sort_by_key(|(at, _)| *at);
    let last = stream::iter(lines.into_iter().map(|(_, line)| Ok(line)));
    let there = stream::poll_fn(move |cx| follows.poll_recv(cx).map(|line| line.map(Ok)));
    let there = there.take_until(stop.clone().cancelled_owned());
    answer(last.chain(stream::select(following(follow, keep, stop), there)))
}

fn answer(lines: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static) -> Response {
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

fn following<T>(
    follow: Option<broadcast::Receiver<T>>,
    keep: impl Fn(&T) -> bool + Send + 'static,
    stop: CancellationToken,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static
where
    T: Serialize + Clone + Send + 'static,
{
    stream::unfold((follow, keep), move |(follow, keep)| {
        let stop = stop.clone();
        async move {
            let mut receiver = follow?;
            loop {
                let received = tokio::select! {
                    received = receiver.recv() => received,
                    () = stop.cancelled() => return None,
                };
                match received {
                    Ok(value) if keep(&value) => return Some((line(&value), (Some(receiver), keep))),
                    Ok(_) => {}
                    Err(RecvError::Lagged(skipped)) => {
                        return Some((line(&Skipped { skipped }), (Some(receiver), keep)));
                    }
                    Err(RecvError::Closed) => return None,
                }
            }
        }
    })
}

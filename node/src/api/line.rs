//! Streams of JSON, one value a line: the last ones, then those that follow.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use http::header::CONTENT_TYPE;
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
    let following = stream::unfold((follow, keep), move |(follow, keep)| {
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
    });
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(last.chain(following))).into_response()
}

//! The client: one connection a request, over the socket or over loopback.

use super::error::ApiError;
use super::line::{Missing, Skipped};
use crate::state_dir::StateDir;
use bytes::{Buf, Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// The largest answer that is read whole.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// The longest line of a stream.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing listens there.
    #[error("no node runs in {}", .0.display())]
    NotRunning(PathBuf),
    /// It cannot be reached.
    #[error("the node cannot be reached at {at}: {source}")]
    Connect {
        /// Where.
        at: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the node broke off: {0}")]
    Broken(String),
    /// The node refused, and says why.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// The answer is not what this version knows.
    #[error("the answer is not understood: {0}")]
    Malformed(String),
}

#[derive(Debug, Clone)]
enum Address {
    Socket(StateDir),
    Tcp { address: SocketAddr, token: String },
}

/// A client of one node's admin API.
#[derive(Debug, Clone)]
pub struct Client {
    address: Address,
}

impl Client {
    /// Over the socket in a state directory.
    pub fn new(dir: &StateDir) -> Self {
        Self { address: Address::Socket(dir.clone()) }
    }

    /// Over loopback, with the token.
    pub fn over_tcp(address: SocketAddr, token: String) -> Self {
        Self { address: Address::Tcp { address, token } }
    }

    /// Asks for a value.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        understood(&whole(self.send(Method::GET, path, None, Bytes::new()).await?).await?)
    }

    /// Asks for bytes.
    pub async fn get_bytes(&self, path: &str) -> Result<Bytes, ClientError> {
        whole(self.send(Method::GET, path, None, Bytes::new()).await?).await
    }

    /// Posts a value and gets one back.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        value: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(value).map_err(|e| ClientError::Malformed(e.to_string()))?;
        let answer = self.send(Method::POST, path, Some("application/json"), body.into()).await?;
        understood(&whole(answer).await?)
    }

    /// Posts bytes and gets what the node answers, which may be nothing.
    pub async fn post_bytes(&self, path: &str, bytes: Bytes) -> Result<Bytes, ClientError> {
        whole(self.send(Method::POST, path, Some("application/octet-stream"), bytes).await?).await
    }

    /// A stream of values, one a line.
    pub async fn lines(&self, path: &str) -> Result<Lines, ClientError> {
        let answer = self.send(Method::GET, path, None, Bytes::new()).await?;
        Ok(Lines { body: answer.into_body(), buffer: BytesMut::new(), searched: 0, ended: false })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, "localhost");
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if let Address::Tcp { token, .. } = &self.address {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::new(body)).map_err(|e| ClientError::Malformed(e.to_string()))?;
        let answer = match &self.address {
            Address::Socket(dir) => exchange(unix(dir).await?, request).await?,
            Address::Tcp { address, .. } => {
                let failed = |source| ClientError::Connect { at: address.to_string(), source };
                exchange(TcpStream::connect(address).await.map_err(failed)?, request).await?
            }
        };
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(refusal(answer).await)
    }
}

async fn unix(dir: &StateDir) -> Result<UnixStream, ClientError> {
    let path = dir.socket();
    let at = path.display().to_string();
    let path = dir
        .socket_checked()
        .map_err(|e| ClientError::Connect { at: at.clone(), source: io::Error::other(e) })?;
    UnixStream::connect(path).await.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            ClientError::NotRunning(dir.path().to_owned())
        }
        _ => ClientError::Connect { at, source },
    })
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ClientError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let broken = |e: hyper::Error| ClientError::Broken(e.to_string());
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // Ends with the answer's body, which carries any error of the connection too.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(broken)
}

async fn whole(answer: Response<Incoming>) -> Result<Bytes, ClientError> {
    let limited = http_body_util::Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
    let collected = limited.collect().await.map_err(|e| ClientError::Broken(e.to_string()))?;
    Ok(collected.to_bytes())
}

async fn refusal(answer: Response<Incoming>) -> ClientError {
    let status = answer.status();
    let body = match whole(answer).await {
        Ok(body) => body,
        Err(error) => return error,
    };
    match serde_json::from_slice::<ApiError>(&body) {
        Ok(error) => ApiError { status, ..error }.into(),
        Err(_) => {
            let text: String = String::from_utf8_lossy(&body).chars().take(200).collect();
            ApiError::new(status, format!("the node answered {status}: {text}")).into()
        }
    }
}

fn understood<T: DeserializeOwned>(body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(|e| ClientError::Malformed(e.to_string()))
}

/// What a stream brings.
#[derive(Debug)]
pub enum Item<T> {
    /// A value.
    Value(T),
    /// So many values came faster than they were read.
    Skipped(u64),
    /// A node that could not be asked.
    Missing(Missing),
}

/// A stream of values, one a line.
#[derive(Debug)]
pub struct Lines {
    body: Incoming,
    buffer: BytesMut,
    searched: usize,
    ended: bool,
}

impl Lines {
    /// The next value; none when the stream has ended. Dropping the future loses nothing.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<Item<T>>, ClientError> {
        loop {
            if let Some(end) = self.buffer[self.searched..].iter().position(|b| *b == b'\n') {
                let line = self.buffer.split_to(self.searched + end);
                self.buffer.advance(1);
                self.searched = 0;
                if let Ok(Skipped { skipped }) = serde_json::from_slice(&line) {
                    return Ok(Some(Item::Skipped(skipped)));
                }
                if let Ok(missing) = serde_json::from_slice(&line) {
                    return Ok(Some(Item::Missing(missing)));
                }
                return understood(&line).map(|value| Some(Item::Value(value)));
            }
            self.searched = self.buffer.len();
            if self.ended {
                return Ok(None);
            }
            if self.searched > LINE_BYTES_MAX {
                return Err(ClientError::Malformed(format!("a line of more than {LINE_BYTES_MAX} bytes")));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.buffer.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Some(Err(e)) => return Err(ClientError::Broken(e.to_string())),
                None => self.ended = true,
            }
        }
    }
}

//! Requests to an ingress, one connection each.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No answer takes longer than this.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(90);

/// An answer, whole.
#[derive(Debug)]
pub struct Web {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Web {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
    }
}

/// Asks; an error is a connection that failed or an answer that broke off.
pub async fn web(at: SocketAddr, host: &str, path: &str, body: impl Into<Bytes>) -> Result<Web, String> {
    let body: Bytes = body.into();
    let method = if body.is_empty() { "GET" } else { "POST" };
    exchange(at, host, method, path, Full::new(body)).await
}

/// The same with a body whose length is not said before.
pub async fn web_chunked(at: SocketAddr, host: &str, path: &str, body: Bytes) -> Result<Web, String> {
    let pieces: Vec<Bytes> = body.chunks(64 * 1024).map(|piece| body.slice_ref(piece)).collect();
    let frames = pieces.into_iter().map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
    exchange(at, host, "POST", path, StreamBody::new(futures::stream::iter(frames))).await
}

/// Says how long a body would be and waits for leave to send it, as curl does with long
/// ones: all that the node says before it closes the connection.
pub async fn web_announced(at: SocketAddr, host: &str, length: usize) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\nexpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    let ended = timeout(ANSWER_TIME_MAX, stream.read_to_end(&mut said)).await;
    ended.expect("an answer and the end of the connection").unwrap();
    String::from_utf8_lossy(&said).into_owned()
}

async fn exchange<B>(at: SocketAddr, host: &str, method: &str, path: &str, body: B) -> Result<Web, String>
where
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let asked = async {
        let stream = TcpStream::connect(at).await.map_err(|e| format!("connect: {e}"))?;
        let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|e| e.to_string())?;
        let connection = tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path).header("host", host).body(Box::pin(body));
        let answer = sender.send_request(request.map_err(|e| e.to_string())?).await;
        let (parts, body) = answer.map_err(|e| format!("no answer: {e}"))?.into_parts();
        let body = body.collect().await.map_err(|e| format!("the answer broke off: {e}"))?.to_bytes();
        connection.abort();
        Ok(Web { status: parts.status, headers: parts.headers, body })
    };
    timeout(ANSWER_TIME_MAX, asked).await.map_err(|_| "no answer in time".to_owned())?
}

//! A node that dies takes with it what it was asked: who waits for it is told at once,
//! not when the deadline is over.

use super::body::{BodyError, IngressBody};
use super::mesh::Mesh;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};
use orbweave_model::NodeId;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What is said of a node that is held for dead.
pub const HELD_FOR_DEAD: &str = "it is held for dead";

/// Done when the node is held for dead. One that only drains still answers.
pub async fn held_for_dead<M: Mesh>(mesh: &M, node: NodeId) {
    let mut changes = mesh.route_changes();
    while !mesh.routes().is_down(node) {
        if changes.changed().await.is_err() {
            // The node that we are is going down: nobody learns anything new.
            std::future::pending().await
        }
    }
}

/// The body of a node's answer, which breaks off when that node is held for dead.
pub fn while_alive<M: Mesh>(mesh: &M, node: NodeId, body: IngressBody) -> IngressBody {
    let mesh = mesh.clone();
    let death = async move { held_for_dead(&mesh, node).await }.boxed();
    WhileAlive { body, death }.boxed_unsync()
}

struct WhileAlive {
    body: IngressBody,
    death: BoxFuture<'static, ()>,
}

impl Body for WhileAlive {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        // What has arrived counts, whatever became of its sender.
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => self.death.poll_unpin(cx).map(|()| Some(Err(HELD_FOR_DEAD.into()))),
            ready => ready,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

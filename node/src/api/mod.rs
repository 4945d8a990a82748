//! The admin API: HTTP under `/v1` on a Unix socket that only the node's owner can
//! open, and on loopback with a token where that was asked for.
//!
//! | | |
//! |---|---|
//! | `GET /v1/status` | [`types::Status`] |
//! | `GET /v1/nodes` | a list of [`types::NodeView`] |
//! | `GET /v1/quotas` | a list of [`types::QuotaView`]: every namespace that has a workload or a quota |
//! | `GET /v1/zones` | a list of [`types::ZoneView`], the node's own first |
//! | `GET /v1/workloads` | a list of [`types::WorkloadView`], deleted ones among them |
//! | `GET /v1/workloads/{name}` | [`types::Describe`] |
//! | `GET /v1/instances` | a list of [`types::InstanceView`] |
//! | `POST /v1/blobs` | a component's bytes; [`types::BlobResponse`] |
//! | `POST /v1/records` | an operator-signed record; answered once it is durable |
//! | `POST /v1/tickets` | [`types::TicketRequest`], [`types::TicketResponse`] |
//! | `POST /v1/calls` | [`types::CallRequest`], [`types::CallResponse`] |
//! | `GET /v1/logs?workload=&follow=` | a [`types::LogLine`] a line |
//! | `GET /v1/events?follow=` | an [`event::Event`] a line |
//! | `POST /v1/shutdown` | the node goes down |
//!
//! An error is `{"error": …, "fix": …}` with a status of 400 or more.

pub mod backend;
pub mod client;
pub mod error;
pub mod event;
pub mod explanation;
pub mod handshake;
pub mod line;
pub mod server;
#[cfg(test)]
mod tests;
pub mod types;
pub mod zone;

pub use backend::Backend;
pub use client::{Client, ClientError};
pub use error::ApiError;
pub use server::AdminServer;

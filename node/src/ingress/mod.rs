//! HTTP ingress on every node, and calls between nodes.
//!
//! Any node answers for any service: it finds the workload by host name or path
//! ([`table`]), draws the better of two live replicas (`orbweave_scheduler::balance`),
//! and asks it in process or over a stream to its node ([`frame`]). A route that
//! declares `idempotent: true` has its bodies held and its requests repeated elsewhere
//! within their deadline: when a replica dies or refuses, when its node leaves the
//! routes, and once when it is merely slow. What travels is in `docs/INGRESS.md`.

mod attempt;
pub mod body;
mod dispatch;
mod failure;
pub mod frame;
pub mod invoke;
mod lost;
pub mod mesh;
mod node;
mod server;
pub mod serving;
mod slow;
pub mod table;
#[cfg(test)]
mod tests;
mod traffic;
mod way;

pub use failure::CallFailure;
pub use node::{call, serve, serve_stream};
pub use server::{ATTEMPTS_HEADER, REPLICA_HEADER};
pub use table::{Conflict, HttpRoute, Replica, RouteEntry, RouteTable};
pub use traffic::{Traffic, TrafficEvent, in_flight_key};

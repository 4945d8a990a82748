//! One node of the mesh, sans-IO: trust, records, membership and scheduling
//! composed into a [`Node`] that a driver or a simulator feeds.
//!
//! The contract: call [`Node::handle`] with an input, or [`Node::handle_timeout`]
//! when [`Node::next_timeout`] is due; then drain [`Node::poll_output`] until it
//! gives nothing; then wait. Time and randomness come in as arguments, so the same
//! seed and inputs give the same outputs, byte for byte.
//!
//! A promise that others rely on (a claim, an accepted submission) is staged,
//! invisible to peers and to the node's own view, until the driver reports the
//! batch that holds it as [`Input::Persisted`].
//!
//! ```
//! use orbweave_core::claim::{Claim, ClaimRange};
//! use orbweave_scheduler::rivals::Phase;
//!
//! let claim = Claim::of((0..1_000).map(|slot| ClaimRange::one(slot, 1, Phase::Running, 0, None)));
//! assert_eq!((claim.ranges.len(), claim.len()), (1, 1_000));
//! assert_eq!(Claim::decode(&claim.encode()).unwrap(), claim);
//! ```

mod admission;
pub mod allotment;
mod allotting;
mod attention;
mod body;
mod carried;
mod choosing;
pub mod claim;
mod clock;
mod contradiction;
pub mod cordon;
pub mod event;
pub mod fleet;
pub mod gateway;
mod holding;
pub mod io;
pub mod link_plan;
pub mod message;
mod node;
pub mod node_info;
mod peers;
mod placing;
pub mod plan;
#[cfg(feature = "plants")]
mod plants;
pub mod quota;
mod rebalancing;
mod records;
mod refresh;
mod renewal;
pub mod report;
mod restoring;
pub mod rollout;
mod rumours;
mod standby;
pub mod standing;
pub mod summary;
mod syncing;
mod view;
pub mod why;
pub mod workload;
mod yielding;
pub mod zone;

pub use event::{Event, EventKind};
pub use io::{ExecutorEvent, Input, Output};
pub use node::{Node, NodeConfig, Restored, StartError};
pub use orbweave_state::sync::WireVersion;
pub use workload::{Route, WorkloadSpec};

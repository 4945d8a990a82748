//! Many nodes against one another in virtual time, from one seed, in one thread.
//!
//! A [`Cluster`] holds [`orbweave_core::Node`]s, the very ones that run in production,
//! and plays everything around them: clocks, links, disks, executors. Time jumps from
//! event to event, so that an hour of five nodes takes a moment; the same seed gives the
//! same outputs, byte for byte, which [`Cluster::trace`] condenses into one hash.
//!
//! What goes wrong is said in one place, [`Faults`]; what must hold whatever goes wrong
//! is checked while it runs ([`Cluster::violations`]), from outside the nodes; what must
//! hold once all is well is in [`check`].
//!
//! ```
//! use orbweave_simnet::{Cluster, Faults, check};
//! use std::time::Duration;
//!
//! let mut cluster = Cluster::of(3, 1, Faults::default());
//! cluster.run(Duration::from_secs(5));
//! let spec = cluster.spec("hello", 2);
//! cluster.submit(0, "hello", &spec);
//! cluster.expect(Duration::from_secs(20), |c| check::placed(c, "hello", 2));
//! assert!(cluster.violations().is_empty());
//! ```

pub mod adversary;
mod cbor;
pub mod check;
mod clock;
mod cluster;
mod control;
pub mod dice;
mod disk;
mod door;
mod executor;
mod fault;
mod gossip;
mod host;
pub mod link;
mod linked;
mod lookup;
mod memo;
mod network;
mod outputs;
#[cfg(feature = "plants")]
pub mod plants;
pub mod plot;
mod queue;
pub mod run;
pub mod schedule;
mod shelf;
pub mod shrink;
mod step;
mod trace;
mod transfer;
mod world;

pub use clock::ClockModel;
pub use cluster::Cluster;
pub use disk::{Disk, DiskModel};
pub use executor::ExecutorModel;
pub use fault::Faults;
pub use gossip::GossipModel;
pub use host::{Host, HostOptions, Instance};
pub use memo::Memo;
pub use queue::Queue;
pub use run::{Report, Run, RunOptions};
pub use schedule::{FaultOptions, Schedule};
pub use world::{BEGIN, World};

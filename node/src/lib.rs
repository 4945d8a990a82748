//! The node and the command line as a library: what the `orbweave` binary, its
//! benchmarks and its tests share.
//!
//! [`driver`] gives the sans-IO node of `orbweave-core` its clock, disk, network and
//! executor; [`ingress`] carries requests and calls; [`api`] is how people and
//! programs ask a running node; [`cli`] and [`manifest`] are what they write.
//!
//! ```
//! use orbweave_node::ingress::{HttpRoute, RouteEntry, RouteTable};
//! use std::time::Duration;
//!
//! let http = HttpRoute { host: Some("hello.mesh".into()), path: None, idempotent: true };
//! let entry = RouteEntry {
//!     name: "hello".parse().unwrap(),
//!     http: Some(http),
//!     deadline: Duration::from_secs(10),
//!     replicas: vec![],
//!     beyond: vec![],
//! };
//! let table = RouteTable::new([entry]);
//! assert!(table.find(Some("Hello.mesh:8080"), "/").is_some());
//! ```

pub mod api;
pub mod cli;
pub mod demo;
pub mod driver;
pub mod ingress;
pub mod manifest;
pub mod state_dir;

//! Runs verified components on wasmtime, a fresh instance a call, inside limits.
//!
//! Nothing gets in but an [`orbweave_trust::Component`], which only verification
//! makes. [`Runtime::load`] turns it into machine code in a child process with
//! limits of its own (or takes it from a cache under a keyed MAC);
//! [`Runtime::start`] checks what it imports against what the host grants and
//! links it; [`Service`] then answers HTTP requests and calls of exported
//! functions, each in an instance of its own that lives as long as the call.
//!
//! What a guest does stays with the guest: a trap, an endless loop or an endless
//! appetite for memory ends its own call with a [`CallError`], and a call that has
//! used up its first slice of a core goes on at low priority, with equal shares
//! for all services ([`RuntimeConfig`] names the limits, `docs/RUNTIME.md` the reasons).
//!
//! ```no_run
//! use orbweave_wasm::{InstanceLimits, Runtime, RuntimeConfig};
//! use std::{sync::Arc, time::Duration};
//!
//! # async fn example(component: &orbweave_trust::Component) -> Result<(), Box<dyn std::error::Error>> {
//! let runtime = Runtime::new(RuntimeConfig {
//!     cache_dir: "/var/lib/orbweave/cache".into(),
//!     mac_key: [7; 32],
//!     compiler: "/proc/self/exe".into(),
//!     compile_memory_bytes: 1 << 30,
//!     compile_time: Duration::from_secs(60),
//!     instances_max: 256,
//! })?;
//! let loaded = runtime.load(component).await?;
//! let limits = InstanceLimits { memory_bytes: 64 << 20, call_time: Duration::from_secs(5), concurrent: 16 };
//! let service = runtime.start(&loaded, limits, Vec::new(), Arc::new(|line| println!("{}", line.text)))?;
//! let greeting = service.call("greet", "\"world\"", Duration::from_secs(1)).await?;
//! # Ok(()) }
//! ```

mod admit;
mod at_once;
mod cache;
mod call;
mod child;
pub mod codec;
mod compile;
mod config;
mod engine;
mod error;
mod exports;
mod fair;
mod grant;
mod http;
mod log;
mod patience;
mod run;
mod runtime;
mod service;
mod state;
mod ticker;
mod wave;
mod wit;

pub use child::{COMPILE_ARGUMENT, compile_child_main};
pub use config::{InstanceLimits, RuntimeConfig, limit};
pub use error::{CallError, LoadError, RuntimeError, StartError};
pub use exports::{Exports, FunctionId, FunctionInfo};
pub use http::{Body, BodyError};
pub use log::{LogLine, LogSink, LogStream};
pub use runtime::{Loaded, Runtime};
pub use service::Service;

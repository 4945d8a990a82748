//! The vocabulary of the mesh: ids, time, resources, labels, slots and limits.
//!
//! Nothing here performs IO, reads a clock or draws randomness. Every type that
//! travels encodes as deterministic CBOR with integer keys ([`wire`]).
//!
//! ```
//! use orbweave_model::{Labels, Selector};
//!
//! let labels: Labels = ["tier=edge", "zone=north"].into_iter().map(|l| l.parse().unwrap()).collect();
//! let selector: Selector = "tier in (edge, cloud)".parse().unwrap();
//! assert!(selector.matches(&labels));
//! ```

mod id;
mod label;
pub mod limit;
pub mod plant;
mod resource;
mod slot;
mod time;
pub mod wire;

pub use id::{Hash, IdError, InstanceId, MeshId, Namespace, NodeId, PublicKey, Signature, WorkloadName};
pub use label::{Label, LabelError, Labels, Selector};
pub use resource::Resources;
pub use slot::{SlotRange, Slots};
pub use time::{Hlc, HlcClock, Mono, Now, Wall};

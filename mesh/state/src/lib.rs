//! The shared state of the mesh, sans-IO: signed records, their store,
//! reconciliation between two nodes, and membership.
//!
//! A record's identity is (kind, key, author) and only its author supersedes it,
//! by a higher HLC; so a merge is commutative, associative and idempotent, and
//! never erases what another node said. What *holds* is a view over records,
//! computed elsewhere.
//!
//! ```
//! use orbweave_model::{Hlc, MeshId, Wall};
//! use orbweave_state::record::{Record, RecordKind};
//! use orbweave_state::store::{Merge, Store};
//! use orbweave_trust::{SecretKey, Strict};
//!
//! let (mesh, key) = (MeshId([7; 32]), SecretKey::from_bytes([1; 32]));
//! let hlc = Hlc { wall: Wall(1_000), count: 0 };
//! let bytes = Record::sign(&key, mesh, RecordKind::WORKLOAD, "hello", hlc, b"body".to_vec());
//! let record = Record::open(&bytes, mesh, &Strict).unwrap();
//! assert_eq!(record.body(), b"body");
//!
//! let mut store = Store::default();
//! assert!(matches!(store.merge(record.clone()), Merge::Applied { .. }));
//! assert!(matches!(store.merge(record), Merge::Known));
//! ```

pub mod membership;
pub mod record;
pub mod store;
pub mod sync;

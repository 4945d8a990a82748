//! What should run where, and who holds it: pure functions over a view.
//!
//! Nothing here knows records, links or time. A driver, the core or a simulator
//! brings candidates and rivals; ranking and merging use integers only, so that
//! every node that sees the same decides the same.
//!
//! ```
//! use orbweave_model::NodeId;
//! use orbweave_scheduler::rank::rank_of;
//!
//! let nodes = [NodeId([1; 32]), NodeId([2; 32]), NodeId([3; 32])];
//! let ranks: Vec<_> = nodes.iter().map(|n| rank_of(*n, "hello", 0, nodes.iter().copied())).collect();
//! assert_eq!({ let mut r = ranks.clone(); r.sort(); r }, vec![0, 1, 2]);
//! ```

pub mod balance;
pub mod candidate;
pub mod newcomers;
pub mod policy;
pub mod quota;
pub mod rank;
pub mod rivals;
pub mod term;
pub mod verdict;
pub mod zones;

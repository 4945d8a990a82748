//! Every bound that more than one crate relies on. A peer cannot make us pass one.

use std::time::Duration;

/// A workload's, node's or mesh's name.
pub const NAME_BYTES_MAX: usize = 63;
/// Labels of one node.
pub const LABELS_MAX: usize = 64;
/// One label key or value.
pub const LABEL_BYTES_MAX: usize = 63;
/// Conditions of one selector.
pub const SELECTOR_TERMS_MAX: usize = 32;
/// Values of one `in (…)`.
pub const SELECTOR_VALUES_MAX: usize = 32;
/// Replicas of one workload in one zone.
pub const REPLICAS_MAX: u32 = 65_536;
/// Slot ranges of one claim.
pub const SLOT_RANGES_MAX: usize = 1_024;
/// A record with its envelope.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;
/// Records that a node holds.
pub const RECORDS_MAX: usize = 100_000;
/// Records of one author and kind that a node holds.
pub const RECORDS_PER_AUTHOR_MAX: usize = 20_000;
/// Bytes of records of one author that a node holds.
pub const RECORD_BYTES_PER_AUTHOR_MAX: usize = 64 * 1024 * 1024;
/// Members of one zone.
pub const MEMBERS_MAX: usize = 1_024;
/// Addresses that one node publishes.
pub const ADDRESSES_MAX: usize = 16;
/// A membership datagram, so that it fits a QUIC datagram on every path.
pub const DATAGRAM_BYTES_MAX: usize = 1_100;
/// One sync frame.
pub const SYNC_FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A component.
pub const COMPONENT_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// A release statement in its envelope.
pub const RELEASE_BYTES_MAX: usize = 16 * 1024;
/// A request body that is held for a retry, and the largest that ingress takes.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How far ahead of our clock a record may be before it is held back.
pub const CLOCK_AHEAD_MAX: Duration = Duration::from_secs(30);
/// The longest partition that a mesh plans for, unless its genesis says otherwise.
pub const PARTITION_DEFAULT: Duration = Duration::from_secs(7 * 24 * 3600);

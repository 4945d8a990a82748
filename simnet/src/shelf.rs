//! Bytes that many hosts keep are kept once.

use crate::lookup::Lookup;
use orbweave_model::Hash;
use std::sync::Arc;

/// Bytes by their hash, as long as somebody has them.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    known: Lookup<Hash, Arc<[u8]>>,
    sweep_at: usize,
}

/// The shelf is not swept below this many entries.
const SWEEP_MIN: usize = 16_384;

impl Shelf {
    /// These bytes, shared with whoever has them already.
    pub fn share(&mut self, bytes: &[u8]) -> Arc<[u8]> {
        if self.known.len() >= self.sweep_at.max(SWEEP_MIN) {
            self.known.retain(|bytes| Arc::strong_count(bytes) > 1);
            self.sweep_at = self.known.len() * 2;
        }
        self.known.get_or_insert_with(Hash::of(bytes), || bytes.into()).clone()
    }
}

//! Where a service's next call begins: on the thread that was asked, or on the fair pool.
//!
//! Most calls end within their first slice, and are quickest where they were asked. A
//! call that outlasts it tells of the next ones: they begin on the pool, where their
//! slices are of low priority, or first slices alone could keep a node's threads busy.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Calls that begin on the pool after one that outlasted its slice: of calls that all
/// compute long, one in this many takes a slice of the thread that was asked.
const PATIENT_CALLS: u32 = 64;

/// What one service's calls have taught.
#[derive(Default)]
pub(crate) struct Patience {
    left: AtomicU32,
}

impl Patience {
    /// Whether the next call begins where it was asked.
    pub(crate) fn begins_here(&self) -> bool {
        // Two calls that count at the same time may count once: no harm.
        let left = self.left.load(Relaxed);
        if left > 0 {
            self.left.store(left - 1, Relaxed);
        }
        left == 0
    }

    /// A call outlasted its first slice.
    pub(crate) fn slice_used_up(&self) {
        self.left.store(PATIENT_CALLS, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_begin_here_until_one_outlasts_its_slice_and_one_in_many_after_that() {
        let patience = Patience::default();
        assert!(patience.begins_here() && patience.begins_here());
        patience.slice_used_up();
        assert!((0..PATIENT_CALLS).all(|_| !patience.begins_here()));
        assert!(patience.begins_here());
    }
}

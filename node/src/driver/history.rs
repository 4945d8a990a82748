//! The last so many of something, and those that follow, for whoever listens.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tokio::sync::broadcast;

/// A bounded memory with listeners. A listener that is too slow misses some.
pub struct History<T> {
    last: Mutex<VecDeque<T>>,
    keep: usize,
    sender: broadcast::Sender<T>,
}

impl<T: Clone> History<T> {
    /// Keeps the last `keep`.
    pub fn new(keep: usize) -> Self {
        Self {
            last: Mutex::new(VecDeque::with_capacity(keep)),
            keep,
            sender: broadcast::channel(keep.max(1)).0,
        }
    }

    /// Adds one.
    pub fn push(&self, item: T) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == self.keep {
            last.pop_front();
        }
        last.push_back(item.clone());
        // Sent under the lock, so that whoever begins to listen misses none and sees none twice.
        let _ = self.sender.send(item);
    }

    /// Those that are kept and pass, oldest first, and all that follow.
    pub fn listen(&self, passes: impl Fn(&T) -> bool) -> (Vec<T>, broadcast::Receiver<T>) {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        (last.iter().filter(|item| passes(item)).cloned().collect(), self.sender.subscribe())
    }
}

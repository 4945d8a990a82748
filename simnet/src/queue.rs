//! What happens next: one queue, ordered by time and then by who was put in first.

use orbweave_model::Mono;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Items that are due at a time each. The heap moves keys of 24 bytes only; items stay
/// where they were put.
#[derive(Debug)]
pub struct Queue<T> {
    heap: BinaryHeap<Reverse<(Mono, u64, u32)>>,
    items: Vec<Option<T>>,
    free: Vec<u32>,
    put: u64,
}

impl<T> Queue<T> {
    /// Puts an item in.
    pub fn put(&mut self, at: Mono, item: T) {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.items.push(None);
                u32::try_from(self.items.len() - 1).expect("under four thousand million events at once")
            }
        };
        self.items[slot as usize] = Some(item);
        self.put += 1;
        self.heap.push(Reverse((at, self.put, slot)));
    }

    /// When the next item is due.
    pub fn next_at(&self) -> Option<Mono> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// Takes the next item that is due by `now`.
    pub fn pop(&mut self, now: Mono) -> Option<(Mono, T)> {
        if self.next_at()? > now {
            return None;
        }
        let Reverse((at, _, slot)) = self.heap.pop()?;
        self.free.push(slot);
        self.items[slot as usize].take().map(|item| (at, item))
    }

    /// How many items wait.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// How many waited at once, at most, so far.
    pub fn capacity(&self) -> usize {
        self.items.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), items: Vec::new(), free: Vec::new(), put: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_in_order_of_time_and_then_as_they_were_put() {
        let mut queue = Queue::default();
        for (at, item) in [(5, 'c'), (3, 'a'), (5, 'd'), (3, 'b'), (9, 'e')] {
            queue.put(Mono(at), item);
        }
        assert_eq!(queue.pop(Mono(2)), None);
        let early: String = std::iter::from_fn(|| queue.pop(Mono(5))).map(|(_, item)| item).collect();
        assert_eq!(early, "abcd");
        queue.put(Mono(1), 'f');
        assert_eq!(queue.pop(Mono(9)), Some((Mono(1), 'f')));
        assert_eq!(queue.len(), 1);
    }
}

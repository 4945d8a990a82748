//! The events of all nodes, as they arrive over each node's own admin API.

use super::show::Show;
use crate::api::client::{Client, Item};
use crate::api::event::{Event, EventKind};
use orbweave_model::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

/// Events that are kept; the demo makes some thousands.
const EVENTS_MAX: usize = 200_000;
/// A rest before a stream that broke is opened again: a frozen node's does not break,
/// and a killed node's stays broken.
const REOPEN_PAUSE: Duration = Duration::from_millis(500);

/// All events so far.
#[derive(Default)]
pub struct Journal {
    events: Mutex<Vec<Event>>,
}

impl Journal {
    /// Takes in what a node tells, from its first event on, until the handle is dropped.
    pub fn follow(self: &Arc<Self>, client: Client, show: Arc<Show>) -> AbortOnDropHandle<()> {
        let journal = self.clone();
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                if let Ok(mut lines) = client.lines("/v1/events?follow=true").await {
                    while let Ok(Some(item)) = lines.next::<Event>().await {
                        match item {
                            Item::Value(event) => journal.add(event, &show),
                            // Only other nodes can be missing, and none is asked.
                            Item::Missing(_) => {}
                            Item::Skipped(n) => {
                                show.line(&format!("{n} events came too fast and are missing"))
                            }
                        }
                    }
                }
                sleep(REOPEN_PAUSE).await;
            }
        }))
    }

    fn add(&self, event: Event, show: &Show) {
        let mut events = self.events();
        // A stream that was opened again repeats its last events.
        if events.len() < EVENTS_MAX && !events.contains(&event) {
            show.event(&event);
            events.push(event);
        }
    }

    /// The first event, by the clock, for which this holds.
    pub fn first(&self, holds: impl Fn(&Event) -> bool) -> Option<Event> {
        self.events().iter().filter(|e| holds(e)).min_by_key(|e| e.at_ms).cloned()
    }

    /// Instances that nodes outside `faulted` started more than once in one slot.
    pub fn restarts(&self, workload: &str, faulted: &BTreeSet<NodeId>) -> u64 {
        restarts(&self.events(), workload, faulted)
    }

    fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn restarts(events: &[Event], workload: &str, faulted: &BTreeSet<NodeId>) -> u64 {
    let mut starts: BTreeMap<(NodeId, u32), u64> = BTreeMap::new();
    let started = events.iter().filter(|e| {
        e.kind == EventKind::Started
            && e.workload.as_ref().is_some_and(|w| w.as_str() == workload)
            && !faulted.contains(&e.node)
    });
    for event in started {
        *starts.entry((event.node, event.slot.unwrap_or_default())).or_default() += 1;
    }
    starts.values().map(|n| n - 1).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(node: u8, slot: u32, at_ms: u64) -> Event {
        let mut event = Event::new(at_ms, NodeId([node; 32]), EventKind::Started, "it runs");
        event.workload = Some("w".parse().unwrap());
        event.slot = Some(slot);
        event
    }

    #[test]
    fn a_second_start_in_one_slot_of_a_healthy_node_is_a_restart() {
        let events =
            [started(1, 0, 1), started(2, 1, 2), started(1, 2, 3), started(3, 0, 4), started(3, 0, 5)];
        assert_eq!(restarts(&events, "w", &BTreeSet::new()), 1);
        assert_eq!(restarts(&events, "w", &BTreeSet::from([NodeId([3; 32])])), 0);
        assert_eq!(restarts(&events, "other", &BTreeSet::new()), 0);
    }
}

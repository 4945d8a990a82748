//! The epoch clock: one thread a runtime, asleep while no guest is alive.

use crate::limit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::{self, JoinHandle};
use wasmtime::Engine;

/// Steps without a guest before the thread goes to sleep: waking it costs a system
/// call, which a busy node should not pay at every request.
const IDLE_STEPS_BEFORE_SLEEP: u32 = 200;

/// Counts guests and steps the epoch while there are any.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    guests: AtomicUsize,
    asleep: AtomicBool,
    stop: AtomicBool,
}

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            guests: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let engine = engine.weak();
        let thread = thread::Builder::new().name("orbweave-epoch".into()).spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut idle_steps = 0;
                while !shared.stop.load(SeqCst) {
                    thread::sleep(limit::EPOCH_STEP);
                    let Some(engine) = engine.upgrade() else { return };
                    engine.increment_epoch();
                    drop(engine);
                    idle_steps = if shared.guests.load(SeqCst) == 0 { idle_steps + 1 } else { 0 };
                    if idle_steps >= IDLE_STEPS_BEFORE_SLEEP {
                        shared.doze();
                        idle_steps = 0;
                    }
                }
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// A guest begins: the epoch moves until it ends.
    pub(crate) fn guest_begins(&self) {
        self.shared.guests.fetch_add(1, SeqCst);
        if self.shared.asleep.load(SeqCst) {
            self.wake();
        }
    }

    /// A guest ended.
    pub(crate) fn guest_ended(&self) {
        self.shared.guests.fetch_sub(1, SeqCst);
    }

    fn wake(&self) {
        self.shared.asleep.store(false, SeqCst);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Shared {
    /// Sleeps until a guest begins. `asleep` is set before the guests are counted
    /// again, and a beginning guest counts itself before it looks at `asleep`: one of
    /// the two sees the other.
    fn doze(&self) {
        self.asleep.store(true, SeqCst);
        while self.asleep.load(SeqCst) && self.guests.load(SeqCst) == 0 && !self.stop.load(SeqCst) {
            thread::park();
        }
        self.asleep.store(false, SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // It cannot be the one that drops us: it holds no runtime.
            let _ = thread.join();
        }
    }
}

//! Threads of low priority for guests that compute long, shared equally by services.
//!
//! A guest that used up its first slice moves here, and those of its service that are
//! called after it begin here. Of the services with a guest
//! that can run, the one that has used least time goes next, one slice at a time:
//! a service that loops in a hundred calls at once gets one share, not a hundred.
//! A service that was idle starts level with the least of the others, so that it
//! cannot save up time.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Instant;
use tokio::sync::oneshot;

/// How much the operating system puts these threads behind the others: about a
/// tenth of the weight of a thread at 0.
const NICE: i32 = 10;

/// The pool. Dropping it ends its threads, and the guests on them.
pub(crate) struct FairPool {
    shared: Arc<Shared>,
}

/// What one service has used, in nanoseconds.
#[derive(Default)]
pub(crate) struct Share {
    used_ns: AtomicU64,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    ready: BTreeMap<(u64, u64), Arc<Task>>,
    arrivals: u64,
    least_ns: u64,
    stop: bool,
}

const IDLE: u8 = 0;
const QUEUED: u8 = 1;
const RUNNING: u8 = 2;
const WOKEN: u8 = 3;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Task {
    work: Mutex<Option<Work>>,
    state: AtomicU8,
    cancelled: AtomicBool,
    share: Arc<Share>,
    tokio: tokio::runtime::Handle,
    pool: Arc<Shared>,
}

/// A guest on the pool. Dropping it ends the guest.
pub(crate) struct Placed<T> {
    answer: oneshot::Receiver<T>,
    task: Arc<Task>,
}

impl FairPool {
    pub(crate) fn start(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new() });
        let pool = Self { shared: Arc::clone(&shared) };
        for n in 0..threads {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name(format!("orbweave-guest-{n}")).spawn(move || {
                // On Linux this counts for the thread alone. Without the right to it we run as we are.
                let _ = rustix::process::nice(NICE);
                shared.work();
            })?;
        }
        Ok(pool)
    }

    /// Goes on with a guest here. Must be called within a tokio runtime: the guest's
    /// timers and streams stay there.
    pub(crate) fn place<T: Send + 'static>(
        &self,
        share: &Arc<Share>,
        guest: Pin<Box<dyn Future<Output = T> + Send>>,
    ) -> Placed<T> {
        let (sender, answer) = oneshot::channel();
        let task = Arc::new(Task {
            work: Mutex::new(Some(Box::pin(async move {
                let _ = sender.send(guest.await);
            }))),
            state: AtomicU8::new(IDLE),
            cancelled: AtomicBool::new(false),
            share: Arc::clone(share),
            tokio: tokio::runtime::Handle::current(),
            pool: Arc::clone(&self.shared),
        });
        Task::schedule(&task);
        Placed { answer, task }
    }
}

impl Drop for FairPool {
    fn drop(&mut self) {
        let left = {
            let mut queue = lock(&self.shared.queue);
            queue.stop = true;
            std::mem::take(&mut queue.ready)
        };
        self.shared.changed.notify_all();
        drop(left);
    }
}

impl Shared {
    fn work(&self) {
        loop {
            let task = {
                let mut queue = lock(&self.queue);
                loop {
                    if queue.stop {
                        return;
                    }
                    if let Some(((used, _), task)) = queue.ready.pop_first() {
                        queue.least_ns = queue.least_ns.max(used);
                        break task;
                    }
                    queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
            };
            Task::run_slice(&task);
            // A thread that woke meanwhile need not wait for the scheduler's next tick, which
            // with lazy preemption is what would stop a guest in the middle of its slice.
            thread::yield_now();
        }
    }
}

impl Task {
    fn schedule(task: &Arc<Task>) {
        let before = task.state.fetch_update(SeqCst, SeqCst, |state| match state {
            IDLE => Some(QUEUED),
            RUNNING => Some(WOKEN),
            _ => None,
        });
        if before == Ok(IDLE) {
            Self::enqueue(task);
        }
    }

    fn enqueue(task: &Arc<Task>) {
        let mut queue = lock(&task.pool.queue);
        if queue.stop {
            return;
        }
        let used = task.share.used_ns.fetch_max(queue.least_ns, SeqCst).max(queue.least_ns);
        queue.arrivals += 1;
        let arrival = queue.arrivals;
        queue.ready.insert((used, arrival), Arc::clone(task));
        drop(queue);
        task.pool.changed.notify_one();
    }

    fn run_slice(task: &Arc<Task>) {
        task.state.store(RUNNING, SeqCst);
        let begun = Instant::now();
        let finished = {
            let mut work = lock(&task.work);
            let polled = work.as_mut().map(|work| {
                let _tokio = task.tokio.enter();
                let waker = Waker::from(Arc::clone(task));
                work.as_mut().poll(&mut Context::from_waker(&waker))
            });
            let finished = !matches!(polled, Some(Poll::Pending));
            if finished {
                *work = None;
            }
            finished
        };
        let used = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        task.share.used_ns.fetch_add(used, SeqCst);
        if finished {
            return;
        }
        if task.cancelled.load(SeqCst) {
            task.discard();
            return;
        }
        if task.state.compare_exchange(RUNNING, IDLE, SeqCst, SeqCst).is_err() {
            task.state.store(QUEUED, SeqCst);
            Self::enqueue(task);
        }
    }

    /// Drops the guest unless it is running right now; then `run_slice` sees
    /// `cancelled` behind the lock that it still holds.
    fn discard(&self) {
        if let Ok(mut work) = self.work.try_lock() {
            let _tokio = self.tokio.enter();
            drop(work.take());
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        Task::schedule(&self);
    }
}

impl<T> Future for Placed<T> {
    /// Nothing if the pool ended first.
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.answer).poll(cx).map(Result::ok)
    }
}

impl<T> Drop for Placed<T> {
    fn drop(&mut self) {
        self.task.cancelled.store(true, SeqCst);
        self.task.discard();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

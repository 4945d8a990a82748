//! Work that is shared among threads: what `swarm`, `run --seeds` and `plants` have in common.

use std::sync::Mutex;
use std::thread;

/// Does the work of each task, several at once: `jobs`, or as many as there are processors.
/// Tasks are begun in order.
pub fn each<T: Send>(
    jobs: Option<usize>,
    tasks: impl IntoIterator<Item = T, IntoIter: Send>,
    work: impl Fn(T) + Sync,
) {
    let tasks = Mutex::new(tasks.into_iter());
    let next = || tasks.lock().ok().and_then(|mut tasks| tasks.next());
    let jobs = jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(task) = next() {
                    work(task);
                }
            });
        }
    });
}

//! How a guest is driven: on the fair pool, or its first slice where it was called and
//! the rest there, and never past its deadline.

use crate::fair::Placed;
use crate::service::Shared;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Instant;
use tokio::time::{Sleep, sleep_until};

/// A guest that runs to its answer.
pub(crate) type Guest<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A guest that passed its deadline. Dropping it ends it.
pub(crate) enum Overdue<T> {
    /// It was waiting where it had been called.
    Waiting(#[expect(dead_code, reason = "held to be dropped")] Guest<T>),
    /// It was computing on the pool.
    Computing(#[expect(dead_code, reason = "held to be dropped")] Placed<T>),
}

thread_local! {
    static SLICE_USED_UP: Cell<bool> = const { Cell::new(false) };
}

/// Called from inside a guest (by its epoch deadline): it yields because its slice
/// is over, not because it waits.
pub(crate) fn slice_used_up() {
    SLICE_USED_UP.set(true);
}

enum Progress<T> {
    Answer(T),
    SliceUsedUp,
    DeadlinePassed,
}

/// Drives a guest to its answer, its first slice here.
pub(crate) async fn from_here<T: Send + 'static>(
    shared: &Shared,
    deadline: Instant,
    mut guest: Guest<T>,
) -> Result<T, Overdue<T>> {
    // Most guests answer at once and need no timer.
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    let progress = poll_fn(|cx| {
        SLICE_USED_UP.set(false);
        if let Poll::Ready(answer) = guest.as_mut().poll(cx) {
            return Poll::Ready(Progress::Answer(answer));
        }
        if SLICE_USED_UP.take() {
            return Poll::Ready(Progress::SliceUsedUp);
        }
        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(deadline.into())));
        timer.as_mut().poll(cx).map(|()| Progress::DeadlinePassed)
    })
    .await;
    match progress {
        Progress::Answer(answer) => Ok(answer),
        Progress::DeadlinePassed => Err(Overdue::Waiting(guest)),
        Progress::SliceUsedUp => {
            shared.patience.slice_used_up();
            on_pool(shared, deadline, guest).await
        }
    }
}

/// Drives a guest to its answer, on the pool.
pub(crate) async fn on_pool<T: Send + 'static>(
    shared: &Shared,
    deadline: Instant,
    guest: Guest<T>,
) -> Result<T, Overdue<T>> {
    let mut placed = shared.runtime.fair.place(&shared.share, guest);
    match tokio::time::timeout_at(deadline.into(), &mut placed).await {
        Ok(Some(answer)) => Ok(answer),
        // The pool ends only with the runtime, whose calls then end too.
        Ok(None) | Err(_) => Err(Overdue::Computing(placed)),
    }
}

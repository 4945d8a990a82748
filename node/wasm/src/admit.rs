//! A turn to run: one of the service's, and one of the pool's.

use crate::error::CallError;
use crate::limit;
use crate::service::Shared;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;
use tokio::sync::{Semaphore, SemaphorePermit, TryAcquireError};

/// A call that is counted as outstanding, waiting or running.
pub(crate) struct Outstanding {
    service: Arc<Shared>,
}

/// The right to one instance. It must outlive the instance's store.
pub(crate) struct Turn {
    outstanding: Outstanding,
}

impl Outstanding {
    /// Counts the call, or refuses it where too many wait already.
    pub(crate) fn new(service: &Arc<Shared>) -> Result<Self, CallError> {
        let before = service.outstanding.fetch_add(1, Relaxed);
        let this = Self { service: Arc::clone(service) };
        let most = service.limits.concurrent.saturating_add(limit::WAITING_MAX);
        if before >= most { Err(CallError::NoCapacity) } else { Ok(this) }
    }

    /// Waits for a turn until the deadline.
    pub(crate) async fn turn(self, deadline: Instant) -> Result<Turn, CallError> {
        let service = &self.service;
        let of_service = take(&service.turns, deadline).await?;
        let of_pool = take(&service.runtime.instances, deadline).await?;
        // Forgotten only now, so that a caller that gave up while waiting leaks neither.
        of_service.forget();
        of_pool.forget();
        service.runtime.ticker.guest_begins();
        Ok(Turn { outstanding: self })
    }
}

async fn take(semaphore: &Semaphore, deadline: Instant) -> Result<SemaphorePermit<'_>, CallError> {
    match semaphore.try_acquire() {
        Ok(permit) => return Ok(permit),
        Err(TryAcquireError::Closed) => return Err(CallError::NoCapacity),
        Err(TryAcquireError::NoPermits) => {}
    }
    match tokio::time::timeout_at(deadline.into(), semaphore.acquire()).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) | Err(_) => Err(CallError::NoCapacity),
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let service = &self.outstanding.service;
        service.runtime.ticker.guest_ended();
        service.runtime.instances.add_permits(1);
        service.turns.add_permits(1);
    }
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        self.service.outstanding.fetch_sub(1, Relaxed);
    }
}

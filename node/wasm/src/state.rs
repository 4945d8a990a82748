//! What belongs to one instance: its budget, its deadline, and the host's side of WASI.

use crate::error::{CallError, shortened};
use crate::limit;
use crate::log::{GuestOutput, LogStream};
use crate::run;
use crate::service::Shared;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;
use wasmtime::component::ResourceTable;
use wasmtime::{PoolConcurrencyLimitError, ResourceLimiter, Store, UpdateDeadline};
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

/// Epoch steps that a guest runs before it yields: one to two milliseconds.
const SLICE_STEPS: u64 = 2;

/// The store's data.
pub(crate) struct State {
    service: Arc<Shared>,
    deadline: Instant,
    budget: Budget,
    table: ResourceTable,
    // Most calls of a custom interface never ask for WASI: it is made at the first use.
    wasi: Option<Box<WasiCtx>>,
    http: Option<WasiHttpCtx>,
    outbound: NoOutbound,
}

/// A store for one call, which yields after each slice.
pub(crate) fn store(service: &Arc<Shared>, deadline: Instant) -> Store<State> {
    let mut store = store_for_a_slice(service, deadline);
    store.epoch_deadline_callback(|store| {
        if Instant::now() >= store.data().deadline {
            return Err(DeadlinePassed.into());
        }
        run::slice_used_up();
        Ok(UpdateDeadline::Yield(SLICE_STEPS))
    });
    store
}

/// A store for a call that may take one slice: then it is interrupted.
pub(crate) fn store_for_a_slice(service: &Arc<Shared>, deadline: Instant) -> Store<State> {
    let limit = usize::try_from(service.limits.memory_bytes).unwrap_or(usize::MAX);
    let mut table = ResourceTable::new();
    table.set_max_capacity(limit::RESOURCES_MAX);
    let state = State {
        service: Arc::clone(service),
        deadline,
        budget: Budget { limit, used: 0, denied: false },
        table,
        wasi: None,
        http: None,
        outbound: NoOutbound,
    };
    let mut store = Store::new(service.engine(), state);
    store.limiter(|state| &mut state.budget);
    store.set_hostcall_fuel(limit::HOST_CALL_BYTES_MAX);
    store.set_epoch_deadline(SLICE_STEPS);
    store
}

/// The guest computed past its deadline.
#[derive(Debug, thiserror::Error)]
#[error("deadline passed")]
struct DeadlinePassed;

/// Says for the caller why a guest ended.
pub(crate) fn classify(state: &State, error: &wasmtime::Error) -> CallError {
    if error.is::<DeadlinePassed>() {
        return CallError::DeadlineExceeded;
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return CallError::NoCapacity;
    }
    if state.budget.denied {
        return CallError::OutOfMemory { limit_bytes: state.service.limits.memory_bytes };
    }
    if let Some(I32Exit(status)) = error.downcast_ref() {
        return CallError::Trapped(format!("it called exit with status {status}"));
    }
    // The cause first: the context is a backtrace of many lines.
    let text = format!("{}; {error}", error.root_cause());
    CallError::Trapped(shortened(&text, limit::TRAP_TEXT_BYTES_MAX))
}

/// Counts linear memory over all memories of the instance.
struct Budget {
    limit: usize,
    used: usize,
    denied: bool,
}

impl ResourceLimiter for Budget {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.limit {
            self.denied = true;
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= limit::TABLE_ELEMENTS_MAX)
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let service = &self.service;
        let ctx = self.wasi.get_or_insert_with(|| {
            let mut wasi = WasiCtx::builder();
            wasi.envs(&service.env)
                .stdout(GuestOutput::new(LogStream::Stdout, &service.logs))
                .stderr(GuestOutput::new(LogStream::Stderr, &service.logs))
                .max_random_size(limit::RANDOM_BYTES_MAX)
                .allow_tcp(false)
                .allow_udp(false);
            Box::new(wasi.build())
        });
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let ctx = self.http.get_or_insert_with(|| {
            let mut http = WasiHttpCtx::new();
            http.set_field_size_limit(limit::HEADER_BYTES_MAX);
            http
        });
        WasiHttpCtxView { hooks: &mut self.outbound, table: &mut self.table, ctx }
    }
}

/// Outgoing HTTP is a capability that nothing grants yet.
struct NoOutbound;

type Sent = wasmtime_wasi_http::Result<(
    ::http::Response<WasiBody>,
    Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send>,
)>;

impl WasiHttpHooks for NoOutbound {
    fn send_request(
        &mut self,
        _request: ::http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _sent: Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(std::future::ready(Err(wasmtime_wasi_http::Error::HttpRequestDenied)))
    }
}

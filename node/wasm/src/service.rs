//! One component, linked and ready: what the node hands its calls to.

use crate::config::InstanceLimits;
use crate::error::CallError;
use crate::exports::{Exports, FunctionId, Table};
use crate::fair::Share;
use crate::log::{LogSink, Logs};
use crate::patience::Patience;
use crate::runtime::Runtime;
use crate::state::State;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::InstancePre;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

/// A started component. Clones are handles of the same service.
#[derive(Clone)]
pub struct Service {
    pub(crate) shared: Arc<Shared>,
}

/// What all calls of one service share.
pub(crate) struct Shared {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) name: String,
    pub(crate) pre: InstancePre<State>,
    pub(crate) proxy: Option<ProxyPre<State>>,
    pub(crate) table: Table,
    pub(crate) limits: InstanceLimits,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) turns: Semaphore,
    pub(crate) outstanding: AtomicU32,
    pub(crate) share: Arc<Share>,
    pub(crate) patience: Patience,
    /// Then a call has no effect, and may be thrown away and made again.
    pub(crate) imports_nothing: bool,
}

impl Shared {
    pub(crate) fn engine(&self) -> &Engine {
        self.runtime.engine()
    }

    /// When a call that may take `within` must be over.
    pub(crate) fn deadline(&self, within: Duration) -> Instant {
        let now = Instant::now();
        now.checked_add(within.min(self.limits.call_time)).unwrap_or(now)
    }

    /// Tells the service's log why a guest ended badly: its caller may be far away.
    pub(crate) fn note(&self, error: &CallError) {
        if !error.nothing_ran() {
            self.logs.host(format!("a call ended: {error}"));
        }
    }
}

impl Service {
    pub(crate) fn new(
        runtime: Arc<Runtime>,
        name: String,
        pre: InstancePre<State>,
        table: Table,
        limits: InstanceLimits,
        env: Vec<(String, String)>,
        logs: LogSink,
    ) -> wasmtime::Result<Self> {
        let proxy = table.exports.http.then(|| ProxyPre::new(pre.clone())).transpose()?;
        let turns = Semaphore::new(usize::try_from(limits.concurrent).unwrap_or(usize::MAX));
        let logs = Arc::new(Logs::new(logs));
        let (outstanding, share) = (AtomicU32::new(0), Arc::default());
        let imports_nothing = pre.component().component_type().imports(runtime.engine()).len() == 0;
        let shared = Shared {
            runtime,
            name,
            pre,
            proxy,
            table,
            limits,
            env,
            logs,
            turns,
            outstanding,
            share,
            patience: Patience::default(),
            imports_nothing,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The name of its release.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// What it offers.
    pub fn exports(&self) -> &Exports {
        &self.shared.table.exports
    }

    /// Calls that run or wait for their turn.
    pub fn outstanding(&self) -> u32 {
        self.shared.outstanding.load(Relaxed)
    }

    /// Finds a function: `package:ns/iface.func`, with or without the interface's
    /// version, `iface.func` or `func`, as long as it is the only one of that name.
    pub fn resolve(&self, function: &str) -> Result<FunctionId, CallError> {
        self.shared.table.resolve(function)
    }
}

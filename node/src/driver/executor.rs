//! The executor: fetches components, checks, compiles and starts them, and holds
//! the services that run here.

use super::actor::Message;
use super::handle::NodeHandle;
use super::health;
use crate::api::types;
use crate::driver::actor::wall_now;
use orbweave_core::io::Start;
use orbweave_core::{ExecutorEvent, Input};
use orbweave_model::{Hash, InstanceId, NodeId};
use orbweave_trust::Release;
use orbweave_wasm::{InstanceLimits, Loaded, LogSink, LogStream, Runtime, Service};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::AbortHandle;

/// Memory of an instance whose manifest names none.
const MEMORY_DEFAULT_BYTES: u64 = 128 << 20;

/// A fetch is given up after this, and a second more for each so many bytes.
const FETCH_TIME: Duration = Duration::from_secs(60);
const FETCH_BYTES_PER_S_MIN: u64 = 64 * 1024;

/// Starts and stops what the node decided to run.
pub struct Executor {
    runtime: Arc<Runtime>,
    handle: NodeHandle,
    starting: BTreeMap<InstanceId, (AbortHandle, Arc<AtomicBool>)>,
}

impl Executor {
    /// Nothing runs yet.
    pub fn new(runtime: Arc<Runtime>, handle: NodeHandle) -> Self {
        Self { runtime, handle, starting: BTreeMap::new() }
    }

    /// Brings a component here, unless it is.
    pub fn fetch(&self, hash: Hash, size: u64, providers: Vec<NodeId>) {
        let handle = self.handle.clone();
        tokio::spawn(async move {
            let outcome = match handle.net().blob(hash).await {
                Ok(Some(_)) => Ok(()),
                _ => {
                    // What arrived is kept, so a slow fetch goes on from there next time.
                    let patience = FETCH_TIME + Duration::from_secs(size / FETCH_BYTES_PER_S_MIN);
                    match tokio::time::timeout(patience, handle.net().fetch_blob(hash, size, &providers))
                        .await
                    {
                        Ok(fetched) => fetched.map_err(|e| e.to_string()),
                        Err(_) => Err(format!("it was not here after {} s", patience.as_secs())),
                    }
                }
            };
            let _ = handle.inbox().send(Message::Input(Input::Blob { hash, outcome })).await;
        });
    }

    /// Compiles a component that is here; what comes of it is in the cache.
    pub fn prepare(&self, release: Release) {
        let (runtime, handle) = (Arc::clone(&self.runtime), self.handle.clone());
        tokio::spawn(async move {
            // A failure shows when it is started in earnest, with its reason.
            if let Err(why) = load(&runtime, &handle, &release).await {
                tracing::warn!(%why, "a component could not be compiled ahead");
            }
        });
    }

    /// Runs a component that is here.
    pub fn start(&mut self, start: Start) {
        self.starting.retain(|_, (task, _)| !task.is_finished());
        let instance = start.instance;
        let (runtime, handle) = (Arc::clone(&self.runtime), self.handle.clone());
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        let task = tokio::spawn(async move {
            let (workload, path) = (start.workload.clone(), start.health.clone());
            let reason = match run(&runtime, &handle, start, &stopped).await {
                Ok(service) => {
                    report(&handle, instance, ExecutorEvent::Running).await;
                    let Some(path) = path else { return };
                    let reason = health::until_it_fails(&service, &workload, &path).await;
                    handle.remove_service(instance);
                    reason
                }
                Err(reason) => reason,
            };
            report(&handle, instance, ExecutorEvent::Failed { reason }).await;
        });
        self.starting.insert(instance, (task.abort_handle(), stop));
    }

    /// Ends an instance. Calls under way finish on their own.
    pub fn stop(&mut self, instance: InstanceId) {
        if let Some((task, stop)) = self.starting.remove(&instance) {
            stop.store(true, Ordering::SeqCst);
            task.abort();
        }
        self.handle.remove_service(instance);
    }

    /// Ends all.
    pub fn stop_all(&mut self) {
        for (_, (task, stop)) in std::mem::take(&mut self.starting) {
            stop.store(true, Ordering::SeqCst);
            task.abort();
        }
        self.handle.remove_all_services();
    }
}

async fn report(handle: &NodeHandle, instance: InstanceId, event: ExecutorEvent) {
    let _ = handle.inbox().send(Message::Input(Input::Executor { instance, event })).await;
}

/// The bytes are checked against the release, the compiled code against its MAC.
async fn load(runtime: &Runtime, handle: &NodeHandle, release: &Release) -> Result<Loaded, String> {
    let hash = release.statement().blake3;
    let bytes = handle.net().blob(hash).await.map_err(|e| {
        format!("component {} cannot be read: it is damaged on this node's disk ({e}); remove the node's blobs folder and start it again", hash.short())
    })?;
    let bytes = bytes.ok_or_else(|| format!("component {} is not here any more", hash.short()))?;
    let release = release.clone();
    let checked = tokio::task::spawn_blocking(move || release.check_component(&bytes[..]))
        .await
        .map_err(|e| e.to_string())?;
    let component = checked.map_err(|e| e.to_string())?;
    runtime.load(&component).await.map_err(|e| e.to_string())
}

/// Every step checks for itself; the imports are checked against what is granted.
async fn run(
    runtime: &Arc<Runtime>,
    handle: &NodeHandle,
    start: Start,
    stopped: &AtomicBool,
) -> Result<Service, String> {
    let loaded = load(runtime, handle, &start.release).await?;
    let compiled = ExecutorEvent::Compiled { cached: loaded.from_cache(), took: loaded.compile_time() };
    report(handle, start.instance, compiled).await;

    let limits = InstanceLimits {
        memory_bytes: if start.memory_bytes == 0 { MEMORY_DEFAULT_BYTES } else { start.memory_bytes },
        call_time: if start.call_time.is_zero() { Duration::from_secs(30) } else { start.call_time },
        concurrent: start.concurrency.clamp(1, orbweave_wasm::limit::INSTANCES_MAX),
    };
    let service = runtime
        .start(&loaded, limits, start.env.clone(), log_sink(handle, &start))
        .map_err(|e| e.to_string())?;
    if let Some(path) = &start.health {
        health::check(&service, &start.workload, path).await?;
    }
    handle.add_service(start.workload, start.slot, start.instance, service.clone());
    // An abort cannot reach between the last await and here: whoever stopped it
    // either saw the service, or is seen now.
    if stopped.load(Ordering::SeqCst) {
        handle.remove_service(start.instance);
    }
    Ok(service)
}

fn log_sink(handle: &NodeHandle, start: &Start) -> LogSink {
    let (handle, workload, instance) = (handle.clone(), start.workload.clone(), start.instance);
    Arc::new(move |line| {
        handle.log(types::LogLine {
            at_ms: wall_now().0,
            node: handle.id(),
            workload: workload.clone(),
            instance,
            stream: match line.stream {
                LogStream::Stdout => types::LogStream::Stdout,
                LogStream::Stderr => types::LogStream::Stderr,
                LogStream::Host => types::LogStream::Host,
            },
            text: line.text,
        });
    })
}

//! From verified bytes to a service.

use crate::cache::Cache;
use crate::compile::compile;
use crate::config::{InstanceLimits, RuntimeConfig};
use crate::error::{LoadError, RuntimeError, StartError};
use crate::exports::Table;
use crate::fair::FairPool;
use crate::log::LogSink;
use crate::service::Service;
use crate::state::State;
use crate::ticker::Ticker;
use crate::{engine, grant, limit};
use orbweave_model::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

/// The purpose that distinguishes keys of the cache from every other BLAKE3 hash.
const CACHE_KEY_CONTEXT: &str = "orbweave 2026 compiled component cache key v1";
const PAGE_BYTES: u64 = 64 * 1024;

/// Everything that the services of one node share. Make it within a tokio runtime or
/// before one; its calls need one.
pub struct Runtime {
    config: RuntimeConfig,
    engine: Engine,
    compatibility: [u8; 32],
    linker: Linker<State>,
    cache: Arc<Cache>,
    compiles: Semaphore,
    pub(crate) instances: Semaphore,
    pub(crate) fair: FairPool,
    pub(crate) ticker: Ticker,
}

/// A component as machine code, ready to be started. Nothing of it has run.
#[derive(Clone)]
pub struct Loaded {
    pub(crate) component: Component,
    pub(crate) name: String,
    hash: Hash,
    from_cache: bool,
    compile: Duration,
    bytes: u64,
}

impl Loaded {
    /// The BLAKE3 hash of the component.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Whether it came from the cache.
    pub fn from_cache(&self) -> bool {
        self.from_cache
    }

    /// How long compiling took, or reading the cache.
    pub fn compile_time(&self) -> Duration {
        self.compile
    }

    /// The size of its machine code.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Runtime {
    /// A runtime with its threads: one for the epoch, one a core for guests that compute long.
    pub fn new(config: RuntimeConfig) -> Result<Arc<Self>, RuntimeError> {
        let of_engine = |e: wasmtime::Error| RuntimeError::Engine(format!("{e:#}"));
        let instances = config.instances_max.clamp(1, limit::INSTANCES_MAX);
        let engine = engine::running(instances).map_err(of_engine)?;
        let cache = Cache::open(&config.cache_dir, config.mac_key, limit::CACHE_BYTES_MAX)
            .map_err(|source| RuntimeError::Cache { path: config.cache_dir.clone(), source })?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Arc::new(Self {
            compatibility: engine::compatibility(&engine),
            linker: grant::linker(&engine).map_err(of_engine)?,
            cache: Arc::new(cache),
            compiles: Semaphore::new(limit::COMPILES_MAX),
            instances: Semaphore::new(instances as usize),
            fair: FairPool::start(cores).map_err(RuntimeError::Thread)?,
            ticker: Ticker::start(&engine).map_err(RuntimeError::Thread)?,
            engine,
            config,
        }))
    }

    /// Makes a verified component ready: from the cache, or by compiling it in a child.
    pub async fn load(&self, component: &orbweave_trust::Component) -> Result<Loaded, LoadError> {
        let begun = Instant::now();
        let statement = component.release().statement();
        let (hash, name) = (statement.blake3, statement.name.clone());
        let loaded = |(component, bytes), from_cache| Loaded {
            component,
            name: name.clone(),
            hash,
            from_cache,
            compile: begun.elapsed(),
            bytes,
        };
        let key = self.cache_key(&hash);
        if let Some(found) = self.cached(key, hash).await? {
            return Ok(loaded(found, true));
        }
        let failed = |why: String| LoadError::Compiler { component: hash, why };
        let _turn = self.compiles.acquire().await.map_err(|e| failed(e.to_string()))?;
        // Another load of the same component may have had the turn before.
        if let Some(found) = self.cached(key, hash).await? {
            return Ok(loaded(found, true));
        }
        let code = compile(&self.config, hash, component.bytes()).await?;
        let (cache, engine) = (Arc::clone(&self.cache), self.engine.clone());
        let made = blocking(hash, move || {
            if let Err(error) = cache.put(&key, &code) {
                tracing::warn!(%error, "a compiled component cannot be kept and will be compiled again");
            }
            deserialize(&engine, &code)
        })
        .await?;
        made.map(|made| loaded(made, false)).map_err(|e| failed(format!("its code cannot be loaded: {e:#}")))
    }

    async fn cached(&self, key: Hash, hash: Hash) -> Result<Option<(Component, u64)>, LoadError> {
        let (cache, engine) = (Arc::clone(&self.cache), self.engine.clone());
        blocking(hash, move || {
            let code = cache.get(&key)?;
            deserialize(&engine, &code)
                .inspect_err(|error| tracing::warn!(%error, "a cached compilation is not for this engine"))
                .ok()
        })
        .await
    }

    fn cache_key(&self, component: &Hash) -> Hash {
        let mut key = blake3::Hasher::new_derive_key(CACHE_KEY_CONTEXT);
        key.update(component.as_bytes()).update(&self.compatibility);
        Hash(*key.finalize().as_bytes())
    }

    /// Links a component to what this host grants. Its instances begin with its calls.
    pub fn start(
        self: &Arc<Self>,
        loaded: &Loaded,
        limits: InstanceLimits,
        env: Vec<(String, String)>,
        logs: LogSink,
    ) -> Result<Service, StartError> {
        let component = loaded.name.clone();
        let missing = grant::missing(&loaded.component.component_type(), &self.engine);
        if !missing.is_empty() {
            return Err(StartError::MissingImports { component, missing, granted: grant::granted_list() });
        }
        within_limits(&loaded.component, &limits)
            .map_err(|why| StartError::Limits { component: component.clone(), why })?;
        let link =
            |e: wasmtime::Error| StartError::Link { component: component.clone(), why: format!("{e:#}") };
        let pre = self.linker.instantiate_pre(&loaded.component).map_err(link)?;
        let table = Table::of(&loaded.component, &self.engine);
        Service::new(Arc::clone(self), loaded.name.clone(), pre, table, limits, env, logs).map_err(link)
    }
}

impl Runtime {
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }
}

/// Refuses at the start what would fail at every call.
fn within_limits(component: &Component, limits: &InstanceLimits) -> Result<(), String> {
    if limits.concurrent == 0 {
        return Err("it may have no instance at all".into());
    }
    let Some(needs) = component.resources_required() else {
        return Err("it imports core modules".into());
    };
    if needs.num_memories > limit::MEMORIES_PER_COMPONENT_MAX {
        let most = limit::MEMORIES_PER_COMPONENT_MAX;
        return Err(format!("it has {} memories, more than {most}", needs.num_memories));
    }
    if needs.num_tables > limit::TABLES_PER_COMPONENT_MAX {
        return Err(format!(
            "it has {} tables, more than {}",
            needs.num_tables,
            limit::TABLES_PER_COMPONENT_MAX
        ));
    }
    let first_memory = needs.max_initial_memory_size.unwrap_or(0).saturating_mul(PAGE_BYTES);
    if first_memory > limits.memory_bytes {
        return Err(format!(
            "it begins with {} KiB of memory, more than its {} KiB",
            first_memory >> 10,
            limits.memory_bytes >> 10
        ));
    }
    Ok(())
}

/// Turns code that our own compile child made into a component.
#[allow(unsafe_code)]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<(Component, u64)> {
    // SAFETY: the bytes must come unchanged from `precompile_component`. They come
    // over a pipe from the child that this process started, or from a file whose every
    // byte was just checked against a MAC that only this node can make, over bytes
    // that came from such a child. They lie in memory: nobody changes them after the check.
    let component = unsafe { Component::deserialize(engine, code)? };
    Ok((component, code.len() as u64))
}

async fn blocking<T: Send + 'static>(
    component: Hash,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LoadError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| LoadError::Compiler { component, why: e.to_string() })
}

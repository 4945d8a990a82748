//! wasmtime's two configurations: the node runs on a pool, the compile child on
//! demand. Both make the same code, which their equal compatibility hash witnesses.

use crate::limit;
use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Memory of a slot that is wiped in place rather than given back to the kernel.
const MEMORY_KEEP_RESIDENT_BYTES: usize = 512 * 1024;
/// The same for a table.
const TABLE_KEEP_RESIDENT_BYTES: usize = 64 * 1024;
/// Slots kept warm for components that are not running.
const UNUSED_WARM_SLOTS_MAX: u32 = 64;
/// Frames of a trap's backtrace.
const BACKTRACE_FRAMES_MAX: usize = 16;

fn common() -> Config {
    let mut config = Config::new();
    // WASI 0.2 needs no concurrency, and a fresh call costs a third more with it.
    config.concurrency_support(false);
    config.epoch_interruption(true);
    config.wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES_MAX));
    config
}

/// The engine that instances run on.
pub(crate) fn running(instances: u32) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances * limit::CORE_INSTANCES_PER_COMPONENT_MAX)
        .total_memories(instances * limit::MEMORIES_PER_COMPONENT_MAX)
        .total_tables(instances * limit::TABLES_PER_COMPONENT_MAX)
        .total_stacks(instances)
        .max_core_instances_per_component(limit::CORE_INSTANCES_PER_COMPONENT_MAX)
        .max_memories_per_component(limit::MEMORIES_PER_COMPONENT_MAX)
        .max_tables_per_component(limit::TABLES_PER_COMPONENT_MAX)
        .max_memories_per_module(limit::MEMORIES_PER_COMPONENT_MAX)
        .max_tables_per_module(limit::TABLES_PER_COMPONENT_MAX)
        .table_elements(limit::TABLE_ELEMENTS_MAX)
        .max_unused_warm_slots(UNUSED_WARM_SLOTS_MAX)
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT_BYTES)
        .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);
    let mut config = common();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

/// The engine of the compile child. A pool's reservation would not fit its address space.
pub(crate) fn compiling() -> wasmtime::Result<Engine> {
    let mut config = common();
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config)
}

/// What code must agree on to be loaded by this engine: wasmtime's version, the
/// compiler's settings and the processor's features.
pub(crate) fn compatibility(engine: &Engine) -> [u8; 32] {
    struct Blake3(blake3::Hasher);
    impl Hasher for Blake3 {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut hasher = Blake3(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    std::env::consts::ARCH.hash(&mut hasher);
    *hasher.0.finalize().as_bytes()
}

//! What a node decides about its runtime, and the bounds that nobody sets.

use std::path::PathBuf;
use std::time::Duration;

/// How a node runs components.
#[derive(Clone)]
pub struct RuntimeConfig {
    /// Where compiled components are kept. Created if it is not there.
    pub cache_dir: PathBuf,
    /// The key under which they are authenticated: drawn from the node's own key.
    pub mac_key: [u8; 32],
    /// The executable that is spawned as `<compiler> __compile`: normally
    /// `/proc/self/exe`, whose `main` then calls [`crate::compile_child_main`] first.
    pub compiler: PathBuf,
    /// Address space that compiling one component may take.
    pub compile_memory_bytes: u64,
    /// Time that compiling one component may take.
    pub compile_time: Duration,
    /// Instances alive at once, over all services; at most [`limit::INSTANCES_MAX`].
    pub instances_max: u32,
}

/// What each instance of a service may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceLimits {
    /// Linear memory, all memories of the instance together.
    pub memory_bytes: u64,
    /// How long one call may last, waiting included; a caller may ask for less.
    pub call_time: Duration,
    /// Calls at once; more wait for their turn until their deadline.
    pub concurrent: u32,
}

/// Bounds that no configuration raises.
pub mod limit {
    use std::time::Duration;

    /// Instances alive at once: bounds the address space that the pool reserves.
    pub const INSTANCES_MAX: u32 = 1_024;
    /// Core instances inside one component.
    pub const CORE_INSTANCES_PER_COMPONENT_MAX: u32 = 128;
    /// Linear memories of one component.
    pub const MEMORIES_PER_COMPONENT_MAX: u32 = 4;
    /// Tables of one component.
    pub const TABLES_PER_COMPONENT_MAX: u32 = 32;
    /// Elements of one table.
    pub const TABLE_ELEMENTS_MAX: usize = 20_000;
    /// Calls of one service that wait for a turn; the next one is refused at once.
    pub const WAITING_MAX: u32 = 1_024;
    /// Bytes that one host call may copy out of a guest.
    pub const HOST_CALL_BYTES_MAX: usize = 32 * 1024 * 1024;
    /// Host resources (streams, requests, timers …) that one instance may hold.
    pub const RESOURCES_MAX: usize = 4_096;
    /// Random bytes that one host call hands out.
    pub const RANDOM_BYTES_MAX: u64 = 64 * 1024;
    /// Headers of one request or response, as they lie in memory.
    pub const HEADER_BYTES_MAX: usize = 64 * 1024;
    /// One line of a guest's output; what is longer is cut into several.
    pub const LOG_LINE_BYTES_MAX: usize = 4 * 1024;
    /// Lines of output a second and service, and how many may come at once.
    pub const LOG_LINES_PER_SECOND_MAX: u32 = 256;
    /// Components that compile at once.
    pub const COMPILES_MAX: usize = 2;
    /// Machine code that the compile child may hand back for one component.
    pub const ARTEFACT_BYTES_MAX: u64 = 1024 * 1024 * 1024;
    /// All compiled components in the cache; the oldest go first.
    pub const CACHE_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
    /// What a compile error may say.
    pub const COMPILE_ERROR_BYTES_MAX: u64 = 16 * 1024;
    /// What a trap may say.
    pub const TRAP_TEXT_BYTES_MAX: usize = 2 * 1024;
    /// Arguments in WAVE.
    pub const WAVE_BYTES_MAX: usize = 1024 * 1024;
    /// Values (elements, fields …) that one encoded argument list may hold.
    pub const VALUES_MAX: usize = 1 << 18;
    /// How deep encoded values may nest.
    pub const VALUE_DEPTH_MAX: usize = 64;
    /// The step of the epoch clock. A guest runs one to two steps at a stretch.
    pub const EPOCH_STEP: Duration = Duration::from_millis(1);
}

//! What the tests have in common: processes, requests, signed records, and waiting.

mod bomb;
mod keys;
mod node;
mod ports;
mod web;

pub use bomb::compile_bomb;
pub use keys::Keys;
pub use node::{Mesh, Node, ORBWEAVE, damage};
pub use web::{Web, web, web_announced, web_chunked};

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Between two looks at what is waited for.
const PAUSE: Duration = Duration::from_millis(20);
/// Meshes that run at once: more would measure the machine.
const MESHES: usize = 2;

static TURNS: Semaphore = Semaphore::const_new(MESHES);

/// A turn among the tests of this binary.
pub async fn turn() -> SemaphorePermit<'static> {
    TURNS.acquire().await.unwrap()
}

/// The machine for this test alone, as far as this binary goes.
pub async fn turn_alone() -> SemaphorePermit<'static> {
    TURNS.acquire_many(MESHES as u32).await.unwrap()
}

/// Waits until `look` finds what it looks for.
pub async fn until<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < within, "{what}: not within {within:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// So many seconds.
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A guest component by name.
pub fn component(name: &str) -> PathBuf {
    let dist = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../components/dist");
    dist.join(format!("{name}.wasm"))
}

/// Its bytes.
pub fn component_bytes(name: &str) -> Vec<u8> {
    std::fs::read(component(name)).unwrap()
}

/// A manifest; `spec` holds what follows the component, at no indentation.
pub fn manifest(name: &str, component_name: &str, spec: &str) -> String {
    let indented: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "apiVersion: orbweave.dev/v1alpha1\nkind: Service\nmetadata:\n  name: {name}\nspec:\n  \
         component: {}\n  version: 1.0.0\n{indented}",
        component(component_name).display()
    )
}

/// Pseudo-random numbers from a seed (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

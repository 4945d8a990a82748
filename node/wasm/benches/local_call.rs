//! A local call against its limit: raw wasmtime with an `InstancePre`, the same
//! component, the same code, the same engine configuration, in the same run. Against
//! the synchronous call, which is the lower limit; the asynchronous one runs on a fiber,
//! as calls of components do that import something.
//!
//! `cargo bench -p orbweave-wasm` (by hand; figures in docs/PERFORMANCE.md).

#[path = "../tests/runtime/support.rs"]
#[allow(dead_code)]
mod support;

use criterion::Criterion;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use support::{LIMITS, bench, guest};
use tokio::runtime::Builder;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

const ROUNDS: usize = 50_000;
const WITHIN: Duration = Duration::from_secs(1);
/// The committed component, and its function from a string to a string.
const COMPONENT: &str = "greeter";
const INTERFACE: &str = "orbweave:examples/greeter";
const FUNCTION: &str = "greet";
const TEXT: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn raw_engine() -> Engine {
    let mut pool = PoolingAllocationConfig::new();
    pool.pagemap_scan(Enabled::Auto).linear_memory_keep_resident(512 << 10).table_keep_resident(64 << 10);
    let mut config = Config::new();
    config.concurrency_support(false);
    config.epoch_interruption(true);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).unwrap()
}

fn raw_sync(pre: &InstancePre<()>, greet: ComponentExportIndex) -> String {
    let mut store = Store::new(pre.engine(), ());
    store.set_epoch_deadline(1_000_000);
    let instance = pre.instantiate(&mut store).unwrap();
    let greet = instance.get_typed_func::<(&str,), (String,)>(&mut store, greet).unwrap();
    greet.call(&mut store, (TEXT,)).unwrap().0
}

async fn raw_async(pre: &InstancePre<()>, greet: ComponentExportIndex) -> String {
    let mut store = Store::new(pre.engine(), ());
    store.set_epoch_deadline(1_000_000);
    let instance = pre.instantiate_async(&mut store).await.unwrap();
    let greet = instance.get_typed_func::<(&str,), (String,)>(&mut store, greet).unwrap();
    greet.call_async(&mut store, (TEXT,)).await.unwrap().0
}

/// Interleaved, so that what disturbs one disturbs the other.
async fn ratio(
    rounds: usize,
    mut limit: impl AsyncFnMut() -> String,
    mut ours: impl AsyncFnMut() -> usize,
) -> (Duration, Duration) {
    let (mut of_limit, mut of_ours) = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
    for _ in 0..rounds {
        let begun = Instant::now();
        drop(limit().await);
        of_limit.push(begun.elapsed());
        let begun = Instant::now();
        ours().await;
        of_ours.push(begun.elapsed());
    }
    of_limit.sort();
    of_ours.sort();
    (of_limit[rounds / 2], of_ours[rounds / 2])
}

fn main() -> ExitCode {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let bench = bench();
    let service = runtime.block_on(bench.serve(&guest(COMPONENT), LIMITS));
    let id = service.resolve(FUNCTION).unwrap();
    let mut params = vec![64];
    params.extend(TEXT.as_bytes());
    let wave = format!("\"{TEXT}\"");

    let engine = raw_engine();
    let component = Component::new(&engine, guest(COMPONENT).bytes()).unwrap();
    let interface = component.get_export_index(None, INTERFACE).unwrap();
    let greet = component.get_export_index(Some(&interface), FUNCTION).unwrap();
    let pre = Linker::<()>::new(&engine).instantiate_pre(&component).unwrap();

    let encoded = async || service.call_encoded(id, &params, WITHIN).await.unwrap().len();
    let in_wave = async || service.call(FUNCTION, &wave, WITHIN).await.unwrap().len();
    let sync = async || raw_sync(&pre, greet);
    let fiber = async || raw_async(&pre, greet).await;
    let mut criterion = Criterion::default().configure_from_args();
    criterion.bench_function("raw wasmtime, synchronous", |b| b.to_async(&runtime).iter(sync));
    criterion.bench_function("raw wasmtime, asynchronous", |b| b.to_async(&runtime).iter(fiber));
    criterion.bench_function("service, encoded", |b| b.to_async(&runtime).iter(encoded));
    criterion.bench_function("service, WAVE", |b| b.to_async(&runtime).iter(in_wave));
    // All within the runtime, where a node's calls are: entering it is no part of a call.
    let ratios = runtime.block_on(async {
        [
            ("encoded against synchronous", ratio(ROUNDS, sync, encoded).await),
            ("encoded against asynchronous", ratio(ROUNDS, fiber, encoded).await),
            ("WAVE against synchronous", ratio(ROUNDS, sync, in_wave).await),
        ]
    });
    for (name, (limit, ours)) in ratios {
        let times = ours.as_secs_f64() / limit.as_secs_f64();
        println!("{name}: {ours:?} / {limit:?} = {times:.3}");
    }
    ExitCode::SUCCESS
}

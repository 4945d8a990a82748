//! From verified bytes to machine code, and what is refused on the way.

use crate::support::{ECHO, LIMITS, SECOND, bench, config, text, verified};
use orbweave_wasm::{LoadError, Runtime, StartError};
use std::fmt::Write;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_component_compiles_once_and_then_comes_from_the_cache() {
    let bench = bench();
    let component = text("echo", ECHO);
    assert!(!bench.runtime.load(&component).await.unwrap().from_cache());
    let again = bench.runtime.load(&component).await.unwrap();
    assert!(again.from_cache() && again.bytes() > 0);
    // A new process with the same key finds it as well.
    let second = Runtime::new(config(bench.cache.path())).unwrap();
    assert!(second.load(&component).await.unwrap().from_cache());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cached_compilation_of_another_key_or_with_a_changed_byte_is_compiled_again() {
    let bench = bench();
    let component = text("echo", ECHO);
    bench.runtime.load(&component).await.unwrap();
    let stranger =
        Runtime::new(orbweave_wasm::RuntimeConfig { mac_key: [8; 32], ..config(bench.cache.path()) });
    assert!(!stranger.unwrap().load(&component).await.unwrap().from_cache());
    // That replaced the file by one under the other key.
    assert!(!bench.runtime.load(&component).await.unwrap().from_cache());
    let file = fs::read_dir(bench.cache.path()).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    assert!(!bench.runtime.load(&component).await.unwrap().from_cache());
    assert!(bench.runtime.load(&component).await.unwrap().from_cache());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_component_is_refused_with_the_compilers_words() {
    let bench = bench();
    for (name, bytes) in [("noise", b"not wasm at all".to_vec()), ("module", b"\0asm\x01\0\0\0".to_vec())] {
        match bench.runtime.load(&verified(name, bytes)).await {
            Err(LoadError::Invalid { why, .. }) => assert!(!why.is_empty()),
            other => panic!("{name}: {:?}", other.map(|l| l.bytes())),
        }
    }
}

/// A component whose functions are each slow to compile.
fn bomb(functions: usize, statements: usize) -> String {
    let mut wat = String::from("(component (core module");
    for f in 0..functions {
        write!(wat, "(func (export \"f{f}\") (param i64) (result i64) (local i64)").unwrap();
        for s in 0..statements {
            write!(
                wat,
                "(block (br_if 0 (i64.eqz (local.get 0))) (local.set 1 (i64.add (local.get 1) (i64.mul (local.get 0) (i64.const {s})))) (local.set 0 (i64.xor (local.get 1) (local.get 0))))"
            )
            .unwrap();
        }
        wat.push_str("(local.get 1))");
    }
    wat.push_str("))");
    wat
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_compiles_too_long_is_stopped_at_its_time() {
    let bench = bench();
    let limit = Duration::from_millis(1_000);
    let hasty = orbweave_wasm::RuntimeConfig { compile_time: limit, ..config(bench.cache.path()) };
    let runtime = Runtime::new(hasty).unwrap();
    let component = text("bomb", &bomb(400, 1_000));
    let begun = Instant::now();
    let error = runtime.load(&component).await.err().unwrap();
    assert!(matches!(error, LoadError::TooSlow { .. }), "{error}");
    assert!(begun.elapsed() < 4 * limit, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_needs_too_much_memory_to_compile_is_stopped() {
    let bench = bench();
    let small =
        orbweave_wasm::RuntimeConfig { compile_memory_bytes: 400 << 20, ..config(bench.cache.path()) };
    let runtime = Runtime::new(small).unwrap();
    let error = runtime.load(&text("bomb", &bomb(2, 120_000))).await.err().unwrap();
    assert!(matches!(error, LoadError::TooMuchMemory { .. }), "{error}");
    // The limit is enough for an honest one.
    runtime.load(&text("echo", ECHO)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compiler_that_is_not_there_is_the_nodes_fault() {
    let bench = bench();
    let broken = orbweave_wasm::RuntimeConfig { compiler: "/nowhere".into(), ..config(bench.cache.path()) };
    let error = Runtime::new(broken).unwrap().load(&text("echo", ECHO)).await.err().unwrap();
    assert!(matches!(error, LoadError::Compiler { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_import_that_is_not_granted_is_named() {
    let bench = bench();
    let wat = r#"
    (component
      (import "wasi:cli/environment@0.2.0" (instance))
      (import "wasi:sockets/tcp@0.2.0" (instance))
      (import "demo:pkg/thing@1.0.0" (instance))
      (import "wasi:cli/stdout@0.3.0" (instance)))"#;
    let loaded = bench.runtime.load(&text("greedy", wat)).await.unwrap();
    let error = bench.runtime.start(&loaded, LIMITS, Vec::new(), Arc::new(|_| {})).err().unwrap();
    let StartError::MissingImports { missing, .. } = &error else { panic!("{error}") };
    assert_eq!(missing.len(), 3, "{missing:?}");
    let said = error.to_string();
    assert!(said.contains("no component gets network sockets") && said.contains("wasi:http/types"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_begins_above_its_memory_is_refused_at_the_start() {
    let bench = bench();
    let wat = r#"(component (core module $m (memory 2000)) (core instance (instantiate $m)))"#;
    let loaded = bench.runtime.load(&text("fat", wat)).await.unwrap();
    let error = bench.runtime.start(&loaded, LIMITS, Vec::new(), Arc::new(|_| {})).err().unwrap();
    assert!(matches!(error, StartError::Limits { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_ends_with_its_last_service() {
    let bench = bench();
    let service = bench.serve(&text("echo", ECHO), LIMITS).await;
    let watched = Arc::downgrade(&bench.runtime);
    drop(bench);
    assert_eq!(service.call("add", "1, 1", SECOND).await.unwrap(), "2");
    drop(service);
    assert!(watched.upgrade().is_none());
}

//! A runtime in a directory of its own, and components that went through verification.

use orbweave_model::{Hash, Wall};
use orbweave_trust::{
    Authority, Component, Genesis, Grant, Release, ReleaseStatement, Roles, RollbackGuard, SecretKey, Strict,
};
use orbweave_wasm::{InstanceLimits, LogLine, LogSink, Runtime, RuntimeConfig, Service};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const SECOND: Duration = Duration::from_secs(1);
pub const NOW: Wall = Wall(1_800_000_000_000);

/// The example beside this test, which cargo builds with it.
pub fn compiler() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let child = here.parent().unwrap().parent().unwrap().join("examples/compile-child");
    assert!(child.exists(), "build it first: cargo build --release -p orbweave-wasm --example compile-child");
    child
}

pub fn config(cache: &Path) -> RuntimeConfig {
    RuntimeConfig {
        cache_dir: cache.to_owned(),
        mac_key: [7; 32],
        compiler: compiler(),
        compile_memory_bytes: 2 << 30,
        compile_time: Duration::from_secs(60),
        instances_max: 64,
    }
}

pub struct Bench {
    pub runtime: Arc<Runtime>,
    pub cache: tempfile::TempDir,
}

pub fn bench() -> Bench {
    let cache = tempfile::tempdir().unwrap();
    let runtime = Runtime::new(config(cache.path())).unwrap();
    Bench { runtime, cache }
}

pub const LIMITS: InstanceLimits =
    InstanceLimits { memory_bytes: 64 << 20, call_time: Duration::from_secs(10), concurrent: 32 };

impl Bench {
    pub async fn serve(&self, component: &Component, limits: InstanceLimits) -> Service {
        self.serve_with(component, limits, Vec::new(), Arc::new(|_| {})).await
    }

    pub async fn serve_with(
        &self,
        component: &Component,
        limits: InstanceLimits,
        env: Vec<(String, String)>,
        logs: LogSink,
    ) -> Service {
        let loaded = self.runtime.load(component).await.unwrap();
        self.runtime.start(&loaded, limits, env, logs).unwrap()
    }
}

/// Keeps the lines of a service.
pub fn lines() -> (LogSink, Arc<Mutex<Vec<LogLine>>>) {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&kept);
    (Arc::new(move |line| sink.lock().unwrap().push(line)), kept)
}

/// These bytes, released and verified.
pub fn verified(name: &str, wasm: Vec<u8>) -> Component {
    let (root, publisher) = (SecretKey::from_bytes([1; 32]), SecretKey::from_bytes([2; 32]));
    let genesis = Genesis {
        name: "test".into(),
        roots: vec![root.public()],
        threshold: 1,
        grants: vec![Grant { key: publisher.public(), roles: Roles::PUBLISH }],
        partition_max_ms: 3_600_000,
        created: NOW,
        salt: [3; 16],
    };
    let (mesh, genesis) = Genesis::verify(&genesis.sign(&[&root]), None, &Strict).unwrap();
    let statement = ReleaseStatement {
        name: name.into(),
        version: "1.0.0".into(),
        blake3: Hash::of(&wasm),
        sha256: Sha256::digest(&wasm).into(),
        size: wasm.len() as u64,
        imports: Vec::new(),
        exports: Vec::new(),
        publisher: publisher.public(),
        not_before: NOW,
        expires: NOW + Duration::from_secs(3600),
        sequence: 1,
        mesh: None,
    };
    let authority = Authority::new(mesh, genesis);
    let envelope = statement.sign(&publisher);
    let release = Release::verify(&envelope, &authority, &RollbackGuard::new(), NOW, &Strict).unwrap();
    release.check_component(wasm).unwrap()
}

/// A component in text.
pub fn text(name: &str, wat: &str) -> Component {
    verified(name, wat::parse_str(wat).unwrap())
}

/// One of the guests that the repository ships built.
pub fn guest(name: &str) -> Component {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../components/dist/{name}.wasm"));
    verified(name, std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

/// `echo: func(text: string) -> string` and others that give back what they get.
pub const ECHO: &str = r#"
(component
  (core module $m
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (block $fits
        (br_if $fits (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
        (if (i32.eq (i32.const -1) (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get 3) (i32.const 65536)))))
          (then (unreachable))))
      (local.get $at))
    (func (export "echo") (param i32 i32) (result i32)
      (i32.store (i32.const 16) (local.get 0))
      (i32.store (i32.const 20) (local.get 1))
      (i32.const 16))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "count") (param i32) (result i32)
      (local $n i32)
      (loop
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if 0 (i32.lt_u (local.get $n) (local.get 0))))
      (local.get $n))
    (func (export "spin") (loop (br 0)))
    (func (export "gobble") (loop (br_if 0 (i32.ne (i32.const -1) (memory.grow (i32.const 16))))) (unreachable))
    (func (export "fail") (unreachable)))
  (core instance $i (instantiate $m))
  (func (export "echo") (param "text" string) (result string)
    (canon lift (core func $i "echo") (memory $i "memory") (realloc (func $i "realloc"))))
  (func (export "bytes") (param "data" (list u8)) (result (list u8))
    (canon lift (core func $i "echo") (memory $i "memory") (realloc (func $i "realloc"))))
  (func (export "numbers") (param "data" (list u16)) (result (list u16))
    (canon lift (core func $i "echo") (memory $i "memory") (realloc (func $i "realloc"))))
  (func (export "add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add")))
  (func (export "count") (param "to" u32) (result u32) (canon lift (core func $i "count")))
  (func (export "spin") (canon lift (core func $i "spin")))
  (func (export "gobble") (canon lift (core func $i "gobble")))
  (func (export "fail") (canon lift (core func $i "fail")))
)"#;

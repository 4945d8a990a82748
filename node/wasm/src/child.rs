//! The compile child: this very executable, started again to do one thing.
//!
//! A component can be built to make its compiler take all memory or all day, and a
//! compiler can have faults. So it runs in a process that limits itself before it
//! reads a byte, has no environment and no files, and dies with its parent.

use crate::engine;
use crate::limit;
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use std::io::{self, Read, Write};
use std::process::ExitCode;

/// The first argument of the process that is to be a compile child.
pub const COMPILE_ARGUMENT: &str = "__compile";

/// What the parent writes before the component: both limits, little end first.
pub(crate) const ORDER_BYTES: usize = 16;
/// Files that the child may have open: the three it is given and what its threads look up.
const FILES_MAX: u64 = 32;
/// How much the child stands behind the node's own work.
const NICE: i32 = 10;

/// The parent's order: address space in bytes, processor time in seconds.
pub(crate) fn order(memory_bytes: u64, cpu_seconds: u64) -> [u8; ORDER_BYTES] {
    let mut order = [0; ORDER_BYTES];
    order[..8].copy_from_slice(&memory_bytes.to_le_bytes());
    order[8..].copy_from_slice(&cpu_seconds.to_le_bytes());
    order
}

/// What `main` does first when its first argument is [`COMPILE_ARGUMENT`]: before
/// threads, runtimes and files. Reads an order and a component on standard input and
/// writes machine code on standard output, or the reason why not on standard error.
pub fn compile_child_main() -> ExitCode {
    match compile() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = writeln!(io::stderr(), "{why}");
            ExitCode::FAILURE
        }
    }
}

fn compile() -> Result<(), String> {
    let mut input = io::stdin().lock();
    let mut order = [0; ORDER_BYTES];
    input.read_exact(&mut order).map_err(|e| format!("no order on standard input: {e}"))?;
    let (memory, cpu) = order.split_at(8);
    let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
    confine(number(memory), number(cpu)).map_err(|e| format!("the compiler cannot limit itself: {e}"))?;
    let mut wasm = Vec::new();
    let most = orbweave_model::limit::COMPONENT_BYTES_MAX;
    input.take(most + 1).read_to_end(&mut wasm).map_err(|e| format!("the component cannot be read: {e}"))?;
    if wasm.len() as u64 > most {
        return Err(format!("the component has more than {} MiB", most >> 20));
    }
    let engine = engine::compiling().map_err(|e| format!("{e:#}"))?;
    let code = engine.precompile_component(&wasm).map_err(|e| format!("{e:#}"))?;
    if code.len() as u64 > limit::ARTEFACT_BYTES_MAX {
        return Err(format!("its machine code has more than {} MiB", limit::ARTEFACT_BYTES_MAX >> 20));
    }
    let mut output = io::stdout().lock();
    output.write_all(&code).and_then(|()| output.flush()).map_err(|e| format!("nobody takes the code: {e}"))
}

fn confine(memory_bytes: u64, cpu_seconds: u64) -> rustix::io::Result<()> {
    let to = |most| Rlimit { current: Some(most), maximum: Some(most) };
    set_parent_process_death_signal(Some(Signal::KILL))?;
    setrlimit(Resource::As, to(memory_bytes))?;
    setrlimit(Resource::Cpu, to(cpu_seconds))?;
    setrlimit(Resource::Core, to(0))?;
    setrlimit(Resource::Fsize, to(0))?;
    setrlimit(Resource::Nofile, to(FILES_MAX))?;
    // Politeness, not a limit: go on without it.
    let _ = rustix::process::nice(NICE);
    Ok(())
}

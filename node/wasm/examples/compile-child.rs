//! The smallest executable that can be a runtime's `compiler`: under `cargo test`
//! the running executable is the test, which cannot be it.

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(orbweave_wasm::COMPILE_ARGUMENT) {
        return orbweave_wasm::compile_child_main();
    }
    eprintln!("this is only for a runtime to start, as `compile-child {}`", orbweave_wasm::COMPILE_ARGUMENT);
    ExitCode::FAILURE
}

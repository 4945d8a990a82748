//! `orbweave`: the node and the command line, in one binary.

use std::process::ExitCode;

const _: () = assert!(
    !orbweave_model::plant::SOWABLE,
    "defects can be planted into this build: build without the feature `plants`, which is the simulator's alone"
);

fn main() -> ExitCode {
    // Before all else: this process may have been started to compile one component.
    if std::env::args_os().nth(1).is_some_and(|arg| arg == orbweave_wasm::COMPILE_ARGUMENT) {
        return orbweave_wasm::compile_child_main();
    }
    orbweave_net::install_crypto_provider();
    orbweave_node::cli::run()
}

//! What a component may import. What is not here, it cannot name.

use crate::state::State;
use wasmtime::component::Linker;
use wasmtime::component::types::Component;
use wasmtime::{Engine, Result};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{cli, filesystem, random};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{WasiView, p2};

/// The interfaces of WASI 0.2 that every component may import. Files are there for
/// the sake of guests' standard libraries: with no directory, nothing can be opened.
/// Outgoing HTTP is refused request by request.
const GRANTED: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// The linker that holds exactly [`GRANTED`].
pub(crate) fn linker(engine: &Engine) -> Result<Linker<State>> {
    let mut linker = Linker::<State>::new(engine);
    let l = &mut linker;
    p2::add_to_linker_proxy_interfaces_async(l)?;
    cli::environment::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::exit::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdin::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdout::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stderr::add_to_linker::<State, WasiCli>(l, State::cli)?;
    filesystem::types::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)?;
    filesystem::preopens::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)?;
    random::insecure::add_to_linker::<State, WasiRandom>(l, |state| state.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<State, WasiRandom>(l, |state| state.ctx().ctx.random())?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(l)?;
    Ok(linker)
}

/// Each import that is not granted, with the reason where there is one to give.
pub(crate) fn missing(component: &Component, engine: &Engine) -> Vec<String> {
    component.imports(engine).map(|(name, _)| name).filter(|name| !granted(name)).map(explain).collect()
}

/// The granted interfaces, for an error message.
pub(crate) fn granted_list() -> String {
    format!("{} (version 0.2)", GRANTED.join(", "))
}

fn granted(import: &str) -> bool {
    import
        .split_once('@')
        .is_some_and(|(interface, version)| version.starts_with("0.2.") && GRANTED.contains(&interface))
}

fn explain(import: &str) -> String {
    let (interface, version) = import.split_once('@').unwrap_or((import, ""));
    if GRANTED.contains(&interface) {
        format!("{import} (only version 0.2 is granted, not {version:?})")
    } else if interface.starts_with("wasi:sockets/") {
        format!("{import} (no component gets network sockets)")
    } else if interface.starts_with("wasi:") {
        import.to_owned()
    } else {
        format!("{import} (no provider is linked to it)")
    }
}

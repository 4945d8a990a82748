//! Calls that must not be made.

use crate::Finding;
use crate::rust_text::{code_only, lines_with, without_tests};

/// The folders whose code decides, and therefore is sans-IO.
pub const SANS_IO: &[&str] =
    &["mesh/model", "mesh/trust", "mesh/contact", "mesh/state", "scheduler", "node/core", "simnet"];

/// What sans-IO code does not say, and why. Clippy knows most of these by their
/// resolved path; this list also holds where clippy is not run.
pub const AMBIENT: &[(&str, &str)] = &[
    ("Instant::now", TIME),
    ("SystemTime::now", TIME),
    ("tokio::", "tasks and timers are the driver's: return an output"),
    ("thread::", "tasks and timers are the driver's: return an output"),
    ("thread_rng", RANDOMNESS),
    ("rand::rng(", RANDOMNESS),
    ("rand::random", RANDOMNESS),
    ("OsRng", RANDOMNESS),
    ("SysRng", RANDOMNESS),
    ("getrandom::", RANDOMNESS),
    ("HashMap", ORDER),
    ("HashSet", ORDER),
    ("RandomState", ORDER),
    ("fs::", "files are the driver's: stage and return an output"),
    ("File::open", "files are the driver's: stage and return an output"),
    ("TcpStream", "sockets are the driver's: return an output"),
    ("TcpListener", "sockets are the driver's: return an output"),
    ("UdpSocket", "sockets are the driver's: return an output"),
    ("env::var", "configuration comes in as an argument"),
    ("process::Command", "processes are the driver's: return an output"),
];

const TIME: &str = "time comes in as `Now`";
const RANDOMNESS: &str = "randomness comes from the one seed";
const ORDER: &str = "its order differs from run to run: use the BTree one";

/// Macros that stand for work not done. Clippy denies them too, where it is run.
pub const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "dbg!"];

/// Programs in the folder of a sans-IO crate: they have the clock, the files and the
/// threads, and decide nothing.
const PROGRAMS: &[&str] = &["simnet/src/bin/"];

/// Defects that the simulator plants: what is forbidden elsewhere is one of them, and no
/// program is built with them.
const PLANTED: &str = "node/core/src/plants.rs";

/// Ambient time, randomness, tasks, order and IO in a file of a sans-IO crate.
/// Comments, literals and tests are free to mention them.
pub fn ambient(path: &str, source: &str) -> Vec<Finding> {
    if !is_sans_io(path) || is_test(path) || path == PLANTED {
        return Vec::new();
    }
    let code = without_tests(&code_only(source));
    let found = |&(word, why): &(&str, &str)| {
        let what = format!("`{word}` in sans-IO code: {why}");
        lines_with(&code, word).into_iter().map(move |line| (line, what.clone()))
    };
    AMBIENT.iter().flat_map(found).map(|(line, what)| Finding::at(path, line, what)).collect()
}

/// Placeholders, anywhere.
pub fn unfinished(path: &str, source: &str) -> Vec<Finding> {
    let code = code_only(source);
    UNFINISHED
        .iter()
        .flat_map(|word| lines_with(&code, word).into_iter().map(move |line| (line, word)))
        .map(|(line, word)| Finding::at(path, line, format!("`{word}`: finish it, or return an error")))
        .collect()
}

fn is_sans_io(path: &str) -> bool {
    let inside = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    SANS_IO.iter().any(|folder| inside(folder)) && !PROGRAMS.iter().any(|program| path.starts_with(program))
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs")
        || path.ends_with("_tests.rs")
        || path.contains("/tests/")
        || path.contains("/benches/")
        || path.contains("/examples/")
}

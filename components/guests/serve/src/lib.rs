//! What the HTTP guests have in common: the bindings of `wasi:http` and the few lines each would
//! repeat. A guest implements [`Guest`] and names its type in [`export!`].

pub mod bindings {
    wit_bindgen::generate!({
        path: [
            "../../../wit/deps/io.wit",
            "../../../wit/deps/clocks.wit",
            "../../../wit/deps/random.wit",
            "../../../wit/deps/filesystem.wit",
            "../../../wit/deps/sockets.wit",
            "../../../wit/deps/cli.wit",
            "../../../wit/deps/http.wit",
            "../../../wit/orbweave/examples",
        ],
        world: "orbweave:examples/http-service",
        generate_all,
        pub_export_macro: true,
        default_bindings_module: "serve::bindings",
    });
}

mod body;
mod query;

pub use bindings::export;
pub use bindings::exports::wasi::http::incoming_handler::Guest;
pub use bindings::wasi::http::types::{IncomingRequest, Method, ResponseOutparam};
pub use body::{BodyError, Incoming, Outgoing, incoming, read_body, respond, start_response};
pub use query::query;

use bindings::wasi::cli::{environment, stderr, stdout};
use bindings::wasi::io::streams::OutputStream;

/// The value of an environment variable that the workload was given.
pub fn environment_variable(name: &str) -> Option<String> {
    environment::get_environment()
        .into_iter()
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// Writes a line to standard output.
pub fn print_line(line: &str) {
    write_line(&stdout::get_stdout(), line);
}

/// Writes a line to standard error.
pub fn print_error_line(line: &str) {
    write_line(&stderr::get_stderr(), line);
}

/// The method as it stands in the request line.
pub fn method_name(method: &Method) -> &str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(other) => other,
    }
}

/// A call writes at most this much at once: the bound of `blocking-write-and-flush`.
const WRITE_MAX: usize = 4096;

fn write_line(stream: &OutputStream, line: &str) {
    for chunk in format!("{line}\n").as_bytes().chunks(WRITE_MAX) {
        // Nobody to tell: the stream for telling is the one that failed.
        let _ = stream.blocking_write_and_flush(chunk);
    }
}

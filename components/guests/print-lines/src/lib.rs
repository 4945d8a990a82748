//! Writes its argument (the path, of a request) a line to standard output and to standard error.

use serve::{IncomingRequest, ResponseOutparam};

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
    world: "orbweave:examples/behaving",
});

struct PrintLines;

impl exports::orbweave::examples::behaviour::Guest for PrintLines {
    fn run(argument: String) -> String {
        serve::print_line(&format!("out: {argument}"));
        serve::print_error_line(&format!("err: {argument}"));
        format!("printed {argument}\n")
    }
}

impl serve::Guest for PrintLines {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        let done = <Self as exports::orbweave::examples::behaviour::Guest>::run(
            request.path_with_query().unwrap_or_default(),
        );
        serve::respond(response_out, 200, "text/plain; charset=utf-8", done.as_bytes());
    }
}

export!(PrintLines);
serve::export!(PrintLines);

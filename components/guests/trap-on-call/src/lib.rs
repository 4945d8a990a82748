//! Traps, by call and by request.

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

struct TrapOnCall;

impl exports::orbweave::examples::behaviour::Guest for TrapOnCall {
    fn run(argument: String) -> String {
        panic!("trapping on purpose: {argument}")
    }
}

impl serve::Guest for TrapOnCall {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        let done = <Self as exports::orbweave::examples::behaviour::Guest>::run(
            request.path_with_query().unwrap_or_default(),
        );
        serve::respond(response_out, 200, "text/plain; charset=utf-8", done.as_bytes());
    }
}

export!(TrapOnCall);
serve::export!(TrapOnCall);

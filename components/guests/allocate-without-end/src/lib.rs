//! Takes and touches memory until the host gives no more, by call and by request.

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

/// What is taken at a time.
const PIECE_BYTES: usize = 1 << 20;

struct AllocateWithoutEnd;

impl exports::orbweave::examples::behaviour::Guest for AllocateWithoutEnd {
    fn run(argument: String) -> String {
        let mut held = vec![argument.into_bytes()];
        loop {
            held.push(std::hint::black_box(vec![1; PIECE_BYTES]));
        }
    }
}

impl serve::Guest for AllocateWithoutEnd {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        let done = <Self as exports::orbweave::examples::behaviour::Guest>::run(
            request.path_with_query().unwrap_or_default(),
        );
        serve::respond(response_out, 200, "text/plain; charset=utf-8", done.as_bytes());
    }
}

export!(AllocateWithoutEnd);
serve::export!(AllocateWithoutEnd);

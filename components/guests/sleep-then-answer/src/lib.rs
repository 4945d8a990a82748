//! Waits `?ms=…` milliseconds by the clock of the host, then answers.

use serve::bindings::wasi::clocks::monotonic_clock;
use serve::{Guest, IncomingRequest, ResponseOutparam};

const NANOS_PER_MILLI: u64 = 1_000_000;

struct SleepThenAnswer;

impl Guest for SleepThenAnswer {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let ms = serve::query(&path, "ms").and_then(|ms| ms.parse::<u64>().ok());
        let (status, text) = match ms {
            Some(ms) => {
                let nanos = ms.saturating_mul(NANOS_PER_MILLI);
                monotonic_clock::subscribe_duration(nanos).block();
                (200, format!("slept {ms} ms\n"))
            }
            None => (400, "say how long: ?ms=250\n".to_owned()),
        };
        serve::respond(response_out, status, "text/plain; charset=utf-8", text.as_bytes());
    }
}

serve::export!(SleepThenAnswer);

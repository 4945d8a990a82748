//! Streams the body of a request back as it arrives; holds one piece at a time.

use serve::{Guest, IncomingRequest, ResponseOutparam};

struct EchoBody;

impl Guest for EchoBody {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        let content_type = request.headers().get("content-type");
        let content_type = content_type
            .first()
            .and_then(|value| std::str::from_utf8(value).ok())
            .unwrap_or("application/octet-stream");
        let mut outgoing = serve::start_response(response_out, 200, content_type, None);
        let Ok(mut incoming) = serve::incoming(&request) else { return };
        // Returning early leaves the answer unfinished: the receiver sees that it is broken.
        loop {
            match incoming.next() {
                Ok(Some(piece)) if outgoing.write(&piece).is_ok() => {}
                Ok(None) => break,
                Ok(Some(_)) | Err(_) => return,
            }
        }
        outgoing.finish();
    }
}

serve::export!(EchoBody);

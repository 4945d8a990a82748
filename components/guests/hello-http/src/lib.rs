//! Answers every request with a line of text: `$GREETING` (or "Hello"), then method and path.

use serve::{Guest, IncomingRequest, ResponseOutparam};

struct HelloHttp;

impl Guest for HelloHttp {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        let greeting = serve::environment_variable("GREETING");
        let text = format!(
            "{} from the mesh: {} {}\n",
            greeting.as_deref().unwrap_or("Hello"),
            serve::method_name(&request.method()),
            request.path_with_query().as_deref().unwrap_or("/"),
        );
        serve::respond(response_out, 200, "text/plain; charset=utf-8", text.as_bytes());
    }
}

serve::export!(HelloHttp);

//! `call`: an exported function of a workload, wherever a replica runs.

use super::args::CallArgs;
use super::failure::Failure;
use super::output::{self, Format};
use crate::api::Client;
use crate::api::types::{CallRequest, CallResponse};

/// Calls, and prints the result in WAVE.
pub async fn run(client: &Client, args: CallArgs) -> Result<(), Failure> {
    let request = CallRequest {
        workload: args.workload,
        function: args.function,
        args: args.args,
        deadline_ms: args.deadline.millis(),
    };
    let response: CallResponse = client.post("/v1/calls", &request).await?;
    match args.output.format {
        Format::Json => output::say_json(&response),
        Format::Text if response.result.is_empty() => Ok(()),
        Format::Text => output::say(&format!("{}\n", response.result)),
    }
}

//! `ticket create`.

use super::args::{TicketCommand, TicketCreateArgs};
use super::failure::Failure;
use super::output::{self, Format};
use crate::api::Client;
use crate::api::types::{TicketRequest, TicketResponse};

/// Makes a ticket. It alone goes to standard output, so that it can be handed on.
pub async fn run(client: &Client, command: TicketCommand) -> Result<(), Failure> {
    let TicketCommand::Create(TicketCreateArgs { uses, ttl, output }) = command;
    let request = TicketRequest { uses, ttl_ms: ttl.millis() };
    let response: TicketResponse = client.post("/v1/tickets", &request).await?;
    match output.format {
        Format::Json => output::say_json(&response),
        Format::Text => {
            let nodes = if uses == 1 { "one node".to_owned() } else { format!("{uses} nodes") };
            output::note(&format!("Good for {nodes} within {ttl}; there: orbweave join TICKET -d"));
            output::say(&format!("{}\n", response.ticket))
        }
    }
}

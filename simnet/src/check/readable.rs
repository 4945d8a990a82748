//! What a node sends, others of its version can read.

use super::{Checker, Observed};
use crate::cluster::Cluster;
use orbweave_core::Output;
use orbweave_core::message::Message;

/// See the [module](self).
#[derive(Debug)]
pub struct Readable;

impl Checker for Readable {
    fn name(&self) -> &'static str {
        "readable"
    }

    fn observe(&mut self, _: &Cluster, _: usize, event: &Observed<'_>) -> Result<(), String> {
        let Observed::Output(Output::Datagram { bytes, .. }) = event else { return Ok(()) };
        Message::decode(bytes).map(drop).map_err(|error| format!("it sends what nobody reads: {error}"))
    }
}

//! What a node sends, others of its version can read.

use super::{Checker, Observed};
use crate::cluster::Cluster;

/// See the [module](self).
#[derive(Debug)]
pub struct Readable;

impl Checker for Readable {
    fn name(&self) -> &'static str {
        "readable"
    }

    fn observe(&mut self, _: &Cluster, _: usize, event: &Observed<'_>) -> Result<(), String> {
        match event {
            Observed::Said { message: Err(error), .. } => Err(format!("it sends what nobody reads: {error}")),
            _ => Ok(()),
        }
    }
}

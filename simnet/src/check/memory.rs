//! Nobody knows a record that its author could forget: when another node takes a record
//! in, or its author publishes it, the author's disk holds it, or a later one.

use super::{Checker, Observed};
use crate::cluster::Cluster;
use orbweave_core::Output;
use orbweave_core::io::Write;
use orbweave_core::message::Message;
use orbweave_model::NodeId;
use orbweave_state::record::Record;

/// See the [module](self).
#[derive(Debug)]
pub struct AuthorRemembers;

impl Checker for AuthorRemembers {
    fn name(&self) -> &'static str {
        "author-remembers"
    }

    fn observe(&mut self, cluster: &Cluster, host: usize, event: &Observed<'_>) -> Result<(), String> {
        let Observed::Output(output) = event else { return Ok(()) };
        match output {
            Output::Persist { writes, .. } => {
                for write in writes {
                    if let Write::PutRecord { value, .. } = write
                        && let Some(record) = cluster.read(value)
                        && record.id().author != cluster.hosts[host].id.into()
                    {
                        remembered(cluster, &record, "is known elsewhere")?;
                    }
                }
                Ok(())
            }
            Output::Publish { bytes } => said(cluster, bytes, "was published"),
            Output::Datagram { bytes, .. } => match Message::decode(bytes) {
                Ok(Message::Record(bytes)) => said(cluster, &bytes, "was sent"),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

fn said(cluster: &Cluster, bytes: &[u8], how: &str) -> Result<(), String> {
    cluster.read(bytes).map_or(Ok(()), |record| remembered(cluster, &record, how))
}

fn remembered(cluster: &Cluster, record: &Record, how: &str) -> Result<(), String> {
    let Some(author) = cluster.host_of(&NodeId::from(record.id().author)) else { return Ok(()) };
    if cluster.is_durable(author, record) || cluster.is_controlled(author) {
        Ok(())
    } else {
        Err(format!("{record:?} {how}, and its author could forget it"))
    }
}

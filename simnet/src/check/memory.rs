//! Nobody knows a record that its author could forget: when another node takes a record
//! in, or anybody sends it, in a datagram, by gossip or within a frame of a
//! reconciliation, it was durable at its author. An author that lost its disk has
//! forgotten what was durable; that is not meant.

use super::{Checker, Observed};
use crate::cbor::{RECORD_BYTES_MIN, tokens};
use crate::cluster::Cluster;
use crate::lookup::Lookup;
use orbweave_core::Output;
use orbweave_core::io::Write;
use orbweave_core::message::Message;
use orbweave_model::Hash;
use orbweave_state::record::Record;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct AuthorRemembers {
    /// What was durable at its author at some time.
    durable: Lookup<Hash, ()>,
}

impl Checker for AuthorRemembers {
    fn name(&self) -> &'static str {
        "author-remembers"
    }

    fn observe(&mut self, cluster: &Cluster, host: usize, event: &Observed<'_>) -> Result<(), String> {
        match event {
            Observed::Durable { records, .. } => {
                for record in records.iter().filter_map(|bytes| cluster.read(bytes)) {
                    if cluster.author_of(&record) == Some(host) {
                        self.durable.get_or_insert_with(record.digest(), || ());
                    }
                }
                Ok(())
            }
            Observed::Output(Output::Persist { writes, .. }) => {
                for write in writes {
                    if let Write::PutRecord { value, .. } = write
                        && let Some(record) = cluster.read(value)
                        && record.id().author != cluster.hosts[host].id.into()
                    {
                        self.remembered(cluster, &record, "is known elsewhere")?;
                    }
                }
                Ok(())
            }
            Observed::Output(Output::Publish { bytes }) => self.said(cluster, bytes, "was published"),
            Observed::Said { message: Ok(Message::Record(bytes)), .. } => {
                self.said(cluster, bytes, "was sent")
            }
            Observed::Output(Output::Sync { bytes, .. }) => {
                let long = |token: &crate::cbor::Token| token.content.len() >= RECORD_BYTES_MIN;
                for token in tokens(bytes).filter(|token| token.major == 2).filter(long) {
                    self.said(cluster, &bytes[token.content], "was sent in a frame")?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl AuthorRemembers {
    fn said(&self, cluster: &Cluster, bytes: &[u8], how: &str) -> Result<(), String> {
        cluster.read(bytes).map_or(Ok(()), |record| self.remembered(cluster, &record, how))
    }

    fn remembered(&self, cluster: &Cluster, record: &Record, how: &str) -> Result<(), String> {
        let Some(author) = cluster.author_of(record) else { return Ok(()) };
        let durable = self.durable.get(&record.digest()).is_some() || cluster.is_durable(author, record);
        if durable || cluster.is_controlled(author) {
            Ok(())
        } else {
            Err(format!("{record:?} {how}, and its author could forget it"))
        }
    }
}

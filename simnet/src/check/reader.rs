//! Reads records for those that check, each once. The check is the checkers' own: by
//! the keys of the mesh and the rule that the higher reading counts, and not by asking
//! the code that is checked.

use crate::cluster::Cluster;
use crate::lookup::Lookup;
use orbweave_core::node_info::NodeInfo;
use orbweave_model::{Hash, Hlc, NodeId, PublicKey, wire};
use orbweave_state::record::{Record, RecordId, RecordKind};
use orbweave_state::store::{NODE_RECORD_LIFE, NODE_RECORD_LIFE_MAX};
use std::cell::RefCell;
use std::time::Duration;

/// Records that are remembered before all are forgotten at once.
const KNOWN_MAX: usize = 65_536;

/// Records by the hash of their bytes; nothing for what is no record of this mesh.
#[derive(Debug, Default)]
pub(crate) struct Reader(RefCell<Lookup<Hash, Option<Record>>>);

/// Of two records of one identity the one with the greater of these counts.
pub(crate) fn order(record: &Record) -> (Hlc, Hash) {
    (record.hlc(), record.digest())
}

/// How long a node record holds after it was said, as it asks for.
pub(crate) fn node_life(record: &Record) -> Duration {
    let asked = NodeInfo::decode(record.body()).ok().and_then(|info| info.lives_ms);
    asked.map_or(NODE_RECORD_LIFE, |ms| {
        Duration::from_millis(ms).clamp(NODE_RECORD_LIFE, NODE_RECORD_LIFE_MAX)
    })
}

/// The key under which a disk keeps the record of this identity.
pub(crate) fn disk_key(kind: RecordKind, key: &str, author: PublicKey) -> Vec<u8> {
    wire::encode(&RecordId { kind, key: key.to_owned(), author })
}

impl Cluster {
    /// A record of this mesh, if its signature is its author's.
    pub fn read(&self, bytes: &[u8]) -> Option<Record> {
        let mut known = self.reader.0.borrow_mut();
        if known.len() > KNOWN_MAX {
            *known = Lookup::default();
        }
        let open = || Record::open(bytes, self.world.mesh, &*self.check).ok();
        known.get_or_insert_with(Hash::of(bytes), open).clone()
    }

    /// Whether a host's disk holds this record, or one that superseded it.
    pub fn is_durable(&self, i: usize, record: &Record) -> bool {
        let held = self.hosts[i].disk.record(&wire::encode(record.id()));
        held.and_then(|bytes| self.read(bytes)).is_some_and(|held| order(&held) >= order(record))
    }

    /// The host that is the author of a record, if it is one.
    pub(crate) fn author_of(&self, record: &Record) -> Option<usize> {
        self.host_of(&NodeId::from(record.id().author))
    }
}

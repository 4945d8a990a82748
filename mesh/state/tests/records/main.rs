//! Records, their store and reconciliation, by subject.

mod exchange;
mod flips;
mod golden;
mod liars;
mod mesh;
mod scoped;
mod store;
mod sync;
mod v1;
mod versions;
mod zones;

use orbweave_model::{Hlc, MeshId, Wall};
use orbweave_state::record::{Record, RecordKind};
use orbweave_trust::{SecretKey, Strict};

pub(crate) const MESH: MeshId = MeshId([7; 32]);

pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes([seed; 32])
}

pub(crate) fn signed(
    author: u8,
    kind: RecordKind,
    name: &str,
    wall: u64,
    count: u32,
    body: &[u8],
) -> Vec<u8> {
    Record::sign(&key(author), MESH, kind, name, Hlc { wall: Wall(wall), count }, body.to_vec())
}

pub(crate) fn record(author: u8, name: &str, wall: u64, body: &[u8]) -> Record {
    open(&signed(author, RecordKind::WORKLOAD, name, wall, 0, body))
}

pub(crate) fn open(bytes: &[u8]) -> Record {
    Record::open(bytes, MESH, &Strict).expect("a record of ours")
}

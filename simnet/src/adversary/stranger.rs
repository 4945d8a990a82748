//! Strangers: they have no certificate of this mesh, and reach nodes all the same,
//! through a link that they should not have, one that is half open, or a topic of
//! gossip. What QUIC refuses is not played: nobody speaks under an honest node's id, or
//! alters what travels between two; bytes of others come under the stranger's own.

use super::Adversary;
use super::mutate::spoil;
use crate::cluster::Cluster;
use crate::dice::Dice;
use orbweave_core::Input;
use orbweave_core::claim::{Claim, ClaimRange};
use orbweave_core::io::SyncId;
use orbweave_core::message::{Message, Offer};
use orbweave_model::{Hlc, Mono, limit};
use orbweave_scheduler::rivals::Phase;
use orbweave_state::record::{Record, RecordKind};
use orbweave_trust::SecretKey;
use std::time::Duration;

/// What a stranger sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noise {
    /// What it picked up, spoilt.
    Mutated,
    /// What it picked up, as it was.
    Replayed,
    /// Records and offers that it signed or made up itself.
    Forged,
    /// Far more bytes than anything may have.
    Oversized,
}

/// Each kind of noise.
pub const NOISES: [Noise; 4] = [Noise::Mutated, Noise::Replayed, Noise::Forged, Noise::Oversized];

/// See the [module](self).
#[derive(Debug)]
pub struct Stranger {
    dice: Dice,
    noise: Noise,
    key: SecretKey,
    /// Bytes that it picked up.
    heard: Vec<Vec<u8>>,
}

impl Stranger {
    /// A stranger who makes this noise.
    pub fn new(mut dice: Dice, noise: Noise) -> Self {
        Self { key: SecretKey::from_bytes(dice.seed()), dice, noise, heard: Vec::new() }
    }

    fn bytes(&mut self, cluster: &Cluster) -> Vec<u8> {
        let mut bytes = self.dice.pick(&self.heard).cloned().unwrap_or_default();
        match self.noise {
            Noise::Replayed => bytes,
            Noise::Mutated => {
                spoil(&mut self.dice, &mut bytes);
                bytes
            }
            Noise::Oversized => {
                let sizes = [limit::DATAGRAM_BYTES_MAX, limit::RECORD_BYTES_MAX, limit::SYNC_FRAME_BYTES_MAX];
                let size = self.dice.pick(&sizes).copied().unwrap_or_default() + 1;
                // Once in a while only: megabytes cost the simulator their time.
                let size = if self.dice.chance(50_000) { size } else { limit::DATAGRAM_BYTES_MAX + 1 };
                bytes.resize(size, 0x82);
                bytes
            }
            Noise::Forged => self.forged(cluster),
        }
    }

    /// A record in its own name, or one that bears another's name and its signature.
    fn forged(&mut self, cluster: &Cluster) -> Vec<u8> {
        let names: Vec<String> = cluster
            .hosts
            .iter()
            .flat_map(|host| host.instances.values().map(|i| i.workload.as_str().to_owned()))
            .collect();
        let name = self.dice.pick(&names).cloned().unwrap_or_else(|| "evil".into());
        let hlc = Hlc { wall: cluster.wall(), count: 0 };
        let claim = Claim::of((0..3).map(|slot| ClaimRange::one(slot, 1_000, Phase::Running, 9, None)));
        let (kind, body) = match self.dice.below(4) {
            0 => (RecordKind::WORKLOAD, cluster.spec(&name, 3).encode()),
            1 => (RecordKind::TRUST, vec![0x82, 0x40, 0x80]),
            2 => (RecordKind::NODE, vec![0xa0]),
            _ => (RecordKind::CLAIM, claim.encode()),
        };
        let mut record = Record::sign(&self.key, cluster.world.mesh, kind, &name, hlc, body);
        let victim = self.dice.below(cluster.hosts.len() as u64) as usize;
        if self.dice.chance(500_000) {
            rename(&mut record, self.key.public().as_bytes(), cluster.hosts[victim].id.as_bytes());
        }
        record
    }
}

/// Writes another author into a record; its signature is then nobody's.
pub(super) fn rename(record: &mut [u8], from: &[u8; 32], to: &[u8; 32]) {
    if let Some(at) = record.windows(32).position(|bytes| bytes == from) {
        record[at..at + 32].copy_from_slice(to);
    }
}

impl Adversary for Stranger {
    fn name(&self) -> &'static str {
        match self.noise {
            Noise::Mutated => "stranger-mutates",
            Noise::Replayed => "stranger-replays",
            Noise::Forged => "stranger-forges",
            Noise::Oversized => "stranger-oversizes",
        }
    }

    fn act(&mut self, cluster: &mut Cluster) -> Option<Mono> {
        let victim = self.dice.below(cluster.hosts.len() as u64) as usize;
        // It picks up what a node keeps, as if it had stolen a disk without its key.
        let kept = cluster.hosts[victim].disk.records().count() as u64;
        let stolen = self.dice.below(kept.max(1)) as usize;
        if let Some(bytes) = cluster.hosts[victim].disk.records().nth(stolen) {
            self.heard.push(bytes.to_vec());
            self.heard.push(Message::Record(bytes).encode());
        }
        if self.heard.len() > 64 {
            self.heard.drain(..32);
        }
        let bytes = self.bytes(cluster);
        let peer = self.key.node_id();
        let number = self.dice.below(4);
        let input = match self.dice.below(4) {
            0 => Input::Gossip { bytes },
            1 => Input::Datagram { from: peer, bytes },
            2 if self.noise == Noise::Forged => {
                let bytes = Message::Offer(Offer {
                    id: number,
                    workload: "evil".parse().ok()?,
                    generation: 0,
                    slot: 0,
                    epoch_seen: u64::MAX,
                    held: u32::MAX,
                    score: i64::MAX,
                });
                Input::Datagram { from: peer, bytes: bytes.encode() }
            }
            _ => Input::Sync { id: SyncId { peer, ours: false, number }, bytes },
        };
        cluster.feed(victim, input);
        Some(cluster.time + self.dice.duration((Duration::from_millis(20), Duration::from_millis(500))))
    }
}

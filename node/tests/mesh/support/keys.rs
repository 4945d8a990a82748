//! The keys of a mesh's founder, to sign what the command line would not.

use super::{component_bytes, now_ms};
use orbweave_core::workload::{Route, WorkloadSpec};
use orbweave_model::{Hash, Hlc, MeshId, Wall};
use orbweave_node::api::types::Status;
use orbweave_node::state_dir::KeyFile;
use orbweave_state::record::{Record, RecordKind};
use orbweave_trust::{ReleaseStatement, SecretKey};
use sha2::{Digest, Sha256};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

/// Whoever may publish and operate.
pub struct Keys {
    pub mesh: MeshId,
    pub publisher: SecretKey,
    pub operator: SecretKey,
}

impl Keys {
    /// The keys in the founder's directory.
    pub async fn of(founder: &super::Node) -> Self {
        let status: Status = founder.get("/v1/status").await;
        Self {
            mesh: status.mesh,
            publisher: founder.dir.read_key(KeyFile::Publisher).unwrap(),
            operator: founder.dir.read_key(KeyFile::Operator).unwrap(),
        }
    }

    /// What an honest publisher says of these bytes.
    pub fn statement(&self, name: &str, component: &[u8]) -> ReleaseStatement {
        let now = Wall(now_ms());
        ReleaseStatement {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            blake3: Hash::of(component),
            sha256: Sha256::digest(component).into(),
            size: component.len() as u64,
            imports: Vec::new(),
            exports: Vec::new(),
            publisher: self.publisher.public(),
            not_before: now - HOUR,
            expires: now + HOUR,
            sequence: now.0,
            mesh: None,
        }
    }

    /// A signed release of a guest.
    pub fn release(&self, name: &str, guest: &str) -> Vec<u8> {
        self.statement(name, &component_bytes(guest)).sign(&self.publisher)
    }

    /// One replica of a release, reached under `NAME.mesh`.
    pub fn spec(&self, generation: u64, release: Vec<u8>) -> WorkloadSpec {
        let route = Route { host: None, path: None, idempotent: true, deadline_ms: 10_000 };
        WorkloadSpec {
            deleted: false,
            release,
            replicas: 1,
            route: Some(route),
            call_time_ms: 5_000,
            concurrency: 8,
            ..WorkloadSpec::deletion(generation)
        }
    }

    /// The record that says so, as of now.
    pub fn record(&self, name: &str, spec: &WorkloadSpec) -> Vec<u8> {
        self.record_at(name, spec, Hlc { wall: Wall(now_ms()), count: 0 })
    }

    /// The record that says so.
    pub fn record_at(&self, name: &str, spec: &WorkloadSpec, hlc: Hlc) -> Vec<u8> {
        Record::sign(&self.operator, self.mesh, RecordKind::WORKLOAD, name, hlc, spec.encode())
    }
}

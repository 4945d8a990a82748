//! The papers of a mesh: genesis, keys, certificates, releases, signed by known keys.

use orbweave_core::WorkloadSpec;
use orbweave_core::cordon::Cordon;
use orbweave_core::quota::Quota;
use orbweave_model::{Hash, Hlc, MeshId, Namespace, NodeId, PublicKey, Resources, Wall};
use orbweave_state::record::{Record, RecordKind};
use orbweave_trust::{
    Authority, Certificate, Genesis, Grant, ReleaseStatement, Roles, SecretKey, Strict, TrustStatement,
};
use std::time::Duration;

/// When every run begins, by the wall clock.
pub const BEGIN: Wall = Wall(1_800_000_000_000);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// One mesh's keys and documents.
#[derive(Debug)]
pub struct World {
    /// The genesis document.
    pub genesis: Vec<u8>,
    /// The mesh.
    pub mesh: MeshId,
    /// May deploy.
    pub operator: SecretKey,
    root: SecretKey,
    admission: SecretKey,
    publisher: SecretKey,
    second_publisher: SecretKey,
}

impl World {
    /// The papers that this seed gives.
    pub fn new(seed: u64) -> Self {
        let key = |role: &str| {
            SecretKey::from_bytes(Hash::of(format!("{role} of simulated mesh {seed}").as_bytes()).0)
        };
        let (root, admission, publisher, operator) =
            (key("root"), key("admission"), key("publisher"), key("operator"));
        let second_publisher = key("second publisher");
        let genesis = Genesis {
            name: "simulated".into(),
            roots: vec![root.public()],
            threshold: 1,
            grants: vec![
                Grant { key: admission.public(), roles: Roles::ADMIT },
                Grant { key: publisher.public(), roles: Roles::PUBLISH },
                Grant { key: second_publisher.public(), roles: Roles::PUBLISH },
                Grant { key: operator.public(), roles: Roles::OPERATE },
            ],
            partition_max_ms: 7 * 24 * 3_600 * 1_000,
            created: BEGIN - DAY,
            salt: [1; 16],
        };
        let genesis = genesis.sign(&[&root]);
        let mesh = Genesis::verify(&genesis, None, &Strict).expect("our own genesis").0;
        Self { genesis, mesh, operator, root, admission, publisher, second_publisher }
    }

    /// The key of a node.
    pub fn node_key(&self, name: &str) -> SecretKey {
        SecretKey::from_bytes(Hash::of(&[self.mesh.as_bytes(), name.as_bytes()].concat()).0)
    }

    /// A node's certificate of 90 days, issued so long before the beginning.
    pub fn certificate(&self, name: &str, ago: Duration) -> Vec<u8> {
        let (mesh, genesis) = Genesis::verify(&self.genesis, None, &Strict).expect("our own genesis");
        let authority = Authority::new(mesh, genesis);
        let node = self.node_key(name).node_id();
        Certificate::draft(&authority, node, name, self.admission.public(), BEGIN - ago, Some(DAY * 90), 1)
            .expect("a certificate within its bounds")
            .issue(&self.admission)
    }

    /// What the component of a release would be.
    pub fn component(name: &str) -> Hash {
        Hash::of(name.as_bytes())
    }

    /// The key that lets nodes in.
    pub fn admission_key(&self) -> SecretKey {
        self.admission.clone()
    }

    /// The key that signs releases.
    pub fn publisher_key(&self) -> PublicKey {
        self.publisher.public()
    }

    /// The key of another one who signs releases, and may be revoked without harm to the rest.
    pub fn second_publisher_key(&self) -> PublicKey {
        self.second_publisher.public()
    }

    /// A signed release.
    pub fn release(&self, name: &str, sequence: u64, not_before: Wall, expires: Wall) -> Vec<u8> {
        self.statement(name, sequence, not_before, expires).sign(&self.publisher)
    }

    /// A signed release of a component of this size, valid for the run, by the first
    /// publisher or the second.
    pub fn release_of(&self, name: &str, sequence: u64, size: u64, second: bool) -> Vec<u8> {
        let by = if second { &self.second_publisher } else { &self.publisher };
        let statement = self.statement(name, sequence, BEGIN - DAY, BEGIN + DAY * 30);
        ReleaseStatement { size, publisher: by.public(), ..statement }.sign(by)
    }

    fn statement(&self, name: &str, sequence: u64, not_before: Wall, expires: Wall) -> ReleaseStatement {
        ReleaseStatement {
            name: name.into(),
            version: format!("1.0.{sequence}"),
            blake3: Self::component(name),
            sha256: [0; 32],
            size: 1_000,
            imports: Vec::new(),
            exports: vec!["wasi:http/incoming-handler@0.2.3".into()],
            publisher: self.publisher.public(),
            not_before,
            expires,
            sequence,
            mesh: Some(self.mesh),
        }
    }

    /// A workload that any node may hold.
    pub fn spec(&self, name: &str, replicas: u32) -> WorkloadSpec {
        WorkloadSpec {
            deleted: false,
            release: self.release(name, 1, BEGIN - DAY, BEGIN + DAY * 30),
            replicas,
            need: Resources { cpu_milli: 100, memory_bytes: 16 << 20, instances: 1, accelerator_milli: 0 },
            call_time_ms: 10_000,
            concurrency: 8,
            ..WorkloadSpec::deletion(1)
        }
    }

    /// A workload's record, by the operator.
    pub fn record(&self, name: &str, spec: &WorkloadSpec, at: Wall) -> Vec<u8> {
        let hlc = Hlc { wall: at, count: 0 };
        Record::sign(&self.operator, self.mesh, RecordKind::WORKLOAD, name, hlc, spec.encode())
    }

    /// What an admission key says of a namespace.
    pub fn quota(&self, namespace: &Namespace, quota: &Quota, at: Wall) -> Vec<u8> {
        let hlc = Hlc { wall: at, count: 0 };
        let body = quota.encode();
        Record::sign(&self.admission, self.mesh, RecordKind::QUOTA, namespace.as_str(), hlc, body)
    }

    /// What an operator says of a node as a place for work.
    pub fn cordon(&self, node: NodeId, cordon: &Cordon, at: Wall) -> Vec<u8> {
        let (hlc, key) = (Hlc { wall: at, count: 0 }, node.to_string());
        Record::sign(&self.operator, self.mesh, RecordKind::CORDON, &key, hlc, cordon.encode())
    }

    /// A record with which a root carries the roots' revocation of a key.
    pub fn revocation(&self, key: PublicKey, at: Wall) -> Vec<u8> {
        let document = TrustStatement::Revoke { key }.sign(self.mesh, &[&self.root]);
        let hlc = Hlc { wall: at, count: 0 };
        let name = Hash::of(&document).to_string();
        Record::sign(&self.root, self.mesh, RecordKind::TRUST, &name, hlc, document)
    }
}

//! A small mesh whose every byte is known: three roots of which two must sign.

use orbweave_model::{Hash, MeshId, NodeId, PublicKey, Signature, Wall};
use orbweave_trust::*;
use sha2::{Digest, Sha256};
use std::time::Duration;

pub const NOW: Wall = Wall(1_800_000_000_000);
pub const HOUR: Duration = Duration::from_secs(3_600);
pub const DAY: Duration = Duration::from_secs(24 * 3_600);
pub const WASM: &[u8] =
    b"\0asm\x0d\0\x01\0 what a component's bytes may look like, for a test that reads none of them";

pub fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes([seed; 32])
}

pub struct World {
    pub roots: [SecretKey; 3],
    pub admission: SecretKey,
    pub publisher: SecretKey,
    pub operator: SecretKey,
    pub node: SecretKey,
    pub stranger: SecretKey,
    pub document: Vec<u8>,
    pub authority: Authority,
}

pub fn genesis(roots: &[&SecretKey], threshold: u8) -> Genesis {
    Genesis {
        name: "fleet".into(),
        roots: roots.iter().map(|root| root.public()).collect(),
        threshold,
        grants: vec![
            Grant { key: key(10).public(), roles: Roles::ADMIT },
            Grant { key: key(11).public(), roles: Roles::PUBLISH },
            Grant { key: key(12).public(), roles: Roles::OPERATE },
        ],
        partition_max_ms: 7 * 24 * 3_600 * 1_000,
        created: NOW,
        salt: [9; 16],
    }
}

impl World {
    pub fn new() -> Self {
        let roots = [key(1), key(2), key(3)];
        let document = genesis(&[&roots[0], &roots[1], &roots[2]], 2).sign(&[&roots[0], &roots[1]]);
        let (mesh, genesis) = Genesis::verify(&document, None, &Strict).expect("a good genesis");
        Self {
            roots,
            admission: key(10),
            publisher: key(11),
            operator: key(12),
            node: key(20),
            stranger: key(30),
            document,
            authority: Authority::new(mesh, genesis),
        }
    }

    pub fn mesh(&self) -> MeshId {
        self.authority.mesh()
    }

    pub fn two_roots(&self) -> [&SecretKey; 2] {
        [&self.roots[0], &self.roots[1]]
    }

    pub fn revoke(&self, key: PublicKey) -> Vec<u8> {
        TrustStatement::Revoke { key }.sign(self.mesh(), &self.two_roots())
    }

    pub fn delegate(&self, key: PublicKey, roles: Roles, not_after: Wall) -> Vec<u8> {
        TrustStatement::Delegate { key, roles, not_after }.sign(self.mesh(), &self.two_roots())
    }

    pub fn certificate(&self) -> Certificate {
        Certificate {
            mesh: self.mesh(),
            node: self.node.node_id(),
            name: "edge-1".into(),
            issuer: self.admission.public(),
            not_before: NOW,
            expires: NOW + DAY * 14,
            serial: 3,
        }
    }

    pub fn statement(&self) -> ReleaseStatement {
        ReleaseStatement {
            name: "sea-watch".into(),
            version: "1.2.3".into(),
            blake3: Hash::of(WASM),
            sha256: Sha256::digest(WASM).into(),
            size: WASM.len() as u64,
            imports: vec!["wasi:http/types@0.2.3".into()],
            exports: vec!["wasi:http/incoming-handler@0.2.3".into()],
            publisher: self.publisher.public(),
            not_before: NOW,
            expires: NOW + DAY * 90,
            sequence: 7,
            mesh: Some(self.mesh()),
        }
    }

    pub fn verify(&self, bytes: &[u8]) -> Result<Release, ReleaseError> {
        Release::verify(bytes, &self.authority, &RollbackGuard::new(), NOW, &Strict)
    }

    pub fn release(&self) -> Release {
        self.verify(&self.statement().sign(&self.publisher)).expect("a good release")
    }

    pub fn ticket(&self) -> Ticket {
        Ticket {
            mesh: self.mesh(),
            issuer: self.node.node_id(),
            addresses: vec!["192.0.2.7:8081".parse().unwrap(), "[2001:db8::7]:8081".parse().unwrap()],
            token: [5; 32],
            expires: NOW + HOUR,
            uses: 2,
        }
    }
}

pub fn node(seed: u8) -> NodeId {
    key(seed).node_id()
}

/// The body of a later version: one more key, unknown to this one.
pub fn with_unknown_key(body: &[u8]) -> Vec<u8> {
    let mut newer = body.to_vec();
    assert!((0xa0..0xb6).contains(&newer[0]), "a small map");
    newer[0] += 1;
    minicbor::Encoder::new(&mut newer).u8(99).unwrap().str("of a later version").unwrap();
    newer
}

fn signatures(e: &mut minicbor::Encoder<&mut Vec<u8>>, by: &[(PublicKey, Signature)]) {
    e.array(by.len() as u64).unwrap();
    for (key, signature) in by {
        e.array(2).unwrap().bytes(key.as_bytes()).unwrap().bytes(signature.as_bytes()).unwrap();
    }
}

/// An envelope put together by hand.
pub fn envelope(payload: &[u8], by: &[(PublicKey, Signature)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut e = minicbor::Encoder::new(&mut bytes);
    e.array(2).unwrap().bytes(payload).unwrap();
    signatures(&mut e, by);
    bytes
}

/// A release's envelope put together by hand.
pub fn dsse(payload_type: &str, payload: &[u8], by: &[(PublicKey, Signature)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut e = minicbor::Encoder::new(&mut bytes);
    e.array(3).unwrap().str(payload_type).unwrap().bytes(payload).unwrap();
    signatures(&mut e, by);
    bytes
}

/// The payload of an envelope.
pub fn payload(envelope: &[u8]) -> Vec<u8> {
    let mut d = minicbor::Decoder::new(envelope);
    if d.array().unwrap() == Some(3) {
        d.str().unwrap();
    }
    d.bytes().unwrap().to_vec()
}

pub fn signed_by(key: &SecretKey, domain: Domain, payload: &[u8]) -> (PublicKey, Signature) {
    (key.public(), key.sign(domain, payload))
}

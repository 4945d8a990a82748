//! Attempts to deploy what must not run: a component that was altered after it was
//! signed, and one that nobody signed.
//!
//! The operator's key is the real one: what refuses is not the right to deploy but each
//! node's own check of what would run. The forgeries go past the command line, straight to
//! each node, as an attacker's would.

use super::error::DemoError;
use super::files::{COMPONENT, VERSION};
use super::fleet::{Fleet, NodeProcess};
use super::show::{Show, now_ms};
use crate::api::ClientError;
use crate::api::types::{BlobResponse, InstanceView, Status};
use crate::state_dir::KeyFile;
use bytes::Bytes;
use orbweave_core::workload::WorkloadSpec;
use orbweave_model::{Hash, Hlc, Wall};
use orbweave_state::record::{Record, RecordKind};
use orbweave_trust::{ReleaseStatement, SecretKey};
use sha2::{Digest, Sha256};
use std::time::Duration;
use tokio::time::sleep;

/// What the nodes refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusals {
    /// The altered component.
    pub tampered: bool,
    /// The unsigned one.
    pub unsigned: bool,
}

/// How long nothing of what was refused may show up anywhere.
const QUIET: Duration = Duration::from_secs(1);

/// Tries both at every healthy node, and looks on each that nothing of it is there.
pub async fn attack(fleet: &Fleet, show: &Show) -> Result<Refusals, DemoError> {
    let Some(founder) = fleet.nodes.first() else {
        return Ok(Refusals { tampered: false, unsigned: false });
    };
    let publisher = founder.dir.read_key(KeyFile::Publisher)?;
    let operator = founder.dir.read_key(KeyFile::Operator)?;
    let altered = altered();
    // One bit of the component is another, the release was patched to name its new
    // hashes, and the signature is the one over the old.
    let honest = statement(COMPONENT, "tampered", &publisher).sign(&publisher);
    let forged = patched(&honest, COMPONENT, &altered);
    let unsigned = statement(COMPONENT, "unsigned", &publisher).unsigned();

    let mut refusals = Refusals { tampered: true, unsigned: true };
    for (_, node) in fleet.healthy() {
        upload(node, &altered).await?;
        let said = submit(node, &operator, "tampered", forged.clone()).await?;
        refusals.tampered &= judged(show, node, "the tampered component", said, "wrongly signed");
        let said = submit(node, &operator, "unsigned", unsigned.clone()).await?;
        refusals.unsigned &= judged(show, node, "the unsigned component", said, "unsigned");
    }

    sleep(QUIET).await;
    for (_, node) in fleet.healthy() {
        let instances: Vec<InstanceView> =
            node.client.get("/v1/instances").await.map_err(DemoError::api(node.name))?;
        let placed = |name: &str| instances.iter().any(|i| i.workload.as_str() == name);
        for (name, refused) in [("tampered", &mut refusals.tampered), ("unsigned", &mut refusals.unsigned)] {
            if placed(name) {
                show.line(&format!("yet {} sees the {name} component placed", node.name));
                *refused = false;
            }
        }
    }
    Ok(refusals)
}

/// The component with one bit of its middle byte flipped.
fn altered() -> Vec<u8> {
    let mut bytes = COMPONENT.to_vec();
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    bytes
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn statement(component: &[u8], name: &str, publisher: &SecretKey) -> ReleaseStatement {
    let now = Wall(now_ms());
    ReleaseStatement {
        name: name.to_owned(),
        version: VERSION.to_owned(),
        blake3: Hash::of(component),
        sha256: sha256(component),
        size: component.len() as u64,
        imports: Vec::new(),
        exports: Vec::new(),
        publisher: publisher.public(),
        not_before: now - Duration::from_secs(60),
        expires: now + Duration::from_secs(3_600),
        sequence: now.0,
        mesh: None,
    }
}

/// The release with the hashes of another component in the place of its own.
fn patched(release: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let release = replaced(release, Hash::of(from).as_bytes(), Hash::of(to).as_bytes());
    replaced(&release, &sha256(from), &sha256(to))
}

fn replaced(bytes: &[u8], from: &[u8; 32], to: &[u8; 32]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(at) = bytes.windows(32).position(|window| window == from)
        && let Some(place) = bytes.get_mut(at..at + 32)
    {
        place.copy_from_slice(to);
    }
    bytes
}

async fn upload(node: &NodeProcess, component: &[u8]) -> Result<(), DemoError> {
    let answer = node.client.post_bytes("/v1/blobs", Bytes::copy_from_slice(component)).await;
    let answer = answer.map_err(DemoError::api(node.name))?;
    let _: BlobResponse = serde_json::from_slice(&answer)
        .map_err(|e| DemoError::api(node.name)(ClientError::Malformed(e.to_string())))?;
    Ok(())
}

/// What the node says to a workload with this release, or nothing when it takes it.
async fn submit(
    node: &NodeProcess,
    operator: &SecretKey,
    name: &str,
    release: Vec<u8>,
) -> Result<Option<String>, DemoError> {
    let status: Status = node.client.get("/v1/status").await.map_err(DemoError::api(node.name))?;
    let spec = WorkloadSpec { deleted: false, release, replicas: 1, ..WorkloadSpec::deletion(1) };
    let hlc = Hlc { wall: Wall(now_ms()), count: 0 };
    let record = Record::sign(operator, status.mesh, RecordKind::WORKLOAD, name, hlc, spec.encode());
    match node.client.post_bytes("/v1/records", record.into()).await {
        Ok(_) => Ok(None),
        Err(ClientError::Refused(refused)) => Ok(Some(refused.error)),
        Err(error) => Err(DemoError::api(node.name)(error)),
    }
}

fn judged(show: &Show, node: &NodeProcess, what: &str, said: Option<String>, word: &str) -> bool {
    match said {
        Some(said) => {
            show.line(&format!("{} refuses {what}: {}", node.name, first_line(&said)));
            said.contains(word)
        }
        None => {
            show.line(&format!("{} TOOK {what}", node.name));
            false
        }
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forged_release_names_the_altered_component_under_the_old_signature() {
        let publisher = SecretKey::from_bytes([3; 32]);
        let (honest_component, other) = (&b"honest"[..], &b"other!"[..]);
        let honest = statement(honest_component, "tampered", &publisher).sign(&publisher);
        let forged = patched(&honest, honest_component, other);
        assert_eq!(forged.len(), honest.len());
        assert!(forged.windows(32).any(|w| w == Hash::of(other).as_bytes()));
        assert!(forged.windows(32).any(|w| w == sha256(other)));
        assert!(!forged.windows(32).any(|w| w == Hash::of(honest_component).as_bytes()));
        assert_eq!(forged[forged.len() - 64..], honest[honest.len() - 64..], "the signature stays");
    }

    #[test]
    fn one_bit_of_the_component_is_another() {
        let altered = altered();
        let differ: u32 = altered.iter().zip(COMPONENT).map(|(a, b)| (a ^ b).count_ones()).sum();
        assert_eq!((altered.len(), differ), (COMPONENT.len(), 1));
    }
}

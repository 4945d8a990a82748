//! `deploy` and `delete`: a new generation of a workload, signed by its operator.

use super::args::{DeleteArgs, DeployArgs};
use super::failure::Failure;
use super::output::{self, Format};
use super::{interfaces, release, wait};
use crate::api::types::{BlobResponse, Describe, Status};
use crate::api::{ApiError, Client, ClientError};
use crate::manifest::ManifestFile;
use crate::state_dir::StateDir;
use bytes::Bytes;
use http::StatusCode;
use orbweave_core::workload::WorkloadSpec;
use orbweave_model::{Hash, Hlc, MeshId, PublicKey, Wall, WorkloadName, limit};
use orbweave_state::record::{Record, RecordKind};
use orbweave_trust::{Release, SecretKey, Strict};
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deployed<'a> {
    workload: &'a WorkloadName,
    generation: u64,
    component: Hash,
    #[serde(skip_serializing_if = "Option::is_none")]
    publisher: Option<PublicKey>,
    operator: PublicKey,
}

/// Signs, hands the component in, and says what should run.
pub async fn run(client: &Client, dir: &StateDir, args: DeployArgs) -> Result<(), Failure> {
    let file = ManifestFile::read(&args.file)?;
    let name = &file.manifest.metadata.name;
    let component = file.component();
    let bytes = release::read_component(&component)?;
    let operator = release::operator_key(dir, args.operator_key.as_deref())?;
    let status: Status = client.get("/v1/status").await?;
    if file.manifest.spec.route.is_some()
        && let Ok(interfaces) = interfaces::of(&bytes)
        && let Some((why, fix)) = interfaces.unroutable()
    {
        let (manifest, component) = (args.file.display(), component.display());
        return Err(Failure::new(format!("{manifest}: spec.route names {component}, but {why}")).fix(fix));
    }
    let presigned = args.release.clone().or_else(|| file.release());
    let (release, publisher) = match presigned {
        Some(path) => {
            let release = read_release(&path)?;
            same_component(&release, &path, &file, &bytes)?;
            (release, None)
        }
        None => {
            let key = release::publisher_key(dir, args.key.as_deref())?;
            let version = &file.manifest.spec.version.0;
            let life = release::DEPLOY_LIFE;
            let signed =
                release::sign(&key, &bytes, name.as_str(), version, life, Some(status.mesh), &component)?;
            output::note(&format!("Signed {name} {version} with the publisher key {}", key.public().short()));
            (signed, Some(key.public()))
        }
    };
    let hash = hand_in(client, bytes).await?;
    let known = describe(client, name).await?;
    let generation = known.as_ref().map_or(1, |d| d.workload.generation + 1);
    let spec = file.manifest.workload(generation, release, status.node);
    submit(client, &operator, status.mesh, name, &spec, known.as_ref()).await?;
    let deployed =
        Deployed { workload: name, generation, component: hash, publisher, operator: operator.public() };
    if args.output.format == Format::Text {
        let replicas =
            if spec.replicas == 1 { "1 replica".to_owned() } else { format!("{} replicas", spec.replicas) };
        output::say(&format!("Deployed {name}, generation {generation}, {replicas}\n"))?;
    }
    if args.wait {
        wait::until_running(client, name, generation, args.timeout.0).await?;
    }
    match args.output.format {
        Format::Json => output::say_json(&deployed),
        Format::Text => Ok(()),
    }
}

/// Says that a workload should be gone.
pub async fn delete(client: &Client, dir: &StateDir, args: DeleteArgs) -> Result<(), Failure> {
    let operator = release::operator_key(dir, args.operator_key.as_deref())?;
    let status: Status = client.get("/v1/status").await?;
    let name = &args.name;
    let known = describe(client, name).await?.filter(|d| !d.workload.deleted);
    let Some(known) = known else {
        return Err(Failure::new(format!("no workload is called {name}")).fix("see `orbweave get`"));
    };
    let spec = WorkloadSpec::deletion(known.workload.generation + 1);
    submit(client, &operator, status.mesh, name, &spec, Some(&known)).await?;
    output::say(&format!("Deleted {name}\n"))
}

fn read_release(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |e: std::io::Error| {
        Failure::new(format!("cannot read the release {}: {e}", path.display()))
            .fix("make one with `orbweave sign`, or leave it out and `deploy` signs")
    };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > limit::RELEASE_BYTES_MAX as u64 {
        return Err(Failure::new(format!("{} is too large to be a release", path.display())));
    }
    std::fs::read(path).map_err(failed)
}

/// Whether a release is about what the manifest names: otherwise it would be refused by
/// every node, or run under the name of another.
fn same_component(release: &[u8], path: &Path, file: &ManifestFile, bytes: &[u8]) -> Result<(), Failure> {
    let path = path.display();
    let stated = Release::read(release, &Strict)
        .map_err(|e| Failure::new(format!("{path}: {e}")).fix("make one with `orbweave sign`"))?;
    let (name, version) = (&file.manifest.metadata.name, &file.manifest.spec.version.0);
    let hash = Hash::of(bytes);
    let differs = |what: &str, release: &str, manifest: &str| {
        Err(Failure::new(format!(
            "{path} is a release of {what} {release}, but the manifest's is {manifest}"
        ))
        .fix("give the release of this component, or leave it out and `deploy` signs one"))
    };
    if stated.name != name.as_str() {
        return differs("the name", &stated.name, name.as_str());
    }
    if stated.version != *version {
        return differs("the version", &stated.version, version);
    }
    if stated.blake3 != hash {
        return differs("the component (BLAKE3)", &stated.blake3.to_string(), &hash.to_string());
    }
    Ok(())
}

async fn hand_in(client: &Client, bytes: Bytes) -> Result<Hash, Failure> {
    let expected = Hash::of(&bytes);
    let answer = client.post_bytes("/v1/blobs", bytes).await?;
    let BlobResponse { hash, .. } =
        serde_json::from_slice(&answer).map_err(|e| ClientError::Malformed(e.to_string()))?;
    if hash != expected {
        return Err(Failure::new(format!("the node keeps {hash}, but {expected} was handed in")));
    }
    Ok(hash)
}

/// All about a workload; none where there never was one.
pub async fn describe(client: &Client, name: &WorkloadName) -> Result<Option<Describe>, Failure> {
    match client.get::<Describe>(&format!("/v1/workloads/{name}")).await {
        Ok(known) => Ok(Some(known)),
        Err(ClientError::Refused(ApiError { status: StatusCode::NOT_FOUND, .. })) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn submit(
    client: &Client,
    operator: &SecretKey,
    mesh: MeshId,
    name: &WorkloadName,
    spec: &WorkloadSpec,
    known: Option<&Describe>,
) -> Result<(), Failure> {
    // After the one that it replaces, also where this machine's clock is behind.
    let after = known.map_or(0, |d| d.workload.created_ms + 1);
    let hlc = Hlc { wall: Wall(output::now_ms().max(after)), count: 0 };
    let record = Record::sign(operator, mesh, RecordKind::WORKLOAD, name.as_str(), hlc, spec.encode());
    if record.len() > limit::RECORD_BYTES_MAX {
        let (have, max) = (record.len(), limit::RECORD_BYTES_MAX);
        return Err(Failure::new(format!(
            "the workload has {have} bytes in all, more than the {max} allowed"
        ))
        .fix("shorten `spec.env`"));
    }
    client.post_bytes("/v1/records", record.into()).await?;
    Ok(())
}

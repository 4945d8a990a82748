//! `deploy`, `scale` and `delete`: a new generation of a workload, signed by its operator.

use super::args::{DeleteArgs, DeployArgs, ScaleArgs, SourceArgs};
use super::failure::Failure;
use super::output::{self, Format};
use super::{interfaces, release, rollout, wait};
use crate::api::types::{BlobResponse, Describe, RolloutState, Status};
use crate::api::{ApiError, Client, ClientError};
use crate::manifest::ManifestFile;
use crate::state_dir::StateDir;
use bytes::Bytes;
use http::StatusCode;
use orbweave_core::workload::{Rollout, WorkloadSpec};
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
    unchanged: bool,
}

/// A manifest with all that a new generation of its workload is made of.
pub struct Prepared {
    /// The manifest.
    pub file: ManifestFile,
    /// The component.
    pub bytes: Bytes,
    /// The node that is asked.
    pub status: Status,
    /// What holds so far, if there is any.
    pub known: Option<WorkloadSpec>,
    /// What should run.
    pub spec: WorkloadSpec,
    /// How far the last change is, where it goes to a few replicas at a time.
    pub state: Option<RolloutState>,
    /// The key that signed the release just now; none if one was there.
    publisher: Option<PublicKey>,
}

impl Prepared {
    /// What the workload is called.
    pub fn name(&self) -> &WorkloadName {
        &self.file.manifest.metadata.name
    }

    /// Whether the mesh wants exactly this already.
    pub fn is_known(&self) -> bool {
        // What a rollout could go back to is no part of what is wanted.
        let plain = |spec: &WorkloadSpec| {
            let rollout = spec.rollout.clone();
            let rollout = rollout.map(|r| Rollout { previous: None, paused: false, attempt: None, ..r });
            WorkloadSpec { generation: 0, origin: None, growth: None, rollout, ..spec.clone() }
        };
        let same = |known: &WorkloadSpec| plain(known) == plain(&self.spec);
        // What was taken back is wanted, and does not run: it is tried once more.
        self.state != Some(RolloutState::RolledBack) && self.known.as_ref().is_some_and(same)
    }
}

/// Reads the manifest and its component, and signs a release where there is none that is
/// still good. Nothing is handed in.
pub async fn prepare(client: &Client, dir: &StateDir, args: &SourceArgs) -> Result<Prepared, Failure> {
    let file = ManifestFile::read(&args.file)?;
    let name = &file.manifest.metadata.name;
    let component = file.component();
    let bytes = release::read_component(&component)?;
    let status: Status = client.get("/v1/status").await?;
    let asks_for_http = match &file.manifest.spec {
        spec if spec.route.is_some() => Some("spec.route"),
        spec => spec.health.as_ref().map(|_| "spec.health"),
    };
    if let Some(field) = asks_for_http
        && let Ok(interfaces) = interfaces::of(&bytes)
        && let Some((why, fix)) = interfaces.unroutable()
    {
        let (manifest, component) = (args.file.display(), component.display());
        return Err(Failure::new(format!("{manifest}: {field} names {component}, but {why}")).fix(fix));
    }
    let known = spec_of(client, name).await?;
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
            let sign = || {
                let life = release::DEPLOY_LIFE;
                release::sign(&key, &bytes, name.as_str(), version, life, Some(status.mesh), &component)
            };
            match known.as_ref().and_then(|known| still_good(known, &key.public(), &file, &bytes)) {
                Some(release) => (release, None),
                None => (sign()?, Some(key.public())),
            }
        }
    };
    let generation = known.as_ref().map_or(1, |known| known.generation + 1);
    let mut spec = file.manifest.workload(generation, release, status.node);
    let (run_key, mut state) = (spec.run_key(), None);
    if let (Some(rollout), Some(known)) = (&mut spec.rollout, &known) {
        state = describe(client, name).await?.and_then(|d| d.rollout).map(|rollout| rollout.state);
        rollout::carry_on(rollout, run_key, known, state);
    }
    Ok(Prepared { bytes, status, known, spec, publisher, file, state })
}

/// The release that is deployed, if it is of this component and version, by this key, and
/// good for longer than half of what a new one would be: what has not changed stays.
fn still_good(
    known: &WorkloadSpec,
    publisher: &PublicKey,
    file: &ManifestFile,
    bytes: &[u8],
) -> Option<Vec<u8>> {
    let stated = Release::read(&known.release, &Strict).ok()?;
    let good_until = Wall(output::now_ms()) + release::DEPLOY_LIFE / 2;
    let same = stated.publisher == *publisher
        && stated.name == file.manifest.metadata.name.as_str()
        && stated.version == file.manifest.spec.version.0
        && stated.blake3 == Hash::of(bytes)
        && stated.expires > good_until;
    same.then(|| known.release.clone())
}

/// Signs, hands the component in, and says what should run.
pub async fn run(client: &Client, dir: &StateDir, args: DeployArgs) -> Result<(), Failure> {
    // Before anything is made: without the key nothing would come of it.
    let operator = release::operator_key(dir, args.operator_key.as_deref())?;
    let prepared = prepare(client, dir, &args.source).await?;
    let (name, spec) = (prepared.name(), &prepared.spec);
    if let Some(key) = prepared.publisher {
        let version = &prepared.file.manifest.spec.version.0;
        output::note(&format!("Signed {name} {version} with the publisher key {}", key.short()));
    }
    let component = hand_in(client, prepared.bytes.clone()).await?;
    let unchanged = prepared.known.as_ref().filter(|_| prepared.is_known()).map(|known| known.generation);
    let generation = unchanged.unwrap_or(spec.generation);
    if unchanged.is_none() {
        submit(client, &operator, prepared.status.mesh, name, spec).await?;
    }
    let publisher = prepared.publisher;
    let deployed = Deployed {
        workload: name,
        generation,
        component,
        publisher,
        operator: operator.public(),
        unchanged: unchanged.is_some(),
    };
    if args.output.format == Format::Text {
        output::say(&match unchanged {
            Some(generation) => format!("{name} is unchanged, generation {generation}\n"),
            None => format!("Deployed {name}, generation {generation}, {}\n", replicas(spec.replicas)),
        })?;
    }
    if args.wait {
        wait::until_running(client, name, generation, generation, args.timeout.0).await?;
    }
    match args.output.format {
        Format::Json => output::say_json(&deployed),
        Format::Text => Ok(()),
    }
}

fn replicas(count: u32) -> String {
    if count == 1 { "1 replica".to_owned() } else { format!("{count} replicas") }
}

/// Changes the number of replicas.
pub async fn scale(client: &Client, dir: &StateDir, args: ScaleArgs) -> Result<(), Failure> {
    let operator = release::operator_key(dir, args.operator_key.as_deref())?;
    let status: Status = client.get("/v1/status").await?;
    let name = &args.name;
    let known = wanted(client, name).await?;
    let generation = if known.replicas == args.replicas {
        output::say(&format!("{name} has {} already\n", replicas(args.replicas)))?;
        known.generation
    } else {
        let before = replicas(known.replicas);
        let mut spec = WorkloadSpec { generation: known.generation + 1, replicas: args.replicas, ..known };
        if let Some(rollout) = &mut spec.rollout
            && rollout.max_unavailable == known.replicas.div_ceil(4)
        {
            // A quarter, as where the manifest says nothing.
            rollout.max_unavailable = args.replicas.div_ceil(4);
        }
        submit(client, &operator, status.mesh, name, &spec).await?;
        output::say(&format!(
            "Scaled {name} from {before} to {}, generation {}\n",
            args.replicas, spec.generation
        ))?;
        spec.generation
    };
    if args.wait {
        wait::until_running(client, name, generation, 0, args.timeout.0).await?;
    }
    Ok(())
}

/// Says that a workload should be gone.
pub async fn delete(client: &Client, dir: &StateDir, args: DeleteArgs) -> Result<(), Failure> {
    let operator = release::operator_key(dir, args.operator_key.as_deref())?;
    let status: Status = client.get("/v1/status").await?;
    let name = &args.name;
    let known = wanted(client, name).await?;
    let spec = WorkloadSpec::deletion(known.generation + 1);
    submit(client, &operator, status.mesh, name, &spec).await?;
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

/// What is wanted of a workload, a deletion too; none where there never was one.
async fn spec_of(client: &Client, name: &WorkloadName) -> Result<Option<WorkloadSpec>, Failure> {
    match client.get_bytes(&format!("/v1/workloads/{name}/spec")).await {
        Ok(bytes) => WorkloadSpec::decode(&bytes)
            .map(Some)
            .map_err(|e| Failure::new(format!("what the node says of {name} cannot be read: {e}"))),
        Err(ClientError::Refused(ApiError { status: StatusCode::NOT_FOUND, .. })) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What is wanted of a workload that is there.
pub async fn wanted(client: &Client, name: &WorkloadName) -> Result<WorkloadSpec, Failure> {
    let known = spec_of(client, name).await?.filter(|spec| !spec.deleted);
    known.ok_or_else(|| Failure::new(format!("no workload is called {name}")).fix("see `orbweave get`"))
}

pub async fn submit(
    client: &Client,
    operator: &SecretKey,
    mesh: MeshId,
    name: &WorkloadName,
    spec: &WorkloadSpec,
) -> Result<(), Failure> {
    // After the one that it replaces, also where this machine's clock is behind.
    let said = describe(client, name).await?.map(|known| Wall(known.workload.created_ms));
    let after = said.map_or(0, |said| said.0 + 1);
    let hlc = Hlc { wall: Wall(output::now_ms().max(after)), count: 0 };
    let before = spec_of(client, name).await?;
    let mut spec = spec.clone();
    spec.grow_from(before.as_ref().zip(said), hlc.wall);
    let spec = &spec;
    let sign = |spec: &WorkloadSpec| {
        Record::sign(operator, mesh, RecordKind::WORKLOAD, name.as_str(), hlc, spec.encode())
    };
    let mut record = sign(spec);
    if let (true, Some(rollout)) = (record.len() > limit::RECORD_BYTES_MAX, &spec.rollout)
        && rollout.previous.is_some()
    {
        output::note(&format!(
            "{name} is too large to carry what ran before: all replicas change at once, and cannot go back"
        ));
        let rollout = Some(Rollout { previous: None, ..rollout.clone() });
        record = sign(&WorkloadSpec { rollout, ..spec.clone() });
    }
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

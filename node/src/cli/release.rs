//! Releases: what `sign` writes, and what `deploy` signs when none was given.

use super::args::SignArgs;
use super::failure::Failure;
use super::{interfaces, output};
use crate::state_dir::{KeyFile, StateDir, read_key_file};
use bytes::Bytes;
use orbweave_model::{Hash, MeshId, Wall, limit};
use orbweave_trust::{ReleaseStatement, SecretKey};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

/// Clocks of nodes may be behind the publisher's by so much.
const BACKDATE: Duration = Duration::from_secs(10 * 60);
/// How long a release that `deploy` signs may be deployed.
pub const DEPLOY_LIFE: Duration = Duration::from_secs(365 * 24 * 3600);

/// Signs a release and writes it.
pub fn run(dir: &StateDir, args: SignArgs) -> Result<(), Failure> {
    let SignArgs { component, name, version, out, key, expires, mesh } = args;
    let bytes = read_component(&component)?;
    let key = publisher_key(dir, key.as_deref())?;
    let release = sign(&key, &bytes, name.as_str(), &version, expires.0, mesh, &component)?;
    dir.write(&std::path::absolute(&out).map_err(Failure::new)?, &release)?;
    output::note(&format!(
        "Signed {name} {version} ({}) with the publisher key {}: {}",
        Hash::of(&bytes).short(),
        key.public().short(),
        out.display()
    ));
    Ok(())
}

/// The publisher's key: the given file, or the state directory's.
pub fn publisher_key(dir: &StateDir, given: Option<&Path>) -> Result<SecretKey, Failure> {
    principal_key(dir, given, KeyFile::Publisher, "publisher's key, which signs releases", "--key FILE")
}

/// The operator's key: the given file, or the state directory's.
pub fn operator_key(dir: &StateDir, given: Option<&Path>) -> Result<SecretKey, Failure> {
    principal_key(
        dir,
        given,
        KeyFile::Operator,
        "operator's key, which signs what should run",
        "--operator-key FILE",
    )
}

/// The key that lets nodes in: the given file, or the state directory's.
pub fn admission_key(dir: &StateDir, given: Option<&Path>) -> Result<SecretKey, Failure> {
    let what = "admission key, which lets nodes in and sets quotas";
    principal_key(dir, given, KeyFile::Admission, what, "--admission-key FILE")
}

fn principal_key(
    dir: &StateDir,
    given: Option<&Path>,
    key: KeyFile,
    what: &str,
    option: &str,
) -> Result<SecretKey, Failure> {
    let path = given.map_or_else(|| dir.key(key), Path::to_owned);
    if !path.exists() {
        return Err(Failure::new(format!("{} is not there: the {what}, is needed", path.display()))
            .fix(format!("work where the mesh was founded, or give {option}")));
    }
    Ok(read_key_file(&path)?)
}

/// Reads a component, no more than one may have.
pub fn read_component(path: &Path) -> Result<Bytes, Failure> {
    let failed = |e| {
        Failure::new(format!("cannot read the component {}: {e}", path.display()))
            .fix("build it, or correct `spec.component`, which is relative to the manifest")
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(limit::COMPONENT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit::COMPONENT_BYTES_MAX {
        let max = output::bytes(limit::COMPONENT_BYTES_MAX);
        return Err(Failure::new(format!(
            "{} is larger than the {max} that a component may have",
            path.display()
        )));
    }
    Ok(bytes.into())
}

/// States what these bytes are, and signs that.
pub fn sign(
    key: &SecretKey,
    bytes: &[u8],
    name: &str,
    version: &str,
    life: Duration,
    mesh: Option<MeshId>,
    path: &Path,
) -> Result<Vec<u8>, Failure> {
    let interfaces = interfaces::of(bytes).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
    let now = Wall(output::now_ms());
    let statement = ReleaseStatement {
        name: name.to_owned(),
        version: version.to_owned(),
        blake3: Hash::of(bytes),
        sha256: Sha256::digest(bytes).into(),
        size: bytes.len() as u64,
        imports: interfaces.imports,
        exports: interfaces.exports,
        publisher: key.public(),
        not_before: now - BACKDATE,
        expires: now + life,
        // Grows from release to release without a place to count in.
        sequence: now.0,
        mesh,
    };
    statement
        .check()
        .map_err(|e| Failure::new(format!("no release of {} can be made: {e}", path.display())))?;
    let release = statement.sign(key);
    if release.len() > limit::RELEASE_BYTES_MAX {
        return Err(Failure::new(format!("a release of {} would be too large", path.display())));
    }
    Ok(release)
}

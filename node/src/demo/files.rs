//! What the demo deploys and sends: the built component and the real satellite image,
//! both in the executable, and the manifest as a user would write it.

use super::error::DemoError;
use std::path::{Path, PathBuf};

/// The service: finds bright targets on open water.
pub const COMPONENT: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../components/dist/sea-watch.wasm"));
/// The image: Landsat 7 over the Bahamas, CC0, see the SOURCE.md beside it.
pub const IMAGE: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../components/sea-watch/scene/RGB.byte.tif"));
/// The workload.
pub const WORKLOAD: &str = "sea-watch";
/// The host under which any node answers for it.
pub const HOST: &str = "sea-watch.mesh";
/// The version that its release states.
pub const VERSION: &str = "0.1.0";
/// Its replicas.
pub const REPLICAS: u32 = 3;

const MANIFEST: &str = "\
apiVersion: orbweave.dev/v1alpha1
kind: Service
metadata:
  name: sea-watch
spec:
  component: sea-watch.wasm
  version: 0.1.0
  replicas: 3
  resources:
    cpu: 100m
    memory: 128Mi
  limits:
    callTime: 10s
    concurrency: 16
  route:
    host: sea-watch.mesh
    # A request whose replica dies is sent again to another one.
    idempotent: true
    deadline: 20s
";

/// Writes component, image and manifest into a directory.
pub fn write(root: &Path) -> Result<PathBuf, DemoError> {
    put(root, "sea-watch.wasm", COMPONENT)?;
    put(root, "RGB.byte.tif", IMAGE)?;
    put(root, "sea-watch.yaml", MANIFEST.as_bytes())
}

fn put(root: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, DemoError> {
    let path = root.join(name);
    std::fs::write(&path, bytes).map_err(DemoError::io(format!("write {}", path.display())))?;
    Ok(path)
}

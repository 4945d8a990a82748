//! `init`: the first document of a mesh, its keys, and the certificate of its first node.

use super::args::InitArgs;
use super::failure::Failure;
use super::output::{self, Format};
use crate::state_dir::{KeyFile, StateDir, random_bytes};
use orbweave_model::{MeshId, NodeId, Wall, WorkloadName};
use orbweave_trust::{Authority, Certificate, Genesis, Grant, Roles, SecretKey, Strict};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Founded {
    mesh: MeshId,
    mesh_name: WorkloadName,
    node: NodeId,
    name: WorkloadName,
    dir: PathBuf,
}

/// Founds a mesh in an empty state directory, and says what was made.
pub fn run(dir: &StateDir, args: InitArgs) -> Result<(), Failure> {
    let format = args.output.format;
    let (founded, keys) = prepare(dir, args)?;
    match format {
        Format::Json => output::say_json(&founded),
        Format::Text => output::say(&told(&founded, &keys)),
    }
}

fn prepare(dir: &StateDir, args: InitArgs) -> Result<(Founded, PrincipalKeys), Failure> {
    dir.create()?;
    let _lock = dir.lock()?;
    if dir.genesis().exists() {
        return Err(Failure::new(format!("{} already belongs to a mesh", dir.path().display()))
            .fix("run it with `orbweave up`, or give another --dir"));
    }
    let node = dir.key_or_new(KeyFile::Node)?;
    let name = args.name.unwrap_or_else(|| node_name(node.node_id()));
    let keys = PrincipalKeys::draw(dir)?;
    let (mesh, genesis, certificate) =
        found(&args.mesh, &name, node.node_id(), &keys, args.partition.millis())?;
    dir.write_new(&dir.certificate(), &certificate)?;
    // Last, since it is what makes the directory a member's: a crash before leaves none.
    dir.write_new(&dir.genesis(), &genesis)?;
    let founded =
        Founded { mesh, mesh_name: args.mesh, node: node.node_id(), name, dir: dir.path().to_owned() };
    Ok((founded, keys))
}

struct PrincipalKeys {
    root: SecretKey,
    admission: SecretKey,
    publisher: SecretKey,
    operator: SecretKey,
}

impl PrincipalKeys {
    fn draw(dir: &StateDir) -> Result<Self, Failure> {
        Ok(Self {
            root: dir.key_or_new(KeyFile::Root)?,
            admission: dir.key_or_new(KeyFile::Admission)?,
            publisher: dir.key_or_new(KeyFile::Publisher)?,
            operator: dir.key_or_new(KeyFile::Operator)?,
        })
    }
}

/// The genesis document, and a certificate for the first node, both verified as others will.
fn found(
    mesh: &WorkloadName,
    name: &WorkloadName,
    node: NodeId,
    keys: &PrincipalKeys,
    partition_max_ms: u64,
) -> Result<(MeshId, Vec<u8>, Vec<u8>), Failure> {
    let now = Wall(output::now_ms());
    let grant = |key: &SecretKey, roles| Grant { key: key.public(), roles };
    let salt = random_bytes().map_err(|e| Failure::new(format!("no randomness: {e}")))?;
    let genesis = Genesis {
        name: mesh.to_string(),
        roots: vec![keys.root.public()],
        threshold: 1,
        grants: vec![
            grant(&keys.admission, Roles::ADMIT),
            grant(&keys.publisher, Roles::PUBLISH),
            grant(&keys.operator, Roles::OPERATE),
        ],
        partition_max_ms,
        created: now,
        salt,
    };
    let document = genesis.sign(&[&keys.root]);
    let (mesh, genesis) = Genesis::verify(&document, None, &Strict).map_err(Failure::new)?;
    let authority = Authority::new(mesh, genesis);
    let issuer = &keys.admission;
    let draft = Certificate::draft(&authority, node, name.as_str(), issuer.public(), now, None, 1);
    let certificate = draft.map_err(Failure::new)?.issue(issuer);
    Certificate::verify(&certificate, &authority, now, &Strict).map_err(Failure::new)?;
    Ok((mesh, document, certificate))
}

fn told(founded: &Founded, keys: &PrincipalKeys) -> String {
    let Founded { mesh, mesh_name, node, name, dir } = founded;
    let dir = dir.display();
    format!(
        "Founded the mesh {mesh_name} ({mesh})\n\
         This node is {name} ({node})\n\
         Keys in {dir}, readable by you alone:\n  \
           root.key       {root}  signs who may do what; keep it off this machine once all is set up\n  \
           admission.key  {admission}  lets nodes in\n  \
           publisher.key  {publisher}  signs releases\n  \
           operator.key   {operator}  signs what should run\n\
         Next: orbweave up -d\n",
        root = keys.root.public().short(),
        admission = keys.admission.public().short(),
        publisher = keys.publisher.public().short(),
        operator = keys.operator.public().short(),
    )
}

/// A name for this node: the host's, or one drawn from its id.
pub fn node_name(node: NodeId) -> WorkloadName {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"));
    name_of_host(host.unwrap_or_default().trim())
        .or_else(|| format!("node-{}", node.short()).parse().ok())
        .unwrap_or_else(|| unreachable!("hexadecimal digits make a name"))
}

fn name_of_host(host: &str) -> Option<WorkloadName> {
    let label = host.split('.').next()?.to_lowercase().replace('_', "-");
    label.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mesh_is_founded_whose_first_node_is_certified() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::locate(Some(temp.path().join("state"))).unwrap();
        let output = super::super::args::OutputArg { format: Format::Json };
        let args = |name: &str| InitArgs {
            mesh: name.parse().unwrap(),
            name: Some("first".parse().unwrap()),
            partition: "7d".parse().unwrap(),
            output,
        };
        prepare(&dir, args("fleet")).unwrap();
        assert!(dir.is_member());
        let (mesh, genesis) = Genesis::verify(&dir.read(&dir.genesis()).unwrap(), None, &Strict).unwrap();
        assert_eq!(genesis.name, "fleet");
        let authority = Authority::new(mesh, genesis);
        let bytes = dir.read(&dir.certificate()).unwrap();
        let certificate = Certificate::verify(&bytes, &authority, Wall(output::now_ms()), &Strict).unwrap();
        assert_eq!(certificate.name, "first");
        assert_eq!(certificate.node, dir.read_key(KeyFile::Node).unwrap().node_id());
        let now = Wall(output::now_ms());
        for (key, role) in [
            (KeyFile::Admission, Roles::ADMIT),
            (KeyFile::Publisher, Roles::PUBLISH),
            (KeyFile::Operator, Roles::OPERATE),
        ] {
            assert!(authority.may(&dir.read_key(key).unwrap().public(), role, now), "{key:?}");
        }
        let again = run(&dir, args("other")).unwrap_err().to_string();
        assert!(again.contains("already belongs to a mesh"), "{again}");
    }

    #[test]
    fn a_host_name_becomes_a_name_where_it_can() {
        assert_eq!(name_of_host("Edge_7.example.org").unwrap().as_str(), "edge-7");
        assert_eq!(name_of_host(""), None);
        assert_eq!(name_of_host("---"), None);
    }
}

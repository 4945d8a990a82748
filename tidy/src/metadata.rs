//! What `cargo metadata` says about the workspace.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The packages and who links whom, for the platform this runs on. Development
/// dependencies are left out: they are not in what is shipped or simulated.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    /// The workspace's own crates, by name.
    pub members: BTreeMap<String, Member>,
    /// Package id → (name, ids it depends on).
    packages: BTreeMap<String, (String, BTreeSet<String>)>,
}

/// A crate of the workspace.
#[derive(Debug, Clone)]
pub struct Member {
    /// Where its `Cargo.toml` is.
    pub manifest: String,
    /// Its version.
    pub version: String,
    id: String,
}

impl Metadata {
    /// Asks cargo.
    ///
    /// # Panics
    ///
    /// When cargo fails: the lock file is out of date, or a crate cannot be had.
    pub fn of_repository() -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let about = run(Command::new(rustc).arg("-vV"));
        let host = about.lines().find_map(|l| l.strip_prefix("host: ")).expect("rustc names its host");
        let json = run(Command::new(cargo).current_dir(crate::tree::root()).args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--filter-platform",
            host,
        ]));
        Self::parse(&json).expect("cargo metadata has the shape of format version 1")
    }

    /// Reads the output of `cargo metadata --format-version 1`.
    pub fn parse(json: &str) -> Option<Self> {
        let root: Value = serde_json::from_str(json).ok()?;
        let member_ids: BTreeSet<&str> =
            root["workspace_members"].as_array()?.iter().filter_map(Value::as_str).collect();
        let mut metadata = Self::default();
        for package in root["packages"].as_array()? {
            let text = |key: &str| package[key].as_str().map(str::to_owned);
            let (id, name) = (text("id")?, text("name")?);
            if member_ids.contains(id.as_str()) {
                let member =
                    Member { manifest: text("manifest_path")?, version: text("version")?, id: id.clone() };
                metadata.members.insert(name.clone(), member);
            }
            metadata.packages.insert(id, (name, BTreeSet::new()));
        }
        for node in root["resolve"]["nodes"].as_array()? {
            let (_, links) = metadata.packages.get_mut(node["id"].as_str()?)?;
            for dependency in node["deps"].as_array()? {
                let kinds = dependency["dep_kinds"].as_array()?;
                if kinds.iter().any(|kind| kind["kind"] != "dev") {
                    links.insert(dependency["pkg"].as_str()?.to_owned());
                }
            }
        }
        Some(metadata)
    }

    /// The names that a member depends on directly.
    pub fn direct(&self, member: &str) -> BTreeSet<&str> {
        let links = self.members.get(member).and_then(|m| self.packages.get(&m.id)).map(|(_, links)| links);
        links.into_iter().flatten().filter_map(|id| self.packages.get(id)).map(|(name, _)| &**name).collect()
    }

    /// The names of everything that a member links, itself included.
    pub fn linked(&self, member: &str) -> BTreeSet<&str> {
        let mut open: Vec<&str> = self.members.get(member).map(|m| &*m.id).into_iter().collect();
        let mut seen: BTreeSet<&str> = open.iter().copied().collect();
        let mut names = BTreeSet::new();
        while let Some((name, links)) = open.pop().and_then(|id| self.packages.get(id)) {
            names.insert(&**name);
            open.extend(links.iter().map(|id| &**id).filter(|id| seen.insert(id)));
        }
        names
    }
}

pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo and rustc write UTF-8")
}

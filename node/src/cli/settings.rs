//! What `up` and `join` were told, remembered in `node.yaml` of the state directory: a
//! restart without flags is the same node at the same place. A flag goes before what is
//! remembered, and is remembered in its place once the node is up with it.

use super::args::{Forget, InterfaceArg, NodeArgs, PeerArg, ZoneArg};
use super::failure::Failure;
use crate::manifest::field;
use crate::manifest::quantity::{Cpu, Memory};
use crate::manifest::{ManifestError, parse_yaml};
use crate::state_dir::StateDir;
use orbweave_model::Label;
use serde::{Deserialize, Deserializer};
use std::fmt::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// The highest first port: four are used.
pub const PORT_MAX: u32 = 65_532;
/// Replicas that one node may offer to hold.
pub const INSTANCES_MAX: u32 = 65_536;

const HEAD: &str = "\
# What `orbweave up` and `orbweave join` were told. The next start uses it again; a flag
# that is given then goes before it and is kept here. Change it while the node is down,
# or let `orbweave up --forget NAME` take one away.
";

/// What is remembered. What is not there has its default.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// Labels of this node.
    #[serde(deserialize_with = "field::parsed_list")]
    pub labels: Option<Vec<Label>>,
    /// The zone of this node.
    #[serde(deserialize_with = "field::parsed_option")]
    pub zone: Option<ZoneArg>,
    /// The first of the four ports.
    #[serde(deserialize_with = "port")]
    pub port: Option<u16>,
    /// The address to listen on.
    #[serde(deserialize_with = "field::parsed_option")]
    pub listen: Option<IpAddr>,
    /// Nodes to ask first.
    #[serde(deserialize_with = "field::parsed_list")]
    pub peers: Option<Vec<PeerArg>>,
    /// Whether to look for nodes on the local network.
    pub mdns: Option<bool>,
    /// Whether to push news by gossip.
    pub gossip: Option<bool>,
    /// Processor time to offer.
    #[serde(deserialize_with = "field::parsed_option")]
    pub cpu: Option<Cpu>,
    /// Memory to offer.
    #[serde(deserialize_with = "memory")]
    pub memory: Option<Memory>,
    /// Replicas to hold at most.
    #[serde(deserialize_with = "instances")]
    pub instances: Option<u32>,
    /// Accelerators to offer.
    #[serde(deserialize_with = "field::parsed_option")]
    pub accelerators: Option<Cpu>,
    /// Interfaces, or packages of them, that no guest gets.
    #[serde(deserialize_with = "field::parsed_list")]
    pub denies: Option<Vec<InterfaceArg>>,
    /// Where this node's contacts are written.
    #[serde(deserialize_with = "field::parsed_option")]
    pub contacts: Option<PathBuf>,
    /// Whether the admin API listens on loopback too.
    pub admin_tcp: Option<bool>,
}

fn port<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u16>, D::Error> {
    let port = field::number(d, 1, PORT_MAX)?;
    u16::try_from(port).map(Some).map_err(serde::de::Error::custom)
}

fn instances<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u32>, D::Error> {
    field::number(d, 0, INSTANCES_MAX).map(Some)
}

fn memory<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Memory>, D::Error> {
    Memory::any(&String::deserialize(d)?).map(Some).map_err(serde::de::Error::custom)
}

impl Settings {
    /// What is remembered in the directory. An error names the file, the line and the field.
    pub fn remembered(dir: &StateDir) -> Result<Self, Failure> {
        let path = dir.settings();
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = String::from_utf8_lossy(&dir.read(&path)?).into_owned();
        Self::parse(&text).map_err(|mut e| {
            e.file = Some(path);
            Failure::new(e).fix("mend that line, or delete the file and give the flags again")
        })
    }

    fn parse(text: &str) -> Result<Self, ManifestError> {
        let said = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        if text.lines().any(said) { parse_yaml(text) } else { Ok(Self::default()) }
    }

    /// The same after these flags.
    #[must_use]
    pub fn told(mut self, args: &NodeArgs) -> Self {
        args.forget.iter().for_each(|what| self.forget(*what));
        let some = |flag: bool, value: bool| flag.then_some(value);
        let list = |given: bool| given.then_some(());
        Self {
            labels: list(!args.labels.is_empty()).map(|()| args.labels.clone()).or(self.labels),
            zone: args.zone.clone().or(self.zone),
            port: args.port.or(self.port),
            listen: args.listen.or(self.listen),
            peers: list(!args.peers.is_empty()).map(|()| args.peers.clone()).or(self.peers),
            mdns: some(args.no_mdns, false).or(self.mdns),
            gossip: some(args.no_gossip, false).or(self.gossip),
            cpu: args.cpu.or(self.cpu),
            memory: args.memory.or(self.memory),
            instances: args.instances.or(self.instances),
            accelerators: args.accelerators.or(self.accelerators),
            denies: list(!args.denies.is_empty()).map(|()| args.denies.clone()).or(self.denies),
            contacts: args.contacts.as_deref().map(absolute).or(self.contacts),
            admin_tcp: some(args.admin_tcp, true).or(self.admin_tcp),
        }
    }

    fn forget(&mut self, what: Forget) {
        match what {
            Forget::Label => self.labels = None,
            Forget::Zone => self.zone = None,
            Forget::Port => self.port = None,
            Forget::Listen => self.listen = None,
            Forget::Peer => self.peers = None,
            Forget::NoMdns => self.mdns = None,
            Forget::NoGossip => self.gossip = None,
            Forget::Cpu => self.cpu = None,
            Forget::Memory => self.memory = None,
            Forget::Instances => self.instances = None,
            Forget::Accelerators => self.accelerators = None,
            Forget::Deny => self.denies = None,
            Forget::Contacts => self.contacts = None,
            Forget::AdminTcp => self.admin_tcp = None,
            Forget::All => *self = Self::default(),
        }
    }

    /// Keeps it for the next start, unless it is what the file says already: a person may
    /// have written there.
    pub fn remember(&self, dir: &StateDir) -> Result<(), Failure> {
        if Self::remembered(dir)? != *self {
            dir.write(&dir.settings(), self.to_yaml().as_bytes())?;
        }
        Ok(())
    }

    fn to_yaml(&self) -> String {
        let mut text = HEAD.to_owned();
        let mut line = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                let _ = writeln!(text, "{name}: {value}");
            }
        };
        let list = |items: Vec<String>| format!("[{}]", items.join(", "));
        let labels = |labels: &Vec<Label>| {
            list(labels.iter().map(|l| quoted(format!("{}={}", l.key, l.value))).collect())
        };
        let peers = |peers: &Vec<PeerArg>| {
            list(peers.iter().map(|p| quoted(format!("{}@{}", p.node, p.address))).collect())
        };
        line("labels", self.labels.as_ref().map(labels));
        line("zone", self.zone.as_ref().map(quoted));
        line("port", self.port.map(|port| port.to_string()));
        line("listen", self.listen.map(quoted));
        line("peers", self.peers.as_ref().map(peers));
        line("mdns", self.mdns.map(|on| on.to_string()));
        line("gossip", self.gossip.map(|on| on.to_string()));
        line("cpu", self.cpu.map(quoted));
        line("memory", self.memory.map(quoted));
        line("instances", self.instances.map(|n| n.to_string()));
        line("accelerators", self.accelerators.map(quoted));
        line("denies", self.denies.as_ref().map(|denies| list(denies.iter().map(quoted).collect())));
        line("contacts", self.contacts.as_ref().map(|path| text_of(path)));
        line("adminTcp", self.admin_tcp.map(|on| on.to_string()));
        text
    }
}

/// A path that names the same file from any folder.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Any text as YAML reads it back: a path may have a quote in it.
fn text_of(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "''"))
}

/// As YAML reads it back; nothing that is written so has a quote in it.
fn quoted(value: impl std::fmt::Display) -> String {
    format!("\"{value}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "labels: [\"tier=edge\"]\nzone: \"7.10\"\nport: 9000\nlisten: \"::1\"\nmdns: false\n\
                       gossip: false\n\
                       cpu: 1500m\nmemory: 512Mi\ninstances: 3\naccelerators: 1500m\n\
                       denies: [\"wasi:sockets\"]\ncontacts: '/etc/it''s.yaml'\nadminTcp: true\n";

    #[test]
    fn what_is_written_is_read_back() {
        let all = Settings::parse(ALL).unwrap();
        assert_eq!((all.port, all.instances, all.mdns), (Some(9_000), Some(3), Some(false)));
        assert_eq!(all.zone, Some("7.10".parse().unwrap()), "a zone is a text, even of digits");
        assert_eq!(Settings::parse(&all.to_yaml()).unwrap(), all);
        let nothing = Settings::default();
        assert_eq!(Settings::parse(&nothing.to_yaml()).unwrap(), nothing);
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line_and_field() {
        let said = |text: &str| Settings::parse(text).unwrap_err().to_string();
        assert_eq!(
            said("mdns: true\nport: 65533\n"),
            "manifest:2:7: port: 65533 is out of bounds: 1 to 65532 are allowed"
        );
        assert!(
            said("# note\nlabel: [a=b]\n").contains(":2:1: unknown field `label`; did you mean `labels`?")
        );
        assert!(said("labels: [tier]\n").starts_with("manifest:1:10: labels[0]: \"tier\" is no label"));
        assert!(said("zone: \"a b\"\n").starts_with("manifest:1:7: zone: \"a b\" is no name of a zone"));
        assert!(said("listen: here\n").starts_with("manifest:1:9: listen: "));
        assert!(
            said("denies: [sockets]\n").starts_with("manifest:1:10: denies[0]: \"sockets\" is no interface")
        );
        assert!(said("instances: many\n").contains("must be a whole number from 0 to 65536"));
    }
}

//! What a node can be told, and what it remembers.

use super::super::settings::{INSTANCES_MAX, PORT_MAX};
use crate::manifest::quantity::{Cpu, Memory};
use clap::{Args, ValueEnum};
use orbweave_model::{Label, NodeId, limit};
use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// What a node is and where it listens: of `up` and `join`. What is given is remembered in
/// node.yaml of the state directory, for the next start without it.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct NodeArgs {
    /// A label of this node, for placement; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<Label>,
    /// The zone of this node: a region, a site, an orbital plane [default: default]
    #[arg(long, value_name = "NAME")]
    pub zone: Option<ZoneArg>,
    /// First of four ports: HTTP ingress (TCP), mesh (UDP and TCP), admin (TCP, with --admin-tcp), reserved
    /// [default: 8080]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..=i64::from(PORT_MAX)))]
    pub port: Option<u16>,
    /// The address to listen on [default: 0.0.0.0]
    #[arg(long, value_name = "IP")]
    pub listen: Option<IpAddr>,
    /// A node to ask first; may be repeated
    #[arg(long = "peer", value_name = "NODEID@IP:PORT")]
    pub peers: Vec<PeerArg>,
    /// Do not look for nodes on the local network
    #[arg(long)]
    pub no_mdns: bool,
    /// Do not push news by gossip; reconciliation alone carries them
    #[arg(long)]
    pub no_gossip: bool,
    /// Processor time to offer, in cores (2, 0.5) or thousandths (500m) [default: all]
    #[arg(long, value_name = "CPU")]
    pub cpu: Option<Cpu>,
    /// Memory to offer, such as 2Gi [default: half of what there is]
    #[arg(long, value_name = "MEMORY", value_parser = Memory::any)]
    pub memory: Option<Memory>,
    /// Replicas to hold at most [default: 256]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=i64::from(INSTANCES_MAX)))]
    pub instances: Option<u32>,
    /// Accelerators to offer: devices (2, 0.5) or thousandths (500m) [default: none]
    #[arg(long, value_name = "N")]
    pub accelerators: Option<Cpu>,
    /// An interface, or a package of them, that no guest gets here, such as wasi:sockets; may be repeated
    #[arg(long = "deny", value_name = "INTERFACE")]
    pub denies: Vec<InterfaceArg>,
    /// When this node can be reached: a file with its orbit, its passes or its site, read at each start
    /// [default: at any time]
    #[arg(long, value_name = "FILE")]
    pub contacts: Option<PathBuf>,
    /// Open the admin API on loopback too, with a token, on PORT + 2
    #[arg(long)]
    pub admin_tcp: bool,
    /// Forget what an earlier start was told by this flag; may be repeated
    #[arg(long, value_name = "FLAG")]
    pub forget: Vec<Forget>,
}

/// A flag that is remembered, by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Forget {
    /// The labels
    Label,
    /// The zone
    Zone,
    /// The first port
    Port,
    /// The address
    Listen,
    /// Nodes to ask first
    Peer,
    /// That there is no look at the local network
    NoMdns,
    /// That there is no gossip
    NoGossip,
    /// The processor time
    Cpu,
    /// The memory
    Memory,
    /// The number of replicas
    Instances,
    /// The accelerators
    Accelerators,
    /// Interfaces that no guest gets
    Deny,
    /// The file of contacts
    Contacts,
    /// The admin API on loopback
    AdminTcp,
    /// All of them
    All,
}

impl NodeArgs {
    /// The same as text, for the process in the background.
    pub fn to_args(&self) -> Vec<OsString> {
        let mut args: Vec<String> = Vec::new();
        args.extend(self.zone.as_ref().map(|zone| format!("--zone={zone}")));
        args.extend(self.port.map(|port| format!("--port={port}")));
        args.extend(self.listen.map(|ip| format!("--listen={ip}")));
        args.extend(self.instances.map(|n| format!("--instances={n}")));
        args.extend(self.labels.iter().map(|l| format!("--label={}={}", l.key, l.value)));
        args.extend(self.peers.iter().map(|p| format!("--peer={}@{}", p.node, p.address)));
        args.extend(self.cpu.map(|cpu| format!("--cpu={cpu}")));
        args.extend(self.memory.map(|memory| format!("--memory={memory}")));
        args.extend(self.accelerators.map(|n| format!("--accelerators={n}")));
        args.extend(self.denies.iter().map(|interface| format!("--deny={interface}")));
        let forget = self.forget.iter().filter_map(ValueEnum::to_possible_value);
        args.extend(forget.map(|flag| format!("--forget={}", flag.get_name())));
        let flags =
            [(self.no_mdns, "--no-mdns"), (self.no_gossip, "--no-gossip"), (self.admin_tcp, "--admin-tcp")];
        args.extend(flags.iter().filter(|(set, _)| *set).map(|(_, flag)| (*flag).to_owned()));
        let mut args: Vec<OsString> = args.into_iter().map(OsString::from).collect();
        if let Some(path) = &self.contacts {
            let mut arg = OsString::from("--contacts=");
            arg.push(path);
            args.push(arg);
        }
        args
    }
}

/// The name of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneArg(pub String);

impl FromStr for ZoneArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fine = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if (1..=limit::NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(fine) {
            return Ok(Self(text.to_owned()));
        }
        let max = limit::NAME_BYTES_MAX;
        let text: String = text.chars().take(80).collect();
        Err(format!("{text:?} is no name of a zone: 1 to {max} letters, digits, '-', '_' and '.'"))
    }
}

impl fmt::Display for ZoneArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An interface of the component model, or a package of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceArg(pub String);

impl FromStr for InterfaceArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-:/@.+".contains(&b);
        if text.contains(':') && text.len() <= 128 && text.bytes().all(fine) {
            return Ok(Self(text.to_owned()));
        }
        let text: String = text.chars().take(80).collect();
        Err(format!("{text:?} is no interface: write package:name, or package:name/interface"))
    }
}

impl fmt::Display for InterfaceArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A node and one of its addresses: `NODEID@IP:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerArg {
    /// The node.
    pub node: NodeId,
    /// Its address.
    pub address: SocketAddr,
}

impl FromStr for PeerArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (node, address) = text.split_once('@').ok_or("write NODEID@IP:PORT")?;
        let node = node.parse().map_err(|e| format!("{e}"))?;
        let address = address.parse().map_err(|_| format!("{address:?} is no IP:PORT"))?;
        Ok(Self { node, address })
    }
}

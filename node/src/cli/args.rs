//! What can be said on the command line.

use super::failure::Failure;
use super::output::Format;
use super::settings::{INSTANCES_MAX, PORT_MAX};
use crate::api::Client;
use crate::manifest::quantity::{Cpu, Memory, Span};
use crate::state_dir::StateDir;
use clap::{Args, Parser, Subcommand, ValueEnum};
use orbweave_model::{Label, MeshId, NodeId, WorkloadName, limit};
use orbweave_trust::Ticket;
use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Runs signed WebAssembly components over a fleet of nodes, with no broker and no control plane.
#[derive(Debug, Parser)]
#[command(name = "orbweave", version, max_term_width = 100)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub struct GlobalArgs {
    /// The state directory [default: $XDG_STATE_HOME/orbweave or ~/.local/state/orbweave]
    #[arg(long, global = true, env = "ORBWEAVE_DIR", value_name = "DIR", hide_env_values = true)]
    pub dir: Option<PathBuf>,
    /// Ask a node's admin API on loopback instead of the socket; its token is admin.token of --dir or ORBWEAVE_TOKEN
    #[arg(long, global = true, env = "ORBWEAVE_ADMIN", value_name = "IP:PORT", hide_env_values = true)]
    pub admin: Option<SocketAddr>,
}

impl GlobalArgs {
    /// A client of the node that is meant.
    pub fn client(&self, dir: &StateDir) -> Result<Client, Failure> {
        let Some(address) = self.admin else { return Ok(Client::new(dir)) };
        let token = match std::env::var("ORBWEAVE_TOKEN") {
            Ok(token) => token,
            Err(_) => String::from_utf8_lossy(&dir.read(&dir.token())?).into_owned(),
        };
        Ok(Client::over_tcp(address, token.trim().to_owned()))
    }
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Found a mesh: its keys, its first document, and this node's certificate
    Init(InitArgs),
    /// Run the node of the state directory
    Up(UpArgs),
    /// Join a mesh with a ticket and run the node
    Join(JoinArgs),
    /// Make tickets with which other nodes join
    #[command(subcommand)]
    Ticket(TicketCommand),
    /// Deploy a service from a manifest
    Deploy(DeployArgs),
    /// Sign a release of a component
    Sign(SignArgs),
    /// Delete a workload
    Delete(DeleteArgs),
    /// List the replicas of every workload and who holds them
    Ps(ListArgs),
    /// List the workloads
    Get(GetArgs),
    /// List the nodes
    Nodes(ListArgs),
    /// Tell all about a workload or a node, and why it runs where it does
    Describe(DescribeArgs),
    /// Tell why a replica is where it is, or nowhere
    Why(WhyArgs),
    /// Tell what deploying a manifest would change; exits with 0 for nothing, 1 for something, 255 for an error
    Plan(PlanArgs),
    /// Change the number of replicas of a workload
    Scale(ScaleArgs),
    /// Follow a change, stop it, go on with it, or take it back
    #[command(subcommand)]
    Rollout(RolloutCommand),
    /// Take a node out of service: it takes nothing new
    Cordon(CordonArgs),
    /// Take a node out of service, and hand what it holds to others
    Drain(DrainArgs),
    /// Take a node back into service
    Uncordon(CordonArgs),
    /// Call an exported function; arguments and result are in WAVE
    Call(CallArgs),
    /// Print what a workload wrote, wherever it runs, or all on this node
    Logs(LogsArgs),
    /// Print what happened to a workload, wherever it runs, or all on this node
    Events(EventsArgs),
    /// Tell how the node is
    Status(ListArgs),
    /// Stop the node
    Down,
    /// Show a mesh of five nodes on this machine that loses some of them
    Demo(DemoArgs),
    /// Print the JSON Schema of manifests
    Schema,
}

/// `init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// What the mesh is called
    #[arg(value_name = "NAME")]
    pub mesh: WorkloadName,
    /// What this node is called [default: the host's name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<WorkloadName>,
    /// The longest partition that the mesh plans for
    #[arg(long, value_name = "TIME", default_value = "7d")]
    pub partition: Span,
    /// How to say what was made
    #[command(flatten)]
    pub output: OutputArg,
}

/// `up`
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Run in the background, with what it writes in node.log of the state directory
    #[arg(short = 'd', long)]
    pub detach: bool,
    /// Set by `up -d` on the process that it starts
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub detached: bool,
    /// What the node is and where it listens.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// What a node is and where it listens: of `up` and `join`. What is given is remembered in
/// node.yaml of the state directory, for the next start without it.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct NodeArgs {
    /// A label of this node, for placement; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<Label>,
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
    /// The admin API on loopback
    AdminTcp,
    /// All of them
    All,
}

impl NodeArgs {
    /// The same as text, for the process in the background.
    pub fn to_args(&self) -> Vec<OsString> {
        let mut args: Vec<String> = Vec::new();
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
        args.into_iter().map(OsString::from).collect()
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

/// `join`
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// The ticket, from `orbweave ticket create` on a member
    #[arg(value_name = "TICKET")]
    pub ticket: Ticket,
    /// What this node is called [default: the host's name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<WorkloadName>,
    /// As of `up`.
    #[command(flatten)]
    pub up: UpArgs,
}

/// `ticket`
#[derive(Debug, Subcommand)]
pub enum TicketCommand {
    /// Make a ticket: whoever has it may join until it is used up or over
    Create(TicketCreateArgs),
}

/// `ticket create`
#[derive(Debug, Args)]
pub struct TicketCreateArgs {
    /// How many nodes may join with it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub uses: u32,
    /// How long it lasts
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub ttl: Span,
    /// How to print it
    #[command(flatten)]
    pub output: OutputArg,
}

/// `deploy`
#[derive(Debug, Args)]
pub struct DeployArgs {
    /// What to deploy
    #[command(flatten)]
    pub source: SourceArgs,
    /// Wait until every replica runs
    #[arg(long)]
    pub wait: bool,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "60s", requires = "wait", value_parser = Span::of_call)]
    pub timeout: Span,
    /// The operator's key, which signs what should run [default: operator.key of the state directory]
    #[arg(long, value_name = "FILE")]
    pub operator_key: Option<PathBuf>,
    /// How to say what was done
    #[command(flatten)]
    pub output: OutputArg,
}

/// A manifest and the release of its component: of `deploy` and `plan`.
#[derive(Debug, Args)]
pub struct SourceArgs {
    /// The manifest; '-' is standard input
    #[arg(short, long, value_name = "FILE")]
    pub file: PathBuf,
    /// The publisher's key, which signs the release [default: publisher.key of the state directory]
    #[arg(long, value_name = "FILE", conflicts_with = "release")]
    pub key: Option<PathBuf>,
    /// A release that was signed before, by `orbweave sign`
    #[arg(long, value_name = "FILE")]
    pub release: Option<PathBuf>,
}

/// `plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// What would be deployed
    #[command(flatten)]
    pub source: SourceArgs,
    /// How to say what would change
    #[command(flatten)]
    pub output: OutputArg,
}

/// `why`
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The workload; without a slot, the first one that does not run
    #[arg(value_name = "WORKLOAD[/SLOT]")]
    pub what: SlotArg,
    /// How to say it
    #[command(flatten)]
    pub output: OutputArg,
}

/// A workload, or one slot of it: `hello` or `hello/2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotArg {
    /// The workload.
    pub workload: WorkloadName,
    /// The slot.
    pub slot: Option<u32>,
}

impl FromStr for SlotArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, slot) = match text.split_once('/') {
            Some((name, slot)) => {
                let slot =
                    slot.parse().map_err(|_| format!("{slot:?} is no slot: write a number from 0 on"))?;
                (name, Some(slot))
            }
            None => (text, None),
        };
        Ok(Self { workload: name.parse().map_err(|e| format!("{e}"))?, slot })
    }
}

/// `rollout`
#[derive(Debug, Subcommand)]
pub enum RolloutCommand {
    /// Tell how far the last change of a workload is
    Status(RolloutArgs),
    /// Let no further replica begin
    Pause(RolloutChangeArgs),
    /// Go on
    Resume(RolloutChangeArgs),
    /// Go back to what ran before
    Undo(RolloutChangeArgs),
}

/// `rollout status`
#[derive(Debug, Args)]
pub struct RolloutArgs {
    /// The workload
    pub name: WorkloadName,
    /// Wait until it is over; fails if it was rolled back
    #[arg(long)]
    pub wait: bool,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "10m", requires = "wait", value_parser = Span::of_call)]
    pub timeout: Span,
    /// How to say it
    #[command(flatten)]
    pub output: OutputArg,
}

/// `rollout pause`, `resume` and `undo`
#[derive(Debug, Args)]
pub struct RolloutChangeArgs {
    /// The workload
    pub name: WorkloadName,
    /// The operator's key [default: operator.key of the state directory]
    #[arg(long, value_name = "FILE")]
    pub operator_key: Option<PathBuf>,
    /// The publisher's key, for `undo`, which signs a release anew [default: publisher.key of the state directory]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
}

/// `cordon` and `uncordon`
#[derive(Debug, Args)]
pub struct CordonArgs {
    /// The node, by name or by the beginning of its id
    pub node: String,
    /// The operator's key [default: operator.key of the state directory]
    #[arg(long, value_name = "FILE")]
    pub operator_key: Option<PathBuf>,
}

/// `drain`
#[derive(Debug, Args)]
pub struct DrainArgs {
    /// The node, by name or by the beginning of its id
    pub node: String,
    /// Wait until it holds nothing any more
    #[arg(long)]
    pub wait: bool,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "60s", requires = "wait", value_parser = Span::of_call)]
    pub timeout: Span,
    /// The operator's key [default: operator.key of the state directory]
    #[arg(long, value_name = "FILE")]
    pub operator_key: Option<PathBuf>,
}

/// `scale`
#[derive(Debug, Args)]
pub struct ScaleArgs {
    /// The workload
    pub name: WorkloadName,
    /// How many replicas shall run
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(limit::REPLICAS_MAX)))]
    pub replicas: u32,
    /// Wait until every replica runs
    #[arg(long)]
    pub wait: bool,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "60s", requires = "wait", value_parser = Span::of_call)]
    pub timeout: Span,
    /// The operator's key [default: operator.key of the state directory]
    #[arg(long, value_name = "FILE")]
    pub operator_key: Option<PathBuf>,
}

/// `sign`
#[derive(Debug, Args)]
pub struct SignArgs {
    /// The component's `.wasm` file
    pub component: PathBuf,
    /// The name of the component
    #[arg(long)]
    pub name: WorkloadName,
    /// Its version
    #[arg(long = "version", id = "release_version", value_name = "VERSION")]
    pub version: String,
    /// Where to write the release
    #[arg(short, long = "out", value_name = "FILE")]
    pub out: PathBuf,
    /// The publisher's key [default: publisher.key of the state directory]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// How long the release may be deployed
    #[arg(long, value_name = "TIME", default_value = "365d")]
    pub expires: Span,
    /// The one mesh that it is for [default: any that trusts the publisher]
    #[arg(long, value_name = "MESHID")]
    pub mesh: Option<MeshId>,
}

/// `delete`
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// The workload
    pub name: WorkloadName,
    /// The operator's key [default: operator.key of the state directory]
    #[arg(long, value_name = "FILE")]
    pub operator_key: Option<PathBuf>,
}

/// A command that only lists.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// How to list
    #[command(flatten)]
    pub output: OutputArg,
}

/// How to print a result.
#[derive(Debug, Clone, Copy, Args)]
pub struct OutputArg {
    /// The form of what is printed
    #[arg(short = 'o', long = "output", value_name = "FORM", default_value = "text")]
    pub format: Format,
}

/// `get`
#[derive(Debug, Args)]
pub struct GetArgs {
    /// Only this workload
    pub name: Option<WorkloadName>,
    /// Deleted ones too
    #[arg(short, long)]
    pub all: bool,
    /// How to list
    #[command(flatten)]
    pub output: OutputArg,
}

/// `describe`
#[derive(Debug, Args)]
pub struct DescribeArgs {
    /// A workload, or a node by name or by the beginning of its id
    pub name: String,
    /// The name is a node's, even where a workload has it too
    #[arg(long)]
    pub node: bool,
    /// How to print it
    #[command(flatten)]
    pub output: OutputArg,
}

/// `call`
#[derive(Debug, Args)]
pub struct CallArgs {
    /// The workload
    pub workload: WorkloadName,
    /// The function: `name`, `interface.name` or `package:ns/interface.name`
    pub function: String,
    /// The arguments in WAVE, apart by commas: '"Ada", {x: 1, y: 2}'
    #[arg(default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    pub args: String,
    /// The time that the call has
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = Span::of_call)]
    pub deadline: Span,
    /// How to print the result
    #[command(flatten)]
    pub output: OutputArg,
}

/// `logs`
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Only this workload
    pub workload: Option<WorkloadName>,
    /// Only of the node that is asked, not of those that hold replicas too
    #[arg(long, requires = "workload")]
    pub here: bool,
    /// Go on as new lines come
    #[arg(short, long)]
    pub follow: bool,
    /// How to print lines; JSON is one object a line
    #[command(flatten)]
    pub output: OutputArg,
}

/// `events`
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Only about this workload
    pub workload: Option<WorkloadName>,
    /// Only of the node that is asked, not of those that hold replicas too
    #[arg(long, requires = "workload")]
    pub here: bool,
    /// Go on as things happen
    #[arg(short, long)]
    pub follow: bool,
    /// How to print events; JSON is one object a line
    #[command(flatten)]
    pub output: OutputArg,
}

/// `demo`
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// End with one line of JSON
    #[arg(long)]
    pub json: bool,
    /// Leave the nodes running, and tell how to reach them
    #[arg(long)]
    pub keep: bool,
}

//! What can be said on the command line.

mod node;
mod quota;
mod work;

pub use node::{Forget, InterfaceArg, NodeArgs, PeerArg, ZoneArg};
pub use quota::{QuotaCommand, QuotaListArgs, QuotaRemoveArgs, QuotaSetArgs};
pub use work::*;

use super::failure::Failure;
use super::output::Format;
use crate::api::Client;
use crate::manifest::quantity::Span;
use crate::state_dir::StateDir;
use clap::{Args, Parser, Subcommand};
use orbweave_model::{MeshId, WorkloadName};
use orbweave_trust::Ticket;
use std::net::SocketAddr;
use std::path::PathBuf;

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
    /// List the zones
    Zones(ListArgs),
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
    /// List or set what all workloads of a namespace together may have
    #[command(subcommand)]
    Quota(QuotaCommand),
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

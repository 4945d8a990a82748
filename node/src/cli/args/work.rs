//! What can be said of workloads, and of nodes as places for them.

use super::OutputArg;
use crate::manifest::quantity::Span;
use clap::{Args, Subcommand};
use orbweave_model::{WorkloadName, limit};
use std::path::PathBuf;
use std::str::FromStr;

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

//! What can be said of namespaces.

use super::OutputArg;
use crate::manifest::quantity::{Memory, QuantityError, Thousandths};
use clap::{Args, Subcommand};
use orbweave_model::Namespace;
use std::path::PathBuf;

/// `quota`
#[derive(Debug, Subcommand)]
pub enum QuotaCommand {
    /// List the namespaces, with what they have of what they may have
    Ls(QuotaListArgs),
    /// Set what all workloads of a namespace together may have
    Set(QuotaSetArgs),
    /// Take the quota of a namespace away
    Rm(QuotaRemoveArgs),
}

/// `quota ls`
#[derive(Debug, Args)]
pub struct QuotaListArgs {
    /// How to say it
    #[command(flatten)]
    pub output: OutputArg,
}

/// `quota set`
#[derive(Debug, Args)]
pub struct QuotaSetArgs {
    /// The namespace, as manifests name it in `metadata.namespace`
    pub namespace: Namespace,
    /// What it may have
    #[command(flatten)]
    pub bounds: BoundsArgs,
    /// The admission key [default: admission.key of the state directory]
    #[arg(long, value_name = "FILE")]
    pub admission_key: Option<PathBuf>,
}

/// All that holds from then on: what is not named is not bounded, and something must be.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct BoundsArgs {
    /// How many replicas may run
    #[arg(long, value_name = "COUNT")]
    pub replicas: Option<u64>,
    /// Processor time: cores (`2`, `0.5`) or thousandths of one (`500m`)
    #[arg(long, value_name = "CORES", value_parser = |text: &str| Thousandths::any(text, QuantityError::Cpu))]
    pub cpu: Option<Thousandths>,
    /// Memory, with a unit, such as `4Gi`
    #[arg(long, value_name = "BYTES", value_parser = Memory::any)]
    pub memory: Option<Memory>,
    /// Accelerators: devices (`1`, `0.5`) or thousandths of one (`500m`)
    #[arg(long, value_name = "DEVICES", value_parser = |text: &str| Thousandths::any(text, QuantityError::Accelerator))]
    pub accelerators: Option<Thousandths>,
}

/// `quota rm`
#[derive(Debug, Args)]
pub struct QuotaRemoveArgs {
    /// The namespace
    pub namespace: Namespace,
    /// The admission key [default: admission.key of the state directory]
    #[arg(long, value_name = "FILE")]
    pub admission_key: Option<PathBuf>,
}

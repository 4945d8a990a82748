//! `simnet`: runs scenarios and seeds against the production core, in virtual time.
//!
//! The library decides; this program has the clock, the files, the threads (one run a
//! thread) and the terminal.

#[macro_use]
mod print;

mod one;
mod plants;
mod plot;
mod read;
mod several;
mod shrinking;
mod swarm;
mod threads;
mod wall;

use clap::{Args, Parser, Subcommand};
use orbweave_simnet::schedule::TIME_MAX_S;
use orbweave_simnet::{FaultOptions, RunOptions, Schedule};
use std::path::PathBuf;
use std::process::ExitCode;

/// A run allocates and frees millions of small messages and tree nodes in one thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Many nodes against one another in virtual time, from one seed.
#[derive(Parser)]
#[command(name = "simnet", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a scenario file
    Run(RunArguments),
    /// Run a scenario that was printed by `shrink`, with its own seed
    Replay(ReplayArguments),
    /// Run many seeds, each of which draws what goes wrong
    Swarm(SwarmArguments),
    /// Print what a seed draws as a scenario
    Draw(SeedArguments),
    /// Make a failing seed a short scenario
    Shrink(SeedArguments),
    /// Run a scenario file and draw what happened
    Plot(PlotArguments),
    /// Plant known defects into the nodes and count the seeds until each is noticed
    Plants(plants::Arguments),
}

#[derive(Args)]
struct RunArguments {
    /// The scenario, in TOML
    file: PathBuf,
    /// The seed; the file's own if none is given
    #[arg(long)]
    seed: Option<u64>,
    /// Several seeds, as `0..20`: a line each, and then the worst figures of all
    #[arg(long, value_parser = read::seeds, conflicts_with_all = ["seed", "trace"])]
    seeds: Option<std::ops::Range<u64>>,
    /// Of several seeds, runs at once; as many as there are processors if nothing is said
    #[arg(long, requires = "seeds", value_parser = read::jobs)]
    jobs: Option<usize>,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
struct ReplayArguments {
    /// The scenario, in TOML
    file: PathBuf,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
struct PlotArguments {
    /// The scenario, in TOML
    file: PathBuf,
    /// The seed; the file's own if none is given
    #[arg(long)]
    seed: Option<u64>,
    /// Where the picture goes
    #[arg(long, value_name = "FILE", default_value = "story.svg")]
    out: PathBuf,
}

#[derive(Args)]
struct Output {
    /// End with one line of JSON, and print nothing else
    #[arg(long)]
    json: bool,
    /// Write down what every node told, in order of time
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

#[derive(Args)]
struct SwarmArguments {
    /// Which seeds, as `0..1000`: from the first, up to but without the last
    #[arg(long, value_parser = read::seeds)]
    seeds: std::ops::Range<u64>,
    /// Runs at once; as many as there are processors if nothing is said
    #[arg(long, value_parser = read::jobs)]
    jobs: Option<usize>,
    /// End with one line of JSON
    #[arg(long)]
    json: bool,
    /// Make each failing seed a short scenario, and print it
    #[arg(long)]
    shrink: bool,
    #[command(flatten)]
    drawn: Drawn,
}

#[derive(Args)]
struct SeedArguments {
    /// The seed
    #[arg(long)]
    seed: u64,
    #[command(flatten)]
    drawn: Drawn,
}

#[derive(Args)]
struct Drawn {
    /// Nodes of each run
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    nodes: u32,
    /// Seconds of faults; 600, or what the options say
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=TIME_MAX_S))]
    faults_s: Option<u64>,
    /// A file of fault options in TOML, in the place of the usual ones
    #[arg(long, value_name = "FILE")]
    options: Option<PathBuf>,
}

impl Drawn {
    fn options(&self) -> Result<RunOptions, String> {
        let mut faults = self.options.as_deref().map_or(Ok(FaultOptions::default()), read::options)?;
        faults.faults_s = self.faults_s.unwrap_or(faults.faults_s);
        faults.check()?;
        Ok(RunOptions { nodes: self.nodes, faults })
    }
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(RunArguments { file, seeds: Some(seeds), jobs, output, .. }) => {
            several::run(&file, &seeds, jobs, output.json)
        }
        Command::Run(a) => one::run(&a.file, a.seed, a.output.json, a.output.trace.as_deref()),
        Command::Replay(a) => one::run(&a.file, None, a.output.json, a.output.trace.as_deref()),
        Command::Swarm(a) => a.drawn.options().and_then(|options| {
            swarm::run(&swarm::Swarm {
                seeds: a.seeds,
                jobs: a.jobs,
                json: a.json,
                shrink: a.shrink,
                options,
            })
        }),
        Command::Draw(a) => a.drawn.options().map(|options| {
            println!("{}", Schedule::draw(a.seed, options.nodes, &options.faults).to_toml().trim_end());
            true
        }),
        Command::Shrink(a) => a.drawn.options().and_then(|options| shrinking::run(a.seed, &options)),
        Command::Plot(a) => plot::run(&a.file, a.seed, &a.out),
        Command::Plants(a) => plants::run(&a),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(words) => {
            eprintln!("simnet: {words}");
            ExitCode::from(2)
        }
    }
}

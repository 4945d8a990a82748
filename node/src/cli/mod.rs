//! The command line: what can be said, and what is said back.
//!
//! Results go to standard output, everything else to standard error. The exit code is
//! 0 when it was done, 1 when it was not, 2 when the command was not understood.

mod args;
mod call;
mod cordon;
mod daemon;
mod deploy;
mod describe;
mod failure;
mod follow;
mod init;
pub mod interfaces;
mod join;
mod list;
mod output;
mod plan;
mod quota;
mod release;
mod rollout;
mod settings;
mod status;
#[cfg(test)]
mod tests;
mod ticket;
pub mod up;
mod wait;
mod why;
mod zones;

pub use args::{Cli, Command, DemoArgs};
pub use failure::Failure;
pub use up::UpOptions;

use crate::api::Client;
use crate::state_dir::StateDir;
use clap::Parser;
use std::process::ExitCode;

/// Reads the command line, does what it says, and prints the error if there is one.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn execute(cli: Cli) -> Result<(), Failure> {
    let runtime = match &cli.command {
        Command::Up(_) | Command::Join(_) | Command::Demo(_) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    }
    .enable_all()
    .build()
    .map_err(|e| Failure::new(format!("cannot start: {e}")))?;
    let done = runtime.block_on(dispatch(cli));
    // What still blocks in a thread (a file, a lock) is not waited for.
    runtime.shutdown_background();
    done
}

async fn dispatch(cli: Cli) -> Result<(), Failure> {
    let Cli { global, command } = cli;
    match command {
        Command::Schema => return output::say(&crate::manifest::schema_text()),
        Command::Demo(args) => return crate::demo::run(args).await.map_err(Failure::new),
        _ => {}
    }
    let dir = StateDir::locate(global.dir.clone())?;
    let client = || -> Result<Client, Failure> { global.client(&dir) };
    match command {
        Command::Init(args) => init::run(&dir, args),
        Command::Up(args) if args.detach => daemon::run(&dir, &args.node).await,
        Command::Up(args) => up::foreground(dir, args).await,
        Command::Join(args) => join::run(dir, args).await,
        Command::Ticket(args) => ticket::run(&client()?, args).await,
        Command::Deploy(args) => deploy::run(&client()?, &dir, args).await,
        Command::Sign(args) => release::run(&dir, args),
        Command::Delete(args) => deploy::delete(&client()?, &dir, args).await,
        Command::Ps(args) => list::ps(&client()?, args).await,
        Command::Get(args) => list::get(&client()?, args).await,
        Command::Nodes(args) => list::nodes(&client()?, args).await,
        Command::Zones(args) => zones::run(&client()?, args).await,
        Command::Describe(args) => describe::run(&client()?, args).await,
        Command::Why(args) => why::run(&client()?, args).await,
        Command::Plan(args) => plan::run(&client()?, &dir, args).await,
        Command::Scale(args) => deploy::scale(&client()?, &dir, args).await,
        Command::Rollout(command) => rollout::run(&client()?, &dir, command).await,
        Command::Quota(command) => quota::run(&client()?, &dir, command).await,
        Command::Cordon(args) => cordon::cordon(&client()?, &dir, args).await,
        Command::Drain(args) => cordon::drain(&client()?, &dir, args).await,
        Command::Uncordon(args) => cordon::uncordon(&client()?, &dir, args).await,
        Command::Call(args) => call::run(&client()?, args).await,
        Command::Logs(args) => follow::logs(&client()?, args).await,
        Command::Events(args) => follow::events(&client()?, args).await,
        Command::Status(args) => status::run(&client()?, args).await,
        Command::Down => status::down(&client()?, &dir).await,
        Command::Schema | Command::Demo(_) => Ok(()),
    }
}

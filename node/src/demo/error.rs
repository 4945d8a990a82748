//! Why the demo could not be played, or did not go as it must.

use crate::api::ClientError;
use crate::state_dir::StateDirError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why the demo could not be played, or did not go as it must.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The operating system refused.
    #[error("the demo cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// No free ports.
    #[error("there is no free range of {0} ports on loopback for the demo")]
    Ports(u16),
    /// A command of its own failed.
    #[error("`orbweave {command}` failed: {said}")]
    Command {
        /// The command.
        command: String,
        /// What it said.
        said: String,
    },
    /// A node ended by itself.
    #[error("node {name} ended by itself ({status}); the end of {}:\n{tail}", log.display())]
    NodeEnded {
        /// The node.
        name: String,
        /// How.
        status: String,
        /// What it wrote.
        log: PathBuf,
        /// The end of that.
        tail: String,
    },
    /// Something did not come about in time.
    #[error("{what} did not come about within {within:?}")]
    TooLate {
        /// What.
        what: String,
        /// The ceiling.
        within: Duration,
    },
    /// A node's admin API failed.
    #[error("node {name}: {source}")]
    Api {
        /// The node.
        name: String,
        /// What happened.
        source: ClientError,
    },
    /// A state directory of the demo failed.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// Ctrl-C, or another signal that ends it.
    #[error("interrupted; the nodes were stopped")]
    Interrupted,
    /// It was played to the end, and something was not as it must be.
    #[error("it did not hold: {}", .0.join("; "))]
    DidNotHold(Vec<String>),
}

impl DemoError {
    /// For `map_err`: what was tried.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// For `map_err`: which node was asked.
    pub fn api(name: &str) -> impl FnOnce(ClientError) -> Self {
        let name = name.to_owned();
        move |source| Self::Api { name, source }
    }
}

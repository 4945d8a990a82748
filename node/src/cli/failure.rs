//! A command that failed: what happened, where, and what to do.

use super::output;
use crate::api::ClientError;
use crate::api::server::BindError;
use crate::manifest::ManifestError;
use crate::state_dir::StateDirError;
use std::fmt;
use std::process::ExitCode;

/// Why a command did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    message: String,
    fix: Option<String>,
    silent: bool,
    code: u8,
}

impl Failure {
    /// What happened, and where.
    pub fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), fix: None, silent: false, code: 1 }
    }

    /// Adds what to do.
    #[must_use]
    pub fn fix(mut self, fix: impl fmt::Display) -> Self {
        self.fix = Some(fix.to_string());
        self
    }

    /// With an exit code of its own.
    #[must_use]
    pub fn code(self, code: u8) -> Self {
        Self { code: if self.silent { self.code } else { code }, ..self }
    }

    /// Nobody reads any more (`orbweave logs | head`): no error for anybody.
    pub(super) fn reader_left() -> Self {
        Self::only_code(0)
    }

    /// No failure: the exit code is the answer.
    pub(super) fn only_code(code: u8) -> Self {
        Self { message: String::new(), fix: None, silent: true, code }
    }

    /// Whether there is nothing to say.
    pub(super) fn is_silent(&self) -> bool {
        self.silent
    }

    /// Prints it and gives the exit code.
    pub(super) fn report(&self) -> ExitCode {
        if !self.silent {
            let colour = output::colour_on_stderr();
            output::note(&format!(
                "{} {}",
                output::paint(colour, output::Paint::Red, "error:"),
                self.message
            ));
            if let Some(fix) = &self.fix {
                output::note(&format!("  {} {fix}", output::paint(colour, output::Paint::Cyan, "fix:")));
            }
        }
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.fix.iter().try_for_each(|fix| write!(f, " (fix: {fix})"))
    }
}

impl From<StateDirError> for Failure {
    fn from(error: StateDirError) -> Self {
        Self::new(error)
    }
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Self {
        Self::new(error)
    }
}

impl From<BindError> for Failure {
    fn from(error: BindError) -> Self {
        Self::new(error)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::NotRunning(_) => {
                Self::new(message).fix("start it with `orbweave up -d`, or give the --dir of one that runs")
            }
            ClientError::Refused(refused) => Self { fix: refused.fix, ..Self::new(message) },
            ClientError::Connect { .. } => {
                Self::new(message).fix("only the user that runs the node may ask it; check --dir or --admin")
            }
            ClientError::Broken(_) => Self::new(message).fix("see what `orbweave status` and node.log say"),
            ClientError::Malformed(_) => {
                Self::new(message).fix("compare `orbweave --version` with the version that the node runs")
            }
        }
    }
}

//! Why a request or a call got no answer from a guest, and what may be done about it.

use http::StatusCode;
use orbweave_model::{NodeId, WorkloadName};
use std::time::Duration;

/// Why there is no answer. Each says whether the guest may have run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    /// The mesh has no such workload, as this node sees it. The guest did not run.
    #[error("no workload is called {0}")]
    NoSuchWorkload(WorkloadName),
    /// No replica runs on a live node. The guest did not run.
    #[error("{0} has no live replica at the moment")]
    NoReplica(WorkloadName),
    /// The node that was asked does not run it (any more). The guest did not run.
    #[error("the node that was asked does not run it")]
    NotHere,
    /// The node could not be asked. The guest did not run.
    #[error("{}: {why}", unreached(*node, *beyond))]
    Unreachable {
        /// The node.
        node: NodeId,
        /// Whether it was to pass the request on to another zone: it, or those beyond it,
        /// could not be reached.
        beyond: bool,
        /// What the link says.
        why: String,
    },
    /// The node was asked and the answer broke off. The guest may have run.
    #[error("node {} broke off: {why}", node.short())]
    Broken {
        /// The node.
        node: NodeId,
        /// What the link says.
        why: String,
    },
    /// The time was over. The guest may have run.
    #[error("no answer within {0:?}")]
    DeadlineExceeded(Duration),
    /// Too much at once. The guest did not run.
    #[error("no capacity: {0}")]
    NoCapacity(String),
    /// The guest has no such function, or cannot take these arguments. It did not run.
    #[error("{0}")]
    BadRequest(String),
    /// The guest was stopped, or stopped itself.
    #[error("the guest stopped: {0}")]
    Trapped(String),
}

/// A failure's number on the wire. Numbers are added, never given another meaning.
mod code {
    pub const NOT_HERE: u8 = 1;
    pub const NO_CAPACITY: u8 = 2;
    pub const DEADLINE: u8 = 3;
    pub const TRAPPED: u8 = 4;
    pub const BAD_REQUEST: u8 = 5;
    // What a node says that was to pass a request on.
    pub const UNREACHABLE: u8 = 6;
    pub const BROKEN: u8 = 7;
}

fn unreached(node: NodeId, beyond: bool) -> String {
    match beyond {
        false => format!("node {} cannot be reached", node.short()),
        true => {
            format!("no replica of this zone answers, and node {} leads to none in another", node.short())
        }
    }
}

impl CallFailure {
    /// Its number and text on the wire, for what a serving node can say.
    pub fn to_wire(&self) -> (u8, String) {
        let code = match self {
            Self::NotHere | Self::NoSuchWorkload(_) | Self::NoReplica(_) => code::NOT_HERE,
            Self::NoCapacity(_) => code::NO_CAPACITY,
            Self::DeadlineExceeded(_) => code::DEADLINE,
            Self::BadRequest(_) => code::BAD_REQUEST,
            Self::Trapped(_) => code::TRAPPED,
            Self::Unreachable { .. } => code::UNREACHABLE,
            Self::Broken { .. } => code::BROKEN,
        };
        let text = match self {
            Self::NoCapacity(text) | Self::BadRequest(text) | Self::Trapped(text) => text.clone(),
            Self::Unreachable { node, beyond: true, why } => format!("node {}: {why}", node.short()),
            other => other.to_string(),
        };
        (code, shortened(&text))
    }

    /// What a serving node said. A number of a later version is taken for a broken answer.
    pub fn from_wire(node: NodeId, code: u8, text: String, allowed: Duration) -> Self {
        let text = shortened(&text);
        match code {
            code::NOT_HERE => Self::NotHere,
            code::NO_CAPACITY => Self::NoCapacity(text),
            code::DEADLINE => Self::DeadlineExceeded(allowed),
            code::TRAPPED => Self::Trapped(text),
            code::BAD_REQUEST => Self::BadRequest(text),
            code::UNREACHABLE => Self::Unreachable { node, beyond: true, why: text },
            _ => Self::Broken { node, why: text },
        }
    }

    /// Whether the guest certainly did not run, so that anybody may be asked again.
    pub fn untouched(&self) -> bool {
        matches!(self, Self::NotHere | Self::Unreachable { .. } | Self::NoCapacity(_))
    }

    /// Whether another replica may do better, if the request may be repeated at all.
    pub fn worth_repeating(&self) -> bool {
        self.untouched() || matches!(self, Self::Broken { .. })
    }

    /// The status that an HTTP caller gets.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchWorkload(_) => StatusCode::NOT_FOUND,
            Self::NoReplica(_) | Self::NotHere | Self::NoCapacity(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreachable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::DeadlineExceeded(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Broken { .. } | Self::Trapped(_) => StatusCode::BAD_GATEWAY,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// One word for it, as in the design.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NoSuchWorkload(_) => "no-such-workload",
            Self::NoReplica(_) | Self::NotHere => "no-replica",
            Self::Unreachable { .. } => "unreachable",
            Self::Broken { .. } => "indeterminate",
            Self::DeadlineExceeded(_) => "deadline-exceeded",
            Self::NoCapacity(_) => "no-capacity",
            Self::BadRequest(_) => "bad-request",
            Self::Trapped(_) => "trapped",
        }
    }
}

/// Text of a guest or a peer, to a length that fits a head.
const TEXT_CHARS_MAX: usize = 2_000;

fn shortened(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

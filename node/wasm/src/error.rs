//! What can go wrong, and whose fault it is.

use orbweave_model::Hash;
use std::path::PathBuf;
use std::time::Duration;

/// Why there is no runtime.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The cache directory cannot be used.
    #[error("the cache of compiled components at {} cannot be used: {source}", path.display())]
    Cache {
        /// The directory.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// wasmtime refused its configuration: most often too little address space.
    #[error("wasmtime cannot start: {0}")]
    Engine(String),
    /// The threads that drive guests could not be started.
    #[error("a runtime thread cannot start: {0}")]
    Thread(std::io::Error),
}

/// Why a component could not be made ready. Nothing of it ran.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// It is no component that this wasmtime compiles.
    #[error("component {component} does not compile: {why}")]
    Invalid {
        /// Which.
        component: Hash,
        /// What the compiler says.
        why: String,
    },
    /// The compiler passed its time.
    #[error("component {component} was still compiling after {} s and was stopped: it is too large or built to be slow", limit.as_secs_f32())]
    TooSlow {
        /// Which.
        component: Hash,
        /// The limit.
        limit: Duration,
    },
    /// The compiler passed its memory.
    #[error("component {component} needs more than {} MiB to compile and was stopped", limit_bytes >> 20)]
    TooMuchMemory {
        /// Which.
        component: Hash,
        /// The limit.
        limit_bytes: u64,
    },
    /// Its machine code is larger than [`crate::limit::ARTEFACT_BYTES_MAX`].
    #[error("component {component} compiles to more than {} MiB", crate::limit::ARTEFACT_BYTES_MAX >> 20)]
    TooLarge {
        /// Which.
        component: Hash,
    },
    /// The compile child itself failed: the node's fault, not the component's.
    #[error("the compiler process failed on component {component}: {why}")]
    Compiler {
        /// Which.
        component: Hash,
        /// What happened.
        why: String,
    },
}

/// Why a loaded component cannot be served. Nothing of it ran.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// It imports what the host does not grant.
    #[error("{component} imports what this host does not grant: {}; granted are: {granted}", missing.join("; "))]
    MissingImports {
        /// The release's name.
        component: String,
        /// Each import, with the reason where there is one.
        missing: Vec<String>,
        /// The interfaces that are granted.
        granted: String,
    },
    /// An import has the right name and the wrong type.
    #[error("{component} cannot be linked: {why}")]
    Link {
        /// The release's name.
        component: String,
        /// What the linker says.
        why: String,
    },
    /// It asks for more than an instance may ever have.
    #[error("{component} cannot run within its limits: {why}")]
    Limits {
        /// The release's name.
        component: String,
        /// Which limit.
        why: String,
    },
}

/// Why a call gave no answer. The guest's instance is gone; its neighbours and the
/// host are untouched. An error of the component's own interface is no `CallError`:
/// it is the answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No exported function goes by that name, or several do. Nothing ran.
    #[error("{0}")]
    NoSuchFunction(String),
    /// The arguments or the request do not fit. Nothing ran.
    #[error("{0}")]
    BadArguments(String),
    /// The guest trapped, or gave no usable answer.
    #[error("the component trapped: {0}")]
    Trapped(String),
    /// The call passed its deadline and was stopped. It may have had effects.
    #[error("the call passed its deadline and was stopped")]
    DeadlineExceeded,
    /// The guest asked for more memory than it may have, and then failed.
    #[error("the component needs more than its {} MiB of memory", limit_bytes >> 20)]
    OutOfMemory {
        /// Its limit.
        limit_bytes: u64,
    },
    /// No instance came free before the deadline. Nothing ran.
    #[error("no capacity: every instance was busy until the deadline")]
    NoCapacity,
    /// The component answered the HTTP request with an error code instead of a response.
    #[error("the component refused the request: {0}")]
    Refused(String),
    /// The host's own fault.
    #[error("the host failed: {0}")]
    Host(String),
}

impl CallError {
    /// A word for it, stable over versions: for logs, metrics and other nodes.
    pub fn code(&self) -> &'static str {
        match self {
            CallError::NoSuchFunction(_) => "no-such-function",
            CallError::BadArguments(_) => "bad-arguments",
            CallError::Trapped(_) => "trapped",
            CallError::DeadlineExceeded => "deadline-exceeded",
            CallError::OutOfMemory { .. } => "out-of-memory",
            CallError::NoCapacity => "no-capacity",
            CallError::Refused(_) => "refused",
            CallError::Host(_) => "host",
        }
    }

    /// Whether the guest surely did nothing, so that another replica may be asked.
    pub fn nothing_ran(&self) -> bool {
        matches!(self, CallError::NoSuchFunction(_) | CallError::BadArguments(_) | CallError::NoCapacity)
    }
}

/// Cuts a text to so many bytes, at a character.
pub(crate) fn shortened(text: &str, bytes_max: usize) -> String {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    if end == text.len() { text.to_owned() } else { format!("{}…", &text[..end]) }
}

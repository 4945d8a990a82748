//! What the demo says while it runs, on standard error: lines with the time since the
//! start, above a progress bar where there is a terminal.

use crate::api::event::{Event, EventKind};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use orbweave_model::NodeId;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, by the one clock that demo and nodes share.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Where the timeline goes.
pub struct Show {
    bar: Option<ProgressBar>,
    begun_ms: u64,
    names: Mutex<BTreeMap<NodeId, String>>,
}

impl Show {
    /// Begins the timeline now.
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{spinner} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            bar.set_style(style);
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar, begun_ms: now_ms(), names: Mutex::default() }
    }

    /// From now on this node is called so.
    pub fn name(&self, node: NodeId, name: &str) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(node, name.to_owned());
    }

    /// What a node is called.
    pub fn name_of(&self, node: NodeId) -> String {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(&node).cloned().unwrap_or_else(|| node.short())
    }

    /// A line without a time.
    pub fn plain(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// A line of the demo's own.
    pub fn line(&self, text: &str) {
        self.at(now_ms(), "demo", text);
    }

    /// A line with the time at which it happened.
    pub fn at(&self, at_ms: u64, who: &str, text: &str) {
        let since = Duration::from_millis(at_ms.saturating_sub(self.begun_ms));
        self.plain(&format!("{:>9.3} s  {who:<4}  {text}", since.as_secs_f64()));
    }

    /// A node's event, if it belongs to the story.
    pub fn event(&self, event: &Event) {
        if told(event.kind) {
            self.at(event.at_ms, &self.name_of(event.node), &self.words(event));
        }
    }

    /// What the bar says.
    pub fn status(&self, text: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
        }
    }

    /// No more bar.
    pub fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn words(&self, event: &Event) -> String {
        let mut words = format!("{:<15} {}", event.kind.to_string(), event.text);
        if let Some(about) = event.about {
            words.push_str(&format!(" [{}]", self.name_of(about)));
        }
        if let Some(took_ms) = event.took_ms {
            words.push_str(&format!(" ({took_ms} ms)"));
        }
        if let Some(cause) = &event.cause {
            words.push_str(&format!(": {cause}"));
        }
        words
    }
}

/// Events that tell who held what, and what was noticed, placed, fetched, compiled,
/// started, answered, retried and refused.
fn told(kind: EventKind) -> bool {
    use EventKind::*;
    matches!(
        kind,
        MemberSuspect
            | MemberDown
            | MemberUp
            | OfferSent
            | OfferRefused
            | Claim
            | ClaimReleased
            | FetchStarted
            | FetchDone
            | FetchFailed
            | Compiled
            | Started
            | Failed
            | AnsweredFirstRequest
            | Drained
            | Stopped
            | ReleaseRefused
            | RecordRefused
            | RequestRetried
            | SelfDoubt
            | SelfDoubtOver
            | Cordon
            | Quota
            | RolledBack
    )
}

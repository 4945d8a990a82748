//! What happened, by what it happened to.

use super::recording::Recording;
use crate::schedule::{Action, Schedule};

/// One thing that happened.
#[derive(Debug)]
pub(super) struct Mark {
    pub at_ms: u64,
    pub class: &'static str,
    pub words: String,
}

/// Rows of what happened; one of which there was nothing is left out.
pub(super) fn marks(schedule: &Schedule, seen: &Recording) -> Vec<(&'static str, Vec<Mark>)> {
    const ROWS: [&str; 6] = ["power", "links", "weather", "machines", "enemies", "people"];
    let mut rows: Vec<(&'static str, Vec<Mark>)> = ROWS.map(|name| (name, Vec::new())).into();
    let mut put = |row: &str, at_ms: u64, class: &'static str, words: String| {
        if let Some((_, marks)) = rows.iter_mut().find(|(name, _)| *name == row) {
            marks.push(Mark { at_ms, class, words });
        }
    };
    // Deaths and starts as they were: kills are not among the events, and not each event
    // takes effect.
    for (at, host) in &seen.deaths {
        put("power", *at, "bad", format!("{host} loses its power"));
    }
    for (at, host) in &seen.starts {
        put("power", *at, "good", format!("{host} starts"));
    }
    for event in &schedule.events {
        if let Some((row, class)) = kind_of(&event.action) {
            put(row, event.at_ms, class, format!("{:?}", event.action));
        }
    }
    rows.retain(|(_, marks)| !marks.is_empty());
    rows
}

/// In which row an action is told, and in which colour; none for what is seen otherwise.
fn kind_of(action: &Action) -> Option<(&'static str, &'static str)> {
    Some(match action {
        Action::Crash(_) | Action::Start(_) => return None,
        Action::Replace { .. } => ("power", "good"),
        Action::Leave(_) => ("power", "people"),
        Action::Cut { .. } | Action::Split(_) => ("links", "bad"),
        Action::Mend { .. } | Action::Join(_) | Action::MendAll => ("links", "good"),
        Action::Weather(line) if *line == Default::default() => ("weather", "good"),
        Action::Weather(_) => ("weather", "bad"),
        Action::SlowDisk { ms: 0, .. } | Action::FreeDisk(_) | Action::Repair(_) | Action::Thaw(_) => {
            ("machines", "good")
        }
        Action::Admit { .. } => ("enemies", "bad"),
        Action::Deploy(_)
        | Action::Delete { .. }
        | Action::RevokeNode { .. }
        | Action::Cordon { .. }
        | Action::Quota { .. }
        | Action::RevokePublisher { .. } => ("people", "people"),
        // Disks, clocks, executors, and hosts that stand still.
        _ => ("machines", "bad"),
    })
}

//! How results look: tables and colours for people on a terminal, JSON for programs.

use super::failure::Failure;
use crate::api::types::{NodeState, Phase, ZoneState};
use comfy_table::presets::NOTHING;
use comfy_table::{Cell, Color, Table};
use orbweave_model::Wall;
use owo_colors::OwoColorize;
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The form of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Prints to standard output. A reader that left is no error.
pub fn say(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(Failure::reader_left()),
        written => written.map_err(|e| Failure::new(format!("cannot write the result: {e}"))),
    }
}

/// Prints a value as JSON, over several lines.
pub fn say_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::new)?;
    say(&format!("{text}\n"))
}

/// Prints a value as JSON on one line.
pub fn say_json_line(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(Failure::new)?;
    say(&format!("{text}\n"))
}

/// Tells a person on standard error what is going on.
pub fn note(text: &str) {
    // Nobody may be there to read it; the result does not depend on it.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Colours that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Done, alive, running.
    Green,
    /// Under way, in doubt.
    Yellow,
    /// Failed, down.
    Red,
    /// What to do.
    Cyan,
    /// Beside the point.
    Dim,
}

fn colours_wanted() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    !refused && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether standard output takes colours.
pub fn colour_on_stdout() -> bool {
    io::stdout().is_terminal() && colours_wanted()
}

/// Whether standard error takes colours.
pub fn colour_on_stderr() -> bool {
    io::stderr().is_terminal() && colours_wanted()
}

/// The text in a colour, where colours are taken.
pub fn paint(colour: bool, paint: Paint, text: &str) -> String {
    match paint {
        _ if !colour => text.to_owned(),
        Paint::Green => text.green().to_string(),
        Paint::Yellow => text.yellow().to_string(),
        Paint::Red => text.red().to_string(),
        Paint::Cyan => text.cyan().to_string(),
        Paint::Dim => text.dimmed().to_string(),
    }
}

/// The colour of a phase.
pub fn phase_paint(phase: Phase) -> Paint {
    match phase {
        Phase::Running => Paint::Green,
        Phase::Failed => Paint::Red,
        Phase::Draining | Phase::Elsewhere => Paint::Dim,
        _ => Paint::Yellow,
    }
}

/// The colour of a member's state.
pub fn state_paint(state: NodeState) -> Paint {
    match state {
        NodeState::Alive => Paint::Green,
        NodeState::Suspect | NodeState::Overdue => Paint::Yellow,
        NodeState::Down => Paint::Red,
        NodeState::Dark | NodeState::Left => Paint::Dim,
    }
}

/// The colour of a zone's state.
pub fn zone_paint(state: ZoneState) -> Paint {
    match state {
        ZoneState::Alive => Paint::Green,
        ZoneState::Split => Paint::Yellow,
        ZoneState::Lost => Paint::Red,
    }
}

/// A cell of a table, in a colour where there is one.
pub fn cell(text: impl Into<String>, paint: Option<Paint>) -> Cell {
    let cell = Cell::new(text.into());
    match paint.filter(|_| colour_on_stdout()) {
        None => cell,
        Some(Paint::Green) => cell.fg(Color::Green),
        Some(Paint::Yellow) => cell.fg(Color::Yellow),
        Some(Paint::Red) => cell.fg(Color::Red),
        Some(Paint::Cyan) => cell.fg(Color::Cyan),
        Some(Paint::Dim) => cell.fg(Color::DarkGrey),
    }
}

/// A table without lines, as wide as what is in it.
pub fn table(header: &[&str], rows: Vec<Vec<Cell>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header.iter().copied().map(Cell::new).collect::<Vec<_>>());
    if colour_on_stdout() {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    for row in rows {
        table.add_row(row);
    }
    for index in 0..header.len() {
        if let Some(column) = table.column_mut(index) {
            column.set_padding((0, 2));
        }
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Milliseconds since 1970, by this machine's clock.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// How long, in the one or two units that matter: `3m20s`, `2h`, `5d`.
pub fn age(millis: u64) -> String {
    let seconds = millis / 1_000;
    match seconds {
        0 => format!("{millis}ms"),
        1..60 => format!("{seconds}s"),
        60..600 => format!("{}m{}s", seconds / 60, seconds % 60),
        600..3_600 => format!("{}m", seconds / 60),
        3_600..36_000 => format!("{}h{}m", seconds / 3_600, seconds % 3_600 / 60),
        36_000..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A moment in UTC: `2026-11-21 02:45:07`.
pub fn moment(ms: u64) -> String {
    Wall(ms).to_string()
}

/// The time of day in UTC with milliseconds, for streams.
pub fn time_of_day(ms: u64) -> String {
    let moment = moment(ms);
    format!("{}.{:03}", moment.split(' ').next_back().unwrap_or_default(), ms % 1_000)
}

/// Bytes in the unit that fits: `64.0 MiB`.
pub fn bytes(count: u64) -> String {
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(factor, _)| count >= *factor) {
        Some((factor, unit)) => {
            let tenths = count / (factor / 10);
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{count} B"),
    }
}

/// A round trip: `850us`, `1.2ms`.
pub fn round_trip(us: u64) -> String {
    match us {
        0..1_000 => format!("{us}us"),
        1_000..100_000 => format!("{}.{}ms", us / 1_000, us % 1_000 / 100),
        _ => format!("{}ms", us / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_in_utc() {
        assert_eq!(moment(0), "1970-01-01 00:00:00");
        assert_eq!(moment(951_782_400_000), "2000-02-29 00:00:00");
        assert_eq!(moment(1_795_228_707_123), "2026-11-21 02:38:27");
        assert_eq!(time_of_day(1_795_228_707_123), "02:38:27.123");
        assert_eq!(moment(4_102_444_799_999), "2099-12-31 23:59:59");
    }

    #[test]
    fn ages_sizes_and_round_trips_are_short() {
        let ages =
            [(7, "7ms"), (59_999, "59s"), (200_000, "3m20s"), (3_900_000, "1h5m"), (864_000_000, "10d")];
        for (ms, text) in ages {
            assert_eq!(age(ms), text);
        }
        assert_eq!(bytes(1_023), "1023 B");
        assert_eq!(bytes(64 << 20), "64.0 MiB");
        assert_eq!(round_trip(850), "850us");
        assert_eq!(round_trip(1_250), "1.2ms");
    }

    #[test]
    fn a_table_has_no_lines_and_no_space_at_the_ends() {
        let rows = vec![vec![cell("hello", None), cell("1", Some(Paint::Green))]];
        assert_eq!(table(&["NAME", "N"], rows), "NAME   N\nhello  1\n");
    }
}

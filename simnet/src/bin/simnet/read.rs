//! What comes from files and arguments.

use orbweave_simnet::{FaultOptions, Schedule};
use std::fs;
use std::ops::Range;
use std::path::Path;

/// Sites of a matrix, at most.
const SITES_MAX: usize = 4_096;

pub fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("write FROM..TO, as 0..1000")?;
    let number = |part: &str| part.trim().parse::<u64>().map_err(|e| format!("{part:?}: {e}"));
    let range = number(from)?..number(to)?;
    if range.is_empty() { Err("there is no seed in it".into()) } else { Ok(range) }
}

pub fn options(path: &Path) -> Result<FaultOptions, String> {
    toml::from_str(&text(path)?).map_err(|e| format!("{}: {e}", path.display()))
}

/// A scenario, with the matrix of round trips that it names.
pub fn scenario(path: &Path) -> Result<Schedule, String> {
    let mut schedule = Schedule::parse(&text(path)?).map_err(|e| format!("{}: {e}", path.display()))?;
    if let Some(matrix) = &schedule.links.matrix {
        let file = path.parent().unwrap_or(Path::new(".")).join(matrix);
        schedule.links.round_trip_us = round_trips(&file)?;
    }
    Ok(schedule)
}

/// A square of milliseconds, with tabs, commas or spaces between them, as microseconds.
fn round_trips(path: &Path) -> Result<Vec<u32>, String> {
    let text = text(path)?;
    let mut all = Vec::new();
    let mut width = None;
    let mut rows = 0;
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |why: String| format!("{}, line {}: {why}", path.display(), number + 1);
        let before = all.len();
        for field in line.split(['\t', ',', ' ']).filter(|field| !field.is_empty()) {
            let ms: f64 = field.parse().map_err(|_| wrong(format!("{field:?} is no number")))?;
            if !(0.0..=1e6).contains(&ms) {
                return Err(wrong(format!("{field} ms is no round trip")));
            }
            all.push((ms * 1_000.0) as u32);
        }
        let here = all.len() - before;
        if *width.get_or_insert(here) != here {
            return Err(wrong(format!("{here} values, where the lines above have another number")));
        }
        rows += 1;
    }
    if rows == 0 || width != Some(rows) || rows > SITES_MAX {
        return Err(format!(
            "{}: {rows} lines of {} values are no square",
            path.display(),
            width.unwrap_or(0)
        ));
    }
    Ok(all)
}

fn text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))
}

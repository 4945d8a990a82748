//! What comes from files and arguments.

use orbweave_simnet::{FaultOptions, Schedule};
use std::fs;
use std::ops::Range;
use std::path::Path;

/// Runs at once, at most.
const JOBS_MAX: usize = 256;

pub fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("write FROM..TO, as 0..1000")?;
    let number = |part: &str| {
        part.trim().parse::<u64>().map_err(|e| format!("{part:?}: {e}; write FROM..TO, as 0..1000"))
    };
    let range = number(from)?..number(to)?;
    if range.is_empty() { Err("there is no seed in it".into()) } else { Ok(range) }
}

/// How many runs go on at once.
pub fn jobs(text: &str) -> Result<usize, String> {
    let jobs = text.parse::<usize>().map_err(|e| e.to_string())?;
    if (1..=JOBS_MAX).contains(&jobs) { Ok(jobs) } else { Err(format!("1 to {JOBS_MAX} may be")) }
}

pub fn options(path: &Path) -> Result<FaultOptions, String> {
    let options: FaultOptions =
        toml::from_str(&text(path)?).map_err(|e| format!("{}: {e}", path.display()))?;
    options.check().map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(options)
}

/// A scenario, with the matrix of round trips that it names.
pub fn scenario(path: &Path) -> Result<Schedule, String> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut schedule = Schedule::parse(&text(path)?).map_err(|e| format!("{}: {e}", path.display()))?;
    if let Some(matrix) = schedule.links.matrix.clone() {
        let file = folder.join(matrix);
        let measured = text(&file)?;
        schedule.links.read_matrix(&measured).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    schedule.load(|name| text(&folder.join(name)))
}

fn text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))
}

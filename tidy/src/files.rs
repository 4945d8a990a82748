//! What a single file must keep to.

use crate::Finding;
use crate::tree::File;

/// Lines of a Rust file. The aim is 500; beyond this it holds more than one idea.
pub const LINES_MAX: usize = 600;

/// Files that may be longer, each with its reason.
pub const LONG: &[(&str, &str)] = &[];

/// Paths of one machine. Written in two parts, so that this file does not hold them.
const LOCAL: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// A Rust file that grew too long.
pub fn length(path: &str, source: &str) -> Vec<Finding> {
    let lines = source.lines().count();
    if lines <= LINES_MAX || LONG.iter().any(|(listed, _)| *listed == path) {
        return Vec::new();
    }
    vec![Finding::new(path, format!("{lines} lines, more than {LINES_MAX}: split it by idea"))]
}

/// Paths of the machine it was made on, in a text or within a binary.
pub fn local_paths(file: &File) -> Vec<Finding> {
    let is_text = file.text().is_some();
    let lines = file.bytes.split(|&b| b == b'\n').enumerate();
    lines
        .flat_map(|(i, line)| LOCAL.iter().filter(move |p| mentions(line, p, is_text)).map(move |p| (i, p)))
        .map(|(i, p)| Finding::at(&file.path, i + 1, format!("mentions {p}…, a path of one machine")))
        .collect()
}

/// In a text such a path begins a word (`net/root/x` is none); within a binary,
/// strings follow one another without a gap.
fn mentions(line: &[u8], path: &str, is_text: bool) -> bool {
    let begins = |at: usize| {
        let before = at.checked_sub(1).and_then(|k| line.get(k));
        !before.is_some_and(|b| b.is_ascii_alphanumeric() || b"._-~}*)>".contains(b))
    };
    line.windows(path.len()).enumerate().any(|(at, w)| w == path.as_bytes() && (!is_text || begins(at)))
}

//! Standard output: whoever stopped reading, or a full disk, is no panic.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::process;

/// As the standard `println!`, but ends the program in order when nobody takes the line.
macro_rules! println {
    ($($words:tt)*) => { $crate::print::line(format_args!($($words)*)) };
}

/// Writes a line.
pub fn line(words: Arguments<'_>) {
    if let Err(error) = writeln!(std::io::stdout().lock(), "{words}") {
        if error.kind() == ErrorKind::BrokenPipe {
            process::exit(0);
        }
        eprintln!("simnet: standard output cannot be written: {error}");
        process::exit(2);
    }
}

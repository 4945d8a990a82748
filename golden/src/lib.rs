//! Golden files: the bytes of every wire type, pinned. For tests alone.
//!
//! A change of such a file is a change of the protocol: nodes of the version before must
//! still read what is written now. `UPDATE_GOLDEN=1` writes the files anew.
//!
//! ```
//! let bytes = orbweave_golden::pinned_in(env!("CARGO_MANIFEST_DIR"), "example", b"\x01\x02");
//! assert_eq!(bytes, [1, 2]);
//! ```

use data_encoding::HEXLOWER;
use std::path::Path;

/// Characters in a line of a golden file.
const LINE: usize = 96;

/// The bytes in the golden file of this name, which must be these: see [`pinned_in`].
#[macro_export]
macro_rules! pinned {
    ($name:expr, $bytes:expr $(,)?) => {
        $crate::pinned_in(env!("CARGO_MANIFEST_DIR"), $name, $bytes)
    };
}

/// The bytes in `tests/golden/NAME.hex` of a crate's folder.
///
/// # Panics
///
/// When the file is missing, or holds other bytes than these.
pub fn pinned_in(crate_dir: &str, name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = Path::new(crate_dir).join("tests/golden").join(format!("{name}.hex"));
    let hex = HEXLOWER.encode(bytes);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let lines: String = hex
            .as_bytes()
            .chunks(LINE)
            .map(|line| String::from_utf8_lossy(line).into_owned() + "\n")
            .collect();
        std::fs::write(&path, lines).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
    let golden = std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; UPDATE_GOLDEN=1 writes it", path.display()));
    let golden: String = golden.split_whitespace().collect();
    assert_eq!(golden, hex, "{name} is encoded differently now: older nodes could not read it");
    bytes.to_vec()
}

//! What a golden file is good for: it fails.

#[test]
#[should_panic(expected = "older nodes could not read it")]
fn other_bytes_than_the_file_holds_are_refused() {
    orbweave_golden::pinned!("example", &[1, 3]);
}

#[test]
#[should_panic(expected = "UPDATE_GOLDEN=1 writes it")]
fn a_missing_file_is_named() {
    orbweave_golden::pinned!("missing", &[1]);
}

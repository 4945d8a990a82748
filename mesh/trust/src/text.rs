//! Text of others that people will see.

/// Whether it has 1 to `bytes_max` bytes and no control character, so that it cannot
/// rewrite a terminal.
pub(crate) fn is_printable(text: &str, bytes_max: usize) -> bool {
    !text.is_empty() && text.len() <= bytes_max && !text.chars().any(char::is_control)
}

/// Writes bytes as hexadecimal digits where a format for people is asked for.
pub(crate) fn hex<S: serde::Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&data_encoding::HEXLOWER.encode(bytes))
}

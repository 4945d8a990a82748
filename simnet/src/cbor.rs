//! Walks over CBOR without knowing what it means: to look into frames whose layout is
//! their protocol's own business, and to lie in them without breaking them.

use std::ops::Range;

/// Byte strings that are shorter are no record: a signature alone takes most of it.
pub(crate) const RECORD_BYTES_MIN: usize = 100;

/// One item's head, and its bytes if it is a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// 0 is a number, 2 bytes, 3 text, 4 an array, 5 a map.
    pub major: u8,
    /// Where the head's argument lies; empty if it is part of the first byte.
    pub argument: Range<usize>,
    /// Where the string lies.
    pub content: Range<usize>,
}

/// The items of some CBOR in order, those within arrays and maps among them, up to
/// where it stops to be CBOR. What lies within byte strings is not looked at.
pub(crate) fn tokens(bytes: &[u8]) -> impl Iterator<Item = Token> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let token = token(bytes, at)?;
        at = token.content.end;
        Some(token)
    })
}

fn token(bytes: &[u8], at: usize) -> Option<Token> {
    let first = *bytes.get(at)?;
    let (major, short) = (first >> 5, first & 31);
    let width = match short {
        0..24 | 31 => 0,
        24..28 => 1 << (short - 24),
        _ => return None,
    };
    let argument = at + 1..at + 1 + width;
    let said = bytes.get(argument.clone())?;
    let value = match width {
        0 => u64::from(short),
        _ => said.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
    };
    let length = if matches!(major, 2 | 3) && short != 31 { usize::try_from(value).ok()? } else { 0 };
    let content = argument.end..argument.end.checked_add(length)?;
    bytes.get(content.clone())?;
    Some(Token { major, argument, content })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_found_wherever_they_lie() {
        // [1, {0: h'aabb'}, "x", 1000]
        let bytes = [0x84, 1, 0xa1, 0, 0x42, 0xaa, 0xbb, 0x61, b'x', 0x19, 3, 0xe8];
        let all: Vec<Token> = tokens(&bytes).collect();
        assert_eq!(all.iter().map(|t| t.major).collect::<Vec<_>>(), [4, 0, 5, 0, 2, 3, 0]);
        assert_eq!(&bytes[all[4].content.clone()], [0xaa, 0xbb]);
        assert_eq!(all[6].argument, 10..12);
        assert_eq!(tokens(&[0x58, 200, 1]).count(), 0);
    }
}

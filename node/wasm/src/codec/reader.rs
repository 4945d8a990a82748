//! A cursor over bytes from elsewhere.

use super::CodecError;

/// Reads from the front.
pub(crate) struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    /// All of it was read, or else.
    pub(crate) fn finish(self) -> Result<(), CodecError> {
        if self.rest.is_empty() { Ok(()) } else { Err(CodecError::Trailing(self.rest.len())) }
    }

    /// How many bytes are left: no list can have more elements that take room.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn byte(&mut self) -> Result<u8, CodecError> {
        let (&first, rest) = self.rest.split_first().ok_or(CodecError::Truncated)?;
        self.rest = rest;
        Ok(first)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'b [u8], CodecError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(CodecError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(CodecError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// An unsigned LEB128 number of at most so many bits.
    pub(crate) fn unsigned(&mut self, bits: u32) -> Result<u64, CodecError> {
        let mut value = 0_u64;
        let mut shift = 0;
        loop {
            let byte = self.byte()?;
            let room = bits.saturating_sub(shift);
            if room == 0 || (room < 7 && byte & 0x7f >= 1 << room) {
                return Err(CodecError::Invalid("number of that size"));
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
            shift += 7;
        }
    }

    /// A signed LEB128 number of at most so many bits.
    pub(crate) fn signed(&mut self, bits: u32) -> Result<i64, CodecError> {
        let mut value = 0_i128;
        let mut shift = 0;
        loop {
            let byte = self.byte()?;
            if shift >= bits {
                return Err(CodecError::Invalid("number of that size"));
            }
            value |= i128::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                if byte & 0x40 != 0 {
                    value -= 1_i128 << shift;
                }
                break;
            }
        }
        let bound = 1_i128 << (bits - 1);
        if (-bound..bound).contains(&value) {
            i64::try_from(value).map_err(|_| CodecError::Invalid("number of that size"))
        } else {
            Err(CodecError::Invalid("number of that size"))
        }
    }

    /// A length or a case number.
    pub(crate) fn length(&mut self) -> Result<usize, CodecError> {
        usize::try_from(self.unsigned(32)?).map_err(|_| CodecError::Invalid("length"))
    }

    /// Bytes behind their length.
    pub(crate) fn lengthy(&mut self) -> Result<&'b [u8], CodecError> {
        let len = self.length()?;
        self.bytes(len)
    }

    pub(crate) fn string(&mut self) -> Result<&'b str, CodecError> {
        std::str::from_utf8(self.lengthy()?).map_err(|_| CodecError::Invalid("string: not UTF-8"))
    }

    pub(crate) fn char(&mut self) -> Result<char, CodecError> {
        let len = match self.rest.first().ok_or(CodecError::Truncated)? {
            0..=0x7f => 1,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            _ => 4,
        };
        let text = std::str::from_utf8(self.bytes(len)?).ok();
        text.and_then(|text| text.chars().next()).ok_or(CodecError::Invalid("character"))
    }
}

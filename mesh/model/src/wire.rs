//! Deterministic CBOR (RFC 8949, section 4.2.1) on the wire.
//!
//! Two shapes, two rules:
//! - an **envelope** is exact: it decodes only if encoding it again gives the same
//!   bytes, so no byte of it can be changed unseen;
//! - a **body** inside an envelope is open: it is kept and hashed as received, and
//!   keys of a newer version are skipped by the reader and lost by nobody.

use minicbor::{Decode, Encode};

/// Why bytes from a peer or a file were not understood. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Longer than the named bound.
    #[error("{what} has {len} bytes, more than the {max} allowed")]
    TooLong {
        /// What was read.
        what: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The bound in bytes.
        max: usize,
    },
    /// Not the CBOR that was expected.
    #[error("{what} is malformed: {why}")]
    Malformed {
        /// What was read.
        what: &'static str,
        /// What the decoder says.
        why: String,
    },
    /// Understood, but not in the one encoding that is allowed, or with bytes behind it.
    #[error("{what} is not in its canonical encoding")]
    NotCanonical {
        /// What was read.
        what: &'static str,
    },
}

/// Most messages are no longer, so that their bytes are not moved while they grow.
const USUAL_BYTES: usize = 128;

/// The bytes of a value.
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    // Writing to a Vec cannot fail, and our types have no failing encoders.
    let _ = minicbor::encode(value, &mut bytes);
    bytes
}

/// Reads an open body: unknown keys are skipped, trailing bytes refused.
pub fn decode_open<'b, T: Decode<'b, ()>>(
    what: &'static str,
    bytes: &'b [u8],
    max: usize,
) -> Result<T, WireError> {
    if bytes.len() > max {
        return Err(WireError::TooLong { what, len: bytes.len(), max });
    }
    let mut decoder = minicbor::Decoder::new(bytes);
    let value = decoder
        .decode()
        .map_err(|e: minicbor::decode::Error| WireError::Malformed { what, why: e.to_string() })?;
    if decoder.position() != bytes.len() {
        return Err(WireError::NotCanonical { what });
    }
    Ok(value)
}

/// Reads an exact envelope: it must encode again to the very same bytes.
pub fn decode_exact<'b, T: Decode<'b, ()> + Encode<()>>(
    what: &'static str,
    bytes: &'b [u8],
    max: usize,
) -> Result<T, WireError> {
    let value: T = decode_open(what, bytes, max)?;
    if encode(&value) == bytes { Ok(value) } else { Err(WireError::NotCanonical { what }) }
}

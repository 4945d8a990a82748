//! Values of the component model as bytes, by their type: the encoding that the
//! component model's binary format gives to values, and that wRPC speaks.
//!
//! | type | bytes |
//! |---|---|
//! | `bool`, `u8`, `s8` | one |
//! | other integers | LEB128, signed ones in two's complement |
//! | `f32`, `f64` | IEEE 754, little end first |
//! | `char` | its UTF-8 |
//! | `string`, `list<u8>` | length in LEB128, then the bytes |
//! | `list<T>` | number of elements in LEB128, then each |
//! | `list<T, N>`, `record`, `tuple` | each value in order |
//! | `variant`, `enum` | number of the case in LEB128, then its payload |
//! | `option`, `result` | 0 or 1, then the payload; 0 is `none` and `ok` |
//! | `flags` | one bit each, low bits first, in whole bytes |
//!
//! Bytes come from other nodes: reading never panics, refuses what is not in the
//! type, and makes at most [`limit::VALUES_MAX`] values, at most
//! [`limit::VALUE_DEPTH_MAX`] deep. A `list<u8>` counts each byte as a value here;
//! functions that take and give whole strings and byte lists have a typed path that does not.
//!
//! ```
//! use orbweave_wasm::codec::{decode, encode};
//! use wasmtime::component::{Type, Val};
//!
//! let mut bytes = Vec::new();
//! encode(&Val::String("sea".into()), &Type::String, &mut bytes)?;
//! assert_eq!(bytes, b"\x03sea");
//! assert_eq!(decode(&bytes, &[Type::String])?, [Val::String("sea".into())]);
//! # Ok::<(), orbweave_wasm::codec::CodecError>(())
//! ```

mod decode;
mod encode;
mod reader;
#[cfg(test)]
mod tests;

use crate::limit;

pub use decode::decode;
pub(crate) use decode::decode_params;
pub use encode::encode;
pub(crate) use encode::put_length;
pub(crate) use reader::Reader;

/// Why bytes are no values of the type, or a value cannot be written. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes end inside a value.
    #[error("the encoded values end too early")]
    Truncated,
    /// Bytes follow the last value.
    #[error("{0} bytes follow the last encoded value")]
    Trailing(usize),
    /// A number, length or case that the type does not have.
    #[error("the bytes are no {0}")]
    Invalid(&'static str),
    /// More values than the bound.
    #[error("more than {} encoded values", limit::VALUES_MAX)]
    TooMany,
    /// Deeper than the bound.
    #[error("encoded values nest deeper than {}", limit::VALUE_DEPTH_MAX)]
    TooDeep,
    /// A value and a type that do not belong together.
    #[error("the value is no {0}")]
    Mismatch(&'static str),
    /// Resources, streams and the like exist only where they were made.
    #[error("a {0} cannot be encoded")]
    Unsupported(&'static str),
}

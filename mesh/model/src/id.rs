//! Identifiers. Each is its own type, so that one cannot be passed for another.

use crate::limit;
use data_encoding::HEXLOWER_PERMISSIVE as HEX;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Why a text is no identifier. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not hexadecimal, or not of the length that the id has.
    #[error("{what} must be {expected} hexadecimal digits, but {given:?} is not")]
    Hex {
        /// The kind of identifier.
        what: &'static str,
        /// How many digits it has.
        expected: usize,
        /// What was given, shortened.
        given: String,
    },
    /// Not a name in the sense of RFC 1123 labels.
    #[error(
        "{given:?} is no name: 1 to {max} lower-case letters, digits and '-', beginning and ending with a letter or digit",
        max = limit::NAME_BYTES_MAX
    )]
    Name {
        /// What was given, shortened.
        given: String,
    },
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] #[cbor(with = "minicbor::bytes")] pub [u8; $len]);

        impl $name {
            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// The first ten hexadecimal digits: for people, never for comparison.
            pub fn short(&self) -> String {
                HEX.encode(&self.0[..5])
            }
        }

        /// In the order of the bytes. Nearly all ids differ in the first eight: maps of
        /// hundreds of nodes are searched by comparing words.
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                let head = |id: &Self| id.0.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
                head(self).cmp(&head(other)).then_with(|| self.0.cmp(&other.0))
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEX.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                HEX.decode(text.as_bytes())
                    .ok()
                    .and_then(|bytes| bytes.try_into().ok())
                    .map(Self)
                    .ok_or_else(|| IdError::Hex { what: $what, expected: 2 * $len, given: shortened(text) })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

bytes_id!(
    /// A node: its Ed25519 public key, which is also its libp2p and quinn identity.
    NodeId, 32, "a node id"
);
bytes_id!(
    /// A mesh: the BLAKE3 hash of its genesis document.
    MeshId, 32, "a mesh id"
);
bytes_id!(
    /// The BLAKE3 hash of a content-addressed blob.
    Hash, 32, "a hash"
);
bytes_id!(
    /// An Ed25519 key of a principal (root, admission, publisher, operator) or of a node.
    PublicKey, 32, "a public key"
);
bytes_id!(
    /// An Ed25519 signature.
    Signature, 64, "a signature"
);

impl Hash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl From<NodeId> for PublicKey {
    fn from(node: NodeId) -> Self {
        Self(node.0)
    }
}

impl From<PublicKey> for NodeId {
    fn from(key: PublicKey) -> Self {
        Self(key.0)
    }
}

/// A name that people give: an RFC 1123 label.
macro_rules! label_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Serialize)]
        #[cbor(transparent)]
        #[serde(transparent)]
        pub struct $name(#[n(0)] String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if is_label(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(IdError::Name { given: shortened(text) })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        // Decoding validates: a peer cannot bring in a name that the manifest would refuse.
        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                d.str()?.parse().map_err(minicbor::decode::Error::message)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

fn is_label(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= limit::NAME_BYTES_MAX
        && bytes.iter().all(|&b| alphanumeric(b) || b == b'-')
        && alphanumeric(bytes[0])
        && alphanumeric(bytes[bytes.len() - 1])
}

label_name! {
    /// The name of a workload: an RFC 1123 label.
    WorkloadName
}

label_name! {
    /// Whose workloads these are: an RFC 1123 label. What names none is in [`Namespace::default`].
    Namespace
}

impl Default for Namespace {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

/// One run of a component on this node: unique for the life of the node's store.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct InstanceId(#[n(0)] pub u64);

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "i{}", self.0)
    }
}

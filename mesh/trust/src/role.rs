//! What a principal's key may do.

use minicbor::{Decode, Encode};
use orbweave_model::PublicKey;
use serde::{Serialize, Serializer};
use std::fmt;
use std::ops::BitOr;
use std::str::FromStr;

/// A set of roles. Bits that this version does not know are kept and grant nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct Roles(#[n(0)] u32);

/// A text names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no role: the roles are admit, publish and operate, several joined by ','")]
pub struct RoleError(String);

impl Roles {
    /// No role.
    pub const NONE: Self = Self(0);
    /// May issue node certificates and join tickets.
    pub const ADMIT: Self = Self(1);
    /// May sign releases.
    pub const PUBLISH: Self = Self(1 << 1);
    /// May write workloads.
    pub const OPERATE: Self = Self(1 << 2);
    /// Every role there is.
    pub const ALL: Self = Self(0b111);

    const NAMES: [(Self, &'static str); 3] =
        [(Self::ADMIT, "admit"), (Self::PUBLISH, "publish"), (Self::OPERATE, "operate")];

    /// Whether all of `roles` are among them.
    pub const fn contains(self, roles: Self) -> bool {
        self.0 & roles.0 == roles.0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The bits as they travel.
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl BitOr for Roles {
    type Output = Self;

    fn bitor(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (role, name) in Self::NAMES {
            if self.contains(role) {
                write!(f, "{separator}{name}")?;
                separator = ",";
            }
        }
        if separator.is_empty() { f.write_str("none") } else { Ok(()) }
    }
}

impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roles({self})")
    }
}

impl FromStr for Roles {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        text.split(',').try_fold(Self::NONE, |roles, word| {
            let word = word.trim();
            Self::NAMES
                .iter()
                .find(|(_, name)| *name == word)
                .map(|(role, _)| roles | *role)
                .ok_or_else(|| RoleError(word.chars().take(80).collect()))
        })
    }
}

impl Serialize for Roles {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// A key and what it may do from the first day of the mesh on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize)]
#[cbor(map)]
pub struct Grant {
    /// Whose roles.
    #[n(0)]
    pub key: PublicKey,
    /// The roles.
    #[n(1)]
    pub roles: Roles,
}

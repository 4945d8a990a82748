//! The bytes of a component that are those of a verified release.

use crate::release::Release;
use orbweave_model::Hash;
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;

/// A component that may be compiled and run: its bytes are what a verified release
/// says. There is no other way to make one than [`Release::check_component`].
#[derive(Clone)]
pub struct Component {
    release: Release,
    bytes: Arc<[u8]>,
}

/// Why bytes are not the component of a release. They must not be compiled or run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComponentError {
    /// The length differs.
    #[error(
        "the component of {name} has {given} bytes, but its release is of {expected}: it was cut, or is another one"
    )]
    Size {
        /// The release's name.
        name: String,
        /// The bytes that the release says.
        expected: u64,
        /// The bytes that there are.
        given: u64,
    },
    /// The BLAKE3 hash differs.
    #[error(
        "the component of {name} was tampered with: its BLAKE3 hash is {given}, but its release is of {expected}"
    )]
    Tampered {
        /// The release's name.
        name: String,
        /// The hash that the release says.
        expected: Hash,
        /// The hash of the bytes.
        given: Hash,
    },
    /// The BLAKE3 hash is right, the SHA-256 hash differs: the publisher signed a release
    /// that contradicts itself.
    #[error(
        "the component of {name} has another SHA-256 hash than its release says: the release contradicts itself, let it be signed again"
    )]
    Sha256 {
        /// The release's name.
        name: String,
    },
}

impl Release {
    /// Whether these bytes are the component that was released: size first, then
    /// BLAKE3, then SHA-256.
    pub fn check_component(
        &self,
        wasm: impl AsRef<[u8]> + Into<Arc<[u8]>>,
    ) -> Result<Component, ComponentError> {
        let (statement, bytes) = (self.statement(), wasm.as_ref());
        let name = || statement.name.clone();
        let given = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if given != statement.size {
            return Err(ComponentError::Size { name: name(), expected: statement.size, given });
        }
        let given = Hash::of(bytes);
        if given != statement.blake3 {
            return Err(ComponentError::Tampered { name: name(), expected: statement.blake3, given });
        }
        let sha256: [u8; 32] = Sha256::digest(bytes).into();
        if sha256 != statement.sha256 {
            return Err(ComponentError::Sha256 { name: name() });
        }
        Ok(Component { release: self.clone(), bytes: wasm.into() })
    }
}

impl Component {
    /// The release that it belongs to.
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// The WebAssembly.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The BLAKE3 hash of the bytes, which was checked.
    pub fn hash(&self) -> Hash {
        self.release.statement().blake3
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statement = self.release.statement();
        write!(f, "Component({} {}, {})", statement.name, statement.version, statement.blake3.short())
    }
}

//! What a node has and what an instance needs.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// An amount of each resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// Thousandths of a core.
    #[n(0)]
    pub cpu_milli: u32,
    /// Bytes of memory.
    #[n(1)]
    pub memory_bytes: u64,
    /// Instances (slots) of any kind.
    #[n(2)]
    pub instances: u32,
}

impl Resources {
    /// Whether `need` fits into this much.
    pub fn fits(&self, need: &Resources) -> bool {
        self.cpu_milli >= need.cpu_milli
            && self.memory_bytes >= need.memory_bytes
            && self.instances >= need.instances
    }

    /// What is left after `used`; zero where it is more than there is.
    pub fn minus(&self, used: &Resources) -> Resources {
        Resources {
            cpu_milli: self.cpu_milli.saturating_sub(used.cpu_milli),
            memory_bytes: self.memory_bytes.saturating_sub(used.memory_bytes),
            instances: self.instances.saturating_sub(used.instances),
        }
    }

    /// Both together, saturating.
    pub fn plus(&self, more: &Resources) -> Resources {
        Resources {
            cpu_milli: self.cpu_milli.saturating_add(more.cpu_milli),
            memory_bytes: self.memory_bytes.saturating_add(more.memory_bytes),
            instances: self.instances.saturating_add(more.instances),
        }
    }
}

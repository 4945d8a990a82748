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
    /// Thousandths of an accelerator; which kind, labels say.
    #[cbor(n(3), with = "absent_if_zero", has_nil)]
    #[serde(default, skip_serializing_if = "is_zero")]
    pub accelerator_milli: u32,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// A number that came later than the first version: none is zero, and is not written.
mod absent_if_zero {
    use minicbor::encode::Write;
    use minicbor::{Decoder, Encoder};

    pub fn encode<C, W: Write>(
        n: &u32,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.u32(*n)?.ok()
    }

    pub fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<u32, minicbor::decode::Error> {
        d.u32()
    }

    pub fn is_nil(n: &u32) -> bool {
        super::is_zero(n)
    }

    pub fn nil() -> Option<u32> {
        Some(0)
    }
}

impl Resources {
    /// Whether `need` fits into this much.
    pub fn fits(&self, need: &Resources) -> bool {
        self.cpu_milli >= need.cpu_milli
            && self.memory_bytes >= need.memory_bytes
            && self.instances >= need.instances
            && self.accelerator_milli >= need.accelerator_milli
    }

    /// What is left after `used`; zero where it is more than there is.
    pub fn minus(&self, used: &Resources) -> Resources {
        Resources {
            cpu_milli: self.cpu_milli.saturating_sub(used.cpu_milli),
            memory_bytes: self.memory_bytes.saturating_sub(used.memory_bytes),
            instances: self.instances.saturating_sub(used.instances),
            accelerator_milli: self.accelerator_milli.saturating_sub(used.accelerator_milli),
        }
    }

    /// This much so many times, saturating.
    pub fn times(&self, count: u32) -> Resources {
        Resources {
            cpu_milli: self.cpu_milli.saturating_mul(count),
            memory_bytes: self.memory_bytes.saturating_mul(count.into()),
            instances: self.instances.saturating_mul(count),
            accelerator_milli: self.accelerator_milli.saturating_mul(count),
        }
    }

    /// Both together, saturating.
    pub fn plus(&self, more: &Resources) -> Resources {
        Resources {
            cpu_milli: self.cpu_milli.saturating_add(more.cpu_milli),
            memory_bytes: self.memory_bytes.saturating_add(more.memory_bytes),
            instances: self.instances.saturating_add(more.instances),
            accelerator_milli: self.accelerator_milli.saturating_add(more.accelerator_milli),
        }
    }
}

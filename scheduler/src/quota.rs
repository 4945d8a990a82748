//! What the workloads of one namespace may have in all, and which of their replicas that
//! covers.
//!
//! A quota bounds what is wanted, not what happens to run: it is judged by the
//! specifications alone, which every node knows, so that all who know the same come to the
//! same answer, and nobody has to count. Whoever asked first is covered first. A workload
//! that grows asks for what it has more at that moment and keeps its turn for the rest; so
//! its growth takes nothing from others, nor theirs from it.
//!
//! ```
//! use orbweave_model::Resources;
//! use orbweave_scheduler::quota::{Bounds, Demand, cover};
//!
//! let each = Resources { instances: 1, ..Resources::default() };
//! let bounds = Bounds { instances: Some(4), ..Bounds::default() };
//! let older = Demand { name: "a", each, steps: vec![(10, 2), (30, 5)] };
//! let newer = Demand { name: "b", each, steps: vec![(20, 1)] };
//! let covered: Vec<u32> = cover(&bounds, &[older, newer]).iter().map(|c| c.replicas).collect();
//! assert_eq!(covered, [3, 1]);
//! ```

use minicbor::{Decode, Encode};
use orbweave_model::Resources;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An upper bound of each resource, over all replicas of a namespace; none where nothing is
/// said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
#[serde(rename_all = "camelCase")]
pub struct Bounds {
    /// Thousandths of a core.
    #[n(0)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_milli: Option<u64>,
    /// Bytes of memory.
    #[n(1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Replicas.
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<u64>,
    /// Thousandths of an accelerator.
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator_milli: Option<u64>,
}

/// A resource that a quota bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bounded {
    /// Processor time.
    Cpu,
    /// Memory.
    Memory,
    /// Replicas.
    Instances,
    /// Accelerators.
    Accelerator,
}

/// What a workload asks for.
#[derive(Debug, Clone)]
pub struct Demand<'a> {
    /// The workload, for ties.
    pub name: &'a str,
    /// What one replica takes.
    pub each: Resources,
    /// How it grew: since when, in any unit, it wants so many replicas in all. In order.
    pub steps: Vec<(u64, u32)>,
}

/// How much of a workload its quota covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Covered {
    /// Its first replicas, so many.
    pub replicas: u32,
    /// What there was too little of for the rest, if there is a rest.
    pub short_of: Option<Bounded>,
}

/// Which replicas a quota covers, for each demand in its order: the steps of all in the
/// order of their time, then of names. Linear in the steps, apart from sorting them.
pub fn cover(bounds: &Bounds, demands: &[Demand<'_>]) -> Vec<Covered> {
    let mut steps: Vec<(u64, &str, usize, u32)> = demands
        .iter()
        .enumerate()
        .flat_map(|(i, demand)| demand.steps.iter().map(move |(since, upto)| (*since, demand.name, i, *upto)))
        .collect();
    steps.sort_unstable();
    let mut covered = vec![Covered::default(); demands.len()];
    let mut left = *bounds;
    for (_, _, i, upto) in steps {
        let more = upto.saturating_sub(covered[i].replicas);
        let (fits, scarce) = left.times(&demands[i].each);
        let taken = fits.min(more);
        left = left.less(&demands[i].each, taken);
        covered[i].replicas += taken;
        if taken < more {
            covered[i].short_of = scarce;
        }
    }
    covered
}

impl Bounds {
    /// Each bound beside what one replica takes of it.
    fn pairs(&self, each: &Resources) -> [(Bounded, Option<u64>, u64); 4] {
        [
            (Bounded::Cpu, self.cpu_milli, u64::from(each.cpu_milli)),
            (Bounded::Memory, self.memory_bytes, each.memory_bytes),
            (Bounded::Instances, self.instances, u64::from(each.instances)),
            (Bounded::Accelerator, self.accelerator_milli, u64::from(each.accelerator_milli)),
        ]
    }

    /// How many replicas fit, and what there is too little of for one more.
    fn times(&self, each: &Resources) -> (u32, Option<Bounded>) {
        let counts = self.pairs(each).into_iter().filter(|(.., each)| *each > 0);
        let counts = counts.filter_map(|(what, bound, each)| Some((bound? / each, what)));
        let least = counts.min_by_key(|(count, _)| *count);
        let count = least.map_or(u64::MAX, |(count, _)| count);
        (u32::try_from(count).unwrap_or(u32::MAX), least.map(|(_, what)| what))
    }

    /// What is left after so many replicas.
    fn less(&self, each: &Resources, count: u32) -> Self {
        let [cpu, memory, instances, accelerator] = self.pairs(each).map(|(_, bound, each)| {
            bound.map(|bound| bound.saturating_sub(each.saturating_mul(u64::from(count))))
        });
        Self { cpu_milli: cpu, memory_bytes: memory, instances, accelerator_milli: accelerator }
    }
}

impl fmt::Display for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bounded::Cpu => "cpu",
            Bounded::Memory => "memory",
            Bounded::Instances => "replicas",
            Bounded::Accelerator => "accelerators",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn demand(name: &str, cpu_milli: u32, steps: Vec<(u64, u32)>) -> Demand<'_> {
        let each = Resources { cpu_milli, instances: 1, ..Resources::default() };
        Demand { name, each, steps }
    }

    #[test]
    fn what_is_short_is_named() {
        let bounds = Bounds { cpu_milli: Some(250), instances: Some(9), ..Bounds::default() };
        let covered = cover(&bounds, &[demand("a", 100, vec![(0, 3)]), demand("b", 10, vec![(1, 5)])]);
        assert_eq!(covered[0], Covered { replicas: 2, short_of: Some(Bounded::Cpu) });
        assert_eq!(covered[1], Covered { replicas: 5, short_of: None });
        let free = cover(&Bounds::default(), &[demand("a", 100, vec![(0, 3)])]);
        assert_eq!(free[0], Covered { replicas: 3, short_of: None });
    }

    fn demands() -> impl Strategy<Value = Vec<(u32, Vec<(u64, u32)>)>> {
        let steps = prop::collection::btree_map(0u64..50, 1u32..6, 1..4).prop_map(|steps| {
            let mut upto = 0;
            let grown = steps.into_iter().map(|(since, more)| {
                upto += more;
                (since, upto)
            });
            grown.collect()
        });
        prop::collection::vec((1u32..200, steps), 1..5)
    }

    proptest! {
        /// The bound is kept, and whoever asks later takes nothing from those before.
        #[test]
        fn a_later_demand_takes_nothing_away(all in demands(), cpu in 0u64..3_000, more in 1u32..5) {
            let bounds = Bounds { cpu_milli: Some(cpu), ..Bounds::default() };
            let names: Vec<String> = (0..all.len()).map(|i| format!("w{i}")).collect();
            let of = |all: &[(u32, Vec<(u64, u32)>)]| -> Vec<Covered> {
                let demands: Vec<_> = names.iter().zip(all).map(|(n, (c, s))| demand(n, *c, s.clone())).collect();
                cover(&bounds, &demands)
            };
            let before = of(&all);
            let sum: u64 = before.iter().zip(&all).map(|(c, (cpu, _))| u64::from(c.replicas) * u64::from(*cpu)).sum();
            prop_assert!(sum <= cpu);
            for (covered, (_, steps)) in before.iter().zip(&all) {
                let wanted = steps.last().map_or(0, |(_, upto)| *upto);
                prop_assert!(covered.replicas <= wanted);
                prop_assert_eq!(covered.short_of.is_some(), covered.replicas < wanted);
            }
            let mut grown = all.clone();
            let last = grown[0].1.last().map_or(0, |(_, upto)| *upto);
            grown[0].1.push((100, last + more));
            for (i, (after, before)) in of(&grown).iter().zip(&before).enumerate() {
                let kept = (i == 0 && after.replicas >= before.replicas) || after == before;
                prop_assert!(kept, "{i}");
            }
        }
    }
}

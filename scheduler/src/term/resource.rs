//! Processor time, memory and instances.

use super::{Term, rule};
use crate::candidate::{Candidate, Choice};
use crate::verdict::Verdict;

pub(super) const TERM: Term = rule(
    "resource",
    "it must have the processor time, the memory and an instance free",
    |choice, candidate| {
        let (want, free) = (&choice.need.resources, &candidate.free);
        want.cpu_milli <= free.cpu_milli
            && want.memory_bytes <= free.memory_bytes
            && want.instances <= free.instances
    },
    verdict,
);

fn verdict(choice: &Choice, candidate: &Candidate) -> Verdict {
    let (want, free) = (&choice.need.resources, &candidate.free);
    if want.cpu_milli > free.cpu_milli {
        Verdict::Cpu(want.cpu_milli, free.cpu_milli)
    } else if want.memory_bytes > free.memory_bytes {
        Verdict::Memory(want.memory_bytes, free.memory_bytes)
    } else {
        Verdict::Instances
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::*;
    use super::*;
    use orbweave_model::Resources;

    #[test]
    fn each_shortage_has_its_own_verdict() {
        let none = labels(&[]);
        let judge = |resources| {
            let sample = Sample { resources: Some(resources), ..Sample::default() };
            sample.judge(&[candidate(1, &none)]).remove(0)
        };
        assert_eq!(judge(FREE), Verdict::Fits, "all of it is enough");
        assert_eq!(judge(Resources { cpu_milli: 2_000, ..SMALL }), Verdict::Cpu(2_000, 1_000));
        let (want, free) = (1 << 30, 512 << 20);
        assert_eq!(judge(Resources { memory_bytes: want, ..SMALL }), Verdict::Memory(want, free));
        assert_eq!(judge(Resources { instances: 11, ..SMALL }), Verdict::Instances);
    }
}

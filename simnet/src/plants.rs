//! Whether the swarm notices defects: each is planted, and seeds are run until something
//! is reported.

use crate::run::{Report, Run, RunOptions};
use orbweave_model::plant::{self, Plant};
use serde::Serialize;
use std::collections::BTreeMap;

/// Ten searches a defect.
pub const STARTS: u32 = 10;
/// Seeds of one search.
pub const SEEDS_MAX: u32 = 1_000;

/// What a search is made of.
#[derive(Debug, Clone)]
pub struct PlantOptions {
    /// What each run is drawn from.
    pub run: RunOptions,
    /// Searches a defect, each from a seed of its own.
    pub starts: u32,
    /// Seeds of one search.
    pub seeds_max: u32,
}

impl Default for PlantOptions {
    fn default() -> Self {
        Self { run: RunOptions::default(), starts: STARTS, seeds_max: SEEDS_MAX }
    }
}

/// How a defect was noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlantReport {
    /// The defect.
    pub name: &'static str,
    /// Whether each search found it.
    pub caught: bool,
    /// Who noticed it most often.
    pub checker: String,
    /// How many seeds it took, at the median of the searches.
    pub median_seeds: u32,
}

/// Something of which a seed makes a run.
pub trait Trial {
    /// Who noticed something in the run of this seed, if anybody did.
    fn failure(&self, seed: u64) -> Option<String>;

    /// The hash of all that nodes put out in the run of this seed.
    fn trace(&self, seed: u64) -> String;
}

impl Trial for RunOptions {
    fn failure(&self, seed: u64) -> Option<String> {
        let report: Report = Run::new(seed, self).until_broken().execute();
        report.failure().map(str::to_owned)
    }

    fn trace(&self, seed: u64) -> String {
        Run::new(seed, self).execute().trace
    }
}

/// Plants each defect in turn and looks for it; `progress` is told of each search that
/// ended. Nothing is planted afterwards.
pub fn report(
    options: &PlantOptions,
    plants: &[Plant],
    mut progress: impl FnMut(Plant, u32),
) -> Vec<PlantReport> {
    let search = |plant: &Plant| {
        let report = search(*plant, &options.run, options, &mut progress);
        plant::sow(None);
        report
    };
    plants.iter().map(search).collect()
}

/// Looks for one defect, which is planted on this thread.
fn search(
    plant: Plant,
    trial: &impl Trial,
    options: &PlantOptions,
    progress: &mut impl FnMut(Plant, u32),
) -> PlantReport {
    let mut seeds: Vec<u32> = Vec::new();
    let mut checkers: BTreeMap<String, u32> = BTreeMap::new();
    for start in 0..options.starts {
        let first = u64::from(start) * u64::from(SEEDS_MAX);
        plant::sow(Some(plant));
        let found = (0..options.seeds_max).find_map(|k| {
            let seed = first + u64::from(k);
            // What differs from run to run shows by running twice.
            let failure = if plant == Plant::HashOrder {
                (trial.trace(seed) != trial.trace(seed)).then(|| "trace".to_owned())
            } else {
                trial.failure(seed)
            };
            failure.map(|checker| (k + 1, checker))
        });
        let Some((count, checker)) = found else { break };
        seeds.push(count);
        *checkers.entry(checker).or_default() += 1;
        progress(plant, start);
    }
    seeds.sort_unstable();
    let most = checkers.into_iter().max_by_key(|(_, count)| *count);
    PlantReport {
        name: plant.name(),
        caught: seeds.len() == options.starts as usize,
        checker: most.map_or_else(String::new, |(checker, _)| checker),
        median_seeds: seeds.get(seeds.len() / 2).copied().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notices something with each tenth seed.
    struct Tenth;

    impl Trial for Tenth {
        fn failure(&self, seed: u64) -> Option<String> {
            (seed % 10 == 9).then(|| "tenth".to_owned())
        }

        fn trace(&self, _: u64) -> String {
            String::new()
        }
    }

    #[test]
    fn a_search_counts_its_seeds_and_gives_up_at_its_bound() {
        let options = PlantOptions::default();
        let mut told = 0;
        let found = search(Plant::HoldBackOff, &Tenth, &options, &mut |_, _| told += 1);
        assert_eq!((found.caught, found.median_seeds, told), (true, 10, STARTS));
        let few = PlantOptions { seeds_max: 9, ..options };
        assert!(!search(Plant::HoldBackOff, &Tenth, &few, &mut |_, _| {}).caught);
        // The same trace each time: the order of a hash map is not noticed.
        assert!(!search(Plant::HashOrder, &Tenth, &few, &mut |_, _| {}).caught);
        plant::sow(None);
    }
}

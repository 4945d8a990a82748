//! Whether the swarm notices defects: each is planted, and seeds are run until the
//! checker that watches for its kind says what it should.
//!
//! A search for a defect starts at a seed of its own and is watched by that one checker,
//! so that nothing is caught by accident.

use crate::check::{self, Checker, Observed};
use crate::cluster::Cluster;
use crate::run::{Run, RunOptions};
use orbweave_model::plant::{self, Plant};
use serde::Serialize;

/// Searches a defect.
pub const STARTS: u32 = 10;
/// Seeds of one search, and from the start of one to that of the next.
pub const SEEDS_MAX: u32 = 1_000;
/// Notices what differs between two runs of one seed.
const TRACE: &str = "trace";

/// How a defect shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sign {
    /// Who notices it.
    pub checker: &'static str,
    /// What the checker then says, in part.
    pub words: &'static str,
}

/// How a defect shows that is noticed for the right reason.
pub const fn sign_of(plant: Plant) -> Sign {
    let (checker, words) = match plant {
        Plant::SmallerReadingWins => ("records", "takes the place of the newer"),
        Plant::AnotherAuthorSupersedes => ("records", "and it does not know of it"),
        Plant::DeletionForgotten => ("records", "and it does not know of it"),
        Plant::TimerUnguarded => ("offers", "which it knows to be held"),
        Plant::PromiseBeforePersistence => ("promises-kept", "not durable"),
        Plant::SelfDoubtOff => ("deaths", "without a doubt about itself"),
        Plant::AdmissionSkipped => ("placement", "do not"),
        Plant::LoserDrainsFirst | Plant::BothRivalsDrain | Plant::DrainDropsTheLast => {
            ("work-kept", "for no reason")
        }
        Plant::OneVerdictSuffices => ("deaths", "alone says so"),
        Plant::LastRangeDropped => ("reconciled", "lacks"),
        Plant::HoldBackOff => ("records", "before its time"),
        Plant::SignatureUnchecked => ("records", "nobody signed"),
        Plant::HashOrder => (TRACE, ""),
        Plant::GateIgnored => ("rollouts", "before its turn"),
        Plant::RollbackUndone => ("rollouts", "was taken back"),
        Plant::SplitZoneCountedOnce => ("allotments", "holds for another"),
        Plant::AllotmentsAddedTwice => ("work-kept", "for no reason"),
        Plant::QuotaAtPlacerOnly => ("placement", "what holds is"),
    };
    Sign { checker, words }
}

/// How a defect was noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlantReport {
    /// The defect.
    pub name: &'static str,
    /// Whether each search found it.
    pub caught: bool,
    /// Who noticed it.
    pub checker: &'static str,
    /// How many seeds it took, at the median of the searches.
    pub median_seeds: u32,
}

impl PlantReport {
    /// What came of the searches for a defect: after how many seeds each found it.
    pub fn of(plant: Plant, mut searches: Vec<Option<u32>>) -> Self {
        // One that found nothing is longer than any other.
        searches.sort_by_key(|seeds| seeds.unwrap_or(u32::MAX));
        Self {
            name: plant.name(),
            caught: !searches.is_empty() && searches.iter().all(Option::is_some),
            checker: sign_of(plant).checker,
            median_seeds: searches.get(searches.len() / 2).copied().flatten().unwrap_or(SEEDS_MAX),
        }
    }
}

/// Plants a defect into this thread and looks for it: which seed of this search showed
/// it, counted from one, and what the checker said. Nothing is planted afterwards.
pub fn search(plant: Plant, start: u32, seeds_max: u32, options: &RunOptions) -> Option<(u32, String)> {
    let shows =
        |seed| if plant == Plant::HashOrder { differs(seed, options) } else { seen(plant, seed, options) };
    plant::sow(Some(plant));
    let found = first(start, seeds_max, shows);
    plant::sow(None);
    found
}

/// The first seed of a search that shows something.
fn first(start: u32, seeds_max: u32, shows: impl Fn(u64) -> Option<String>) -> Option<(u32, String)> {
    let from = u64::from(start) * u64::from(SEEDS_MAX);
    (0..seeds_max).find_map(|k| Some((k + 1, shows(from + u64::from(k))?)))
}

/// What the run of a seed shows of a defect.
fn seen(plant: Plant, seed: u64, options: &RunOptions) -> Option<String> {
    let sign = sign_of(plant);
    let checker = check::with_an_end().into_iter().find(|checker| checker.name() == sign.checker)?;
    let watch = Only { checker, words: sign.words };
    let report = Run::new(seed, options).watched_by(vec![Box::new(watch)]).until_broken().execute();
    let noticed = report.violations.iter().find(|violation| violation.checker == sign.checker)?;
    Some(noticed.to_string())
}

/// What differs from run to run shows by running twice.
fn differs(seed: u64, options: &RunOptions) -> Option<String> {
    let trace = || Run::new(seed, options).watched_by(Vec::new()).execute().trace;
    let (one, other) = (trace(), trace());
    (one != other).then(|| format!("seed {seed} gives {one}, and {other} the next time"))
}

/// A checker, of which only what it says in these words counts.
struct Only {
    checker: Box<dyn Checker>,
    words: &'static str,
}

impl Only {
    fn heed(&self, outcome: Result<(), String>) -> Result<(), String> {
        outcome.or_else(|words| if words.contains(self.words) { Err(words) } else { Ok(()) })
    }
}

impl Checker for Only {
    fn name(&self) -> &'static str {
        self.checker.name()
    }

    fn observe(&mut self, cluster: &Cluster, host: usize, event: &Observed<'_>) -> Result<(), String> {
        let outcome = self.checker.observe(cluster, host, event);
        self.heed(outcome)
    }

    fn at_end(&mut self, cluster: &Cluster) -> Result<(), String> {
        let outcome = self.checker.at_end(cluster);
        self.heed(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_counts_its_seeds_and_gives_up_at_its_bound() {
        let tenth = |seed: u64| (seed % 10 == 9).then(String::new);
        assert_eq!(first(0, SEEDS_MAX, tenth), Some((10, String::new())));
        assert_eq!(first(3, SEEDS_MAX, tenth), Some((10, String::new())));
        assert_eq!(first(0, 9, tenth), None);
    }

    #[test]
    fn a_search_that_found_nothing_is_told() {
        let report = |searches: &[Option<u32>]| PlantReport::of(Plant::HoldBackOff, searches.to_vec());
        assert!(report(&[Some(1), Some(9), Some(4)]).caught);
        assert_eq!(report(&[Some(1), Some(9), Some(4)]).median_seeds, 4);
        assert!(!report(&[Some(1), None, Some(4)]).caught);
        assert_eq!(report(&[None, Some(2), None]).median_seeds, SEEDS_MAX);
        assert!(!report(&[]).caught);
    }

    #[test]
    fn each_defect_has_a_checker_that_watches_for_it() {
        let known: Vec<&str> = check::with_an_end().iter().map(|checker| checker.name()).collect();
        for plant in Plant::ALL {
            let Sign { checker, .. } = sign_of(plant);
            assert!(checker == TRACE || known.contains(&checker), "{}: {checker}", plant.name());
        }
    }

    /// Two of them, quick ones: all are run by `simnet plants`.
    #[test]
    fn what_is_planted_is_noticed_and_what_is_not_is_not() {
        let faults = crate::FaultOptions { faults_s: 60, ..crate::FaultOptions::default() };
        let options = RunOptions { nodes: 6, faults };
        for plant in [Plant::SmallerReadingWins, Plant::HashOrder] {
            assert!(search(plant, 0, 5, &options).is_some(), "{}", plant.name());
        }
        assert_eq!(seen(Plant::SmallerReadingWins, 0, &options), None, "nothing is planted any more");
        assert_eq!(differs(0, &options), None, "nothing is planted any more");
    }
}

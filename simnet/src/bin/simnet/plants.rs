//! `simnet plants`: whether the swarm notices defects that are planted into the nodes.

use clap::Args;

#[derive(Args)]
pub struct Arguments {
    /// The defects to plant; all of them if none is named
    names: Vec<String>,
    /// Nodes of each run
    #[arg(long, default_value_t = 12)]
    nodes: u32,
    /// Seconds of faults
    #[arg(long, default_value_t = 180)]
    faults_s: u64,
    /// Searches a defect, each from a seed of its own
    #[arg(long, default_value_t = 10)]
    starts: u32,
    /// Searches at once; as many as there are processors if nothing is said
    #[arg(long)]
    jobs: Option<usize>,
    /// End with one line of JSON
    #[arg(long)]
    json: bool,
}

/// Looks for each defect; says whether all were caught.
#[cfg(not(feature = "plants"))]
pub fn run(_: &Arguments) -> Result<bool, String> {
    Err("no defect can be planted into this program. Build one into which they can, and that is for \
         nothing else: cargo build --release -p orbweave-simnet --features plants"
        .to_owned())
}

#[cfg(feature = "plants")]
pub use sown::run;

#[cfg(feature = "plants")]
mod sown {
    use super::Arguments;
    use crate::{threads, wall};
    use indicatif::{ProgressBar, ProgressStyle};
    use orbweave_model::plant::Plant;
    use orbweave_simnet::plants::{PlantReport, SEEDS_MAX, search};
    use orbweave_simnet::{FaultOptions, RunOptions};
    use serde::Serialize;
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    /// The last line of `--json`.
    #[derive(Serialize)]
    struct Line {
        plants: Vec<PlantReport>,
    }

    /// What the searches for one defect gave so far, and what the checker said at first.
    #[derive(Default)]
    struct Found {
        searches: Vec<Option<u32>>,
        words: Option<String>,
    }

    /// Looks for each defect; says whether all were caught.
    pub fn run(arguments: &Arguments) -> Result<bool, String> {
        let begin = wall::now();
        let plants = named(&arguments.names)?;
        let faults = FaultOptions { faults_s: arguments.faults_s, ..FaultOptions::default() };
        let options = RunOptions { nodes: arguments.nodes, faults };
        let tasks: Vec<(Plant, u32)> =
            plants.iter().flat_map(|plant| (0..arguments.starts).map(|start| (*plant, start))).collect();
        let bar = ProgressBar::new(tasks.len() as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} searches {msg}") {
            bar.set_style(style);
        }
        let found: Mutex<BTreeMap<Plant, Found>> = Mutex::default();
        threads::each(arguments.jobs, tasks, |(plant, start)| {
            bar.set_message(plant.name());
            let outcome = search(plant, start, SEEDS_MAX, &options);
            bar.inc(1);
            let Ok(mut found) = found.lock() else { return };
            let found = found.entry(plant).or_default();
            found.searches.push(outcome.as_ref().map(|(seeds, _)| *seeds));
            // The first search's, whichever ended first.
            found.words = if start == 0 { outcome.map(|(_, words)| words) } else { found.words.take() };
        });
        bar.finish_and_clear();
        let mut found = found.into_inner().unwrap_or_default();
        let mut reports = Vec::new();
        for plant in plants {
            let Found { searches, words } = found.remove(&plant).unwrap_or_default();
            let (least, most) = (searches.iter().min(), searches.iter().max());
            let spread = format!("{:?} to {:?}", least.copied().flatten(), most.copied().flatten());
            let report = PlantReport::of(plant, searches);
            if !arguments.json {
                print(&report, &spread, words.as_deref());
            }
            reports.push(report);
        }
        let all = reports.iter().all(|report| report.caught);
        if arguments.json {
            println!("{}", serde_json::to_string(&Line { plants: reports }).map_err(|e| e.to_string())?);
        } else {
            println!("{} defects in {:.0} s", reports.len(), wall::seconds_since(begin));
        }
        Ok(all)
    }

    fn named(names: &[String]) -> Result<Vec<Plant>, String> {
        let known = || Plant::ALL.map(Plant::name).join(", ");
        let of = |name: &String| {
            let plant = Plant::ALL.into_iter().find(|plant| plant.name() == name);
            plant.ok_or_else(|| format!("there is no defect {name:?}; there are {}", known()))
        };
        let mut plants: Vec<Plant> = names.iter().map(of).collect::<Result<_, _>>()?;
        if plants.is_empty() {
            plants = Plant::ALL.to_vec();
        }
        plants.sort();
        plants.dedup();
        Ok(plants)
    }

    fn print(report: &PlantReport, spread: &str, words: Option<&str>) {
        let PlantReport { name, caught, checker, median_seeds } = report;
        if *caught {
            println!("{name:28} {checker:16} {median_seeds:4} seeds in the median ({spread})");
        } else {
            println!("{name:28} {checker:16} NOT CAUGHT in {SEEDS_MAX} seeds of some search");
        }
        println!("    {}", words.unwrap_or("nothing was said").trim());
    }
}

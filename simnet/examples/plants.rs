//! Plants defects and says who noticed them after how many seeds:
//! `cargo run --release -p orbweave-simnet --features plants --example plants -- NODES SECONDS STARTS [NAME …]`

use orbweave_model::plant::Plant;
use orbweave_simnet::plants::{PlantOptions, report};
use orbweave_simnet::{FaultOptions, RunOptions};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |k: usize, otherwise: u64| arguments.get(k).and_then(|a| a.parse().ok()).unwrap_or(otherwise);
    let faults = FaultOptions { faults_s: number(1, 120), ..FaultOptions::default() };
    let run = RunOptions { nodes: number(0, 10) as u32, faults };
    let options = PlantOptions { run, starts: number(2, 3) as u32, seeds_max: number(3, 40) as u32 };
    let named = |plant: &Plant| arguments.len() < 5 || arguments[4..].iter().any(|a| a == plant.name());
    for plant in Plant::ALL.into_iter().filter(named) {
        println!("{:?}", report(&options, &[plant], |_, _| {}));
    }
}

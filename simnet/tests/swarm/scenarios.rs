//! Scenario files: those that are committed hold, and mistakes are named.

use orbweave_simnet::{Report, Run, Schedule};
use std::path::{Path, PathBuf};

/// Takes minutes; run by hand: `simnet run simnet/scenarios/lan-300-failover.toml`.
const LONG: &[&str] = &["lan-300-failover.toml", "starlink-shell.toml"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of scenarios");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    files.sort();
    assert!(!files.is_empty());
    files
}

fn read(path: &Path) -> Schedule {
    let text = std::fs::read_to_string(path).expect("a scenario");
    let schedule = Schedule::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let folder = path.parent().expect("a folder");
    let load = |name: &str| std::fs::read_to_string(folder.join(name)).map_err(|e| format!("{name}: {e}"));
    schedule.load(load).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn run(path: &Path, seed: u64) -> Report {
    let schedule = read(path);
    let seed = schedule.seed.unwrap_or(seed);
    Run::of(schedule, seed).execute()
}

#[test]
fn every_scenario_that_is_committed_holds() {
    for path in files(&folder()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if LONG.contains(&name) {
            read(&path);
            continue;
        }
        for seed in 0..2 {
            let report = run(&path, seed);
            assert_eq!(report.failure(), None, "{name}, seed {seed}: {report:#?}\n{}", report.story);
        }
    }
}

#[test]
fn what_the_swarm_once_found_stays_mended() {
    for path in files(&folder().join("regressions")) {
        let report = run(&path, 0);
        assert_eq!(report.failure(), None, "{}: {report:#?}\n{}", path.display(), report.story);
    }
}

#[test]
fn a_mistake_in_a_scenario_is_named_by_line_and_field() {
    let error = |text: &str| Schedule::parse(text).expect_err("a mistake").to_string();
    let unknown = error("name = \"x\"\n\n[[hosts]]\nname = \"node\"\ncuont = 5\n");
    assert!(unknown.contains("line 5") && unknown.contains("cuont"), "{unknown}");
    let wrong = error("name = \"x\"\n[[hosts]]\nname = \"node\"\ncount = \"five\"\n");
    assert!(wrong.contains("line 4") && wrong.contains("count"), "{wrong}");
    let nobody = error(
        "name = \"x\"\n[[hosts]]\nname = \"a\"\n[[event]]\nat-ms = 1\ndo = { crash = [\"a\"] }\n\n[[event]]\nat-ms = 2\ndo = { crash = [\"b\"] }\n",
    );
    assert!(nobody.contains("line 8") && nobody.contains("event.do") && nobody.contains("\"b\""), "{nobody}");
    let action =
        error("name = \"x\"\n[[hosts]]\nname = \"a\"\n[[event]]\nat-ms = 1\ndo = { crush = [\"a\"] }\n");
    assert!(action.contains("line 6") && action.contains("crush"), "{action}");
    let twice = error("name = \"x\"\n[[hosts]]\nname = \"a\"\n[[hosts]]\nname = \"a\"\n");
    assert!(twice.contains("line 4") && twice.contains("hosts.name"), "{twice}");
}

#[test]
fn an_expectation_that_does_not_hold_is_a_violation() {
    let text = "name = \"x\"\n[[hosts]]\nname = \"node\"\ncount = 3\n[[event]]\nat-ms = 9_000\ndo = { deploy = { workload = \"app\", node = \"node-0\", replicas = 2 } }\n[[expect]]\nthat = { placed = { workload = \"app\", replicas = 3 } }\n";
    let report = Run::of(Schedule::parse(text).expect("a scenario"), 1).execute();
    assert_eq!(report.failure(), Some("expectation"), "{report:#?}");
}

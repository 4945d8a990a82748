//! Scenario files: those that are committed hold, and mistakes are named.

use orbweave_simnet::{Report, Run, Schedule};
use std::path::{Path, PathBuf};

/// Takes long; run by hand: `simnet run simnet/scenarios/lan-300-failover.toml`.
const LONG: &[&str] = &["lan-300-failover.toml", "steady-100.toml", "steady-1000.toml", "steady-10000.toml"];

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
    Schedule::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
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

const TWO_ZONES: &str = r#"
name = "two-zones"
measured = { from-ms = 20_000, to-ms = 30_000 }
[[hosts]]
name = "node"
count = 6
zones = 2
[[hosts]]
name = "new"
count = 1
zones = 2
spare = true
[[repeat]]
from-ms = 8_000
every-ms = 500
times = 2
do = { deploy = { workload = "app-{n}", node = "node-{n}", replicas = 2 } }
[[event]]
at-ms = 15_000
do = { replace = { node = "node-4", by = "new-0" } }
[[expect]]
at-ms = 30_000
that = "members-agree"
[[expect]]
that = { placed = { workload = "app-0", replicas = 2 } }
[[expect]]
that = { placed = { workload = "app-1", replicas = 2 } }
"#;

#[test]
fn zones_stand_side_by_side_and_each_comes_to_rest_by_itself() {
    let run = |text: &str| {
        let began = std::cell::Cell::new(0.0);
        let clock = move || {
            began.set(began.get() + 2.0);
            began.get()
        };
        Run::of(Schedule::parse(text).expect("a scenario"), 1).timed_by(Box::new(clock)).execute()
    };
    let report = run(TWO_ZONES);
    assert_eq!(report.failure(), None, "{report:#?}\n{}", report.story);
    // The clock is read at the beginning, at both ends of the window, and at the end.
    let window = report.measured.expect("a window");
    assert_eq!((window.virtual_s, window.wall_s, window.speed, report.wall_s), (10.0, 2.0, 5.0, 6.0));
    assert!(window.events > 0 && window.events < report.events && window.bytes_per_node_s.land > 0);
    // The same hosts in one zone see one another.
    let together = run(&TWO_ZONES.replace("zones = 2\n", ""));
    assert_eq!(together.failure(), None, "{together:#?}\n{}", together.story);
    assert!(together.bytes_per_node_s.land > report.bytes_per_node_s.land);
    assert_eq!(run(TWO_ZONES).trace, report.trace);
}

#[test]
fn a_run_that_nobody_watches_is_the_same_run() {
    let watched = Run::of(Schedule::parse(TWO_ZONES).expect("a scenario"), 2).execute();
    let text = TWO_ZONES.replace("measured =", "watched = false\nmeasured =");
    let unwatched = Run::of(Schedule::parse(&text).expect("a scenario"), 2).execute();
    assert_eq!((watched.failure(), unwatched.failure()), (None, None));
    assert_eq!(watched.trace, unwatched.trace);
}

//! Scenario files: those that are committed hold, and mistakes are named.

use orbweave_simnet::{Report, Run, Schedule};
use std::path::{Path, PathBuf};

/// They take minutes; run by hand: `simnet run simnet/scenarios/lan-300-failover.toml`.
const LONG: &[&str] = &[
    "lan-300-failover.toml",
    "lan-300-join.toml",
    "partition-14-days.toml",
    "partition-24-hours.toml",
    "partition-30-minutes.toml",
    "starlink-shell.toml",
    "steady-100.toml",
    "steady-1000.toml",
    "steady-10000.toml",
    "wan-300-failover.toml",
    "wan-300-quiet.toml",
];

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
    let mut schedule = Schedule::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if let Some(matrix) = schedule.links.matrix.clone() {
        let measured = path.parent().expect("a folder").join(matrix);
        let measured = std::fs::read_to_string(measured).expect("measured round trips");
        schedule.links.read_matrix(&measured).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let sites =
            schedule.hosts.iter().flat_map(|group| (0..group.count.unwrap_or(1)).map(|k| group.site_of(k)));
        let last = sites.max().unwrap_or(0) as usize;
        assert!(schedule.links.round_trip_us.len() >= (last + 1).pow(2), "{}: too few sites", path.display());
    }
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

/// Two nodes are apart for two minutes, and 50 of 200 records change on each side: so
/// large a share that comparing ranges costs half as much as the records.
fn reunion(round_trips: u32) -> Report {
    let change = |from_ms: u32, first: u32, node: &str| {
        format!(
            "[[repeat]]\nfrom-ms = {from_ms}\nevery-ms = 1_000\ntimes = 50\nfirst = {first}\ndo = {{ deploy = {{ workload = \"app-{{n}}\", node = \"{node}\", replicas = 0, variable = 1 }} }}\n"
        )
    };
    let text = format!(
        "name = \"x\"\nfaults-s = 200\n[[hosts]]\nname = \"node\"\ncount = 2\n[[repeat]]\nfrom-ms = 5_000\nevery-ms = 10\ntimes = 200\ndo = {{ deploy = {{ workload = \"app-{{n}}\", node = \"node-0\", replicas = 0 }} }}\n[[event]]\nat-ms = 20_000\ndo = {{ split = [\"node-1\"] }}\n{}{}[[event]]\nat-ms = 140_000\ndo = {{ join = [\"node-1\"] }}\n[[expect]]\nthat = {{ reunited = {{ ms = 60_000, round-trips = {round_trips}, overhead-percent = 100 }} }}\n",
        change(21_000, 0, "node-0"),
        change(21_500, 100, "node-1"),
    );
    Run::of(Schedule::parse(&text).expect("a scenario"), 1).execute()
}

#[test]
fn what_a_partition_cost_to_overcome_is_measured_and_may_be_expected() {
    let report = reunion(4);
    assert_eq!(report.failure(), None, "{report:#?}");
    let [reunion] = &report.reunions[..] else { panic!("{:?}", report.reunions) };
    assert!((100..=104).contains(&reunion.differing), "{reunion:?}");
    assert!(
        reunion.session_bytes * 10 > reunion.differing_bytes * 9 && reunion.round_trips >= 2.0,
        "{reunion:?}"
    );
}

#[test]
fn a_reconciliation_that_takes_more_than_is_expected_is_a_violation() {
    assert_eq!(reunion(1).failure(), Some("expectation"));
}

#[test]
fn what_is_expected_at_the_moment_of_an_event_is_expected_before_it() {
    let text = "name = \"x\"\n[[hosts]]\nname = \"node\"\ncount = 3\n[[event]]\nat-ms = 9_000\ndo = { crash = [\"node-2\"] }\n[[expect]]\nat-ms = 9_000\nthat = \"members-agree\"\n[[expect]]\nat-ms = 9_001\nthat = \"members-agree\"\n";
    let report = Run::of(Schedule::parse(text).expect("a scenario"), 1).execute();
    let at: Vec<u64> = report.violations.iter().map(|violation| violation.at_ms).collect();
    assert_eq!(at, [9_001], "{report:#?}");
}

const TWO_ISLANDS: &str = r#"
name = "two-islands"
measured = { from-ms = 20_000, to-ms = 30_000 }
[[hosts]]
name = "node"
count = 6
islands = 2
[[hosts]]
name = "new"
count = 1
islands = 2
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
fn islands_stand_side_by_side_and_each_comes_to_rest_by_itself() {
    let run = |text: &str| {
        let began = std::cell::Cell::new(0.0);
        let clock = move || {
            began.set(began.get() + 2.0);
            began.get()
        };
        Run::of(Schedule::parse(text).expect("a scenario"), 1).timed_by(Box::new(clock)).execute()
    };
    let report = run(TWO_ISLANDS);
    assert_eq!(report.failure(), None, "{report:#?}\n{}", report.story);
    // The clock is read at the beginning, at both ends of the window, and at the end.
    let window = report.measured.expect("a window");
    assert_eq!((window.virtual_s, window.wall_s, window.speed, report.wall_s), (10.0, 2.0, 5.0, 6.0));
    assert!(window.events > 0 && window.events < report.events && window.bytes_per_node_s.land > 0);
    // The same hosts on one island see one another.
    let together = run(&TWO_ISLANDS.replace("islands = 2\n", ""));
    assert_eq!(together.failure(), None, "{together:#?}\n{}", together.story);
    assert!(together.bytes_per_node_s.land > report.bytes_per_node_s.land);
    assert_eq!(run(TWO_ISLANDS).trace, report.trace);
}

#[test]
fn a_run_that_nobody_watches_is_the_same_run() {
    let watched = Run::of(Schedule::parse(TWO_ISLANDS).expect("a scenario"), 2).execute();
    let text = TWO_ISLANDS.replace("measured =", "watched = false\nmeasured =");
    let unwatched = Run::of(Schedule::parse(&text).expect("a scenario"), 2).execute();
    assert_eq!((watched.failure(), unwatched.failure()), (None, None));
    assert_eq!(watched.trace, unwatched.trace);
}

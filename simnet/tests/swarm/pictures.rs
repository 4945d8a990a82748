//! Pictures of runs.

use crate::small;
use orbweave_simnet::{Run, Schedule, plot};
use svg::parser::Event;

fn drawn(seed: u64) -> Schedule {
    let options = small(6, 120);
    Schedule::draw(seed, options.nodes, &options.faults)
}

#[test]
fn the_same_seed_gives_the_same_picture_and_another_seed_another() {
    let picture = |seed| plot::story(drawn(seed), seed).svg;
    let first = picture(4);
    assert_eq!(first, picture(4));
    assert_ne!(first, picture(5));
}

#[test]
fn drawing_a_run_changes_nothing_in_it() {
    assert_eq!(plot::story(drawn(4), 4).report.trace, Run::of(drawn(4), 4).execute().trace);
}

#[test]
fn a_picture_names_its_hosts_workloads_units_and_colours() {
    let svg = plot::story(drawn(4), 4).svg;
    let mut words = String::new();
    for event in svg::read(&svg).expect("a picture") {
        match event {
            Event::Error(error) => panic!("{error}"),
            Event::Text(text) => words.extend([text, "\n"]),
            _ => {}
        }
    }
    let all =
        ["node-0", "node-5", "app-0", "virtual time", "60 s", "kB/s", "knows who is there", "all is mended"];
    for word in all {
        assert!(words.contains(word), "{word} is not in it:\n{words}");
    }
}

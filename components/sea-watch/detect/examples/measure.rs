//! `cargo run --release -p sea-watch-detect --example measure -- IMAGE [PFA]`: what the detector
//! makes of an image, and how long it takes.

use std::time::Instant;

use sea_watch_detect::{Settings, analyse, decode, detect};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let image = std::fs::read(arguments.next().ok_or("usage: measure IMAGE [PFA]")?)?;
    let mut settings = Settings::default();
    if let Some(pfa) = arguments.next() {
        settings.pfa = pfa.parse()?;
    }
    let report = detect(&image, &settings)?;
    eprintln!(
        "{} targets, threshold {:.2}, {} pixels tested",
        report.targets.len(),
        report.threshold,
        report.tested
    );
    let (raster, _) = decode(&image)?;
    let analysis = analyse(&raster, &settings)?;
    eprintln!("{:?}", analysis.tail);
    for pfa in [1e-2, 1e-3, 1e-4, 1e-5, 1e-6] {
        let threshold = analysis.tail.threshold(pfa) as f32;
        let mut alarms = 0;
        for row in 0..raster.height() {
            for column in 0..raster.width() {
                let empty = analysis.is_empty_water(column, row);
                let alarm = analysis.score(column, row).is_some_and(|score| score > threshold);
                alarms += usize::from(empty && alarm);
            }
        }
        let expected = pfa * analysis.tail.samples as f64;
        eprintln!(
            "pfa {pfa:e}: threshold {threshold:.2}, {alarms} alarms on empty water, {expected:.2} expected"
        );
    }
    const RUNS: u32 = 50;
    #[allow(clippy::disallowed_methods, reason = "a measurement by hand, outside any core")]
    let begin = Instant::now();
    for _ in 0..RUNS {
        std::hint::black_box(detect(&image, &settings)?);
    }
    eprintln!("{:?} an image", begin.elapsed() / RUNS);
    println!("{}", report.json());
    Ok(())
}

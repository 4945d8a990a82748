//! The two promises of a CFAR detector: it finds what is there, and no more than the configured
//! rate of what is not.

mod scene;

use scene::{Draw, HEIGHT, WIDTH};
use sea_watch_detect::{Analysis, Raster, Settings, analyse};

/// How much brighter than the water an inserted target is, in every band, of 255, over one pixel.
const CONTRAST: u8 = 60;
const TARGETS: usize = 200;

/// No alarm of the plain scene, and no other inserted target, is nearer: each is found or missed
/// on its own.
const APART: usize = 8;

fn analysis(samples: &[u8], settings: &Settings) -> Analysis {
    let raster = Raster::from_samples(WIDTH, HEIGHT, 3, samples).expect("the lengths agree");
    analyse(&raster, settings).expect("the settings are in range")
}

fn found(analysis: &Analysis, column: usize, row: usize) -> bool {
    analysis.score(column, row).is_some_and(|score| score > analysis.threshold)
}

#[test]
fn of_200_targets_inserted_on_open_water_at_least_95_percent_are_found() {
    let settings = Settings::default();
    let plain = scene::samples();
    let before = analysis(&plain, &settings);
    let quiet = |column: usize, row: usize| {
        before.score(column, row).is_some()
            && (row.saturating_sub(APART)..=row + APART).all(|row| {
                (column.saturating_sub(APART)..=column + APART).all(|column| !found(&before, column, row))
            })
    };
    let mut draw = Draw(20_261_121);
    let mut places: Vec<(usize, usize)> = Vec::new();
    while places.len() < TARGETS {
        let (column, row) = (draw.below(WIDTH), draw.below(HEIGHT));
        let apart = |&(c, r): &(usize, usize)| c.abs_diff(column).max(r.abs_diff(row)) > APART;
        if places.iter().all(apart) && quiet(column, row) {
            places.push((column, row));
        }
    }
    for contrast in [CONTRAST / 3, CONTRAST / 2, CONTRAST] {
        let mut samples = plain.clone();
        for &(column, row) in &places {
            let pixel = 3 * (row * WIDTH + column);
            for sample in &mut samples[pixel..pixel + 3] {
                *sample = sample.saturating_add(contrast);
            }
        }
        let after = analysis(&samples, &settings);
        let hits = places.iter().filter(|&&(column, row)| found(&after, column, row)).count();
        println!("contrast {contrast}: {hits} of {TARGETS} found");
        if contrast == CONTRAST {
            assert!(hits * 100 >= TARGETS * 95, "{hits} of {TARGETS} found");
        }
    }
}

/// Alarms over those that the configured rate allows, on the pixels that `empty` names.
fn false_alarm_ratio(
    analysis: &Analysis,
    (width, height): (usize, usize),
    pfa: f64,
    empty: impl Fn(usize, usize) -> bool,
) -> f64 {
    let (mut alarms, mut pixels) = (0_u32, 0_u32);
    for row in 0..height {
        for column in (0..width).filter(|&column| empty(column, row)) {
            pixels += 1;
            alarms += u32::from(found(analysis, column, row));
        }
    }
    let expected = pfa * f64::from(pixels);
    println!("pfa {pfa:e}: {alarms} alarms on {pixels} pixels, {expected:.1} expected");
    f64::from(alarms) / expected
}

#[test]
fn false_alarms_on_the_scenes_empty_water_are_between_half_and_twice_the_configured_rate() {
    // At lower rates its 26,000 pixels of empty water do not decide: see the synthetic clutter.
    for pfa in [1e-2, 3e-3, 1e-3] {
        let settings = Settings { pfa, ..Settings::default() };
        let analysis = analysis(&scene::samples(), &settings);
        let ratio = false_alarm_ratio(&analysis, (WIDTH, HEIGHT), pfa, |column, row| {
            analysis.is_empty_water(column, row)
        });
        assert!((0.5..=2.0).contains(&ratio), "at {pfa:e} the ratio is {ratio}");
    }
}

/// Side of a synthetic sea.
const SIDE: usize = 2_000;

/// A sea of 8-bit samples whose noise `noise` draws, over a slow swell of brightness.
fn sea(seed: u64, mut noise: impl FnMut(&mut Draw) -> f64) -> Raster {
    let mut draw = Draw(seed);
    let mut samples = Vec::with_capacity(3 * SIDE * SIDE);
    for row in 0..SIDE {
        for column in 0..SIDE {
            let swell = (row as f64 / 170.0).sin() + (column as f64 / 230.0).sin();
            for band in [12.0, 16.0, 20.0] {
                let level = band + swell + noise(&mut draw);
                samples.push(level.round().clamp(1.0, 255.0) as u8);
            }
        }
    }
    Raster::from_samples(SIDE, SIDE, 3, &samples).expect("the lengths agree")
}

fn assert_rate_is_kept(sea: &Raster) {
    for pfa in [1e-3, 1e-4, 1e-5] {
        let settings = Settings { pfa, ..Settings::default() };
        let analysis = analyse(sea, &settings).expect("the settings are in range");
        // There is nothing on it: every pixel is empty water.
        let ratio = false_alarm_ratio(&analysis, (SIDE, SIDE), pfa, |_, _| true);
        assert!((0.5..=2.0).contains(&ratio), "at {pfa:e} the ratio is {ratio}");
    }
}

#[test]
fn the_rate_is_kept_on_normal_noise_of_a_level_and_a_half() {
    // As narrow as the deep water of the scene: half of its samples are one of two levels.
    assert_rate_is_kept(&sea(1, |draw| 1.5 * draw.normal()));
}

#[test]
fn the_rate_is_kept_on_skewed_noise() {
    // Exponential: the sum of three bands is then a gamma distribution of shape 3.
    assert_rate_is_kept(&sea(2, |draw| -1.5 * draw.unit().ln()));
}

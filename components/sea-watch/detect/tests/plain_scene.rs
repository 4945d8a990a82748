//! What is found on the scene as it is.

mod scene;

use std::path::Path;

use sea_watch_detect::{GEOJSON, Georeference, JSON, Report, Settings, detect};

/// One target a line: first column, first row, last column, last row.
fn boxes(report: &Report) -> String {
    let line = |target: &sea_watch_detect::Target| {
        format!("{} {} {} {}\n", target.left, target.top, target.right, target.bottom)
    };
    report.targets.iter().map(line).collect()
}

/// `BLESS=1 cargo test -p sea-watch-detect` writes the file anew.
#[test]
fn the_boxes_on_the_plain_scene_are_the_committed_ones() {
    let report = detect(&scene::file(), &Settings::default()).expect("the scene is readable");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expected/plain-scene-boxes.txt");
    let boxes = boxes(&report);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &boxes).expect("the file can be written");
    }
    let expected = std::fs::read_to_string(&path).expect("the file is committed");
    assert_eq!(boxes, expected);
}

#[test]
fn the_scene_gives_geojson_where_it_lies() {
    let report = detect(&scene::file(), &Settings::default()).expect("the scene is readable");
    // Its bounds, as `rio bounds` of rasterio gives them: west by the upper left corner, north by
    // the upper right one.
    let west = report.georeference.lon_lat(0.0, 0.0).expect("it is georeferenced").longitude;
    let right = scene::WIDTH as f64;
    let north = report.georeference.lon_lat(right, 0.0).expect("it is georeferenced").latitude;
    assert!((west + 78.958_649_965_45).abs() < 1e-8, "{west}");
    assert!((north - 25.550_873_767_43).abs() < 1e-8, "{north}");
    assert_eq!(report.media_type(), GEOJSON);
    let json = report.json();
    assert!(json.starts_with("{\"type\":\"FeatureCollection\",\"features\":[{\"type\":\"Feature\""));
    assert_eq!(json.matches("\"Polygon\"").count(), report.targets.len());
    assert!(json.contains("\"image\":{\"width\":791,\"height\":718}"));
}

#[test]
fn the_same_pixels_as_png_give_the_same_boxes_in_pixels() {
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, scene::WIDTH as u32, scene::HEIGHT as u32);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&scene::samples()).expect("the lengths agree");
    writer.finish().expect("an end");

    let of_tiff = detect(&scene::file(), &Settings::default()).expect("the scene is readable");
    let of_png = detect(&png, &Settings::default()).expect("the PNG is readable");
    assert_eq!(of_png.georeference, Georeference::None);
    assert_eq!(of_png.targets, of_tiff.targets);
    assert_eq!(of_png.media_type(), JSON);
    assert!(of_png.json().starts_with("{\"targets\":[{\"box\":["));
}

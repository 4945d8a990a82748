//! Whatever is sent, there is an answer: no panic, and no allocation beyond the bounds.

mod scene;

use std::io::Cursor;

use proptest::prelude::*;
use sea_watch_detect::{DecodeError, DetectError, SIDE_MAX, Settings, decode, detect};
use tiff::encoder::{TiffEncoder, colortype};

const WIDTH: u32 = 23;
const HEIGHT: u32 = 17;

fn samples() -> Vec<u8> {
    (0..WIDTH * HEIGHT * 3).map(|index| (index % 40) as u8).collect()
}

fn small_tiff() -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).expect("a header");
    encoder.write_image::<colortype::RGB8>(WIDTH, HEIGHT, &samples()).expect("the lengths agree");
    file.into_inner()
}

fn small_png() -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&samples()).expect("the lengths agree");
    writer.finish().expect("an end");
    file
}

/// Every byte of a PNG chunk is under a checksum; with it mended, damage reaches the decoder.
fn with_checksums_mended(mut png: Vec<u8>) -> Vec<u8> {
    let mut begin = 8;
    while let Some(length) = png.get(begin..begin + 4) {
        let length = u32::from_be_bytes(length.try_into().expect("four bytes")) as usize;
        let Some(end) = begin.checked_add(8 + length).filter(|end| end + 4 <= png.len()) else {
            break;
        };
        let checksum = crc32(&png[begin + 4..end]);
        png[end..end + 4].copy_from_slice(&checksum.to_be_bytes());
        begin = end + 4;
    }
    png
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

fn answers(image: &[u8]) {
    // Either is an answer.
    match detect(image, &Settings::default()) {
        Ok(report) => drop(report.json()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

#[test]
fn the_small_images_are_readable_before_they_are_damaged() {
    for image in [small_tiff(), small_png(), with_checksums_mended(small_png())] {
        let (raster, _) = decode(&image).expect("undamaged");
        assert_eq!((raster.width(), raster.height()), (WIDTH as usize, HEIGHT as usize));
    }
}

#[test]
fn every_truncation_has_an_answer() {
    for image in [small_tiff(), small_png()] {
        (0..image.len()).for_each(|length| answers(&image[..length]));
    }
    let scene = scene::file();
    (0..scene.len()).step_by(9_973).for_each(|length| answers(&scene[..length]));
}

#[test]
fn every_flipped_bit_of_a_small_image_has_an_answer() {
    for image in [small_tiff(), small_png()] {
        let is_png = image.starts_with(b"\x89PNG");
        for bit in 0..image.len() * 8 {
            let mut damaged = image.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            answers(&damaged);
            if is_png {
                answers(&with_checksums_mended(damaged));
            }
        }
    }
}

#[test]
fn every_damaged_byte_of_the_scenes_directory_has_an_answer() {
    let scene = scene::file();
    let directory = u32::from_le_bytes(scene[4..8].try_into().expect("four bytes")) as usize;
    for index in (0..8).chain(directory..directory + 2 + 18 * 12 + 4) {
        for byte in [0, 0x7F, 0xFF] {
            let mut damaged = scene.clone();
            damaged[index] = byte;
            answers(&damaged);
        }
    }
}

#[test]
fn an_image_too_large_is_refused_by_its_header_alone() {
    let mut png = small_png();
    png[16..20].copy_from_slice(&(SIDE_MAX + 1).to_be_bytes());
    let mut tiff = scene::file();
    let directory = u32::from_le_bytes(tiff[4..8].try_into().expect("four bytes")) as usize;
    // The value of the first entry, the width, now a LONG.
    tiff[directory + 4..directory + 6].copy_from_slice(&4_u16.to_le_bytes());
    tiff[directory + 10..directory + 14].copy_from_slice(&u32::MAX.to_le_bytes());
    for image in [with_checksums_mended(png), tiff] {
        let error = detect(&image, &Settings::default()).expect_err("too large");
        assert!(matches!(error, DetectError::Image(DecodeError::TooLarge { .. })), "{error}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_have_an_answer(
        start in prop::sample::select(vec![&b""[..], b"II*\0", b"MM\0*", b"II+\0", b"\x89PNG\r\n\x1a\n"]),
        rest in prop::collection::vec(any::<u8>(), 0..2_000),
    ) {
        answers(&[start, &rest].concat());
    }

    #[test]
    fn an_image_with_several_damaged_bytes_has_an_answer(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..16),
    ) {
        for mut image in [small_tiff(), small_png()] {
            for (index, byte) in &damage {
                let index = index.index(image.len());
                image[index] = *byte;
            }
            answers(&image);
            if image.starts_with(b"\x89PNG") {
                answers(&with_checksums_mended(image));
            }
        }
    }
}

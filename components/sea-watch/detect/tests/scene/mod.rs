//! The real scene, and numbers drawn from a seed.
#![allow(dead_code, reason = "each test file uses a part")]

use std::io::Cursor;
use std::path::Path;

use tiff::decoder::{Decoder, DecodingResult};

pub const WIDTH: usize = 791;
pub const HEIGHT: usize = 718;

/// The scene's file.
pub fn file() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scene/RGB.byte.tif");
    std::fs::read(path).expect("the scene lies beside the crate")
}

/// Its samples, three a pixel.
pub fn samples() -> Vec<u8> {
    let file = file();
    let mut decoder = Decoder::new(Cursor::new(&file)).expect("a TIFF");
    match decoder.read_image().expect("an image") {
        DecodingResult::U8(samples) => samples,
        _ => panic!("the scene has 8-bit samples"),
    }
}

/// SplitMix64 (Steele, Lea & Flood 2014): enough for drawing places and noise.
pub struct Draw(pub u64);

impl Draw {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Uniform in (0, 1).
    pub fn unit(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Standard normal, by Box and Muller.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.unit().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

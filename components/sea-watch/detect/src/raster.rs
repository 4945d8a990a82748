/// An image reduced to what the detector looks at: the brightness and the brightest band of each
/// pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct Raster {
    width: usize,
    height: usize,
    brightness: Vec<u16>,
    level: Vec<u8>,
}

impl Raster {
    /// From interleaved 8-bit samples, `bands` a pixel; the first three count where there are
    /// more than two, else the first alone, as grey. `None` where the lengths do not agree.
    pub fn from_samples(width: usize, height: usize, bands: usize, samples: &[u8]) -> Option<Self> {
        let pixels = width.checked_mul(height)?;
        if bands == 0 || pixels == 0 || samples.len() != pixels.checked_mul(bands)? {
            return None;
        }
        let rgb = |pixel: &[u8]| match *pixel {
            [red, green, blue, ..] => [red, green, blue],
            [grey, ..] => [grey; 3],
            [] => [0; 3],
        };
        let (mut brightness, mut level) = (vec![0; pixels], vec![0; pixels]);
        let out = brightness.iter_mut().zip(&mut level);
        // A constant number of bands, the usual one, makes for a faster loop.
        if bands == 3 {
            samples.chunks_exact(3).zip(out).for_each(|(pixel, out)| reduce(rgb(pixel), out));
        } else {
            samples.chunks_exact(bands).zip(out).for_each(|(pixel, out)| reduce(rgb(pixel), out));
        }
        Some(Self { width, height, brightness, level })
    }

    /// Pixels a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The sum of three bands, 0 to 765, a pixel; 0 is outside the scene.
    pub fn brightness(&self) -> &[u16] {
        &self.brightness
    }

    /// The brightest band of each pixel.
    pub fn level(&self) -> &[u8] {
        &self.level
    }
}

fn reduce([red, green, blue]: [u8; 3], (brightness, level): (&mut u16, &mut u8)) {
    *brightness = u16::from(red) + u16::from(green) + u16::from(blue);
    *level = red.max(green).max(blue);
}

use crate::geo::LonLat;

/// One zone of the Universal Transverse Mercator projection on WGS 84.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Utm {
    zone: u8,
    south: bool,
}

const SEMI_MAJOR_AXIS_M: f64 = 6_378_137.0;
const FLATTENING: f64 = 1.0 / 298.257_223_563;
const SCALE: f64 = 0.9996;
const FALSE_EASTING_M: f64 = 500_000.0;
const FALSE_NORTHING_SOUTH_M: f64 = 10_000_000.0;
/// Further from the centre than this, no coordinate of a zone lies.
const REACH_M: f64 = 20_000_000.0;

impl Utm {
    /// EPSG:32601 to 32660 are the northern zones, EPSG:32701 to 32760 the southern.
    pub(crate) fn from_epsg(code: u16) -> Option<Self> {
        let (south, zone) = match code {
            32601..=32660 => (false, code - 32600),
            32701..=32760 => (true, code - 32700),
            _ => return None,
        };
        Some(Self { zone: u8::try_from(zone).ok()?, south })
    }

    /// The inverse projection by Krüger's series in the third flattening n, to its third order
    /// (Krüger 1912; Karney 2011, "Transverse Mercator with an accuracy of a few nanometers"): what
    /// is left out, of the order of n⁴, is under a millimetre inside a zone.
    pub(crate) fn lon_lat(self, easting: f64, northing: f64) -> LonLat {
        const N: f64 = FLATTENING / (2.0 - FLATTENING);
        const N2: f64 = N * N;
        const N3: f64 = N2 * N;
        const UNIT_M: f64 = SCALE * SEMI_MAJOR_AXIS_M / (1.0 + N) * (1.0 + N2 / 4.0 + N2 * N2 / 64.0);
        const BETA: [f64; 3] =
            [N / 2.0 - 2.0 / 3.0 * N2 + 37.0 / 96.0 * N3, N2 / 48.0 + N3 / 15.0, 17.0 / 480.0 * N3];
        const DELTA: [f64; 3] =
            [2.0 * N - 2.0 / 3.0 * N2 - 2.0 * N3, 7.0 / 3.0 * N2 - 8.0 / 5.0 * N3, 56.0 / 15.0 * N3];
        let false_northing = if self.south { FALSE_NORTHING_SOUTH_M } else { 0.0 };
        let xi = (northing - false_northing).clamp(-REACH_M, REACH_M) / UNIT_M;
        let eta = (easting - FALSE_EASTING_M).clamp(-REACH_M, REACH_M) / UNIT_M;
        let correction = sine_series((xi, eta), BETA);
        let (xi, eta) = (xi - correction.0, eta - correction.1);
        let (sinh, cosh) = hyperbolic(eta);
        let (sin, cos) = xi.sin_cos();
        let conformal_latitude = (sin / cosh).clamp(-1.0, 1.0).asin();
        let latitude = conformal_latitude + sine_series((conformal_latitude, 0.0), DELTA).0;
        let centre = f64::from(self.zone) * 6.0 - 183.0;
        LonLat { longitude: centre + sinh.atan2(cos).to_degrees(), latitude: latitude.to_degrees() }
    }
}

/// The sum of aⱼ·sin(2jζ) over a complex ζ; the sines of the multiples by addition.
fn sine_series((real, imaginary): (f64, f64), coefficients: [f64; 3]) -> (f64, f64) {
    let (sin, cos) = (2.0 * real).sin_cos();
    let (sinh, cosh) = hyperbolic(2.0 * imaginary);
    let first = ((sin * cosh, cos * sinh), (cos * cosh, -sin * sinh));
    let (mut sine, mut cosine) = first;
    let mut total = (0.0, 0.0);
    for coefficient in coefficients {
        total = sum(total, (coefficient * sine.0, coefficient * sine.1));
        (sine, cosine) = (
            sum(product(sine, first.1), product(cosine, first.0)),
            difference(product(cosine, first.1), product(sine, first.0)),
        );
    }
    total
}

/// Hyperbolic sine and cosine.
fn hyperbolic(value: f64) -> (f64, f64) {
    let (up, down) = (value.exp(), (-value).exp());
    ((up - down) / 2.0, (up + down) / 2.0)
}

fn product(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

fn sum(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0 + b.0, a.1 + b.1)
}

fn difference(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0 - b.0, a.1 - b.1)
}

#[cfg(test)]
mod tests;

use std::fmt::Write;

use crate::cluster::Target;
use crate::geo::{Georeference, LonLat};

/// What was found on an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Where the image lies.
    pub georeference: Georeference,
    /// The configured false-alarm probability a pixel.
    pub pfa: f64,
    /// The test statistic above which a pixel raised the alarm.
    pub threshold: f32,
    /// How many pixels were open water, and tested.
    pub tested: usize,
    /// In rows from the top.
    pub targets: Vec<Target>,
}

/// The media type of [`Report::json`] where the image says where it lies (RFC 7946).
pub const GEOJSON: &str = "application/geo+json";
/// Its media type otherwise.
pub const JSON: &str = "application/json";

/// Degrees are written to about a metre.
const DEGREE_DIGITS: usize = 5;

impl Report {
    /// The media type of [`Report::json`].
    pub fn media_type(&self) -> &'static str {
        match self.georeference {
            Georeference::Known { .. } => GEOJSON,
            Georeference::None | Georeference::Unknown(_) => JSON,
        }
    }

    /// The report as GeoJSON, each target a polygon; as boxes of pixels where the image does not
    /// say where it lies.
    pub fn json(&self) -> String {
        let mut json = String::with_capacity(512 + 512 * self.targets.len());
        match self.georeference {
            Georeference::Known { .. } => {
                json.push_str("{\"type\":\"FeatureCollection\",\"features\":[");
                self.list(&mut json, |json, target| self.feature(json, target));
                json.push_str("],");
            }
            Georeference::None | Georeference::Unknown(_) => {
                json.push_str("{\"targets\":[");
                self.list(&mut json, |json, target| {
                    json.push('{');
                    pixel_members(json, target);
                    json.push('}');
                });
                json.push_str("],");
            }
        }
        let _ = write!(
            json,
            "\"image\":{{\"width\":{},\"height\":{}}},\"pfa\":{:e},\"threshold\":{:.2},\
             \"waterPixels\":{},\"count\":{}",
            self.width,
            self.height,
            self.pfa,
            self.threshold,
            self.tested,
            self.targets.len()
        );
        if let Georeference::Unknown(reason) = &self.georeference {
            // The reasons are our own words: nothing in them needs escaping.
            let _ = write!(json, ",\"notGeoreferenced\":\"{reason}\"");
        }
        json.push_str("}\n");
        json
    }

    fn list(&self, json: &mut String, item: impl Fn(&mut String, &Target)) {
        for (index, target) in self.targets.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            item(json, target);
        }
    }

    fn feature(&self, json: &mut String, target: &Target) {
        let (left, top) = (f64::from(target.left), f64::from(target.top));
        let (right, bottom) = (f64::from(target.right) + 1.0, f64::from(target.bottom) + 1.0);
        // Counterclockwise with north up, as RFC 7946 wants it.
        let corners = [(left, top), (left, bottom), (right, bottom), (right, top)];
        let places: Option<Vec<LonLat>> =
            corners.iter().map(|&(x, y)| self.georeference.lon_lat(x, y)).collect();
        json.push_str("{\"type\":\"Feature\",\"geometry\":");
        match places.as_deref() {
            Some(places @ [first, ..]) => {
                json.push_str("{\"type\":\"Polygon\",\"coordinates\":[[");
                for place in places.iter() {
                    position(json, place);
                    json.push(',');
                }
                // A ring ends where it began.
                position(json, first);
                json.push_str("]]}");
            }
            // Off the Earth, by a geotransform that says so.
            _ => json.push_str("null"),
        }
        json.push_str(",\"properties\":{");
        if let Some(place) = self.georeference.lon_lat(target.column, target.row) {
            json.push_str("\"centre\":");
            position(json, &place);
            json.push(',');
        }
        pixel_members(json, target);
        json.push_str("}}");
    }
}

fn position(json: &mut String, place: &LonLat) {
    json.push('[');
    number(json, place.longitude, DEGREE_DIGITS);
    json.push(',');
    number(json, place.latitude, DEGREE_DIGITS);
    json.push(']');
}

fn pixel_members(json: &mut String, target: &Target) {
    json.push_str("\"box\":[");
    number(json, target.left.into(), 0);
    for side in [target.top, target.right, target.bottom] {
        json.push(',');
        number(json, side.into(), 0);
    }
    json.push_str("],\"centroid\":[");
    number(json, target.column, 2);
    json.push(',');
    number(json, target.row, 2);
    json.push_str("],\"pixels\":");
    number(json, target.pixels.into(), 0);
    json.push_str(",\"snr\":");
    number(json, target.snr.into(), 1);
    json.push_str(",\"peak\":");
    number(json, target.peak.into(), 0);
}

/// A decimal of at most nine digits behind the point; several times faster than `{:.5}`, which
/// rounds exactly, and a report has thousands.
fn number(json: &mut String, value: f64, digits: usize) {
    let scale = 10_f64.powi(digits as i32);
    // A cast from a float saturates.
    let scaled = (value * scale).round() as i64;
    if scaled < 0 {
        json.push('-');
    }
    let mut buffer = [b'0'; 24];
    let mut rest = scaled.unsigned_abs();
    let mut begin = buffer.len();
    while rest > 0 || buffer.len() - begin <= digits {
        begin -= 1;
        buffer[begin] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let (whole, fraction) = buffer[begin..].split_at(buffer.len() - begin - digits);
    json.extend(whole.iter().map(|&digit| char::from(digit)));
    if digits > 0 {
        json.push('.');
        json.extend(fraction.iter().map(|&digit| char::from(digit)));
    }
}

#[cfg(test)]
mod tests;

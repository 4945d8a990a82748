//! When a node can be reached, as its operator writes it: an orbit or passes for one on
//! scheduled links, a site for one that satellites pass over.

use super::{ManifestError, field, parse_yaml, read_yaml};
use orbweave_core::link_plan::{LinkPlan, Orbit, PlannedPass, Site, WalkerSlot};
use orbweave_model::{NodeId, Wall};
use serde::{Deserialize, Deserializer};
use std::path::Path;
use std::str::FromStr;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// No number of a shell is larger, nor an altitude in kilometres; the chart has the true bounds.
const MANY: u32 = 1_000_000;

/// Reads a file of contacts. What it says was checked: a node can start with it.
pub fn read(path: &Path) -> Result<LinkPlan, ManifestError> {
    read_yaml(path, parse)
}

fn parse(text: &str) -> Result<LinkPlan, ManifestError> {
    let file: ContactsFile = parse_yaml(text)?;
    let orbit = match (file.tle, file.walker) {
        (Some(_), Some(_)) => return Err(ManifestError::new("both `tle` and `walker` name an orbit")),
        (Some(Tle(line1, line2)), None) => Some(Orbit::Elements { line1, line2 }),
        (None, walker) => walker.map(|walker| Orbit::Walker(walker.into())),
    };
    let passes = file.passes.map(|passes| passes.into_iter().map(PlannedPass::from).collect());
    let plan = LinkPlan { orbit, site: file.site.map(Site::from), passes };
    if plan == LinkPlan::default() {
        let help = "name an orbit (`tle` or `walker`), `passes`, or a `site`";
        return Err(ManifestError::new("says nothing").help(help));
    }
    plan.chart("this node").map_err(ManifestError::new)?;
    Ok(plan)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ContactsFile {
    #[serde(default, deserialize_with = "field::parsed_option")]
    tle: Option<Tle>,
    walker: Option<Walker>,
    site: Option<SiteField>,
    passes: Option<Vec<Pass>>,
}

/// Two lines of elements, under a line with a name or not.
#[derive(Debug)]
struct Tle(String, String);

impl FromStr for Tle {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        match lines[..] {
            [line1, line2] | [_, line1, line2] => Ok(Self(line1.to_owned(), line2.to_owned())),
            _ => Err(format!(
                "{} lines are no elements of a satellite: write two, after `tle: |`",
                lines.len()
            )),
        }
    }
}

/// A place in a Walker shell.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Walker {
    #[serde(default)]
    star: bool,
    #[serde(deserialize_with = "field::parsed")]
    inclination_deg: Degrees,
    #[serde(deserialize_with = "many")]
    altitude_km: u32,
    #[serde(deserialize_with = "many")]
    planes: u32,
    #[serde(deserialize_with = "many")]
    satellites_per_plane: u32,
    #[serde(deserialize_with = "many")]
    phasing: u32,
    #[serde(deserialize_with = "field::parsed")]
    epoch: Time,
    #[serde(deserialize_with = "many")]
    plane: u32,
    #[serde(deserialize_with = "many")]
    slot: u32,
}

fn many<'de, D: Deserializer<'de>>(d: D) -> Result<u32, D::Error> {
    field::number(d, 0, MANY)
}

impl From<Walker> for WalkerSlot {
    fn from(walker: Walker) -> Self {
        Self {
            star: walker.star,
            // The chart refuses what is no inclination.
            inclination_microdeg: u32::try_from(walker.inclination_deg.0).unwrap_or(u32::MAX),
            altitude_m: walker.altitude_km * 1_000,
            planes: walker.planes,
            satellites_per_plane: walker.satellites_per_plane,
            phasing: walker.phasing,
            epoch: walker.epoch.0,
            plane: walker.plane,
            slot: walker.slot,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SiteField {
    #[serde(deserialize_with = "field::parsed")]
    latitude: Degrees,
    #[serde(deserialize_with = "field::parsed")]
    longitude: Degrees,
    /// Above the ellipsoid.
    #[serde(default, deserialize_with = "altitude")]
    altitude_m: i32,
    #[serde(deserialize_with = "field::parsed")]
    min_elevation: Degrees,
}

fn altitude<'de, D: Deserializer<'de>>(d: D) -> Result<i32, D::Error> {
    let text = String::deserialize(d)?;
    text.parse().map_err(|_| serde::de::Error::custom(format!("{text:?} is no whole number of metres")))
}

impl From<SiteField> for Site {
    fn from(site: SiteField) -> Self {
        Self {
            latitude_microdeg: site.latitude.0,
            longitude_microdeg: site.longitude.0,
            altitude_m: site.altitude_m,
            // Below the horizon there is nothing: the chart refuses what is no elevation.
            min_elevation_millideg: u32::try_from(site.min_elevation.0 / 1_000).unwrap_or(u32::MAX),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Pass {
    #[serde(deserialize_with = "field::parsed")]
    begins: Time,
    #[serde(deserialize_with = "field::parsed")]
    ends: Time,
    #[serde(default, deserialize_with = "field::parsed_option")]
    with: Option<NodeId>,
}

impl From<Pass> for PlannedPass {
    fn from(pass: Pass) -> Self {
        Self { begins: pass.begins.0, ends: pass.ends.0, host: pass.with }
    }
}

/// Millionths of a degree, written in degrees.
#[derive(Debug, Clone, Copy)]
struct Degrees(i32);

impl FromStr for Degrees {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<f64>() {
            Ok(degrees) if degrees.abs() <= 360.0 => Ok(Self((degrees * 1e6).round() as i32)),
            _ => Err(format!("{text:?} is no number of degrees from -360 to 360")),
        }
    }
}

/// A time as RFC 3339 writes it.
#[derive(Debug, Clone, Copy)]
struct Time(Wall);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no time: write it as 2026-11-27T20:15:00Z (RFC 3339)");
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| wrong())?;
        let ms = u64::try_from(time.unix_timestamp_nanos() / 1_000_000).map_err(|_| wrong())?;
        Ok(Self(Wall(ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = "site: { latitude: 47.37, longitude: -8.54, altitudeM: 408, minElevation: 12.5 }\n";
    const WALKER: &str = "walker:\n  inclinationDeg: 53\n  altitudeKm: 550\n  planes: 72\n  \
                          satellitesPerPlane: 22\n  phasing: 39\n  epoch: 2026-11-27T00:00:00Z\n  plane: 3\n  slot: 4\n";
    const TLE: &str = "tle: |\n  ISS (ZARYA)\n  \
        1 25544U 98067A   24349.52694444  .00017111  00000-0  30535-3 0  9991\n  \
        2 25544  51.6393 160.4574 0007019 290.0943  69.9400 15.50219591486417\n";

    #[test]
    fn each_part_is_read_into_the_units_of_the_wire() {
        let plan = parse(SITE).unwrap();
        let site = plan.site.unwrap();
        assert_eq!((site.latitude_microdeg, site.longitude_microdeg), (47_370_000, -8_540_000));
        assert_eq!((site.altitude_m, site.min_elevation_millideg), (408, 12_500));
        assert!(!plan.is_scheduled());
        let Some(Orbit::Walker(slot)) = parse(WALKER).unwrap().orbit else { panic!("no shell") };
        assert_eq!((slot.inclination_microdeg, slot.altitude_m, slot.slot), (53_000_000, 550_000, 4));
        assert_eq!(slot.epoch.to_string(), "2026-11-27 00:00:00");
        let text = "passes:\n  - { begins: 2026-11-27T20:00:00Z, ends: 2026-11-27T22:10:00+02:00 }\n";
        let passes = parse(text).unwrap().passes.unwrap();
        assert_eq!(passes[0].ends.0 - passes[0].begins.0, 600_000, "an offset counts");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let said = |text: &str| parse(text).unwrap_err().to_string();
        assert!(said("{}").contains("says nothing"), "{}", said("{}"));
        assert!(said("site: { latitude: 91, longitude: 0, minElevation: 5 }\n").contains("latitude"));
        assert!(said("site: { latitude: north, longitude: 0, minElevation: 5 }\n").contains("site.latitude"));
        assert!(said("site: { latitude: 1, longitude: 0, minElevation: -5 }\n").contains("elevation"));
        assert!(said("passes:\n  - { begins: yesterday, ends: today }\n").contains("RFC 3339"));
        assert!(
            said("passes:\n  - { begins: 2026-11-27T20:00:00Z, ends: 2026-11-27T19:00:00Z }\n")
                .contains("order")
        );
        assert!(said("tle: |\n  1 25544U\n").contains("1 lines are no elements"));
        assert!(
            said(&TLE.replace("51.6393", "51.6394")).contains("checksum"),
            "{}",
            said(&TLE.replace("51.6393", "51.6394"))
        );
        assert!(said(&format!("{WALKER}{}", TLE)).contains("both"));
        assert!(said(&WALKER.replace("Deg: 53", "Deg: -53")).contains("inclination"));
        assert!(said("orbit: here\n").contains("unknown field `orbit`"));
    }
}

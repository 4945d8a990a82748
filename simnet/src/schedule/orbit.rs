//! Satellites and ground stations of a run.

use super::{Hosts, Schedule};
use orbweave_contact::{Elements, Walker};
use orbweave_core::link_plan::{LinkPlan, Orbit, Site, WalkerSlot};
use orbweave_model::Wall;
use serde::{Deserialize, Serialize};

/// Where a group of hosts is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// On land, at its site.
    #[default]
    Land,
    /// On land, with an antenna: the k-th host is the k-th of the stations.
    Station,
    /// The k-th host is the k-th satellite.
    Orbit,
}

/// The sky of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sky {
    /// A file of stations: id, name, latitude, longitude, elevation in metres.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stations: String,
    /// What the file says; whoever reads files fills it.
    #[serde(skip)]
    pub sites: Vec<Site>,
    /// Stations reach satellites from so many degrees above their horizon on.
    #[serde(default = "usual_elevation")]
    pub min_elevation_deg: u32,
    /// Satellites of a Walker shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<Shell>,
    /// A file of two-line elements, in the place of a shell. They are dated anew: a run
    /// begins when they are fresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tle: Option<String>,
    /// What the file says; whoever reads files fills it.
    #[serde(skip)]
    pub elements: Vec<(String, String)>,
    /// Whether satellites are linked to their neighbours.
    #[serde(default)]
    pub grid: bool,
    /// Whether round trips jump at each reallocation.
    #[serde(default = "super::yes")]
    pub spike: bool,
}

/// A Walker shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Shell {
    /// Whether planes are spread over half a turn.
    #[serde(default)]
    pub star: bool,
    /// Planes.
    pub planes: u32,
    /// Satellites of each.
    pub satellites_per_plane: u32,
    /// Walker's *f*.
    pub phasing: u32,
    /// In degrees.
    pub inclination_deg: u32,
    /// In kilometres.
    pub altitude_km: u32,
}

impl Shell {
    /// The shell, of which the first satellite crosses the equator at this time.
    pub fn walker(&self, epoch: Wall) -> Walker {
        self.slot(epoch, 0).shell("shell")
    }

    fn slot(&self, epoch: Wall, k: u32) -> WalkerSlot {
        WalkerSlot {
            star: self.star,
            inclination_microdeg: self.inclination_deg.saturating_mul(1_000_000),
            altitude_m: self.altitude_km.saturating_mul(1_000),
            planes: self.planes,
            satellites_per_plane: self.satellites_per_plane,
            phasing: self.phasing,
            epoch,
            plane: k.checked_div(self.satellites_per_plane).unwrap_or(0),
            slot: k.checked_rem(self.satellites_per_plane).unwrap_or(0),
        }
    }
}

impl Sky {
    /// The contact plan of the k-th host of a place, if there is one.
    pub fn plan(&self, place: Place, k: u32, epoch: Wall) -> Option<LinkPlan> {
        match place {
            Place::Land => None,
            Place::Station => {
                let site = self.sites.get(k as usize)?;
                let min_elevation_millideg = self.min_elevation_deg.saturating_mul(1_000);
                let site = Some(Site { min_elevation_millideg, ..*site });
                Some(LinkPlan { site, ..LinkPlan::default() })
            }
            Place::Orbit => {
                let orbit = Some(self.orbit(k, epoch)?);
                Some(LinkPlan { orbit, ..LinkPlan::default() })
            }
        }
    }

    fn orbit(&self, k: u32, epoch: Wall) -> Option<Orbit> {
        if let Some((line1, line2)) = self.elements.get(k as usize) {
            return Some(Orbit::Elements { line1: line1.clone(), line2: line2.clone() });
        }
        let shell = self.shell?;
        let slot = shell.slot(epoch, k);
        (slot.plane < shell.planes).then_some(Orbit::Walker(slot))
    }

    /// Reads a file of stations.
    pub fn read_stations(text: &str) -> Result<Vec<Site>, String> {
        let site = |(number, line): (usize, &str)| {
            let wrong = |why: String| format!("line {}: {why}", number + 1);
            let fields: Vec<&str> = line.split(',').collect();
            let [_, _, latitude, longitude, altitude] = fields.as_slice() else {
                return Err(wrong("write id, name, latitude, longitude, elevation".into()));
            };
            let read = |text: &str, most: f64| match text.trim().parse::<f64>() {
                Ok(value) if value.abs() <= most => Ok(value),
                _ => Err(wrong(format!("{text:?} is not from -{most} to {most}"))),
            };
            Ok(Site {
                latitude_microdeg: (read(latitude, 90.0)? * 1e6) as i32,
                longitude_microdeg: (read(longitude, 180.0)? * 1e6) as i32,
                altitude_m: read(altitude, 8_000.0)? as i32,
                min_elevation_millideg: 0,
            })
        };
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(site).collect()
    }
}

fn usual_elevation() -> u32 {
    25
}

impl Schedule {
    /// Fills in what the files say that the sky names, once the matrix of round trips is read
    /// in; `read` gives a file's text. Hosts must be where these files know a place.
    pub fn load(mut self, read: impl Fn(&str) -> Result<String, String>) -> Result<Self, String> {
        if let Some(matrix) = &self.links.matrix {
            let sites = (self.links.round_trip_us.len() as u64).isqrt();
            let last = |group: &Hosts| u64::from(group.site) + u64::from(group.spread.saturating_sub(1));
            if let Some(group) = self.hosts.iter().find(|group| last(group) >= sites) {
                let (name, last) = (&group.name, last(group));
                return Err(format!("hosts {name:?}: site {last}, and {matrix} has {sites}"));
            }
        }
        let Some(sky) = &mut self.sky else { return Ok(self) };
        if !sky.stations.is_empty() {
            let of_file = |why| format!("{}, {why}", sky.stations);
            sky.sites = Sky::read_stations(&read(&sky.stations)?).map_err(of_file)?;
        }
        if let Some(file) = &sky.tle {
            sky.elements = read_elements(&read(file)?).map_err(|why| format!("{file}, {why}"))?;
        }
        for group in self.hosts.iter().filter(|group| group.place != Place::Land) {
            let last = group.number + group.count.unwrap_or(1).max(1) - 1;
            if sky.plan(group.place, last, Wall(0)).is_none() {
                return Err(format!(
                    "hosts {:?}: the sky has no {:?} number {last}",
                    group.name, group.place
                ));
            }
        }
        Ok(self)
    }
}

/// Reads two-line elements, dated anew so that the run begins at their epoch.
fn read_elements(text: &str) -> Result<Vec<(String, String)>, String> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let sets = Elements::parse_all(text).map_err(|e| e.to_string())?;
    let first = lines.iter().filter(|line| line.starts_with("1 "));
    let second = lines.iter().filter(|line| line.starts_with("2 "));
    let pairs: Vec<(String, String)> =
        first.zip(second).map(|(line1, line2)| (dated(line1), (*line2).to_owned())).collect();
    if pairs.len() == sets.len() { Ok(pairs) } else { Err("a name that looks like a line".into()) }
}

/// The first line of a set with the epoch of the run's beginning: 2027, day 15.33333333.
fn dated(line: &str) -> String {
    let (head, tail) = (line.get(..18).unwrap_or_default(), line.get(32..68).unwrap_or_default());
    let line = format!("{head}27015.33333333{tail}");
    let digit = |c: char| c.to_digit(10).unwrap_or(u32::from(c == '-'));
    let sum: u32 = line.chars().map(digit).sum();
    format!("{line}{}", sum % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::BEGIN;

    const SET: &str = "\
ISS (ZARYA)
1 25544U 98067A   24350.52040184  .00017030  00000+0  30074-3 0  9993
2 25544  51.6388 155.7012 0006987 324.1440 178.4520 15.50194158486665
";

    #[test]
    fn elements_are_dated_anew_for_the_beginning_of_the_run() {
        let text: String = SET.lines().map(|line| format!("{}\n", checked(line))).collect();
        let sets = read_elements(&text).expect("one set");
        let (line1, line2) = &sets[0];
        let fresh = Elements::parse_all(&format!("{line1}\n{line2}\n")).expect("the same set, dated anew");
        assert!(fresh[0].epoch().0.abs_diff(BEGIN.0) < 1_000, "{:?}", fresh[0].epoch());
    }

    /// With the checksum that its digits have.
    fn checked(line: &str) -> String {
        match line.get(..68).filter(|_| line.starts_with(['1', '2'])) {
            Some(body) => {
                let digit = |c: char| c.to_digit(10).unwrap_or(u32::from(c == '-'));
                format!("{body}{}", body.chars().map(digit).sum::<u32>() % 10)
            }
            None => line.to_owned(),
        }
    }

    #[test]
    fn a_station_that_is_nowhere_is_named_by_its_line() {
        let two = Sky::read_stations("0,Tokyo,35.6895,139.69171,0\n1,Delhi,28.66667,77.21667,10\n");
        assert_eq!(two.expect("two stations")[1].longitude_microdeg, 77_216_670);
        let wrong =
            Sky::read_stations("0,Tokyo,35.6,139.6,0\n1,Nowhere,98.6,77.2,0\n").expect_err("no place");
        assert!(wrong.contains("line 2") && wrong.contains("98.6"), "{wrong}");
    }
}

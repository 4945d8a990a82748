//! Within which bounds the parts of a scenario make sense: beyond them, a figure of a file
//! would overflow somewhere in the run. Each check names the field and what is wrong.

use super::{Action, Hosts, Kills, Net, Place, Sky, TIME_MAX_S, WeatherLine, Window};
use orbweave_model::{Label, Selector, Wall, WorkloadName, limit};

/// What is wrong with which field.
type Checked = Result<(), (&'static str, String)>;

/// Hosts of one schedule, and also sites, islands and zones, at most.
pub(super) const HOSTS_MAX: u32 = 65_535;
/// How fast or slow a host's clocks may run.
pub(super) const DRIFT_PPM_MAX: u32 = 100_000;
/// How far clocks are off at most, in milliseconds: as long as they have counted.
const SKEW_MAX_MS: u64 = 60 * TIME_MAX_S * 1_000;
/// How long ago a certificate was issued, at most.
const CERTIFIED_HOURS_MAX: u32 = 10 * 365 * 24;
/// The longest way of a bit, and the longest that a disk takes for a transaction.
pub(super) const DELAY_MAX_MS: u64 = 3_600_000;
/// Deaths of one run.
const KILLS_MAX: u32 = 100_000;
const MILLION: u32 = 1_000_000;

impl Hosts {
    pub(super) fn check(&self, has_sky: bool) -> Checked {
        // The last is the longest.
        if let Some(name) = self.names().last() {
            name.parse::<WorkloadName>().map_err(|e| ("hosts.name", e.to_string()))?;
        }
        if self.zone.len() > limit::NAME_BYTES_MAX {
            return Err((
                "hosts.zone",
                format!("{} bytes; at most {}", self.zone.len(), limit::NAME_BYTES_MAX),
            ));
        }
        if self.labels.len() > limit::LABELS_MAX {
            return Err(("hosts.labels", format!("{}; at most {}", self.labels.len(), limit::LABELS_MAX)));
        }
        if !self.zone.is_empty() && self.zones > 0 {
            return Err(("hosts.zones", "say either zone or zones".into()));
        }
        if self.place != Place::Land && !has_sky {
            return Err(("hosts.place", "there is no [sky] that says where it is".into()));
        }
        let sums = [
            ("hosts.site", u64::from(self.site) + u64::from(self.spread)),
            ("hosts.island", u64::from(self.island) + u64::from(self.islands)),
            ("hosts.zones", u64::from(self.zones)),
            ("hosts.number", u64::from(self.number)),
        ];
        if let Some((field, sum)) = sums.into_iter().find(|(_, sum)| *sum > u64::from(HOSTS_MAX)) {
            return Err((field, format!("it goes up to {sum}; at most {HOSTS_MAX} may be")));
        }
        if self.drift_ppm.unsigned_abs() > DRIFT_PPM_MAX {
            let why = format!("{} millionths; at most {DRIFT_PPM_MAX}", self.drift_ppm);
            return Err(("hosts.drift-ppm", why));
        }
        if self.skew_ms.unsigned_abs() > SKEW_MAX_MS {
            return Err(("hosts.skew-ms", format!("{} ms; at most {SKEW_MAX_MS}", self.skew_ms)));
        }
        if let Some(hours) = self.certified_hours_ago.filter(|hours| *hours > CERTIFIED_HOURS_MAX) {
            return Err(("hosts.certified-hours-ago", format!("{hours}; at most {CERTIFIED_HOURS_MAX}")));
        }
        for (key, value) in &self.labels {
            let label = format!("{key}={value}").parse::<Label>();
            label.map_err(|e| ("hosts.labels", e.to_string()))?;
        }
        Ok(())
    }
}

impl Net {
    pub(super) fn check(&self) -> Checked {
        if let Some(ppm) = self.loss_ppm.filter(|ppm| *ppm > MILLION) {
            return Err(("links.loss-ppm", format!("{ppm} of a million")));
        }
        if self.between_ms > DELAY_MAX_MS {
            return Err(("links.between-ms", format!("{} ms; at most {DELAY_MAX_MS}", self.between_ms)));
        }
        match self.round_trip_limits_ms {
            Some((least, most)) if least > most => {
                Err(("links.round-trip-limits-ms", format!("from {least} to {most} there is nothing")))
            }
            _ => Ok(()),
        }
    }
}

impl Sky {
    pub(super) fn check(&self) -> Checked {
        if self.min_elevation_deg > 90 {
            return Err(("sky.min-elevation-deg", format!("{} degrees; at most 90", self.min_elevation_deg)));
        }
        let Some(shell) = &self.shell else { return Ok(()) };
        let satellites = u64::from(shell.planes) * u64::from(shell.satellites_per_plane);
        if satellites == 0 || satellites > u64::from(HOSTS_MAX) {
            return Err(("sky.shell", format!("{satellites} satellites; 1 to {HOSTS_MAX} may be")));
        }
        let first = shell.walker(Wall(0)).satellite(0, 0);
        first.map(drop).map_err(|e| ("sky.shell", e.to_string()))
    }
}

impl Kills {
    pub(super) fn check(&self) -> Checked {
        if self.count > KILLS_MAX {
            return Err(("kills.count", format!("{}; at most {KILLS_MAX}", self.count)));
        }
        if self.end_ms() > TIME_MAX_S * 1_000 {
            return Err(("kills.every-ms", format!("the last one is back later than {TIME_MAX_S} s")));
        }
        Ok(())
    }
}

impl Window {
    pub(super) fn check(&self) -> Checked {
        if self.from_ms >= self.to_ms || self.to_ms > TIME_MAX_S * 1_000 {
            let why =
                format!("from {} to {} ms is no window of at most {TIME_MAX_S} s", self.from_ms, self.to_ms);
            return Err(("measured.to-ms", why));
        }
        Ok(())
    }
}

impl WeatherLine {
    fn check(&self) -> Result<(), String> {
        let parts = [
            ("loss-ppm", self.loss_ppm),
            ("duplicate-ppm", self.duplicate_ppm),
            ("reorder-ppm", self.reorder_ppm),
        ];
        match parts.into_iter().find(|(_, ppm)| *ppm > MILLION) {
            Some((name, ppm)) => Err(format!("{name}: {ppm} of a million")),
            None if self.reorder_ms > DELAY_MAX_MS => {
                Err(format!("reorder-ms: {}; at most {DELAY_MAX_MS}", self.reorder_ms))
            }
            None => Ok(()),
        }
    }
}

impl Action {
    pub(super) fn check(&self) -> Result<(), String> {
        let parsed = |name: &str| name.parse::<WorkloadName>().map(drop).map_err(|e| e.to_string());
        match self {
            Self::Deploy(deploy) => {
                parsed(&deploy.workload)?;
                deploy.requires.parse::<Selector>().map_err(|e| e.to_string())?;
                if deploy.replicas > limit::REPLICAS_MAX {
                    return Err(format!("{} replicas; at most {}", deploy.replicas, limit::REPLICAS_MAX));
                }
                if deploy.bytes == 0 || deploy.bytes > limit::COMPONENT_BYTES_MAX {
                    let most = limit::COMPONENT_BYTES_MAX;
                    return Err(format!("a component of {} bytes; 1 to {most} may be", deploy.bytes));
                }
                if deploy.rollout.is_some_and(|rollout| rollout.at_a_time == 0) {
                    return Err("a rollout of no slot at a time never begins".into());
                }
                if let Some((what, most)) = deploy.policy.beyond() {
                    return Err(format!("more than {most} {what}"));
                }
                if deploy.release == 0 {
                    return Err("a release's sequence number begins with 1".into());
                }
                Ok(())
            }
            Self::Admit { adversary, .. } => {
                let all = crate::adversary::STRANGERS.iter().chain(&crate::adversary::LIARS);
                if all.clone().any(|name| name == adversary) {
                    return Ok(());
                }
                let known: Vec<&str> = all.copied().collect();
                Err(format!("there is no adversary {adversary:?}; there are {}", known.join(", ")))
            }
            Self::Delete { workload, .. } | Self::FailInstances { workload: Some(workload), .. } => {
                parsed(workload)
            }
            Self::SlowDisk { ms, .. } if *ms > DELAY_MAX_MS => {
                Err(format!("{ms} ms a transaction; at most {DELAY_MAX_MS}"))
            }
            Self::JumpClock { ms, .. } if ms.unsigned_abs() > SKEW_MAX_MS => {
                Err(format!("{ms} ms; at most {SKEW_MAX_MS}"))
            }
            Self::Weather(weather) => weather.check(),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::schedule::Schedule;

    const WHOLE: &str = "name = \"x\"\n[[hosts]]\nname = \"node\"\ncount = 3\n";

    #[test]
    fn what_is_beyond_its_bounds_is_named_by_its_field() {
        let long = WHOLE.replace("\"node\"", &format!("\"{}\"", "n".repeat(62)));
        assert!(Schedule::parse(&long).is_err_and(|e| e.to_string().contains("hosts.name")));
        for (more, field) in [
            ("site = 4_000_000_000\nspread = 4_000_000_000", "hosts.site"),
            ("island = 4_000_000_000\nislands = 4_000_000_000", "hosts.island"),
            ("zone = \"a\"\nzones = 3", "hosts.zones"),
            ("place = \"orbit\"", "hosts.place"),
            (
                "[[event]]\nat-ms = 1\ndo = { deploy = { workload = \"app\", node = \"node-0\", replicas = 1, rollout = { at-a-time = 0, settle-ms = 1 } } }",
                "event.do",
            ),
            ("[[expect]]\nat-ms = 5\nthat = { converged-within = { ms = 1 } }", "expect.that"),
            ("skew-ms = -9_000_000_000_000_000_000", "hosts.skew-ms"),
            ("certified-hours-ago = 4_000_000_000", "hosts.certified-hours-ago"),
            ("[links]\nbetween-ms = 9_000_000_000_000_000_000", "links.between-ms"),
            ("[links]\nround-trip-limits-ms = [9, 3]", "links.round-trip-limits-ms"),
            (
                "[sky]\nshell = { planes = 0, satellites-per-plane = 9, phasing = 0, inclination-deg = 53, altitude-km = 550 }",
                "sky.shell",
            ),
            (
                "[sky]\nshell = { planes = 3, satellites-per-plane = 3, phasing = 5, inclination-deg = 53, altitude-km = 550 }",
                "sky.shell",
            ),
            ("[kills]\ncount = 4_000_000_000\nfrom-ms = 0\nevery-ms = 1\nback-after-ms = 1", "kills.count"),
            (
                "[kills]\ncount = 9\nfrom-ms = 0\nevery-ms = 9_000_000_000_000_000_000\nback-after-ms = 1",
                "kills.every-ms",
            ),
            ("[measured]\nfrom-ms = 9\nto-ms = 9", "measured.to-ms"),
            ("[random]\nlasts-ms = [1, 9_000_000_000_000_000_000]", "random: lasts-ms"),
            ("[random]\nsites = [5, 2]", "random: sites"),
            (
                "[[event]]\nat-ms = 1\ndo = { slow-disk = { node = \"node-0\", ms = 9_000_000_000 } }",
                "event.do",
            ),
            ("[[event]]\nat-ms = 1\ndo = { weather = { loss-ppm = 1_000_001 } }", "event.do"),
            (
                "[[expect]]\nthat = { placed = { workload = \"app\", replicas = 3 } }",
                "expect.that: nothing deploys",
            ),
            (
                "[[expect]]\nthat = { seen = { node = \"node-7\", state = \"alive\" } }",
                "expect.that: there is no host",
            ),
            ("[[expect]]\nthat = { land-bytes = 9 }", "expect.that"),
        ] {
            let error = Schedule::parse(&format!("{WHOLE}{more}\n")).expect_err(more).to_string();
            assert!(error.contains(field), "{more}: {error}");
        }
        Schedule::parse(WHOLE).expect("nothing is beyond its bounds");
    }
}

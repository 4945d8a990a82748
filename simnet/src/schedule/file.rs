//! Schedules as TOML.

use super::{Action, Hosts, Schedule, TIME_MAX_S};
use orbweave_model::limit;
use std::collections::BTreeSet;

/// Hosts of one schedule, at most.
const HOSTS_MAX: u64 = 65_535;
/// How fast or slow a host's clocks may run.
const DRIFT_PPM_MAX: u32 = 100_000;

/// Why a scenario file cannot be used. Nothing was run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// It is no TOML, or a field is unknown, missing or of the wrong type.
    #[error("{0}")]
    Toml(String),
    /// A field says what cannot be.
    #[error("line {line}: {field}: {why}")]
    Field {
        /// The line, counted from 1.
        line: usize,
        /// The field.
        field: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Schedule {
    /// Reads a scenario file. An error names the line and the field.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let schedule: Self = toml::from_str(text).map_err(|e| ScenarioError::Toml(e.to_string()))?;
        schedule.checked(text)
    }

    /// The scenario file of this schedule.
    pub fn to_toml(&self) -> String {
        // Plain data with text keys always has a form in TOML.
        toml::to_string(self).unwrap_or_else(|error| format!("# {error}\n"))
    }

    fn checked(mut self, text: &str) -> Result<Self, ScenarioError> {
        let wrong = |nth: usize, table: &str, field: &str, why: String| {
            Err(ScenarioError::Field { line: line_of(text, table, nth), field: field.to_owned(), why })
        };
        let total: u64 = self.hosts.iter().map(|group| u64::from(group.count.unwrap_or(1))).sum();
        if total == 0 || total > HOSTS_MAX {
            return wrong(0, "[[hosts]]", "hosts.count", format!("{total} hosts; 1 to {HOSTS_MAX} may be"));
        }
        if self.faults_s > TIME_MAX_S {
            return wrong(0, "faults-s", "faults-s", format!("{} s; at most {TIME_MAX_S}", self.faults_s));
        }
        if let Some(ppm) = self.links.loss_ppm.filter(|ppm| *ppm > 1_000_000) {
            return wrong(0, "loss-ppm", "links.loss-ppm", format!("{ppm} of a million"));
        }
        let mut names = BTreeSet::new();
        for (nth, group) in self.hosts.iter().enumerate() {
            if let Some(Err(error)) =
                group.names().first().map(|name| name.parse::<orbweave_model::WorkloadName>())
            {
                return wrong(nth, "[[hosts]]", "hosts.name", error.to_string());
            }
            if group.drift_ppm.unsigned_abs() > DRIFT_PPM_MAX {
                let why = format!("{} millionths; at most {DRIFT_PPM_MAX}", group.drift_ppm);
                return wrong(nth, "[[hosts]]", "hosts.drift-ppm", why);
            }
            if let Some(twice) = group.names().into_iter().find(|name| !names.insert(name.clone())) {
                return wrong(nth, "[[hosts]]", "hosts.name", format!("there are two hosts called {twice}"));
            }
            for (key, value) in &group.labels {
                if let Err(error) = format!("{key}={value}").parse::<orbweave_model::Label>() {
                    return wrong(nth, "[[hosts]]", "hosts.labels", error.to_string());
                }
            }
        }
        let fits = |action: &Action| match action.hosts().into_iter().find(|name| !names.contains(*name)) {
            Some(unknown) => Err(format!("there is no host {unknown:?}")),
            None => sound(action),
        };
        let late = |at_ms: u64| at_ms > TIME_MAX_S * 1_000;
        let too_late = || format!("later than {TIME_MAX_S} s");
        for (nth, event) in self.events.iter().enumerate() {
            if late(event.at_ms) {
                return wrong(nth, "[[event]]", "event.at-ms", too_late());
            }
            if let Err(why) = fits(&event.action) {
                return wrong(nth, "[[event]]", "event.do", why);
            }
        }
        for (nth, expect) in self.expectations.iter().enumerate() {
            if expect.at_ms.is_some_and(late) {
                return wrong(nth, "[[expect]]", "expect.at-ms", too_late());
            }
        }
        for (nth, repeat) in std::mem::take(&mut self.repeats).iter().enumerate() {
            let events = repeat.events().and_then(|events| {
                events.iter().try_for_each(|event| fits(&event.action))?;
                Ok(events)
            });
            match events {
                Ok(events) if events.iter().any(|event| late(event.at_ms)) => {
                    return wrong(nth, "[[repeat]]", "repeat.every-ms", too_late());
                }
                Ok(events) => self.events.extend(events),
                Err(why) => return wrong(nth, "[[repeat]]", "repeat.do", why),
            }
        }
        self.events.sort_by_key(|event| event.at_ms);
        Ok(self)
    }

    /// Joins hosts that are alike into groups, where their names allow it.
    pub fn compact(&mut self) {
        let Some(first) = self.hosts.first() else { return };
        let Some(stem) = first.name.strip_suffix("-0").map(str::to_owned) else { return };
        let alike = |(k, host): (usize, &Hosts)| {
            host.count.is_none()
                && host.name == format!("{stem}-{k}")
                && Hosts { name: String::new(), ..host.clone() }
                    == Hosts { name: String::new(), ..first.clone() }
        };
        let count = self.hosts.iter().enumerate().take_while(|host| alike(*host)).count();
        if count > 1 {
            let group = Hosts { name: stem, count: Some(count as u32), ..first.clone() };
            self.hosts.splice(..count, [group]);
        }
    }
}

fn sound(action: &Action) -> Result<(), String> {
    match action {
        Action::Deploy(deploy) => {
            deploy.workload.parse::<orbweave_model::WorkloadName>().map_err(|e| e.to_string())?;
            deploy.requires.parse::<orbweave_model::Selector>().map_err(|e| e.to_string())?;
            if deploy.replicas > limit::REPLICAS_MAX {
                return Err(format!("{} replicas; at most {}", deploy.replicas, limit::REPLICAS_MAX));
            }
            if deploy.release == 0 {
                return Err("a release's sequence number begins with 1".into());
            }
            Ok(())
        }
        Action::Admit { adversary, .. } => {
            let all = crate::adversary::STRANGERS.iter().chain(&crate::adversary::LIARS);
            if all.clone().any(|name| name == adversary) {
                return Ok(());
            }
            let known: Vec<&str> = all.copied().collect();
            Err(format!("there is no adversary {adversary:?}; there are {}", known.join(", ")))
        }
        _ => Ok(()),
    }
}

/// The line of the n-th table of this heading.
fn line_of(text: &str, heading: &str, nth: usize) -> usize {
    let lines = text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with(heading));
    lines.map(|(number, _)| number + 1).nth(nth).unwrap_or(1)
}

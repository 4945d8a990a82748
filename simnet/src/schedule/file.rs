//! Schedules as TOML.

use super::bounds::HOSTS_MAX;
use super::{Action, Expect, Hosts, Schedule, TIME_MAX_S};
use std::collections::BTreeSet;

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

/// The longest first phase under a sky, in seconds: a hundred days.
const SKY_MAX_S: u64 = 100 * 24 * 3_600;

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
        let at = |nth: usize, table: &str| {
            let line = line_of(text, table, nth);
            move |(field, why): (&str, String)| ScenarioError::Field { line, field: field.to_owned(), why }
        };
        let plain = |field: &str, why: String| at(0, field)((field, why));
        for (field, seconds) in [
            ("faults-s", Some(self.faults_s)),
            ("converge-within-s", self.converge_within_s),
            ("calm-s", self.calm_s),
        ] {
            if let Some(seconds) = seconds.filter(|seconds| *seconds > TIME_MAX_S) {
                return Err(plain(field, format!("{seconds} s; at most {TIME_MAX_S}")));
            }
        }
        self.links.check().map_err(at(0, "[links]"))?;
        if let Some(sky) = &self.sky {
            sky.check().map_err(at(0, "[sky]"))?;
        }
        if let Some(kills) = &self.kills {
            kills.check().map_err(at(0, "[kills]"))?;
        }
        if let Some(window) = &self.measured {
            window.check().map_err(at(0, "[measured]"))?;
        }
        if let Some(options) = &self.random {
            options.check().map_err(|why| at(0, "[random]")(("random", why)))?;
        }
        let total: u64 = self.hosts.iter().map(|group| u64::from(group.count.unwrap_or(1))).sum();
        if total == 0 || total > u64::from(HOSTS_MAX) {
            let why = format!("{total} hosts; 1 to {HOSTS_MAX} may be");
            return Err(at(0, "[[hosts]]")(("hosts.count", why)));
        }
        let mut names = BTreeSet::new();
        for (nth, group) in self.hosts.iter().enumerate() {
            let wrong = at(nth, "[[hosts]]");
            group.check(self.sky.is_some()).map_err(wrong)?;
            if let Some(twice) = group.names().into_iter().find(|name| !names.insert(name.clone())) {
                return Err(wrong(("hosts.name", format!("there are two hosts called {twice}"))));
            }
        }
        let fits = |action: &Action| match action.hosts().into_iter().find(|name| !names.contains(*name)) {
            Some(unknown) => Err(format!("there is no host {unknown:?}")),
            None => action.check(),
        };
        let late = |at_ms: u64| at_ms > TIME_MAX_S * 1_000;
        let too_late = || format!("later than {TIME_MAX_S} s");
        for (nth, event) in self.events.iter().enumerate() {
            let wrong = at(nth, "[[event]]");
            if late(event.at_ms) {
                return Err(wrong(("event.at-ms", too_late())));
            }
            fits(&event.action).map_err(|why| wrong(("event.do", why)))?;
        }
        for (nth, repeat) in std::mem::take(&mut self.repeats).iter().enumerate() {
            let wrong = at(nth, "[[repeat]]");
            let events = repeat.events().map_err(|why| wrong(("repeat.do", why)))?;
            if events.iter().any(|event| late(event.at_ms)) {
                return Err(wrong(("repeat.every-ms", too_late())));
            }
            events
                .iter()
                .try_for_each(|event| fits(&event.action))
                .map_err(|why| wrong(("repeat.do", why)))?;
            self.events.extend(events);
        }
        // All contacts are computed before the run.
        if self.sky.is_some() && self.faults_end_ms() > SKY_MAX_S * 1_000 {
            return Err(plain("faults-s", format!("under a sky at most {SKY_MAX_S} s")));
        }
        // Whoever is hostile acts in the first mesh's time, on hosts of any.
        let several = self.hosts.iter().any(|group| group.island > 0 || group.islands > 1);
        let hostile = self.events.iter().position(|event| matches!(event.action, Action::Admit { .. }));
        if let Some(nth) = hostile.filter(|_| several) {
            let why = "nobody hostile can be where meshes stand side by side (islands)".to_owned();
            return Err(at(nth, "[[event]]")(("event.do", why)));
        }
        for (nth, expect) in self.expectations.iter().enumerate() {
            let wrong = at(nth, "[[expect]]");
            if expect.at_ms.is_some_and(late) {
                return Err(wrong(("expect.at-ms", too_late())));
            }
            if expect.at_ms.is_some() && matches!(expect.that, Expect::ConvergedWithin { .. }) {
                let why = "it is of the end: leave at-ms out".to_owned();
                return Err(wrong(("expect.that", why)));
            }
            self.can_hold(&expect.that, &names).map_err(|why| wrong(("expect.that", why)))?;
        }
        self.events.sort_by_key(|event| event.at_ms);
        Ok(self)
    }

    /// Whether an expectation is about something that is there at all.
    fn can_hold(&self, that: &Expect, hosts: &BTreeSet<String>) -> Result<(), String> {
        let is_deployed = |name: &str| {
            self.events
                .iter()
                .any(|event| matches!(&event.action, Action::Deploy(deploy) if deploy.workload == name))
        };
        match that {
            Expect::Placed { workload, .. }
            | Expect::Gone { workload }
            | Expect::Running { workload, .. }
                if !is_deployed(workload) =>
            {
                Err(format!("nothing deploys {workload:?}"))
            }
            Expect::Seen { node, .. } | Expect::Holds { node, .. } if !hosts.contains(node) => {
                Err(format!("there is no host {node:?}"))
            }
            Expect::LandBytes(_) if self.measured.is_none() => {
                Err("it is of the window that [measured] names, and there is none".into())
            }
            _ => Ok(()),
        }
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

/// The line of the n-th table of this heading.
fn line_of(text: &str, heading: &str, nth: usize) -> usize {
    let lines = text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with(heading));
    lines.map(|(number, _)| number + 1).nth(nth).unwrap_or(1)
}

//! Actions that are done many times, written once.

use super::{Action, Timed};
use serde::{Deserialize, Serialize};

/// Times of one repetition, at most.
const TIMES_MAX: u32 = 100_000;

/// An action that is done several times. In its texts `{n}` stands for the number of the
/// time, and `{n*3}` for three times that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Repeat {
    /// The first time, in milliseconds since the beginning.
    pub from_ms: u64,
    /// Between two times, in milliseconds.
    pub every_ms: u64,
    /// How often.
    pub times: u32,
    /// The number of the first time; the next has the next number.
    #[serde(default)]
    pub first: u32,
    /// What.
    #[serde(rename = "do")]
    pub action: Action,
}

/// An action by itself, as TOML wants it.
#[derive(Serialize, Deserialize)]
struct Alone {
    #[serde(rename = "do")]
    action: Action,
}

impl Repeat {
    /// Each of its times as an event.
    pub(super) fn events(&self) -> Result<Vec<Timed>, String> {
        if self.times > TIMES_MAX {
            return Err(format!("{} times; at most {TIMES_MAX} may be", self.times));
        }
        let alone = Alone { action: self.action.clone() };
        let text = toml::to_string(&alone).map_err(|e| e.to_string())?;
        let event = |k: u32| {
            let text = numbered(&text, self.first.saturating_add(k))?;
            let action = toml::from_str::<Alone>(&text).map_err(|e| e.to_string())?.action;
            let at_ms = self.from_ms.saturating_add(self.every_ms.saturating_mul(u64::from(k)));
            Ok(Timed { at_ms, action, part_of: None })
        };
        (0..self.times).map(event).collect()
    }
}

/// The text with a number in the place of each `{n}`.
fn numbered(text: &str, n: u32) -> Result<String, String> {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{n") {
        let (factor, after) = after.split_once('}').ok_or("{n is not closed")?;
        let factor = match factor.strip_prefix('*') {
            Some(factor) => factor.parse::<u32>().map_err(|e| format!("{{n*{factor}}}: {e}"))?,
            None if factor.is_empty() => 1,
            None => return Err(format!("{{n{factor}}} is neither {{n}} nor {{n*3}}")),
        };
        done.push_str(before);
        done.push_str(&n.saturating_mul(factor).to_string());
        rest = after;
    }
    done.push_str(rest);
    Ok(done)
}

#[cfg(test)]
mod tests {
    use crate::schedule::{Action, Schedule};

    const THREE: &str = "name = \"x\"\n[[hosts]]\nname = \"node\"\ncount = 9\n\n[[repeat]]\nfrom-ms = 500\nevery-ms = 20\ntimes = 3\nfirst = 2\ndo = { deploy = { workload = \"app-{n}\", node = \"node-{n*2}\", replicas = 1 } }\n";

    #[test]
    fn a_repeated_action_is_as_many_events_each_with_its_number() {
        let schedule = Schedule::parse(THREE).expect("a scenario");
        let what = |action: &Action| match action {
            Action::Deploy(deploy) => format!("{} {}", deploy.workload, deploy.node),
            other => format!("{other:?}"),
        };
        let all: Vec<_> = schedule.events.iter().map(|event| (event.at_ms, what(&event.action))).collect();
        let expected = [(500, "app-2 node-4"), (520, "app-3 node-6"), (540, "app-4 node-8")];
        assert_eq!(all, expected.map(|(at, what)| (at, what.to_owned())));
        assert_eq!(Schedule::parse(&schedule.to_toml()), Ok(schedule));
    }

    #[test]
    fn a_mistake_in_a_repeated_action_is_named_by_line_and_field() {
        let error = |from: &str, to: &str| {
            Schedule::parse(&THREE.replace(from, to)).expect_err("a mistake").to_string()
        };
        let beyond = error("times = 3", "times = 4");
        assert!(beyond.contains("line 6: repeat.do") && beyond.contains("node-10"), "{beyond}");
        assert!(error("{n*2}", "{n+2}").contains("{n+2} is neither"));
        assert!(error("{n*2}", "{n*z}").contains("line 6: repeat.do"));
        assert!(error("times = 3", "times = 100_001").contains("at most 100000"));
    }
}

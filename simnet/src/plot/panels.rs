//! The panels of a picture, one below the other.

use super::axis::{LEFT, RIGHT, Scale, Time, WIDTH, tenths};
use super::marks::{Mark, marks};
use super::recording::{From, Recording, State};
use super::style::{SHEET, STATES, class_of, words_of};
use crate::run::Report;
use crate::schedule::Schedule;
use std::collections::BTreeMap;
use svg::node::element::path::Data;
use svg::node::element::{Circle, Group, Line, Path, Rectangle, Style, Text, Title};
use svg::{Document, Node};

/// Height of the heading of a panel, and below each.
const HEAD: f64 = 22.0;
const GAP: f64 = 18.0;
/// Height of the panels that are curves.
const CURVE: f64 = 110.0;
/// Height of one workload's row, and how many are drawn.
const WORKLOAD: f64 = 36.0;
const WORKLOADS_MAX: usize = 16;
/// All lanes of hosts together, and one of them at most and at least.
const LANES: f64 = 420.0;
const LANE: (f64, f64) = (3.0, 15.0);
/// A name needs so much room; lanes that are lower are named now and then.
const NAMED_LANE: f64 = 11.0;
/// Height of a curve of which there is nothing.
const NOTHING: f64 = 14.0;
/// Width of the name of a moment.
const MOMENT: f64 = 62.0;
/// What was sent is averaged over so many looks.
const WINDOW: usize = 5;

/// Draws a run.
pub(super) fn draw(schedule: &Schedule, report: &Report, seen: &Recording) -> String {
    let end_ms = (report.virtual_s * 1_000.0) as u64;
    let mut page =
        Page { time: Time { end_ms }, y: 0.0, panels: Vec::new(), back: Group::new(), front: Group::new() };
    page.title(report);
    page.happenings(schedule, seen);
    page.hosts(schedule, seen);
    page.workloads(seen);
    page.sent(seen);
    page.recoveries(report, seen);
    page.finished(schedule, report)
}

/// A picture as it grows downwards.
struct Page {
    time: Time,
    y: f64,
    /// From where to where each panel goes.
    panels: Vec<(f64, f64)>,
    /// What lies behind the grid, and before it.
    back: Group,
    front: Group,
}

impl Page {
    fn title(&mut self, report: &Report) {
        let Report { scenario, seed, nodes, virtual_s, .. } = report;
        self.text(LEFT, 26.0, "title", format!("{scenario}, seed {seed}"));
        let rest = match (&report.unconverged, report.converged_after) {
            (Some(why), _) => format!("not well in the end: {why}"),
            (None, Some(took)) => format!("all was well {:.1} s after all was mended", took.as_secs_f64()),
            (None, None) => "ended with the first violation".to_owned(),
        };
        let violations = match report.violations.len() {
            0 => "no violation".to_owned(),
            count => format!("{count} violations (red lines)"),
        };
        let words = format!("{nodes} hosts, {virtual_s:.0} s of virtual time; {violations}; {rest}");
        self.text(LEFT, 44.0, "muted", words);
        self.y = 60.0;
    }

    /// Begins a panel; gives where its content begins.
    fn panel(&mut self, name: &str, height: f64, legend: &[(&'static str, &str)]) -> f64 {
        self.y += HEAD;
        self.text(LEFT, self.y - 7.0, "head", name);
        let mut right = WIDTH - RIGHT;
        for (class, words) in legend.iter().rev() {
            // Letters are some six pixels wide.
            right -= words.chars().count() as f64 * 6.0;
            self.text(right, self.y - 7.0, "muted", *words);
            right -= 15.0;
            self.front.append(sample(class, right, self.y - 16.0));
            right -= 14.0;
        }
        let top = self.y;
        self.back.append(rectangle("panel", LEFT, top, WIDTH - LEFT - RIGHT, height));
        for s in self.time.ticks() {
            let x = self.time.x(s * 1_000);
            self.back.append(line("grid", (x, top), (x, top + height)));
        }
        self.y += height + GAP;
        self.panels.push((top, top + height));
        top
    }

    fn happenings(&mut self, schedule: &Schedule, seen: &Recording) {
        const ROW: f64 = 17.0;
        let rows = marks(schedule, seen);
        let legend = [
            ("bad", "goes wrong"),
            ("good", "is mended"),
            ("people", "people"),
            ("band", "some link is cut, or the weather is bad"),
        ];
        let top = self.panel("What happens", ROW * rows.len() as f64, &legend);
        let bands = [("links", &seen.cut), ("weather", &seen.weather)];
        for ((name, all), y) in rows.into_iter().zip((0..).map(|k| top + ROW * f64::from(k))) {
            self.text(LEFT - 8.0, y + 12.5, "right", name);
            for (_, changes) in bands.iter().filter(|(of, _)| *of == name) {
                self.spans(changes, |on| on.then_some("band"), y + 2.0, ROW - 4.0);
            }
            for Mark { at_ms, class, words } in all {
                let x = self.time.x(at_ms);
                let tick = line(class, (x, y + 3.0), (x, y + ROW - 3.0));
                self.front.append(tick.add(Title::new(format!("{:.1} s: {words}", at_ms as f64 / 1_000.0))));
            }
        }
    }

    fn hosts(&mut self, schedule: &Schedule, seen: &Recording) {
        let names = schedule.host_names();
        let lane = (LANES / names.len().max(1) as f64).clamp(LANE.0, LANE.1);
        let legend = STATES.map(|state| (class_of(state), words_of(state)));
        let name = format!("Membership: whether each of {} hosts knows which others are up", names.len());
        // The legend has a line of its own.
        self.text(LEFT, self.y + HEAD - 7.0, "head", name);
        self.y += HEAD - 5.0;
        let top = self.panel("", lane * names.len() as f64, &legend);
        let every = (NAMED_LANE / lane).ceil() as usize;
        for (i, (name, changes)) in names.iter().zip(&seen.hosts).enumerate() {
            let y = top + lane * i as f64;
            if i % every.max(1) == 0 {
                self.text(LEFT - 8.0, y + lane / 2.0 + 4.0, "right", name);
            }
            let gap = if lane > 5.0 { 1.0 } else { 0.0 };
            self.spans(changes, |state: State| Some(class_of(state)), y, lane - gap);
        }
    }

    /// Stretches of time, each with what held in it.
    fn spans<T: Copy>(
        &mut self,
        changes: &[From<T>],
        class: impl Fn(T) -> Option<&'static str>,
        y: f64,
        height: f64,
    ) {
        // One path a class: much shorter than a rectangle a stretch.
        let mut paths: BTreeMap<&'static str, Data> = BTreeMap::new();
        for (at, (from, value)) in changes.iter().enumerate() {
            let until = changes.get(at + 1).map_or(self.time.end_ms, |(next, _)| *next);
            let Some(class) = class(*value) else { continue };
            let (from, until) = (self.time.x(*from), self.time.x(until));
            let path = paths.remove(class).unwrap_or_default().move_to((from, tenths(y)));
            let path = path.horizontal_line_to(until).vertical_line_by(tenths(height));
            paths.insert(class, path.horizontal_line_to(from).close());
        }
        for (class, data) in paths {
            self.front.append(path(class, data));
        }
    }

    fn workloads(&mut self, seen: &Recording) {
        let count = seen.workloads.len().min(WORKLOADS_MAX);
        let legend = [("running", "replicas that run"), ("wanted", "replicas that are wanted")];
        let more = seen.workloads.len() - count;
        let name =
            if more == 0 { "Replicas".to_owned() } else { format!("Replicas ({more} more workloads)") };
        let top = self.panel(&name, WORKLOAD * count.max(1) as f64, &legend);
        for ((name, changes), k) in seen.workloads.iter().zip(0..count as u32) {
            let most = changes.iter().map(|(_, (runs, wanted))| *runs.max(wanted)).max().unwrap_or(0).max(1);
            let bottom = top + WORKLOAD * f64::from(k + 1) - 2.0;
            let scale = Scale { bottom, height: WORKLOAD - 10.0, most: u64::from(most) };
            self.text(LEFT - 8.0, bottom - 15.0, "right", name);
            self.text(LEFT - 8.0, bottom - 2.0, "right muted", format!("0 to {most}"));
            self.back.append(line("grid", (LEFT, bottom), (WIDTH - RIGHT, bottom)));
            let mut running = steps(self.time, scale, changes, |(runs, _)| runs);
            if let Some((first, _)) = changes.first() {
                running = running.line_to((WIDTH - RIGHT, bottom)).line_to((self.time.x(*first), bottom));
            }
            self.front.append(path("running", running.close()));
            self.front.append(path("wanted", steps(self.time, scale, changes, |(_, wanted)| wanted)));
        }
    }

    fn sent(&mut self, seen: &Recording) {
        let rates = rates(&seen.sent);
        let most = rates.iter().map(|(_, (_, busiest))| *busiest).max().unwrap_or(0).max(1);
        let legend = [("mean", "mean of all hosts"), ("busiest", "the busiest host")];
        let top = self.panel("Sent, bytes a second and host, with all overhead", CURVE, &legend);
        let scale = Scale { bottom: top + CURVE, height: CURVE - 8.0, most };
        self.values(scale, |value| match value {
            0 => "0 B/s".to_owned(),
            value if value % 1_000 == 0 => format!("{} kB/s", value / 1_000),
            value => format!("{value} B/s"),
        });
        let curve = |of: fn(&(u64, u64)) -> u64| {
            let mut points = rates.iter().map(|(at, rate)| (self.time.x(*at), scale.y(of(rate))));
            let first = points.next().unwrap_or((LEFT, scale.bottom));
            points.fold(Data::new().move_to(first), Data::line_to)
        };
        let (busiest, mean) = (curve(|(_, busiest)| *busiest), curve(|(mean, _)| *mean));
        self.front.append(path("busiest", busiest));
        self.front.append(path("mean", mean));
    }

    fn recoveries(&mut self, report: &Report, seen: &Recording) {
        let most = seen.recoveries.iter().map(|(_, took)| *took).max().unwrap_or(0).max(1_000);
        let legend = [("recovery", "a replica whose host died, by when that was")];
        let of = match (report.recovery_ms.p50, report.recovery_ms.p99) {
            (Some(p50), Some(p99)) => format!(
                "Recovery, seconds until it ran again: {:.1} in the median, {:.1} at p99",
                p50 as f64 / 1_000.0,
                p99 as f64 / 1_000.0
            ),
            _ => "Recovery: nothing that ran died and ran again".to_owned(),
        };
        if seen.recoveries.is_empty() {
            self.panel(&of, NOTHING, &[]);
            return;
        }
        let top = self.panel(&of, CURVE, &legend);
        let scale = Scale { bottom: top + CURVE, height: CURVE - 8.0, most };
        self.values(scale, |ms| format!("{} s", ms as f64 / 1_000.0));
        for (died, took) in &seen.recoveries {
            let (x, y) = (self.time.x(*died), scale.y(*took));
            self.front.append(line("recovery", (x, scale.bottom), (x, y)));
            let words =
                format!("died at {:.1} s, ran again after {:.1} s", *died as f64 / 1e3, *took as f64 / 1e3);
            let dot = Circle::new().set("class", "dot").set("cx", x).set("cy", y).set("r", 2.5);
            self.front.append(dot.add(Title::new(words)));
        }
    }

    fn values(&mut self, scale: Scale, words: impl Fn(u64) -> String) {
        for value in scale.ticks() {
            let y = scale.y(value);
            self.back.append(line("grid", (LEFT, y), (WIDTH - RIGHT, y)));
            self.text(LEFT - 8.0, y + 4.0, "right muted", words(value));
        }
    }

    fn text(&mut self, x: f64, y: f64, class: &str, words: impl Into<String>) {
        let text = Text::new(words).set("x", tenths(x)).set("y", tenths(y)).set("class", class);
        self.front.append(text);
    }

    /// A moment that concerns all panels.
    fn moment(&mut self, class: &str, at_ms: u64, words: &str) {
        let x = self.time.x(at_ms);
        for (top, bottom) in &self.panels {
            let mark = line(class, (x, *top), (x, *bottom));
            self.front.append(mark.add(Title::new(words)));
        }
    }

    fn finished(mut self, schedule: &Schedule, report: &Report) -> String {
        let bottom = self.y - GAP;
        for s in self.time.ticks() {
            self.text(self.time.x(s * 1_000), bottom + 16.0, "middle muted", format!("{s} s"));
        }
        self.text(LEFT - 30.0, bottom + 16.0, "right muted", "virtual time");
        let mended = schedule.faults_end_ms();
        let well = report.converged_after.map(|took| mended + took.as_millis() as u64);
        // The two may be close together: one is named to the left, the other to the right.
        let moments = [(Some(mended), "all is mended", "right"), (well, "all is well", "left")];
        for (at, words, class) in moments {
            if let Some(at) = at.filter(|at| *at <= self.time.end_ms) {
                self.moment("phase", at, words);
                let x = self.time.x(at).min(WIDTH - MOMENT);
                self.text(x, bottom + 31.0, class, words);
            }
        }
        for violation in &report.violations {
            self.moment("violation", violation.at_ms, &violation.to_string());
        }
        let height = bottom + 42.0;
        let page = Document::new()
            .set("viewBox", (0, 0, WIDTH, height))
            .set("width", WIDTH)
            .set("height", height)
            .set("role", "img")
            .add(Title::new(format!("{}, seed {}", report.scenario, report.seed)))
            .add(Style::new(SHEET))
            .add(rectangle("ground", 0.0, 0.0, WIDTH, height))
            .add(self.back)
            .add(self.front);
        format!("{page}\n")
    }
}

/// A piece of a legend.
fn sample(class: &str, x: f64, y: f64) -> Box<dyn Node> {
    match class {
        "bad" | "good" | "people" => Box::new(line(class, (x + 6.0, y), (x + 6.0, y + 11.0))),
        "wanted" | "mean" | "busiest" | "recovery" => {
            Box::new(line(class, (x - 2.0, y + 6.0), (x + 11.0, y + 6.0)))
        }
        _ => Box::new(rectangle(class, x, y, 11.0, 11.0)),
    }
}

fn rectangle(class: &str, x: f64, y: f64, width: f64, height: f64) -> Rectangle {
    let at = Rectangle::new().set("class", class).set("x", tenths(x)).set("y", tenths(y));
    at.set("width", tenths(width)).set("height", tenths(height))
}

fn line(class: &str, from: (f64, f64), to: (f64, f64)) -> Line {
    let line = Line::new().set("class", class).set("x1", tenths(from.0)).set("y1", tenths(from.1));
    line.set("x2", tenths(to.0)).set("y2", tenths(to.1))
}

fn path(class: &str, data: Data) -> Path {
    Path::new().set("class", class).set("d", data)
}

/// A value that holds until the next one does.
fn steps<T: Copy>(time: Time, scale: Scale, changes: &[From<T>], of: impl Fn(T) -> u32) -> Data {
    let mut data = Data::new();
    for (k, (at, value)) in changes.iter().enumerate() {
        let (x, y) = (time.x(*at), scale.y(of(*value).into()));
        data = if k == 0 { data.move_to((x, y)) } else { data.horizontal_line_to(x).vertical_line_to(y) };
    }
    data.horizontal_line_to(WIDTH - RIGHT)
}

/// Bytes a second over windows: of all hosts on average, and of the busiest.
fn rates(sent: &[From<Vec<u64>>]) -> Vec<From<(u64, u64)>> {
    let looks: Vec<&From<Vec<u64>>> = sent.iter().step_by(WINDOW).collect();
    let between = |((from, before), (until, after)): (&From<Vec<u64>>, &From<Vec<u64>>)| {
        let millis = until.checked_sub(*from).filter(|millis| *millis > 0)?;
        let each: Vec<u64> = after
            .iter()
            .zip(before)
            .map(|(after, before)| after.saturating_sub(*before).saturating_mul(1_000) / millis)
            .collect();
        let mean = each.iter().sum::<u64>() / each.len().max(1) as u64;
        Some((*until, (mean, each.into_iter().max().unwrap_or(0))))
    };
    looks.iter().zip(looks.iter().skip(1)).filter_map(|(a, b)| between((a, b))).collect()
}

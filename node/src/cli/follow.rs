//! `logs` and `events`: what there is, and what comes.

use super::args::{EventsArgs, LogsArgs};
use super::failure::Failure;
use super::output::{self, Format, Paint, paint};
use crate::api::Client;
use crate::api::client::{Item, Lines};
use crate::api::event::{Event, EventKind};
use crate::api::types::{LogLine, LogStream};
use orbweave_model::WorkloadName;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What the workloads wrote.
pub async fn logs(client: &Client, args: LogsArgs) -> Result<(), Failure> {
    known(client, args.workload.as_ref()).await?;
    let lines = client.lines(&path("logs", args.workload.as_ref(), args.follow, args.here)).await?;
    let colour = output::colour_on_stdout();
    print(lines, args.output.format, |line| log_line(line, colour)).await
}

/// What happened.
pub async fn events(client: &Client, args: EventsArgs) -> Result<(), Failure> {
    known(client, args.workload.as_ref()).await?;
    let lines = client.lines(&path("events", args.workload.as_ref(), args.follow, args.here)).await?;
    let colour = output::colour_on_stdout();
    print(lines, args.output.format, |event| event_line(event, colour)).await
}

/// Refuses what was never deployed: silence would say that nothing happened.
async fn known(client: &Client, workload: Option<&WorkloadName>) -> Result<(), Failure> {
    let Some(name) = workload else { return Ok(()) };
    match super::deploy::describe(client, name).await? {
        Some(_) => Ok(()),
        None => Err(Failure::new(format!("no workload is called {name}")).fix("see `orbweave get --all`")),
    }
}

fn path(what: &str, workload: Option<&WorkloadName>, follow: bool, here: bool) -> String {
    // Names need no escaping: letters, digits and '-'.
    let workload = workload.map(|name| format!("&workload={name}&everywhere={}", !here)).unwrap_or_default();
    format!("/v1/{what}?follow={follow}{workload}")
}

async fn print<T>(mut lines: Lines, format: Format, text: impl Fn(&T) -> String) -> Result<(), Failure>
where
    T: DeserializeOwned + Serialize,
{
    while let Some(item) = lines.next::<T>().await? {
        match item {
            Item::Value(value) if format == Format::Json => output::say_json_line(&value)?,
            Item::Value(value) => output::say(&format!("{}\n", text(&value)))?,
            Item::Skipped(count) => output::note(&format!("({count} lines came too fast and are left out)")),
            Item::Missing(m) => output::note(&format!("(node {} is left out: {})", m.missing.short(), m.why)),
        }
    }
    Ok(())
}

/// A line of a guest for people.
fn log_line(line: &LogLine, colour: bool) -> String {
    let time = paint(colour, Paint::Dim, &output::time_of_day(line.at_ms));
    let stream = match line.stream {
        LogStream::Stdout => String::new(),
        LogStream::Stderr => paint(colour, Paint::Yellow, " stderr"),
        LogStream::Host => paint(colour, Paint::Cyan, " host"),
    };
    format!("{time} {}/{}{stream} {}", line.workload, line.instance, printable(&line.text))
}

/// An event for people.
pub fn event_line(event: &Event, colour: bool) -> String {
    let time = paint(colour, Paint::Dim, &output::time_of_day(event.at_ms));
    let kind = paint(colour, kind_paint(event.kind), &format!("{:<22}", event.kind));
    // Not twice, where the text says it already.
    let unsaid = event.workload.as_ref().filter(|name| !event.text.contains(name.as_str()));
    let workload = unsaid.map(|name| match event.slot {
        Some(slot) => format!("{name}[{slot}] "),
        None => format!("{name} "),
    });
    let took = event.took_ms.map(|ms| format!(" ({ms} ms)")).unwrap_or_default();
    let cause = event.cause.as_ref().map(|cause| format!(": {}", printable(cause))).unwrap_or_default();
    let node = paint(colour, Paint::Dim, &event.node.short());
    format!("{time} {node} {kind} {}{}{took}{cause}", workload.unwrap_or_default(), printable(&event.text))
}

/// What guests and peers wrote must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

fn kind_paint(kind: EventKind) -> Paint {
    use EventKind::{
        AnsweredFirstRequest, Failed, FetchFailed, LinkDown, MemberDown, MemberSuspect, MemberUp, NodeReady,
        OfferRefused, PeerRefused, RecordRefused, ReleaseRefused, SelfDoubt, Started,
    };
    match kind {
        Started | AnsweredFirstRequest | MemberUp | NodeReady => Paint::Green,
        Failed | FetchFailed | MemberDown | ReleaseRefused | RecordRefused | SelfDoubt => Paint::Red,
        MemberSuspect | LinkDown | OfferRefused | PeerRefused => Paint::Yellow,
        _ => Paint::Cyan,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orbweave_model::{InstanceId, NodeId};

    #[test]
    fn a_line_of_a_guest_cannot_steer_the_terminal() {
        let line = LogLine {
            at_ms: 1_500,
            node: NodeId([1; 32]),
            workload: "hello".parse().unwrap(),
            instance: InstanceId(7),
            stream: LogStream::Stderr,
            text: "a\x1b[2Jb\tc".into(),
        };
        assert_eq!(log_line(&line, false), "00:00:01.500 hello/i7 stderr a\u{fffd}[2Jb\tc");
    }

    #[test]
    fn an_event_says_what_it_is_about_and_why() {
        let mut event = Event::new(61_002, NodeId([1; 32]), EventKind::OfferRefused, "edge-1 refuses");
        event.workload = Some("hello".parse().unwrap());
        event.slot = Some(2);
        event.took_ms = Some(3);
        event.cause = Some("no memory".into());
        assert_eq!(
            event_line(&event, false),
            "00:01:01.002 0101010101 offer-refused          hello[2] edge-1 refuses (3 ms): no memory"
        );
    }
}

//! Whether a node can take a slot, and why not: what candidates answer, and people read.

use minicbor::{Decode, Encode};
use orbweave_model::Wall;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whether a node can take a slot, and why not. A reader of an earlier version takes an
/// answer with a later reason for none, and asks the next node.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It can.
    #[n(0)]
    Fits,
    /// A condition over its labels does not hold.
    #[n(1)]
    Label(#[n(0)] String),
    /// Not enough processor time, in thousandths of a core.
    #[n(2)]
    Cpu(#[n(0)] u32, #[n(1)] u32),
    /// Not enough memory, in bytes.
    #[n(3)]
    Memory(#[n(0)] u64, #[n(1)] u64),
    /// No instance left.
    #[n(4)]
    Instances,
    /// The workload failed there and backs off.
    #[n(5)]
    BackingOff,
    /// The node holds more of this workload than the placer knew: its view is stale.
    #[n(6)]
    StaleView,
    /// The node does not know this generation of the workload yet.
    #[n(7)]
    Unknown,
    /// The release does not pass the node's own verification.
    #[n(8)]
    Release(#[n(0)] String),
    /// The node leaves or drains.
    #[n(9)]
    Leaving,
    /// Not enough of accelerators, in thousandths of one.
    #[n(10)]
    Accelerator(#[n(0)] u32, #[n(1)] u32),
    /// The node grants no guest this interface.
    #[n(11)]
    Capability(#[n(0)] String),
    /// It holds a workload that this one keeps apart from.
    #[n(12)]
    Apart(#[n(0)] String),
    /// Its value of a label has as many replicas as it may: key, value, replicas.
    #[n(13)]
    Crowded(#[n(0)] String, #[n(1)] String, #[n(2)] u32),
    /// Its value of a label would be too far ahead of another: key, value, allowed lead.
    #[n(14)]
    Skewed(#[n(0)] String, #[n(1)] String, #[n(2)] u32),
    /// It does not have the label over which replicas are spread.
    #[n(15)]
    NoDomain(#[n(0)] String),
    /// It is farther from something than it may be: from what, the round trip in
    /// microseconds where one is known, and the longest one in milliseconds.
    #[n(16)]
    TooFar(#[n(0)] String, #[n(1)] Option<u32>, #[n(2)] u32),
    /// There is no link to it.
    #[n(17)]
    Unreachable,
    /// It is on scheduled links and out of reach, until then (milliseconds since 1970)
    /// where a contact is known.
    #[n(18)]
    Dark(#[n(0)] Option<u64>),
    /// It is not alive.
    #[n(19)]
    Gone,
    /// People took it out of service.
    #[n(20)]
    Cordoned,
    /// The quota of this namespace does not cover the slot.
    #[n(21)]
    Quota(#[n(0)] String),
}

/// One reason why nodes do not take a slot, and how many they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The reason; where it is a shortage, the smallest of them.
    pub verdict: Verdict,
    /// The nodes.
    pub nodes: usize,
}

impl Reason {
    /// The reasons of many nodes, the most frequent first.
    pub fn of<'a>(verdicts: impl IntoIterator<Item = &'a Verdict>) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = Vec::new();
        for verdict in verdicts {
            match reasons.iter_mut().find(|reason| reason.verdict.is_like(verdict)) {
                Some(reason) => {
                    reason.nodes += 1;
                    if verdict.shortage() < reason.verdict.shortage() {
                        reason.verdict = verdict.clone();
                    }
                }
                None => reasons.push(Reason { verdict: verdict.clone(), nodes: 1 }),
            }
        }
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.nodes));
        reasons
    }
}

impl Verdict {
    /// Whether two differ by nothing but what a node has.
    fn is_like(&self, other: &Verdict) -> bool {
        use Verdict::*;
        match (self, other) {
            (Cpu(..), Cpu(..)) | (Memory(..), Memory(..)) | (Accelerator(..), Accelerator(..)) => true,
            (TooFar(a, ..), TooFar(b, ..)) => a == b,
            (Dark(_), Dark(_)) => true,
            _ => self == other,
        }
    }

    /// By how much a place falls short, to be compared with others of its kind.
    fn shortage(&self) -> u64 {
        match self {
            Verdict::Cpu(need, free) | Verdict::Accelerator(need, free) => {
                u64::from(need.saturating_sub(*free))
            }
            Verdict::Memory(need, free) => need.saturating_sub(*free),
            Verdict::TooFar(_, rtt, _) => rtt.map_or(u64::MAX, u64::from),
            Verdict::Dark(until) => until.unwrap_or(u64::MAX),
            _ => 0,
        }
    }
}

fn milliseconds(us: u32) -> String {
    match us {
        0..100_000 => format!("{}.{}", us / 1_000, us % 1_000 / 100),
        _ => (us / 1_000).to_string(),
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Fits => f.write_str("fits"),
            Verdict::Label(term) => write!(f, "its labels do not satisfy `{term}`"),
            Verdict::Cpu(need, free) => write!(f, "needs {need}m of cpu, {free}m are free"),
            Verdict::Memory(need, free) => {
                write!(f, "needs {} MiB of memory, {} MiB are free", need >> 20, free >> 20)
            }
            Verdict::Instances => f.write_str("has no instance left"),
            Verdict::BackingOff => f.write_str("backs off after a failure of this workload"),
            Verdict::StaleView => f.write_str("holds more of this workload than the placer knew"),
            Verdict::Unknown => f.write_str("does not know this generation yet"),
            Verdict::Release(why) => write!(f, "refuses the release: {why}"),
            Verdict::Leaving => f.write_str("is leaving"),
            Verdict::Accelerator(_, 0) => f.write_str("has no accelerator free"),
            Verdict::Accelerator(need, free) => {
                write!(f, "needs {need}m of an accelerator, {free}m are free")
            }
            Verdict::Capability(import) => write!(f, "grants no guest `{import}`"),
            Verdict::Apart(workload) => write!(f, "holds {workload}, which this workload keeps apart from"),
            Verdict::Crowded(over, value, 1) => {
                write!(f, "{over}={value} has a replica, and may have no other")
            }
            Verdict::Crowded(over, value, most) => {
                write!(f, "{over}={value} has {most} replicas, and may have no more")
            }
            Verdict::Skewed(over, value, skew) => {
                write!(f, "{over}={value} would be more than {skew} ahead of another {over}")
            }
            Verdict::NoDomain(over) => write!(f, "has no label `{over}`, over which replicas are spread"),
            Verdict::TooFar(target, Some(rtt), most) => {
                write!(f, "is {} ms from {target}, where {most} ms are allowed", milliseconds(*rtt))
            }
            Verdict::TooFar(target, None, _) => write!(f, "knows no way to {target}"),
            Verdict::Unreachable => f.write_str("has no link to the node that places"),
            Verdict::Cordoned => f.write_str("is cordoned, and takes nothing new"),
            Verdict::Quota(namespace) => {
                write!(f, "knows that the quota of namespace {namespace} is used up")
            }
            Verdict::Gone => f.write_str("is not alive"),
            Verdict::Dark(None) => f.write_str("is out of reach, and no contact is known"),
            Verdict::Dark(Some(until)) => write!(f, "is out of reach until {} UTC", Wall(*until)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_and_a_shortage_is_told_where_it_is_smallest() {
        let verdicts = [
            Verdict::Cpu(4_000, 500),
            Verdict::Label("tier=edge".into()),
            Verdict::Cpu(4_000, 3_000),
            Verdict::Label("tier=edge".into()),
            Verdict::Label("tier=edge".into()),
            Verdict::Label("site=x".into()),
        ];
        let reasons = Reason::of(&verdicts);
        let reason = |verdict: &Verdict, nodes| Reason { verdict: verdict.clone(), nodes };
        assert_eq!(reasons, [reason(&verdicts[1], 3), reason(&verdicts[2], 2), reason(&verdicts[5], 1)]);
    }

    #[test]
    fn a_dark_node_says_until_when() {
        let until = Verdict::Dark(Some(1_764_120_034_567));
        assert_eq!(until.to_string(), "is out of reach until 2025-11-26 01:20:34 UTC");
    }
}

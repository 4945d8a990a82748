//! How many decisions a second the pure choice makes over 300 candidates: plain, and with
//! every term at work. `cargo bench -p orbweave-scheduler --bench choose`; in the same run
//! the time of one pass over the same candidates that only adds up what they have free,
//! which no choice can beat.

#![allow(clippy::disallowed_methods, reason = "a measurement looks at the clock")]

use orbweave_model::{Label, Labels, NodeId, Resources, Selector, WorkloadName};
use orbweave_scheduler::candidate::{Candidate, Choice, Need};
use orbweave_scheduler::policy::{Near, Policy, Preference, Spread, Target};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::hint::black_box;
use std::time::{Duration, Instant};

const CANDIDATES: u16 = 300;
const LASTS: Duration = Duration::from_secs(2);

fn main() {
    let labels: Vec<Labels> = (0..CANDIDATES).map(labels).collect();
    let denies = ["wasi:sockets".to_owned()];
    let candidates: Vec<Candidate> =
        (0..CANDIDATES).map(|n| candidate(n, &labels[usize::from(n)], &denies)).collect();
    let floor = rate(|| {
        let sum = candidates.iter().fold(Resources::default(), |sum, c| sum.plus(&c.free));
        black_box(sum);
    });
    println!("one pass over {CANDIDATES} candidates   {floor:>10.0} /s");
    let (all, none) = (Selector::default(), Policy::default());
    let plain = Need {
        workload: "bench",
        slot: 0,
        requires: &all,
        resources: Resources { cpu_milli: 100, memory_bytes: 64 << 20, instances: 1, accelerator_milli: 0 },
        policy: &none,
        imports: &[],
    };
    report("plain", plain, &candidates, floor);
    let affinity: Selector = "tier=edge".parse().expect("a condition");
    report("node affinity", Need { requires: &affinity, ..plain }, &candidates, floor);
    let apart = spread("node", Some(1));
    report("anti-affinity", Need { policy: &apart, ..plain }, &candidates, floor);
    let over = spread("site", None);
    report("spread over sites", Need { policy: &over, ..plain }, &candidates, floor);
    let requires: Selector = "tier in (edge, cloud), site, !spot".parse().expect("conditions");
    let imports = ["wasi:cli/environment@0.2.3".to_owned(), "wasi:http/types@0.2.3".to_owned()];
    let policy = Policy {
        prefers: vec![Preference { wants: "tier=edge".parse().expect("a condition"), weight: 50 }],
        spread: vec![
            Spread { over: "site".into(), at_most: Some(40), max_skew: None },
            Spread { over: "node".into(), at_most: Some(4), max_skew: None },
        ],
        apart_from: vec!["other".parse::<WorkloadName>().expect("a name")],
        near: vec![Near { to: Target::Node(NodeId([1; 32])), within_ms: Some(400) }],
    };
    report(
        "every term",
        Need { requires: &requires, policy: &policy, imports: &imports, ..plain },
        &candidates,
        floor,
    );
}

fn spread(over: &str, at_most: Option<u32>) -> Policy {
    Policy { spread: vec![Spread { over: over.into(), at_most, max_skew: None }], ..Policy::default() }
}

fn labels(n: u16) -> Labels {
    let tier = if n.is_multiple_of(3) { "edge" } else { "cloud" };
    let label = |key: &str, value: String| Label { key: key.into(), value };
    [label("tier", tier.into()), label("site", format!("site-{}", n % 20)), label("arch", "x86-64".into())]
        .into_iter()
        .collect()
}

fn candidate<'a>(n: u16, labels: &'a Labels, denies: &'a [String]) -> Candidate<'a> {
    let node = NodeId(*blake3::hash(&n.to_le_bytes()).as_bytes());
    let free = Resources { cpu_milli: 4_000, memory_bytes: 8 << 30, instances: 64, accelerator_milli: 0 };
    Candidate {
        held: u32::from(n % 2),
        load: u32::from(n % 7),
        rtt_us: Some(u32::from(n) * 500),
        near_us: vec![Some(u32::from(n) * 1_000)],
        denies,
        ..Candidate::new(node, labels, free)
    }
}

fn report(what: &str, need: Need<'_>, candidates: &[Candidate<'_>], floor: f64) {
    let mut rng = ChaCha8Rng::from_seed([1; 32]);
    let mut slot = 0;
    let rate = rate(|| {
        slot += 1;
        let choice = Choice::new(Need { slot, ..need }, candidates);
        black_box(choice.best(&mut rng));
    });
    println!("{what:<31} {rate:>10.0} /s   {:>6.1} passes", floor / rate);
}

/// How often a second it is done, after as much again to warm up.
fn rate(mut once: impl FnMut()) -> f64 {
    let mut round = |lasts: Duration| {
        let (begun, mut count) = (Instant::now(), 0_u32);
        while begun.elapsed() < lasts {
            for _ in 0..16 {
                once();
            }
            count += 16;
        }
        f64::from(count) / begun.elapsed().as_secs_f64()
    };
    round(LASTS / 4);
    round(LASTS)
}

//! The bytes of every wire type of the core, pinned. A change here is a change of the
//! protocol: nodes of the version before must still read it. `UPDATE_GOLDEN=1` writes
//! the files anew. Each body is also read with a key that only a newer version knows.

use orbweave_core::allotment::Allotment;
use orbweave_core::claim::{Claim, ClaimRange};
use orbweave_core::cordon::{Cordon, Service};
use orbweave_core::io::Write;
use orbweave_core::link_plan::{LinkPlan, Orbit, PlannedPass, Site, WalkerSlot};
use orbweave_core::message::{Answer, Load, Message, Offer};
use orbweave_core::node_info::NodeInfo;
use orbweave_core::quota::Quota;
use orbweave_core::summary::{Office, Room, Summary};
use orbweave_core::workload::{Growth, Revision, Rollout};
use orbweave_core::{Node, NodeConfig, Output, Restored, Route, WorkloadSpec};
use orbweave_golden::pinned;
use orbweave_model::wire::{decode_open, encode};
use orbweave_model::{Labels, Mono, NodeId, Now, Resources, Slots, Wall};
use orbweave_scheduler::policy::{Near, Policy, Preference, Spread, Target};
use orbweave_scheduler::quota::Bounds;
use orbweave_scheduler::rivals::{Phase, Reconcile};
use orbweave_scheduler::verdict::Verdict;
use orbweave_trust::{Authority, Certificate, Genesis, Grant, Roles, SecretKey, Strict};
use std::sync::Arc;

const HAVE: Resources =
    Resources { cpu_milli: 1_500, memory_bytes: 64 << 20, instances: 3, accelerator_milli: 0 };

/// Adds a key to the map that begins at `at` and ends with the bytes.
fn newer(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut newer = bytes.to_vec();
    assert!((0xa0..0xb6).contains(&newer[at]), "a small map: {:x}", newer[at]);
    newer[at] += 1;
    minicbor::Encoder::new(&mut newer).u8(99).unwrap().str("of a later version").unwrap();
    newer
}

fn offer() -> Offer {
    Offer {
        id: 7,
        workload: "hello".parse().unwrap(),
        generation: 2,
        slot: 5,
        epoch_seen: 9,
        held: 1,
        score: -42,
    }
}

#[test]
fn datagrams_are_as_they_always_were() {
    let answer = |verdict| Answer { id: 7, verdict, free: HAVE, held: 1, load: 2 };
    let every = [
        ("message-membership", Message::Membership(&[1, 2, 3])),
        ("message-between", Message::Between(&[1, 2, 3])),
        ("message-offer", Message::Offer(offer())),
        ("message-answer-fits", Message::Answer(answer(Verdict::Fits))),
        ("message-answer-label", Message::Answer(answer(Verdict::Label("tier=edge".into())))),
        ("message-answer-cpu", Message::Answer(answer(Verdict::Cpu(5, 4)))),
        ("message-answer-memory", Message::Answer(answer(Verdict::Memory(5, 4)))),
        ("message-answer-instances", Message::Answer(answer(Verdict::Instances))),
        ("message-answer-backing-off", Message::Answer(answer(Verdict::BackingOff))),
        ("message-answer-stale", Message::Answer(answer(Verdict::StaleView))),
        ("message-answer-unknown", Message::Answer(answer(Verdict::Unknown))),
        ("message-answer-release", Message::Answer(answer(Verdict::Release("revoked".into())))),
        ("message-answer-leaving", Message::Answer(answer(Verdict::Leaving))),
        ("message-answer-accelerator", Message::Answer(answer(Verdict::Accelerator(5, 4)))),
        ("message-answer-capability", Message::Answer(answer(Verdict::Capability("wasi:sockets".into())))),
        ("message-answer-apart", Message::Answer(answer(Verdict::Apart("cache".into())))),
        ("message-answer-crowded", Message::Answer(answer(Verdict::Crowded("site".into(), "a".into(), 1)))),
        ("message-answer-skewed", Message::Answer(answer(Verdict::Skewed("site".into(), "a".into(), 2)))),
        ("message-answer-no-domain", Message::Answer(answer(Verdict::NoDomain("site".into())))),
        ("message-answer-too-far", Message::Answer(answer(Verdict::TooFar("db".into(), Some(9_000), 5)))),
        ("message-answer-unreachable", Message::Answer(answer(Verdict::Unreachable))),
        ("message-answer-dark", Message::Answer(answer(Verdict::Dark(Some(1_800_000_000_000))))),
        ("message-answer-cordoned", Message::Answer(answer(Verdict::Cordoned))),
        ("message-answer-quota", Message::Answer(answer(Verdict::Quota("tenant".into())))),
        ("message-answer-gone", Message::Answer(answer(Verdict::Gone))),
        ("message-record", Message::Record(&[4, 5, 6])),
        ("message-rumour", Message::Rumour(&[0, 2, 1, 2, 3, 4, 5, 6])),
        ("message-ask", Message::Ask(&[0, 2, 1, 2, 3, 4, 5, 6])),
    ];
    for (name, message) in every {
        let golden = pinned!(name, &message.encode());
        assert_eq!(Message::decode(&golden), Ok(message.clone()));
        if matches!(message, Message::Offer(_) | Message::Answer(_)) {
            assert_eq!(Message::decode(&newer(&golden, 3)), Ok(message));
        }
    }
    assert!(Message::decode(&[0x82, 0x18, 99, 0xa0]).is_err(), "a kind of a newer version is refused");
}

#[test]
fn the_load_is_as_it_always_was() {
    let load = Load { free: HAVE, slots: 4 };
    let golden = pinned!("load", &encode(&load));
    for bytes in [golden.clone(), newer(&golden, 0)] {
        assert_eq!(decode_open("a load", &bytes, 1_000), Ok(load));
    }
}

#[test]
fn the_claim_is_as_it_always_was() {
    let ranges = [
        ClaimRange::one(0, 1, Phase::Running, 10, Some(2)),
        ClaimRange::one(1, 1, Phase::Running, 10, Some(2)),
        ClaimRange::one(4, 3, Phase::Preparing, -10, None),
        ClaimRange::one(9, 4, Phase::Draining, 0, Some(1)),
    ];
    let rolling =
        ranges.map(|range| ClaimRange { settled: Some(u64::MAX), failed: Some(range.epoch), ..range });
    for (name, ranges) in [("claim", ranges), ("claim-rolling", rolling)] {
        let claim = Claim::of(ranges.into_iter());
        let golden = pinned!(name, &claim.encode());
        for bytes in [golden.clone(), newer(&golden, 0)] {
            assert_eq!(Claim::decode(&bytes), Ok(claim.clone()));
        }
    }
}

#[test]
fn the_node_record_is_as_it_always_was() {
    let info = NodeInfo {
        generation: 3,
        addresses: vec!["192.0.2.7:8081".into(), "[2001:db8::7]:8081".into()],
        zone: "north".into(),
        labels: ["tier=edge".parse().unwrap()].into_iter().collect(),
        capacity: HAVE,
        certificate: vec![1, 2, 3].into(),
        version: "0.1.0".into(),
        plan: None,
        lives_ms: None,
        denies: None,
    };
    let denying = NodeInfo {
        capacity: Resources { accelerator_milli: 2_000, ..HAVE },
        denies: Some(vec!["wasi:sockets".into()]),
        ..info.clone()
    };
    for (name, info) in [("node-info", info), ("node-info-denying", denying)] {
        let golden = pinned!(name, &info.encode());
        for bytes in [golden.clone(), newer(&golden, 0)] {
            assert_eq!(NodeInfo::decode(&bytes), Ok(info.clone()));
        }
    }
}

#[test]
fn the_contact_plan_is_as_it_always_was() {
    let info = |plan| NodeInfo {
        generation: 3,
        addresses: Vec::new(),
        zone: "north".into(),
        labels: Default::default(),
        capacity: HAVE,
        certificate: vec![1, 2, 3].into(),
        version: "0.1.0".into(),
        plan: Some(plan),
        lives_ms: Some(604_800_000),
        denies: None,
    };
    let elements = Orbit::Elements {
        line1: "1 25544U 98067A   24350.52040184  .00017030  00000+0  30074-3 0  9995".into(),
        line2: "2 25544  51.6388 155.7012 0006987 324.1440 178.4520 15.50194158486668".into(),
    };
    let walker = Orbit::Walker(WalkerSlot {
        star: false,
        inclination_microdeg: 53_000_000,
        altitude_m: 550_000,
        planes: 72,
        satellites_per_plane: 22,
        phasing: 39,
        epoch: Wall(1_800_000_000_000),
        plane: 71,
        slot: 21,
    });
    let site = Site {
        latitude_microdeg: 47_370_000,
        longitude_microdeg: -8_540_000,
        altitude_m: 400,
        min_elevation_millideg: 25_000,
    };
    let pass = |begins, host| PlannedPass { begins: Wall(begins), ends: Wall(begins + 600_000), host };
    let passes = vec![pass(1_800_000_000_000, None), pass(1_800_005_000_000, Some(NodeId([7; 32])))];
    let plans = [
        ("plan-elements", LinkPlan { orbit: Some(elements), ..LinkPlan::default() }),
        ("plan-walker", LinkPlan { orbit: Some(walker), ..LinkPlan::default() }),
        ("plan-site", LinkPlan { site: Some(site), ..LinkPlan::default() }),
        ("plan-passes", LinkPlan { passes: Some(passes), ..LinkPlan::default() }),
    ];
    for (name, plan) in plans {
        let golden = pinned!(name, &info(plan.clone()).encode());
        for bytes in [golden.clone(), newer(&golden, 0)] {
            assert_eq!(NodeInfo::decode(&bytes), Ok(info(plan.clone())));
        }
    }
}

#[test]
fn a_contact_plan_out_of_its_bounds_is_refused() {
    let slot = WalkerSlot {
        star: false,
        inclination_microdeg: 53_000_000,
        altitude_m: 550_000,
        planes: 2,
        satellites_per_plane: 2,
        phasing: 0,
        epoch: Wall(0),
        plane: 1,
        slot: 1,
    };
    let walker = |slot| LinkPlan { orbit: Some(Orbit::Walker(slot)), ..LinkPlan::default() };
    assert!(walker(slot).chart("it").is_ok());
    let pass = |begins, ends| PlannedPass { begins: Wall(begins), ends: Wall(ends), host: None };
    let passes = |all: Vec<PlannedPass>| LinkPlan { passes: Some(all), ..LinkPlan::default() };
    assert!(passes(vec![pass(1, 2), pass(2, 3)]).chart("it").is_ok());
    let lines = |line1: String| LinkPlan {
        orbit: Some(Orbit::Elements { line1, line2: String::new() }),
        ..LinkPlan::default()
    };
    let site = |latitude_microdeg| LinkPlan {
        site: Some(Site {
            latitude_microdeg,
            longitude_microdeg: 0,
            altitude_m: 0,
            min_elevation_millideg: 0,
        }),
        ..LinkPlan::default()
    };
    let wrong = [
        walker(WalkerSlot { plane: 2, ..slot }),
        walker(WalkerSlot { slot: u32::MAX, ..slot }),
        walker(WalkerSlot { planes: u32::MAX, satellites_per_plane: u32::MAX, ..slot }),
        walker(WalkerSlot { altitude_m: u32::MAX, ..slot }),
        passes(vec![pass(2, 1)]),
        passes(vec![pass(1, 3), pass(2, 4)]),
        passes((0..65).map(|k| pass(k, k + 1)).collect()),
        lines("x".repeat(70)),
        lines("1\n2".into()),
        site(90_000_001),
        site(i32::MIN),
    ];
    for plan in wrong {
        assert!(plan.chart("it").is_err(), "{plan:?}");
    }
}

#[test]
fn what_zones_say_of_themselves_is_as_it_always_was() {
    let room = Room {
        labels: ["tier=edge".parse().unwrap()].into_iter().collect(),
        nodes: 3,
        most: HAVE,
        total: Resources { cpu_milli: 4_000, ..HAVE },
    };
    let leader = Summary {
        zone: "north".into(),
        office: Office::Leader,
        generation: 1_800_000_000_000,
        addresses: vec!["10.0.0.1:8081".into(), "nowhere".into()],
        certificate: vec![1, 2, 3].into(),
        members: 12,
        slots: 30,
        rooms: vec![room],
        gone: vec![NodeId([7; 32])],
        apart: vec![NodeId([8; 32])],
        life: None,
    };
    let gateway = Summary {
        office: Office::Gateway,
        rooms: Vec::new(),
        gone: Vec::new(),
        apart: Vec::new(),
        ..leader.clone()
    };
    let retired = Summary { office: Office::None, ..gateway.clone() };
    let in_a_life = Summary { life: Some(3), ..leader.clone() };
    for (name, summary) in [
        ("summary-leader", leader.clone()),
        ("summary-gateway", gateway),
        ("summary-retired", retired),
        ("summary-in-a-life", in_a_life),
    ] {
        let golden = pinned!(name, &summary.encode());
        for bytes in [golden.clone(), newer(&golden, 0)] {
            assert_eq!(Summary::decode(&bytes), Ok(summary.clone()));
        }
    }
    assert_eq!(leader.socket_addresses(), ["10.0.0.1:8081".parse().unwrap()]);
    let range = |slot, phase| ClaimRange::one(slot, 3, phase, 0, Some(2));
    let claim = Claim::of([range(0, Phase::Running), range(1, Phase::Preparing)].into_iter());
    let allotment = Allotment { zone: "north".into(), claim, yields: Slots::range(1, 2) };
    assert!(allotment.keeps(0) && !allotment.keeps(1) && !allotment.keeps(2));
    let golden = pinned!("allotment", &allotment.encode());
    for bytes in [golden.clone(), newer(&golden, 0)] {
        assert_eq!(Allotment::decode(&bytes), Ok(allotment.clone()));
    }
}

#[test]
fn what_a_zone_says_out_of_its_bounds_is_refused() {
    let summary = Summary {
        zone: "north".into(),
        office: Office::Gateway,
        generation: 1,
        addresses: Vec::new(),
        certificate: Vec::new().into(),
        members: 1,
        slots: 0,
        rooms: Vec::new(),
        gone: Vec::new(),
        apart: Vec::new(),
        life: None,
    };
    assert!(Summary::decode(&summary.encode()).is_ok());
    let room =
        Room { labels: Labels::default(), nodes: 1, most: Resources::default(), total: Resources::default() };
    for bad in [
        Summary { zone: String::new(), ..summary.clone() },
        Summary { zone: "z".repeat(64), ..summary.clone() },
        Summary { addresses: vec![String::new(); 17], ..summary.clone() },
        Summary { rooms: vec![room; 17], ..summary.clone() },
        Summary { gone: vec![NodeId([1; 32]); 257], ..summary.clone() },
        Summary { apart: vec![NodeId([1; 32]); 257], ..summary },
    ] {
        assert!(Summary::decode(&bad.encode()).is_err(), "{bad:?}");
    }
    let backwards = [5, 3].map(|slot| ClaimRange::one(slot, 1, Phase::Running, 0, None));
    for bad in [
        Allotment { zone: String::new(), ..Allotment::default() },
        Allotment {
            zone: "north".into(),
            claim: Claim { ranges: backwards.to_vec() },
            yields: Slots::default(),
        },
    ] {
        assert!(Allotment::decode(&bad.encode()).is_err(), "{bad:?}");
    }
}

#[test]
fn what_is_said_of_a_node_is_as_it_always_was() {
    for (name, service) in [("cordon-open", Service::Open), ("cordon-drained", Service::Drained)] {
        let cordon = Cordon { generation: 3, service };
        let golden = pinned!(name, &cordon.encode());
        for bytes in [golden.clone(), newer(&golden, 0)] {
            assert_eq!(Cordon::decode(&bytes), Ok(cordon));
        }
    }
}

#[test]
fn the_quota_is_as_it_always_was() {
    let few = Bounds {
        cpu_milli: Some(2_000),
        memory_bytes: Some(1 << 32),
        instances: Some(3),
        accelerator_milli: Some(500),
    };
    for (name, bounds) in [("quota", few), ("quota-none", Bounds::default())] {
        let quota = Quota { generation: 3, bounds };
        let golden = pinned!(name, &quota.encode());
        for bytes in [golden.clone(), newer(&golden, 0)] {
            assert_eq!(Quota::decode(&bytes), Ok(quota));
        }
    }
}

#[test]
fn the_workload_is_as_it_always_was() {
    let spec = WorkloadSpec {
        generation: 2,
        deleted: false,
        release: vec![1, 2, 3],
        replicas: 3,
        requires: "tier in (edge, cloud)".parse().unwrap(),
        need: HAVE,
        env: [("KEY".to_owned(), "value".to_owned())].into(),
        route: Some(Route {
            host: Some("hello.mesh".into()),
            path: Some("/hello".into()),
            idempotent: true,
            deadline_ms: 2_000,
        }),
        call_time_ms: 1_000,
        concurrency: 8,
        origin: Some(NodeId([4; 32])),
        reconcile: Some(Reconcile::KeepOriginal),
        policy: None,
        rollout: None,
        health: None,
        namespace: None,
        growth: None,
    };
    let near = |to, within_ms| Near { to, within_ms };
    let policy = Policy {
        prefers: vec![Preference { wants: "tier=edge".parse().unwrap(), weight: 50 }],
        spread: vec![Spread { over: "site".into(), at_most: Some(1), max_skew: None }],
        apart_from: vec!["cache".parse().unwrap()],
        near: vec![
            near(Target::Node(NodeId([5; 32])), None),
            near(Target::Labels("site=north".parse().unwrap()), Some(20)),
            near(Target::Workload("db".parse().unwrap()), None),
        ],
    };
    let need = Resources { accelerator_milli: 500, ..HAVE };
    let placed = WorkloadSpec { policy: Some(policy), need, ..spec.clone() };
    let previous = Revision { health: None, ..spec.revision() };
    let rollout = Rollout {
        max_unavailable: 2,
        settle_ms: 5_000,
        paused: true,
        previous: Some(previous.clone()),
        attempt: Some(1),
    };
    let rolled = WorkloadSpec {
        rollout: Some(rollout),
        health: Some("/health".into()),
        generation: 3,
        ..spec.clone()
    };
    assert_eq!(previous.run_key(), spec.run_key());
    assert_ne!(rolled.run_key(), spec.run_key(), "what is checked is part of what runs");
    let step = |since, replicas| Growth { since: Wall(since), replicas };
    let grown = WorkloadSpec {
        namespace: "tenant".parse().ok(),
        growth: Some(vec![step(1_800_000_000_000, 2), step(1_800_000_001_000, 3)]),
        ..spec.clone()
    };
    for steps in [vec![step(2, 2), step(1, 3)], vec![step(1, 3), step(2, 3)], vec![step(1, 2)]] {
        let bad = WorkloadSpec { growth: Some(steps), ..spec.clone() };
        assert!(WorkloadSpec::decode(&bad.encode()).is_err(), "{:?}", bad.growth);
    }
    let every = [
        ("workload-grown", grown),
        ("workload-rolled", rolled),
        ("workload", spec),
        ("workload-placed", placed),
        ("workload-deleted", WorkloadSpec::deletion(9)),
    ];
    for (name, spec) in every {
        let golden = pinned!(name, &spec.encode());
        for bytes in [golden.clone(), newer(&golden, 0)] {
            assert_eq!(WorkloadSpec::decode(&bytes), Ok(spec.clone()));
        }
    }
}

/// A mesh of one node.
fn config() -> NodeConfig {
    let key = |seed| SecretKey::from_bytes([seed; 32]);
    let (root, admission, node) = (key(1), key(2), key(3));
    let genesis = Genesis {
        name: "fleet".into(),
        roots: vec![root.public()],
        threshold: 1,
        grants: vec![Grant { key: admission.public(), roles: Roles::ADMIT }],
        partition_max_ms: 7 * 24 * 3_600 * 1_000,
        created: Wall(1_800_000_000_000),
        salt: [9; 16],
    };
    let genesis = genesis.sign(&[&root]);
    let (mesh, read) = Genesis::verify(&genesis, None, &Strict).unwrap();
    let authority = Authority::new(mesh, read);
    let now = Wall(1_800_000_000_000);
    let certificate =
        Certificate::draft(&authority, node.node_id(), "node", admission.public(), now, None, 1).unwrap();
    NodeConfig {
        key: node,
        genesis,
        certificate: certificate.issue(&admission),
        admission: None,
        seed: [0; 32],
        zone: "zone".into(),
        labels: Default::default(),
        capacity: HAVE,
        addresses: Vec::new(),
        denies: Vec::new(),
        plan: None,
        version: "0.1.0".into(),
        speaks: Default::default(),
        gossip: true,
        timing: Default::default(),
        check: Arc::new(Strict),
    }
}

/// What a node writes down first: of itself, and of releases.
fn first_writes(node: &mut Node) -> (Vec<u8>, Vec<Vec<u8>>) {
    while let Some(output) = node.poll_output() {
        let Output::Persist { writes, .. } = output else { continue };
        let own = writes.iter().find_map(|write| match write {
            Write::PutSelf { value } => Some(value.clone()),
            _ => None,
        });
        let releases = writes.into_iter().filter_map(|write| match write {
            Write::PutRelease { value, .. } => Some(value),
            _ => None,
        });
        return (own.expect("a node that starts writes down that it did"), releases.collect());
    }
    panic!("a node that starts writes down that it did");
}

const NOW: Now = Now { mono: Mono(0), wall: Wall(1_800_000_000_000) };

#[test]
fn what_a_node_writes_down_of_itself_is_as_it_always_was() {
    let mut node = Node::new(config(), Restored::default(), NOW).unwrap();
    let golden = pinned!("own-entry", &first_writes(&mut node).0);
    for own in [golden.clone(), newer(&golden, 0)] {
        let mut again = Node::new(config(), Restored { own: Some(own), ..Restored::default() }, NOW).unwrap();
        let (own, releases) = first_writes(&mut again);
        assert_eq!(own[..3], [0xa3, 0x00, 0x02], "the next life has the next generation");
        assert!(releases.is_empty());
    }
}

#[test]
fn a_guard_that_an_earlier_version_wrote_as_a_whole_gets_entries_of_its_own() {
    let mut entry = Vec::new();
    minicbor::Encoder::new(&mut entry).array(3).unwrap().bytes(&[7; 32]).unwrap().str("hello").unwrap();
    minicbor::Encoder::new(&mut entry).u8(9).unwrap();
    let now = first_writes(&mut Node::new(config(), Restored::default(), NOW).unwrap()).0;
    let earlier = |guard: &[u8]| {
        let mut own = now.clone();
        own[0] += 1;
        minicbor::Encoder::new(&mut own).u8(3).unwrap().bytes(guard).unwrap();
        Restored { own: Some(own), ..Restored::default() }
    };
    pinned!("own-entry-guarded", earlier(&[0x80]).own.as_deref().unwrap());
    let guarded = earlier(&[&[0x81][..], &entry].concat());
    let (own, releases) = first_writes(&mut Node::new(config(), guarded, NOW).unwrap());
    assert_eq!((own[0], &releases), (0xa3, &vec![pinned!("guarded-release", &entry)]));
    let moved = Restored { own: Some(own), releases, ..Restored::default() };
    assert!(first_writes(&mut Node::new(config(), moved, NOW).unwrap()).1.is_empty());
}

//! Membership, driven in virtual time by many nodes.

mod attacks;
mod sim;

use orbweave_model::NodeId;
use orbweave_state::membership::{DownCause, Event, MemberState};
use sim::{Sim, id, secs};
use std::time::Duration;

const LAN: Duration = Duration::from_millis(1);
const FAR: Duration = Duration::from_millis(300);

#[test]
fn nodes_that_know_one_another_by_record_are_up_within_seconds() {
    for (count, limit) in [(2, 3), (5, 3), (50, 6)] {
        let mut sim = Sim::new(count, LAN, 1);
        sim.introduce();
        let took = sim.until(secs(limit), Sim::all_see_all);
        assert!(took.is_some(), "{count} nodes were not up within {limit} s");
    }
}

#[test]
fn an_announce_is_retried_until_it_is_answered() {
    let mut sim = Sim::new(2, LAN, 1);
    sim.loss_per_mille = 1000;
    sim.announce(0, 1);
    sim.run(secs(20));
    assert_eq!(sim.members[0].state(id(1)), MemberState::Unknown);
    sim.loss_per_mille = 0;
    assert!(sim.until(secs(31), Sim::all_see_all).is_some());
}

#[test]
fn a_killed_node_is_down_everywhere_within_three_seconds() {
    for count in [2, 3, 5, 50] {
        for seed in 0..8 {
            let mut sim = Sim::settled(count, LAN, seed);
            sim.run(Duration::from_millis(137 * seed));
            let victim = seed as usize % count;
            sim.kill(victim);
            let took = sim.until(secs(10), |sim| sim.everyone_holds_down(victim));
            println!("{count} nodes, seed {seed}: down everywhere after {took:?}");
            assert!(took.is_some_and(|took| took <= secs(3)), "{count} nodes, seed {seed}: {took:?}");
            assert!(sim.downs().iter().all(|(_, _, node)| *node == id(victim)));
        }
    }
}

#[test]
fn over_a_long_lossy_link_nobody_is_falsely_declared_down() {
    for (rtt, count, seeds) in [(FAR, 5, 0..6), (FAR, 20, 6..8), (Duration::from_millis(600), 5, 8..10)] {
        for seed in seeds {
            let mut sim = Sim::settled(count, rtt, seed);
            sim.loss_per_mille = 50;
            sim.run(secs(600));
            assert_eq!(sim.downs(), [], "{count} nodes, {rtt:?}, seed {seed}");
        }
    }
}

#[test]
fn over_a_long_lossy_link_a_killed_node_is_still_found() {
    for seed in 0..4 {
        let mut sim = Sim::settled(5, FAR, seed);
        sim.loss_per_mille = 50;
        sim.kill(1);
        let took = sim.until(secs(30), |sim| sim.everyone_holds_down(1));
        println!("300 ms, 5 % loss, seed {seed}: down everywhere after {took:?}");
        assert!(took.is_some());
    }
}

#[test]
fn a_frozen_node_returns_with_a_new_generation_and_declares_nobody_dead() {
    for (count, seed) in (0..20).map(|seed| ([2, 3, 5, 5, 20][seed as usize % 5], seed)) {
        let mut sim = Sim::settled(count, LAN, seed);
        sim.freeze(1);
        sim.run(secs(15));
        assert!(sim.everyone_holds_down(1));
        sim.events.clear();
        sim.thaw(1, seed % 2 == 0);
        let took = sim.until(secs(5), Sim::all_see_all);
        assert!(took.is_some(), "{count} nodes: not back");
        sim.run(secs(20));
        assert!(sim.all_see_all());
        assert_eq!(sim.downs(), [], "{count} nodes");
        let renewed = |event: &Event| *event == Event::Renewed { generation: 2 };
        assert_eq!(sim.events.iter().filter(|(_, n, event)| *n == 1 && renewed(event)).count(), 1);
        assert!(!sim.events.iter().any(|(_, n, event)| *n != 1 && matches!(event, Event::Renewed { .. })));
    }
}

#[test]
fn who_was_missed_for_a_moment_or_renewed_did_not_come_up() {
    let came = |sim: &Sim| -> Vec<bool> {
        let of = |event: &Event| match event {
            Event::Up { node, came, .. } if *node == id(1) => Some(*came),
            _ => None,
        };
        sim.events.iter().filter_map(|(_, _, event)| of(event)).collect()
    };
    let mut sim = Sim::settled(5, LAN, 3);
    sim.events.clear();
    sim.freeze(1);
    let suspect = |sim: &Sim| sim.events.iter().any(|(_, _, e)| *e == Event::Suspect { node: id(1) });
    assert!(sim.until(secs(5), suspect).is_some());
    sim.thaw(1, false);
    assert!(sim.until(secs(5), Sim::all_see_all).is_some());
    let missed = came(&sim);
    assert!(!missed.is_empty() && !missed.contains(&true), "{missed:?} {:?}", sim.downs());
    // Restarted before anybody held it for dead.
    sim.events.clear();
    sim.kill(1);
    sim.restart(1, 7);
    assert!(sim.until(secs(5), Sim::all_see_all).is_some());
    let again = came(&sim);
    assert!(again.len() >= 4 && !again.contains(&true), "{again:?}");
    sim.events.clear();
    sim.kill(1);
    assert!(sim.until(secs(15), |sim| sim.everyone_holds_down(1)).is_some());
    sim.restart(1, 8);
    assert!(sim.until(secs(15), Sim::all_see_all).is_some());
    assert_eq!(came(&sim).iter().filter(|came| **came).count(), 4);
}

#[test]
fn a_freeze_of_all_at_once_kills_nobody() {
    let mut sim = Sim::settled(5, LAN, 1);
    (0..5).for_each(|n| sim.freeze(n));
    sim.run(secs(60));
    (0..5).for_each(|n| sim.thaw(n, n % 2 == 0));
    sim.run(secs(30));
    assert_eq!(sim.downs(), []);
    assert!(sim.all_see_all());
}

#[test]
fn of_three_nodes_two_are_killed_and_the_survivor_knows() {
    for seed in 0..8 {
        let mut sim = Sim::settled(3, LAN, seed);
        sim.kill(0);
        sim.kill(2);
        let took = sim.until(secs(15), |sim| sim.everyone_holds_down(0) && sim.everyone_holds_down(2));
        println!("two of three, seed {seed}: {took:?}");
        assert!(took.is_some());
        assert!(!sim.members[1].in_self_doubt());
    }
}

#[test]
fn many_that_die_at_once_with_their_watchers_are_all_found() {
    for seed in 0..3 {
        let mut sim = Sim::settled(50, LAN, seed);
        let victims: Vec<usize> = (0..15).map(|n| (n * 3 + seed as usize) % 50).collect();
        victims.iter().for_each(|n| sim.kill(*n));
        let took = sim.until(secs(30), |sim| victims.iter().all(|n| sim.everyone_holds_down(*n)));
        println!("15 of 50 at once, seed {seed}: {took:?}");
        assert!(took.is_some_and(|took| took <= secs(15)));
        assert!(sim.downs().iter().all(|(_, _, node)| victims.iter().any(|n| id(*n) == *node)));
    }
}

#[test]
fn a_lan_that_loses_a_datagram_in_fifty_buries_nobody() {
    for seed in 0..4 {
        let mut sim = Sim::settled(10, LAN, seed);
        sim.loss_per_mille = 20;
        sim.run(secs(600));
        assert_eq!(sim.downs(), []);
    }
}

#[test]
fn a_node_that_loses_sight_of_most_others_doubts_itself_for_a_bounded_time() {
    for seed in 0..4 {
        let mut sim = Sim::settled(5, LAN, seed);
        sim.kill(0);
        sim.kill(2);
        sim.kill(4);
        sim.run(secs(10));
        assert!(sim.members[1].in_self_doubt() && sim.members[3].in_self_doubt());
        assert_eq!(sim.downs(), []);
        let took = sim.until(secs(30), |sim| [0, 2, 4].iter().all(|n| sim.everyone_holds_down(*n)));
        assert!(took.is_some(), "honest deaths are declared in the end");
        assert!(!sim.members[1].in_self_doubt());
    }
}

#[test]
fn an_isolated_node_buries_nobody_while_it_doubts_and_is_welcome_back() {
    for (count, seed) in [(5, 1), (50, 2)] {
        let mut sim = Sim::settled(count, LAN, seed);
        sim.cut(|n| n == 3);
        sim.run(secs(12));
        assert!(sim.members[3].in_self_doubt());
        assert!(sim.downs().iter().all(|(_, n, node)| *n != 3 && *node == id(3)));
        sim.heal();
        assert!(sim.until(secs(15), Sim::all_see_all).is_some());
        assert!(!sim.members[3].in_self_doubt());
    }
}

#[test]
fn a_mesh_cut_in_half_is_whole_again_within_a_minute_of_healing() {
    for (count, cut_secs, seed) in [(4, 60, 0), (5, 60, 1), (10, 10, 2), (10, 60, 3), (20, 300, 4)] {
        let mut sim = Sim::settled(count, LAN, seed);
        sim.cut(|n| n < count / 2);
        sim.run(secs(cut_secs));
        sim.heal();
        let took = sim.until(secs(60), Sim::all_see_all);
        println!("{count} nodes, cut for {cut_secs} s: whole again after {took:?}");
        assert!(took.is_some(), "{count} nodes, cut for {cut_secs} s");
        sim.events.clear();
        sim.run(secs(60));
        assert_eq!(sim.downs(), []);
    }
}

#[test]
fn a_restarted_node_is_up_again_at_once_with_its_higher_generation() {
    let mut sim = Sim::settled(5, LAN, 1);
    sim.kill(2);
    sim.run(Duration::from_millis(300));
    sim.restart(2, 7);
    assert!(sim.until(secs(2), Sim::all_see_all).is_some());
    assert!(sim.members.iter().all(|member| member.generation_of(id(2)) == Some(7)));
    sim.run(secs(30));
    assert_eq!(sim.downs(), []);
}

#[test]
fn a_node_that_leaves_is_known_to_have_left() {
    let mut sim = Sim::settled(5, LAN, 1);
    let now = sim.now;
    sim.members[4].leave(now);
    let mut farewells = Vec::new();
    while let Some(orbweave_state::membership::Output::Send { to, bytes }) = sim.members[4].poll_output() {
        farewells.push((to, bytes));
    }
    for (to, bytes) in farewells {
        let to = (0..5).find(|n| id(*n) == to).unwrap();
        assert_eq!(sim.inject(4, to, &bytes), Ok(()));
    }
    sim.kill(4);
    for n in 0..4 {
        assert_eq!(sim.members[n].state(id(4)), MemberState::Left);
    }
    sim.run(secs(30));
    assert_eq!(sim.downs(), []);
}

#[test]
fn a_forgotten_node_is_gone_and_refused() {
    let mut sim = Sim::settled(3, LAN, 1);
    sim.members[0].forget(id(2));
    sim.run(secs(10));
    assert_eq!(sim.members[0].state(id(2)), MemberState::Unknown);
    assert_eq!(sim.members[0].alive().collect::<Vec<NodeId>>(), [id(0), id(1)]);
}

#[test]
fn load_reaches_those_that_watch_one_another() {
    let mut sim = Sim::settled(5, LAN, 1);
    sim.members[0].set_load(vec![7; 64]);
    sim.run(secs(5));
    let told =
        (1..5).filter(|n| sim.members[*n].load_of(id(0)).is_some_and(|(load, _)| load == [7; 64])).count();
    assert!(told >= 3, "only {told} nodes know the load");
}

#[test]
fn the_cause_of_a_death_names_two_watchers() {
    let mut sim = Sim::settled(10, LAN, 3);
    sim.kill(5);
    let watchers = sim.members[0].watchers_of(id(5));
    sim.run(secs(5));
    let mut causes = 0;
    for (_, _, event) in &sim.events {
        if let Event::Down { cause: DownCause::Watchers { verdicts }, .. } = event {
            assert!(verdicts.len() >= 2 && verdicts.iter().all(|node| watchers.contains(node)));
            causes += 1;
        }
    }
    assert!(causes >= 8, "only {causes} of nine nodes went by the watchers");
}

#[test]
fn the_same_seed_and_inputs_give_the_same_outputs() {
    let trace = |seed: u64| {
        let mut sim = Sim::settled(8, FAR, seed);
        sim.keep_sent = true;
        sim.loss_per_mille = 100;
        sim.run(secs(30));
        sim.kill(3);
        sim.run(secs(30));
        (sim.sent, sim.events, sim.now)
    };
    let (first, second) = (trace(5), trace(5));
    assert!(first == second);
    assert!(first.0 != trace(6).0);
}

#[test]
fn an_idle_mesh_stays_within_its_budget() {
    for (count, bytes_max) in [(5, 480), (50, 700), (300, 700)] {
        let mut sim = Sim::settled(count, LAN, 1);
        sim.run(secs(30));
        (sim.sent_bytes, sim.sent_datagrams) = (0, 0);
        sim.run(secs(60));
        let bytes = sim.sent_bytes / 60 / count;
        println!(
            "{count} nodes idle: {bytes} B/s and {:.2} datagrams/s a node",
            sim.sent_datagrams as f64 / 60.0 / count as f64
        );
        assert!(bytes <= bytes_max, "{count} nodes: {bytes} B/s a node");
    }
}

//! Members with valid certificates that lie, and bytes that nobody meant to send.

use super::sim::{Sim, id, secs};
use minicbor::Encoder;
use orbweave_model::NodeId;
use orbweave_state::membership::{Event, MemberState};
use std::time::Duration;

const LAN: Duration = Duration::from_millis(1);
const LIAR: usize = 0;
const VICTIM: usize = 2;

fn identity(e: &mut Encoder<Vec<u8>>, node: NodeId, generation: u64) {
    e.array(2).unwrap().bytes(node.as_bytes()).unwrap().u64(generation).unwrap();
}

/// A SWIM gossip from the liar that says this of the victim. State 1 is Suspect, 2 is Down.
fn gossip(to: usize, generation: u64, incarnation: u16, state: u8) -> Vec<u8> {
    let mut e = Encoder::new(vec![0u8]);
    e.map(4).unwrap().u8(0).unwrap();
    identity(&mut e, id(LIAR), 1);
    e.u8(1).unwrap().u16(0).unwrap().u8(2).unwrap();
    identity(&mut e, id(to), 1);
    e.u8(3).unwrap().u8(8).unwrap();
    let mut bytes = e.into_writer();
    bytes.extend_from_slice(&1u16.to_be_bytes());
    let mut e = Encoder::new(bytes);
    e.array(3).unwrap();
    identity(&mut e, id(VICTIM), generation);
    e.u16(incarnation).unwrap().u8(state).unwrap();
    e.into_writer()
}

fn verdict(generation: u64) -> Vec<u8> {
    verdict_about(VICTIM, generation)
}

fn verdict_about(node: usize, generation: u64) -> Vec<u8> {
    let mut e = Encoder::new(vec![3u8]);
    e.map(2).unwrap().u8(0).unwrap().u64(1).unwrap().u8(1).unwrap();
    identity(&mut e, id(node), generation);
    e.into_writer()
}

fn buried(generation: u64) -> Vec<u8> {
    let mut e = Encoder::new(vec![4u8]);
    e.map(2).unwrap().u8(0).unwrap().u64(1).unwrap().u8(1).unwrap().u64(generation).unwrap();
    e.into_writer()
}

/// The liar says this to everybody but the victim, ten times a second.
fn lie(sim: &mut Sim, span: Duration, what: impl Fn(usize) -> Vec<u8>) {
    let end = sim.now + span;
    while sim.now < end {
        for to in (0..sim.members.len()).filter(|n| *n != LIAR && *n != VICTIM) {
            assert_eq!(sim.inject(LIAR, to, &what(to)), Ok(()), "the lie is well-formed");
        }
        sim.run(Duration::from_millis(100));
    }
}

fn victim_stands(sim: &Sim) {
    assert_eq!(sim.downs(), []);
    for (n, member) in sim.members.iter().enumerate() {
        assert!(member.is_alive(id(VICTIM)), "node {n} took the liar's word");
        assert_eq!(member.generation_of(id(VICTIM)), Some(1));
    }
}

#[test]
fn one_liar_cannot_bury_a_live_node_by_verdicts() {
    for count in [3, 4, 5, 12] {
        let mut sim = Sim::settled(count, LAN, 1);
        lie(&mut sim, secs(30), |_| verdict(1));
        victim_stands(&sim);
    }
}

/// What they may do together is bury a node of which both are watchers.
#[test]
fn two_liars_who_accuse_everybody_bury_nobody_whom_they_do_not_both_watch() {
    let liars = [0, 1];
    for count in [12, 30] {
        let mut sim = Sim::settled(count, LAN, 1);
        let watched = |sim: &Sim, node: usize| {
            let watchers = sim.members[count - 1].watchers_of(id(node));
            liars.iter().all(|liar| watchers.contains(&id(*liar)))
        };
        let safe: Vec<usize> = (2..count).filter(|node| !watched(&sim, *node)).collect();
        assert!(safe.len() * 2 > count, "most are not theirs to judge");
        for _ in 0..60 {
            for (liar, to) in liars.iter().flat_map(|liar| (2..count).map(move |to| (*liar, to))) {
                for about in safe.iter().filter(|about| **about != to) {
                    assert_eq!(sim.inject(liar, to, &verdict_about(*about, 1)), Ok(()), "it is well-formed");
                }
            }
            sim.run(secs(1));
        }
        assert_eq!(sim.downs(), [], "of {count}");
    }
}

#[test]
fn one_liar_cannot_bury_a_live_node_by_gossip() {
    for (generation, incarnation, state) in [
        (1, 0, 2),
        (1, u16::MAX, 2),
        (1, 0, 1),
        (1, u16::MAX, 1),
        (9, 0, 2),
        (u64::MAX, 0, 2),
        (u64::MAX, 0, 0),
    ] {
        for count in [3, 5, 12] {
            let mut sim = Sim::settled(count, LAN, 1);
            lie(&mut sim, secs(20), |to| gossip(to, generation, incarnation, state));
            victim_stands(&sim);
        }
    }
}

#[test]
fn an_invented_generation_in_a_verdict_counts_for_nothing() {
    let mut sim = Sim::settled(5, LAN, 1);
    lie(&mut sim, secs(10), |_| verdict(9));
    victim_stands(&sim);
}

#[test]
fn the_liar_makes_the_victim_renew_itself_seldom() {
    let mut sim = Sim::settled(5, LAN, 1);
    for _ in 0..600 {
        let generation = sim.members[VICTIM].generation();
        assert_eq!(sim.inject(LIAR, VICTIM, &buried(generation)), Ok(()));
        sim.run(Duration::from_millis(100));
    }
    let renewals = sim.events.iter().filter(|(_, _, event)| matches!(event, Event::Renewed { .. })).count();
    assert!((1..=2).contains(&renewals), "{renewals} renewals in a minute");
    assert_eq!(sim.downs(), []);
    assert!(sim.all_see_all());
}

#[test]
fn a_datagram_that_names_another_sender_is_refused() {
    let mut sim = Sim::settled(3, LAN, 1);
    let now = sim.now;
    let bytes = gossip(1, 1, 0, 2);
    assert!(sim.members[1].handle_datagram(now, id(VICTIM), &bytes).is_err());
    assert!(sim.members[1].handle_datagram(now, id(1), &bytes).is_err());
}

#[test]
fn mutated_datagrams_never_panic_and_bury_nobody() {
    let mut sim = Sim::settled(6, LAN, 1);
    sim.members[1].set_load(vec![1; 64]);
    sim.keep_sent = true;
    sim.run(secs(12));
    sim.keep_sent = false;
    let mut samples = std::mem::take(&mut sim.sent);
    samples.push((LIAR, 1, gossip(1, 1, 0, 2)));
    samples.push((LIAR, 1, verdict(1)));
    samples.push((LIAR, 1, buried(1)));
    let mut handled = 0;
    // Only the liar sends rubbish: what others would say of themselves is theirs to say.
    for (_, to, bytes) in samples.iter().filter(|(from, to, _)| *from == LIAR && *to != VICTIM).take(400) {
        for at in 0..bytes.len() {
            let mut mutant = bytes.clone();
            mutant[at] ^= 1 << sim.draw(8);
            if sim.draw(4) == 0 {
                mutant.truncate(at);
            }
            if sim.draw(8) == 0 {
                mutant.push(sim.draw(256) as u8);
            }
            let _ = sim.inject(LIAR, *to, &mutant);
            handled += 1;
        }
        sim.run(Duration::from_millis(5));
    }
    for _ in 0..5_000 {
        let length = sim.draw(1_200) as usize;
        let mut noise: Vec<u8> = (0..length).map(|_| sim.draw(256) as u8).collect();
        if let Some(kind) = noise.first_mut() {
            *kind %= 7;
        }
        let _ = sim.inject(LIAR, 1, &noise);
        handled += 1;
    }
    assert!(handled > 5_000);
    sim.run(secs(30));
    assert!(sim.downs().iter().all(|(_, _, node)| *node == id(LIAR)));
    assert!((1..6).all(|a| (1..6).all(|b| sim.members[a].state(id(b)) == MemberState::Alive)));
}

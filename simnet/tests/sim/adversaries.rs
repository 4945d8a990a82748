//! Whoever lies or breaks in harms nobody but itself.

use crate::{running, secs, unbroken};
use orbweave_simnet::adversary::{Adversary, LIES, Liar, Lie, NOISES, Noise, Stranger};
use orbweave_simnet::dice::Dice;
use orbweave_simnet::{Cluster, Faults, check};

/// Lets these in, changes things while they act, sends them away, and demands that the
/// mesh is whole soon after.
fn endures(seed: u64, faults: Faults, who: Vec<Box<dyn Adversary>>) {
    let names: Vec<&str> = who.iter().map(|adversary| adversary.name()).collect();
    let mut cluster = running(7, 5, seed, faults);
    for adversary in who {
        cluster.admit_adversary(adversary);
    }
    cluster.run(secs(20));
    let mut spec = cluster.spec("more", 4);
    cluster.submit(1, "more", &spec);
    cluster.run(secs(30));
    cluster.kill(2);
    cluster.run(secs(20));
    cluster.start(2);
    (spec.generation, spec.replicas) = (2, 2);
    cluster.submit(1, "more", &spec);
    cluster.run(secs(50));
    unbroken(&cluster);
    cluster.dismiss_adversaries();
    // Whoever lied starts anew, as an honest node.
    for i in (0..7).filter(|i| cluster.is_controlled(*i)).collect::<Vec<_>>() {
        cluster.restart(i, secs(1));
    }
    let healed = cluster.until(secs(180), |c| check::whole(c).is_ok());
    assert!(healed.is_some(), "{names:?}, seed {seed}: {:?}\n{}", check::whole(&cluster), cluster.story(60));
    unbroken(&cluster);
}

#[test]
fn no_lie_of_one_member_breaks_what_the_others_keep() {
    for (seed, lie) in (0..).zip(LIES) {
        println!("{lie:?}");
        let faults = [Faults::default(), Faults::default().without_gossip()][seed as usize % 2].clone();
        endures(seed, faults, vec![Box::new(Liar::new(Dice::new(seed), 3, lie))]);
    }
}

#[test]
fn no_noise_of_a_stranger_is_heard() {
    for (seed, noise) in (0..).zip(NOISES) {
        endures(seed, Faults::default(), vec![Box::new(Stranger::new(Dice::new(seed), noise))]);
    }
}

#[test]
fn whoever_is_drawn_is_endured() {
    let mut kinds = std::collections::BTreeSet::new();
    for seed in 0..8 {
        let mut dice = Dice::new(seed);
        let (noise, lie) = (dice.pick(&NOISES).copied(), dice.pick(&LIES).copied());
        let stranger = Stranger::new(Dice::new(dice.roll()), noise.unwrap_or(Noise::Mutated));
        let liar = Liar::new(Dice::new(dice.roll()), 3, lie.unwrap_or(Lie::Withholds));
        let who: Vec<Box<dyn Adversary>> = vec![Box::new(stranger), Box::new(liar)];
        kinds.extend(who.iter().map(|adversary| adversary.name()));
        endures(seed, Faults::rough(), who);
    }
    assert!(kinds.len() > 4, "{kinds:?}");
}

#[test]
fn a_liar_that_claims_everything_gets_the_slots_that_its_claims_win_and_loses_them_when_it_goes() {
    let mut cluster = running(5, 3, 1, Faults::default());
    cluster.admit_adversary(Box::new(Liar::new(Dice::new(1), 4, Lie::InflatesEpochs)));
    cluster.run(secs(60));
    let kept = |c: &Cluster| c.hosts[..4].iter().map(|h| h.instances.len()).sum::<usize>();
    // Some of its epochs are beyond the bound and refused; with one within, it wins.
    cluster.expect(secs(300), |c| match kept(c) {
        0..3 => Ok(()),
        all => Err(format!("{all} slots run elsewhere, and its claims are genuine")),
    });
    cluster.dismiss_adversaries();
    cluster.kill(4);
    cluster.expect(secs(60), |c| check::placed(c, "app", 3));
    unbroken(&cluster);
}

//! Adversaries by their names, as schedules write them.

use super::{Adversary, Liar, Lie, Noise, Stranger};
use crate::dice::Dice;

/// Those without a certificate.
pub const STRANGERS: &[&str] =
    &["stranger-mutates", "stranger-replays", "stranger-forges", "stranger-oversizes"];
/// Members with a valid certificate that lie.
pub const LIARS: &[&str] = &[
    "liar-claims-everything",
    "liar-inflates-epochs",
    "liar-dates-ahead",
    "liar-admits-everything",
    "liar-only-answers-probes",
    "liar-withholds",
    "liar-replays",
    "liar-accuses",
    "liar-falsifies-frames",
    "liar-forges",
    "liar-offers-anything",
    "liar-floods",
];

/// An adversary of this name; none if there is no such kind. A liar is the node of this
/// host, a stranger is on a link near it.
pub fn draw(name: &str, seed: u64, host: usize) -> Option<Box<dyn Adversary>> {
    let dice = Dice::new(seed);
    let noise = Noise::ALL.into_iter().find(|noise| noise.name() == name);
    let lie = Lie::ALL.into_iter().find(|lie| lie.name() == name);
    match (noise, lie) {
        (Some(noise), _) => Some(Box::new(Stranger::new(dice, noise))),
        (None, Some(lie)) => Some(Box::new(Liar::new(dice, host, lie))),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_draws_the_adversary_of_that_name() {
        for name in STRANGERS.iter().chain(LIARS) {
            assert_eq!(draw(name, 1, 0).map(|adversary| adversary.name()), Some(*name));
        }
        assert_eq!(STRANGERS.len() + LIARS.len(), Noise::ALL.len() + Lie::ALL.len());
        assert!(draw("nobody", 1, 0).is_none());
    }
}

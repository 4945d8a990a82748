//! Adversaries by name, as schedules and scenario files write them.

use super::{Adversary, LIES, Liar, NOISES, Stranger};
use crate::dice::Dice;

/// Those without a certificate, in the order of [`NOISES`].
pub const STRANGERS: [&str; NOISES.len()] = ["mutated", "replayed", "forged", "oversized"];
/// Members with a valid certificate that lie, in the order of [`LIES`].
pub const LIARS: [&str; LIES.len()] = [
    "claims-everything",
    "inflates-epochs",
    "dates-ahead",
    "admits-everything",
    "only-answers-probes",
    "withholds",
    "replays",
    "accuses",
    "falsifies-frames",
    "forges",
    "offers-anything",
    "floods",
];

/// An adversary of this name; none if there is no such name. A liar is the node of this
/// host.
pub fn by_name(name: &str, seed: u64, host: usize) -> Option<Box<dyn Adversary>> {
    let dice = Dice::new(seed);
    let place = |names: &[&str]| names.iter().position(|known| *known == name);
    if let Some(noise) = place(&STRANGERS).and_then(|i| NOISES.get(i)) {
        return Some(Box::new(Stranger::new(dice, *noise)));
    }
    let lie = place(&LIARS).and_then(|i| LIES.get(i))?;
    Some(Box::new(Liar::new(dice, host, *lie)))
}

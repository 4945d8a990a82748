//! Ways to spoil bytes.

use crate::cbor::tokens;
use crate::dice::Dice;

/// Breaks bytes as noise would: flips, insertions, cuts.
pub(crate) fn spoil(dice: &mut Dice, bytes: &mut Vec<u8>) {
    for _ in 0..dice.between(1, 4) {
        let at = dice.below(bytes.len().max(1) as u64) as usize;
        match dice.below(4) {
            0 if !bytes.is_empty() => bytes[at] ^= dice.between(1, 255) as u8,
            1 => bytes.insert(at, dice.roll() as u8),
            2 if !bytes.is_empty() => drop(bytes.remove(at)),
            3 => bytes.truncate(at),
            _ => {}
        }
    }
}

/// Lies in well-formed CBOR and leaves it well-formed: another number, or another byte
/// within a string. So cursors, fingerprints and bodies become false, and frames can
/// still be read.
pub(crate) fn falsify(dice: &mut Dice, bytes: &mut [u8]) {
    let all: Vec<_> = tokens(bytes).filter(|t| !t.argument.is_empty() || !t.content.is_empty()).collect();
    for _ in 0..dice.between(1, 3) {
        let Some(token) = dice.pick(&all) else { return };
        let within = if token.major == 0 { &token.argument } else { &token.content };
        let at = within.start + dice.below(within.len() as u64) as usize;
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= dice.between(1, 255) as u8;
        }
    }
}

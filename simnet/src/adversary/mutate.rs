//! Ways to spoil bytes.

use crate::cbor::{RECORD_BYTES_MIN, Token, tokens};
use crate::dice::Dice;

/// An Ed25519 signature.
const SIGNATURE_BYTES: u64 = 64;

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

/// Breaks the signature of each record within a frame, and nothing else. Says whether
/// there was any.
pub(crate) fn spoil_signatures(dice: &mut Dice, bytes: &mut [u8]) -> bool {
    let long = |token: &Token| token.major == 2 && token.content.len() >= RECORD_BYTES_MIN;
    let records: Vec<_> = tokens(bytes).filter(long).map(|token| token.content).collect();
    for record in &records {
        // The signature is what a record ends with.
        let at = record.end - 1 - dice.below(SIGNATURE_BYTES) as usize;
        bytes[at] ^= dice.between(1, 255) as u8;
    }
    !records.is_empty()
}

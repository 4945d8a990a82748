//! A record that was altered anywhere is no record.

use crate::{MESH, signed};
use orbweave_model::MeshId;
use orbweave_state::record::{Record, RecordKind};
use orbweave_trust::Strict;
use proptest::prelude::*;

fn sample() -> Vec<u8> {
    signed(1, RecordKind::CLAIM, "hello", 1_800_000_000_000, 3, b"what a claim says")
}

#[test]
fn no_record_with_a_flipped_bit_is_accepted() {
    let genuine = sample();
    assert!(Record::open(&genuine, MESH, &Strict).is_ok());
    for at in 0..genuine.len() {
        for bit in 0..8 {
            let mut flipped = genuine.clone();
            flipped[at] ^= 1 << bit;
            assert!(Record::open(&flipped, MESH, &Strict).is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn no_record_with_an_altered_byte_or_length_is_accepted() {
    let genuine = sample();
    for at in 0..genuine.len() {
        for value in [0x00, 0xff, genuine[at].wrapping_add(1), !genuine[at]] {
            let mut altered = genuine.clone();
            altered[at] = value;
            assert!(
                altered == genuine || Record::open(&altered, MESH, &Strict).is_err(),
                "byte {at} is {value}"
            );
        }
        assert!(Record::open(&genuine[..at], MESH, &Strict).is_err());
        let longer = [&genuine[..at], &[0], &genuine[at..]].concat();
        assert!(Record::open(&longer, MESH, &Strict).is_err(), "a byte more at {at}");
    }
    assert!(Record::open(&[&genuine[..], &[0]].concat(), MESH, &Strict).is_err());
}

#[test]
fn a_record_holds_in_its_own_mesh_only() {
    assert!(Record::open(&sample(), MeshId([8; 32]), &Strict).is_err());
}

proptest! {
    #[test]
    fn records_altered_in_several_places_are_refused(
        edits in proptest::collection::vec((any::<usize>(), 1_u8..), 1..8)
    ) {
        let genuine = sample();
        let mut altered = genuine.clone();
        for (at, with) in edits {
            let at = at % altered.len();
            altered[at] ^= with;
        }
        prop_assert!(altered == genuine || Record::open(&altered, MESH, &Strict).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_no_record(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Record::open(&bytes, MESH, &Strict).is_err());
    }
}

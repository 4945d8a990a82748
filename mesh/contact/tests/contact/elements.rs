//! Element sets: what is read, and what is said of what cannot be.

use crate::STARLINK;
use orbweave_contact::{Elements, TleFault};
use proptest::prelude::*;

const ISS: &str = "ISS (ZARYA)
1 25544U 98067A   08264.51782528 -.00002182  00000-0 -11606-4 0  2927
2 25544  51.6416 247.4627 0006703 130.5360 325.0288 15.72125391563537
";

#[test]
fn every_field_is_read_as_the_format_says() {
    let elements = &Elements::parse_all(ISS).unwrap()[0];
    assert_eq!(elements.name, "ISS (ZARYA)");
    assert_eq!(elements.catalog_number, 25_544);
    // 20 September 2008, 12:25:40.104192 UTC.
    assert_eq!(elements.epoch_ns, 1_221_913_540_104_192_000);
    assert_eq!(elements.bstar, -0.11606e-4);
    assert_eq!(elements.inclination_deg, 51.6416);
    assert_eq!(elements.node_deg, 247.4627);
    assert_eq!(elements.eccentricity, 0.0006703);
    assert_eq!(elements.perigee_deg, 130.536);
    assert_eq!(elements.mean_anomaly_deg, 325.0288);
    assert_eq!(elements.mean_motion, 15.72125391);
}

#[test]
fn names_may_be_numbered_or_missing_and_lines_may_end_as_on_windows() {
    let numbered = format!("0 {ISS}").replace('\n', "\r\n");
    assert_eq!(Elements::parse_all(&numbered).unwrap()[0].name, "ISS (ZARYA)");
    let (_, nameless) = ISS.split_once('\n').unwrap();
    assert_eq!(Elements::parse_all(&format!("\n{nameless}\n{ISS}")).unwrap()[0].name, "25544");
}

#[test]
fn a_real_catalogue_is_read_as_the_reference_reads_it() {
    let ours = Elements::parse_all(STARLINK).unwrap();
    let theirs = sgp4::parse_3les(STARLINK).unwrap();
    assert_eq!((ours.len(), theirs.len()), (24, 24));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(Some(&ours.name), theirs.object_name.as_ref());
        assert_eq!(u64::from(ours.catalog_number), theirs.norad_id);
        let epoch_ns = i128::from(theirs.datetime.and_utc().timestamp_nanos_opt().unwrap());
        // The reference goes through a float of the day, which is good to a microsecond.
        assert!((ours.epoch_ns - epoch_ns).abs() < 1_000);
        assert!((ours.bstar - theirs.drag_term).abs() < 1e-16);
        assert_eq!(ours.eccentricity, theirs.eccentricity);
        assert_eq!(ours.mean_motion, theirs.mean_motion);
    }
}

#[test]
fn alpha_5_numbers_are_resolved() {
    // 'T' is 27: there is no 'I' and no 'O'. Letters do not count in the checksum.
    let set = fix_checksums(&ISS.replace("25544", "T0001"));
    assert_eq!(Elements::parse_all(&set).unwrap()[0].catalog_number, 270_001);
}

#[test]
fn a_fault_is_named_with_its_line() {
    let fault = |text: &str| {
        let error = Elements::parse_all(text).unwrap_err();
        (error.line, error.fault.clone(), error.to_string())
    };
    let (line, _, text) = fault(&format!("{ISS}{}", ISS.replace("51.6416", "51.6417")));
    assert_eq!(line, 6);
    assert_eq!(text, "line 6: ends with checksum '7', but its digits give 8: it was damaged or changed");

    let (line, _, text) = fault(&fix_checksums(&ISS.replace("51.6416", "5x.6416")));
    assert_eq!((line, text.as_str()), (3, "line 3: inclination in columns 9 to 16 cannot be \"5x.6416\""));

    for wrong in ["    nan", "    inf", " 5.16e1", "+51.641", "-51.641", "       "] {
        let set = fix_checksums(&ISS.replace("51.6416", wrong));
        assert!(matches!(fault(&set).1, TleFault::Field { .. }), "{wrong}");
    }
    assert!(matches!(fault(&fix_checksums(&ISS.replace("08264.5", "08367.5"))).1, TleFault::Field { .. }));
    assert_eq!(fault(&ISS.replace("2927", "292 ")).1, TleFault::Length(68));
    assert_eq!(fault(&ISS.replace("2927", "292x")).0, 2);
    let mixed = fix_checksums(&ISS.replace("2 25544", "2 25545"));
    assert_eq!(fault(&mixed).1, TleFault::OtherSatellite { first: 25_544, second: 25_545 });
    let truncated: String = ISS.lines().take(2).collect::<Vec<_>>().join("\n");
    assert_eq!(fault(&truncated).1, TleFault::Missing { line: 2 });
    assert_eq!(fault("NAME").1, TleFault::Missing { line: 1 });
    let swapped: Vec<&str> = ISS.lines().collect();
    assert_eq!(fault(&[swapped[0], swapped[2], swapped[1]].join("\n")).1, TleFault::NotLine(1));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,160}(\n\\PC{0,80}){0,4}") {
        let _ = Elements::parse_all(&text);
    }

    #[test]
    fn no_changed_character_makes_the_reader_panic_or_changes_the_numbers_unseen(at in 0_usize..138, byte in 0x20_u8..0x7f) {
        let (name, lines) = ISS.split_once('\n').unwrap();
        let mut changed = lines.as_bytes().to_vec();
        let at = at + at / 69;
        changed[at] = byte;
        let text = format!("{name}\n{}", String::from_utf8(changed).unwrap());
        let _ = Elements::parse_all(&text);
        let repaired = fix_checksums(&text);
        for elements in Elements::parse_all(&repaired).into_iter().flatten() {
            prop_assert!((0.0..1.0).contains(&elements.eccentricity));
            prop_assert!(elements.mean_motion > 0.0 && elements.bstar.is_finite());
        }
    }
}

/// The text with the checksum that each line's digits give.
fn fix_checksums(text: &str) -> String {
    let fixed = text.lines().map(|line| match line.as_bytes() {
        [b'1' | b'2', b' ', ..] if line.len() == 69 => {
            let digits = line[..68].bytes().map(|b| match b {
                b'0'..=b'9' => u32::from(b - b'0'),
                b'-' => 1,
                _ => 0,
            });
            format!("{}{}", &line[..68], digits.sum::<u32>() % 10)
        }
        _ => line.to_owned(),
    });
    fixed.collect::<Vec<_>>().join("\n")
}

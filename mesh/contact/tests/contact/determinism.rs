//! The same windows on any machine.

use crate::{EPOCH, shell, starlink, station};
use orbweave_contact::{Search, WalkerKind, Window};
use std::time::Duration;

fn feed(hasher: &mut blake3::Hasher, first: usize, second: usize, window: Window) {
    for number in [
        first as u64,
        second as u64,
        window.begins.0,
        window.ends.0,
        window.delay.min_us,
        window.delay.max_us,
    ] {
        hasher.update(&number.to_le_bytes());
    }
}

/// If this fails on one machine only, a float operation that is not exact has come in. If it fails
/// everywhere, windows have changed: pin the new hash if that was meant.
#[test]
fn the_windows_of_a_small_shell_and_of_real_satellites_are_pinned() {
    let shell = shell(WalkerKind::Delta, 6, 8, 1);
    let satellites = shell.satellites().unwrap();
    let stations = [station(47.37, 8.54, 25.0), station(1.35, 103.8, 10.0), station(-54.8, -68.3, 5.0)];
    let search = Search::new(EPOCH, Duration::from_secs(6 * 3_600), Duration::from_secs(30)).unwrap();

    let mut hasher = blake3::Hasher::new();
    for satellites in [&satellites, &starlink()] {
        for pass in search.passes(satellites, &stations).unwrap() {
            feed(&mut hasher, pass.satellite, pass.station, pass.window);
        }
    }
    for link in search.crosslinks(&satellites, &shell.grid().unwrap()).unwrap() {
        feed(&mut hasher, link.first, link.second, link.window);
    }
    assert_eq!(
        hasher.finalize().to_hex().as_str(),
        "709a24e6e887bd1fa9332dba02c83bf6045b3465969b250769621ce517d3c0b8"
    );
}

//! Free ranges of ports, below those that the system hands out itself.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

const FIRST: u32 = 20_000;
const END: u32 = 32_000;
const PER_NODE: u32 = 4;

/// The next range of this process; processes begin at different places.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// The first of four free ports that no other test of this binary was given.
pub fn four() -> u16 {
    let ranges = (END - FIRST) / PER_NODE;
    let begin = std::process::id().wrapping_mul(2_654_435_761) % ranges;
    for _ in 0..ranges {
        let place = (begin + NEXT.fetch_add(1, Relaxed)) % ranges;
        let first = u16::try_from(FIRST + place * PER_NODE).unwrap();
        if (first..first + 4).all(is_free) {
            return first;
        }
    }
    panic!("no four free ports between {FIRST} and {END}");
}

fn is_free(port: u16) -> bool {
    let at = (Ipv4Addr::UNSPECIFIED, port);
    TcpListener::bind(at).is_ok() && UdpSocket::bind(at).is_ok()
}

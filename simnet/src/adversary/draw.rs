//! Which adversaries a swarm may admit.

use super::Adversary;

/// Those without a certificate.
pub const STRANGERS: &[&str] = &[];
/// Members with a valid certificate that lie.
pub const LIARS: &[&str] = &[];

/// An adversary of this kind; none if there is no such kind. A liar is the node of this
/// host, a stranger is on a link near it.
pub fn draw(_kind: &str, _seed: u64, _host: usize) -> Option<Box<dyn Adversary>> {
    None
}

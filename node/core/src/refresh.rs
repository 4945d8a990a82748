//! When a node says again what it is, so that its record does not expire.
//!
//! Who is alive is for membership to say. A record's life only ends what nobody says any
//! more, and each refresh travels to every member of the zone: it is long.

use crate::node::Node;
use orbweave_model::{Mono, NodeId};
use orbweave_state::store::NODE_RECORD_LIFE;
use std::time::Duration;

/// What a node on links that are always there asks for as the life of its record.
pub(crate) const LIFE: Duration = Duration::from_secs(45 * 60);
/// A node record is renewed after a third of its life.
const REFRESH: Duration = Duration::from_secs(LIFE.as_secs() / 3);
/// The same while a member says nothing of its own record's life: its version does not
/// read what others say of theirs.
const REFRESH_FOR_PREVIOUS: Duration = Duration::from_secs(NODE_RECORD_LIFE.as_secs() / 3);

impl Node {
    /// When this node has to say again what it is.
    pub(crate) fn refresh_due(&self) -> Mono {
        let previous = self.nodes.values().any(|info| info.lives_ms.is_none());
        after(self.now.mono, self.me, if previous { REFRESH_FOR_PREVIOUS } else { REFRESH })
    }
}

/// The next time after this. Each node has times of its own: nodes that were switched on
/// together would else all refresh at once, for ever.
fn after(now: Mono, me: NodeId, every: Duration) -> Mono {
    let every = every.as_nanos() as u64;
    let [a, b, c, d, e, f, g, h, ..] = *me.as_bytes();
    let phase = u64::from_be_bytes([a, b, c, d, e, f, g, h]) % every;
    let since_last = now.0.wrapping_add(phase) % every;
    now + Duration::from_nanos(every - since_last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use orbweave_model::Hash;

    #[test]
    fn nodes_that_start_together_say_again_what_they_are_at_times_of_their_own() {
        let id = |n: u16| NodeId(Hash::of(&n.to_be_bytes()).0);
        let mut slices = [0_u32; 30];
        for n in 0..300 {
            let first = after(Mono(0), id(n), REFRESH);
            assert!(first > Mono(0) && first <= Mono(0) + REFRESH);
            assert_eq!(after(first, id(n), REFRESH), first + REFRESH);
            slices[(first.0 as usize - 1) * 30 / REFRESH.as_nanos() as usize] += 1;
        }
        assert!(slices.iter().all(|count| (1..=25).contains(count)), "{slices:?}");
    }
}

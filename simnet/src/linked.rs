//! The peers that a host has a link to.

use std::collections::BTreeMap;

/// Peers by number, and to which life of each the link is. Every message asks whether
/// there is a link, so a bit says so by itself.
#[derive(Debug, Default)]
pub(crate) struct Linked {
    lives: BTreeMap<u32, u32>,
    bits: Vec<u64>,
}

impl Linked {
    /// Whether there is a link to a peer.
    pub fn contains_key(&self, peer: &u32) -> bool {
        self.bits.get(*peer as usize / 64).is_some_and(|word| word & (1 << (peer % 64)) != 0)
    }

    /// To which life of a peer there is a link.
    pub fn get(&self, peer: &u32) -> Option<&u32> {
        self.lives.get(peer)
    }

    /// Links to a life of a peer; gives that of the link that was there.
    pub fn insert(&mut self, peer: u32, life: u32) -> Option<u32> {
        let word = peer as usize / 64;
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        self.bits[word] |= 1 << (peer % 64);
        self.lives.insert(peer, life)
    }

    /// Takes the link to a peer away.
    pub fn remove(&mut self, peer: &u32) {
        if let Some(word) = self.bits.get_mut(*peer as usize / 64) {
            *word &= !(1 << (peer % 64));
        }
        self.lives.remove(peer);
    }

    /// All peers, in order of their numbers.
    pub fn keys(&self) -> impl Iterator<Item = &u32> {
        self.lives.keys()
    }
}

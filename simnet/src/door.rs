//! The door of a node, as the production driver keeps it: who gets a link, and who gets a
//! new certificate.

use crate::cluster::Cluster;
use crate::network::HANDSHAKE_ROUND_TRIPS;
use crate::step::Job;
use orbweave_model::NodeId;
use orbweave_trust::Certificate;

impl Cluster {
    /// Whether a host's node lets a peer in by the certificate that it shows.
    pub(crate) fn admits(&self, i: usize, peer: usize) -> bool {
        let now = self.hosts[i].now(self.time);
        self.hosts[i].up().is_some_and(|node| {
            let shown = &self.hosts[peer].certificate;
            let certificate =
                Certificate::verify(shown, node.authority(), node.corrected(now.wall), &*self.check);
            certificate.is_ok_and(|c| c.node == self.hosts[peer].id)
        })
    }

    /// A node whose certificate has expired asks a peer for a new one. Only the host with
    /// the admission key has one to give.
    pub(crate) fn ask_renewal(&mut self, i: usize, peer: NodeId) {
        let Some(peer) = self.host_of(&peer).filter(|&peer| peer == 0 && self.reachable(i, peer)) else {
            return;
        };
        let now = self.hosts[peer].now(self.time);
        let Some(node) = self.hosts[peer].up() else { return };
        let (key, wall) = (self.world.admission_key(), node.corrected(now.wall));
        let shown = &self.hosts[i].certificate;
        let old = Certificate::verify_for_renewal(shown, node.authority(), wall, &*self.check);
        if let Ok(new) = old.and_then(|old| old.successor(node.authority(), key.public(), wall)) {
            let round_trip = self.links.round_trip(self.time, i as u32, peer as u32);
            self.later(i, round_trip * HANDSHAKE_ROUND_TRIPS, Job::Certified(new.issue(&key)));
        }
    }
}

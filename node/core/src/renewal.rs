//! Certificates that grow old: a node that holds an admission key issues new ones
//! from half of their life on, and they travel as records, so that a node renews
//! without asking anybody. A node that was away for so long that its own has expired
//! gets no link and no record: it asks, wherever it would have dialled. A revoked node
//! gets none.

use crate::io::Output;
use crate::node::Node;
use orbweave_model::{NodeId, PublicKey};
use orbweave_state::record::{Record, RecordKind};
use orbweave_trust::{Certificate, Roles};
use std::sync::Arc;

impl Node {
    /// Issues what is due, where this node may.
    pub(crate) fn tick_renewals(&mut self) {
        let now = self.wall();
        let Some(issuer) = self.admission.as_ref().map(|key| key.public()) else { return };
        if !self.authority.may(&issuer, Roles::ADMIT, now) {
            return;
        }
        let due: Vec<Arc<Certificate>> = self
            .certificates
            .values()
            .filter(|c| self.nodes.contains_key(&c.node))
            .filter(|c| c.renew_from() <= now && !self.authority.is_revoked(&c.node.into()))
            .filter(|c| self.newest_renewal(c.node).is_none_or(|newest| newest.renew_from() <= now))
            .cloned()
            .collect();
        for old in due {
            let successor = old.successor(&self.authority, issuer, now);
            if let (Ok(renewed), Some(key)) = (successor, &self.admission) {
                let body = renewed.issue(key);
                let hlc = self.hlc.tick(now);
                let key_text = old.node.to_string();
                let bytes = Record::sign(key, self.mesh, RecordKind::CERTIFICATE, &key_text, hlc, body);
                if let Ok(record) = Record::open(&bytes, self.mesh, &*self.check) {
                    self.stage(record, Vec::new());
                }
            }
        }
    }

    /// The newest certificate that some issuer made for a node since it joined.
    fn newest_renewal(&self, node: NodeId) -> Option<Certificate> {
        self.store
            .rivals(RecordKind::CERTIFICATE, &node.to_string())
            .filter_map(|r| Certificate::verify(r.body(), &self.authority, self.wall(), &*self.check).ok())
            .max_by_key(|c| c.serial)
    }

    /// Whether a record may say that a node's certificate is renewed.
    pub(crate) fn authorise_renewal(&self, key: &str, author: &PublicKey, body: &[u8]) -> Result<(), String> {
        let certificate = Certificate::verify(body, &self.authority, self.wall(), &*self.check)
            .map_err(|e| e.to_string())?;
        if certificate.node.to_string() == key && certificate.issuer == *author {
            Ok(())
        } else {
            Err("a certificate of another node or issuer".to_owned())
        }
    }

    /// Whether this node may only ask for a new certificate.
    pub(crate) fn may_only_renew(&self) -> bool {
        self.certificates.get(&self.me).is_some_and(|own| own.expires <= self.wall())
    }

    /// A peer that was asked answered with a certificate.
    pub(crate) fn on_certified(&mut self, certificate: &[u8]) {
        self.adopt_renewal(certificate);
        if !self.may_only_renew() {
            self.dial_all_again();
        }
    }

    /// Takes a renewed certificate of its own up.
    pub(crate) fn adopt_renewal(&mut self, body: &[u8]) {
        let Ok(renewed) = Certificate::verify(body, &self.authority, self.wall(), &*self.check) else {
            return;
        };
        let newer = self.certificates.get(&self.me).is_none_or(|own| renewed.serial > own.serial);
        if renewed.node == self.me && newer {
            self.info.certificate = body.to_vec().into();
            self.certificates.insert(self.me, renewed.into());
            self.outputs.push_back(Output::Renewed { certificate: body.to_vec() });
            self.publish_node_record();
        }
    }
}

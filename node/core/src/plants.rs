//! What planted defects need; see `orbweave_model::plant`.

use orbweave_model::plant::{self, Plant};
use orbweave_model::{NodeId, PublicKey, Signature};
use orbweave_state::record::Opener;
use orbweave_trust::{Domain, SignatureCheck};
use std::sync::Arc;

type Check = Arc<dyn Opener + Send + Sync>;

/// Finds every signature in order.
struct Blind;

impl SignatureCheck for Blind {
    fn check(&self, _: &PublicKey, _: Domain, _: &[u8], _: &Signature) -> bool {
        true
    }
}

impl Opener for Blind {}

/// Takes the sight of whoever checks signatures, where that is planted; gives what it
/// is to be given back.
pub(crate) fn blind(check: &mut Check) -> Check {
    let seeing = check.clone();
    if plant::on(Plant::SignatureUnchecked) {
        *check = Arc::new(Blind);
    }
    seeing
}

/// Puts nodes into an order that differs from run to run, where that is planted.
#[expect(clippy::disallowed_types, reason = "it is the defect")]
pub(crate) fn unordered(nodes: Vec<NodeId>) -> Vec<NodeId> {
    if !plant::on(Plant::HashOrder) {
        return nodes;
    }
    nodes.into_iter().collect::<std::collections::HashSet<_>>().into_iter().collect()
}

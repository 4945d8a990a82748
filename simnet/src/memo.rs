//! Signature checks that are remembered: the same record is verified once a run, not
//! once a node.

use orbweave_model::{Hash, PublicKey, Signature};
use orbweave_trust::{Domain, SignatureCheck, Strict};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Checks as [`Strict`] does, each signature once.
#[derive(Debug, Default)]
pub struct Memo {
    known: Mutex<BTreeMap<Hash, bool>>,
}

impl SignatureCheck for Memo {
    fn check(&self, key: &PublicKey, domain: Domain, message: &[u8], signature: &Signature) -> bool {
        let question = [key.as_bytes(), &signature.as_bytes()[..], &domain.signed_bytes(message)].concat();
        let question = Hash::of(&question);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry(question).or_insert_with(|| Strict.check(key, domain, message, signature))
    }
}

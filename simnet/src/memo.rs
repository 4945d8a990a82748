//! Signature checks that are remembered: the same record is verified once a run, not
//! once a node.

use crate::lookup::Lookup;
use orbweave_model::{Hash, PublicKey, Signature};
use orbweave_trust::{Domain, SignatureCheck, Strict};
use std::sync::{Mutex, PoisonError};

/// Checks as [`Strict`] does, each signature once.
#[derive(Debug, Default)]
pub struct Memo {
    known: Mutex<Lookup<Hash, bool>>,
}

impl SignatureCheck for Memo {
    fn check(&self, key: &PublicKey, domain: Domain, message: &[u8], signature: &Signature) -> bool {
        let mut question = blake3::Hasher::new();
        question.update(key.as_bytes()).update(signature.as_bytes()).update(&domain.signed_bytes(message));
        let question = Hash(*question.finalize().as_bytes());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known.get_or_insert_with(question, || Strict.check(key, domain, message, signature))
    }
}

//! Records and signatures that are remembered: the same record is verified and kept once
//! a run, not once a node.

use crate::lookup::Lookup;
use orbweave_model::{Hash, MeshId, PublicKey, Signature};
use orbweave_state::record::{Opener, Record};
use orbweave_trust::{Domain, SignatureCheck, Strict};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Records that nobody else holds are not looked for below this many.
const SWEEP_MIN: usize = 4_096;

/// Checks as [`Strict`] does, each signature once, and gives all who open one record the
/// same copy of it.
#[derive(Debug, Default)]
pub struct Memo {
    checked: Mutex<Lookup<Hash, bool>>,
    opened: Mutex<Opened>,
}

/// Records by digest, as long as somebody has them.
#[derive(Debug, Default)]
struct Opened {
    mesh: Option<MeshId>,
    records: Lookup<Hash, Record>,
    sweep_at: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SignatureCheck for Memo {
    fn check(&self, key: &PublicKey, domain: Domain, message: &[u8], signature: &Signature) -> bool {
        let mut question = blake3::Hasher::new();
        question.update(key.as_bytes()).update(signature.as_bytes()).update(&domain.signed_bytes(message));
        let question = Hash(*question.finalize().as_bytes());
        *lock(&self.checked).get_or_insert_with(question, || Strict.check(key, domain, message, signature))
    }
}

impl Opener for Memo {
    fn opened(&self, mesh: MeshId, digest: &Hash) -> Option<Record> {
        let opened = lock(&self.opened);
        // One run has one mesh; what is opened for another is not remembered.
        if opened.mesh == Some(mesh) { opened.records.get(digest).cloned() } else { None }
    }

    fn remember(&self, mesh: MeshId, record: &Record) {
        let mut opened = lock(&self.opened);
        if *opened.mesh.get_or_insert(mesh) != mesh {
            return;
        }
        if opened.records.len() >= opened.sweep_at.max(SWEEP_MIN) {
            opened.records.retain(Record::is_shared);
            opened.sweep_at = opened.records.len() * 2;
        }
        opened.records.get_or_insert_with(record.digest(), || record.clone());
    }
}

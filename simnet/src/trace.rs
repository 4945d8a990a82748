//! One hash of everything that nodes put out: fields of fixed size, and the bytes that
//! travel, so that it is the same on any machine.

use orbweave_core::io::Write;
use orbweave_core::{Event, Output};
use orbweave_model::{Hash, Mono};

/// Hashed at once: BLAKE3 works on many kilobytes in parallel, on one at a time it does not.
const BATCH_BYTES: usize = 128 << 10;

/// What was put out so far.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    hasher: blake3::Hasher,
    batch: Vec<u8>,
    outputs: u64,
}

impl Trace {
    /// The hash of all so far.
    pub fn hash(&self) -> Hash {
        Hash(*self.hasher.clone().update(&self.batch).finalize().as_bytes())
    }

    /// How many outputs there were.
    pub fn outputs(&self) -> u64 {
        self.outputs
    }

    /// Adds an output of a host.
    pub fn add(&mut self, time: Mono, host: u32, output: &Output) {
        self.outputs += 1;
        self.word(time.0);
        self.word(u64::from(host));
        match output {
            Output::Datagram { to, bytes } => self.tag(0).id(to.as_bytes()).bytes(bytes),
            Output::Publish { bytes } => self.tag(1).bytes(bytes),
            Output::Sync { id, bytes } => {
                self.tag(2).id(id.peer.as_bytes()).tag(u8::from(id.ours));
                self.word(id.number);
                self.bytes(bytes)
            }
            Output::SyncClose { id } => {
                self.tag(3).id(id.peer.as_bytes()).tag(u8::from(id.ours)).word(id.number)
            }
            Output::Renewed { certificate } => self.tag(4).bytes(certificate),
            Output::Dial { peer, addresses } => {
                self.tag(5).id(peer.as_bytes());
                for address in addresses {
                    self.bytes(address.to_string().as_bytes());
                }
            }
            Output::AskRenewal { peer, addresses } => {
                self.tag(16).id(peer.as_bytes());
                for address in addresses {
                    self.bytes(address.to_string().as_bytes());
                }
            }
            Output::Evict { peer } => drop(self.tag(6).id(peer.as_bytes())),
            Output::Fetch { hash, size, providers } => {
                self.tag(7).id(hash.as_bytes()).word(*size);
                for provider in providers {
                    self.id(provider.as_bytes());
                }
            }
            Output::Prepare { release } => self.tag(8).bytes(release.bytes()),
            Output::Start(start) => {
                self.tag(9).bytes(format!("{:?}", start.instance).as_bytes());
                self.bytes(start.workload.as_str().as_bytes());
                self.word(u64::from(start.slot));
                self.bytes(start.release.bytes());
                for (key, value) in &start.env {
                    self.bytes(key.as_bytes());
                    self.bytes(value.as_bytes());
                }
                self.word(start.memory_bytes);
                self.word(start.call_time.as_nanos() as u64);
                self.word(u64::from(start.concurrency));
                self.maybe(start.health.as_deref(), |trace, path| trace.bytes(path.as_bytes()));
            }
            Output::Stop { instance } => self.tag(10).bytes(format!("{instance:?}").as_bytes()),
            Output::Persist { batch, writes } => {
                self.tag(11).word(batch.0);
                writes.iter().for_each(|write| self.write(write));
            }
            Output::Reply { id, result } => {
                self.tag(12).word(id.0);
                self.bytes(result.as_ref().map_or_else(String::as_bytes, |()| &[]));
            }
            Output::Notify(event) => self.event(event),
            Output::RoutesChanged => drop(self.tag(14)),
        }
        if self.batch.len() >= BATCH_BYTES {
            self.hasher.update(&self.batch);
            self.batch.clear();
        }
    }

    fn write(&mut self, write: &Write) {
        match write {
            Write::PutRecord { key, value } => {
                self.tag(0).bytes(key);
                self.bytes(value);
            }
            Write::DropRecord { key } => self.tag(1).bytes(key),
            Write::PutSelf { value } => self.tag(2).bytes(value),
            Write::PutRelease { key, value } => {
                self.tag(3).bytes(key);
                self.bytes(value);
            }
        }
    }

    fn event(&mut self, event: &Event) {
        self.tag(13).tag(event.kind as u8).bytes(event.text.as_bytes());
        self.maybe(event.cause.as_deref(), |trace, cause| trace.bytes(cause.as_bytes()));
        self.maybe(event.workload.as_ref(), |trace, name| trace.bytes(name.as_str().as_bytes()));
        self.maybe(event.slot, |trace, slot| trace.word(u64::from(slot)));
        self.maybe(event.epoch, Self::word);
        self.maybe(event.instance, |trace, run| trace.bytes(format!("{run:?}").as_bytes()));
        self.maybe(event.about, |trace, node| {
            trace.id(node.as_bytes());
        });
        self.maybe(event.took, |trace, took| trace.word(took.as_nanos() as u64));
    }

    fn maybe<T>(&mut self, value: Option<T>, add: impl FnOnce(&mut Self, T)) {
        self.tag(u8::from(value.is_some()));
        if let Some(value) = value {
            add(self, value);
        }
    }

    fn tag(&mut self, tag: u8) -> &mut Self {
        self.batch.push(tag);
        self
    }

    fn id(&mut self, id: &[u8; 32]) -> &mut Self {
        self.batch.extend_from_slice(id);
        self
    }

    fn word(&mut self, word: u64) {
        self.batch.extend_from_slice(&word.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        self.batch.extend_from_slice(bytes);
    }
}

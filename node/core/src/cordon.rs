//! Nodes that people took out of service: they take nothing new, and where they are
//! drained, what they hold goes to others.

use crate::event::{Event, EventKind};
use crate::node::Node;
use minicbor::{Decode, Encode};
use orbweave_model::wire::{self, WireError};
use orbweave_model::{NodeId, Wall, limit};
use orbweave_state::record::RecordKind;
use orbweave_trust::Roles;

/// Whether a node is a place for work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum Service {
    /// It is.
    #[n(0)]
    #[default]
    Open,
    /// It takes nothing new, and keeps what it holds.
    #[n(1)]
    Cordoned,
    /// It takes nothing new, and what it holds goes to others: none is given up before
    /// another one runs.
    #[n(2)]
    Drained,
}

/// The body of a cordon record: what an operator says of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Cordon {
    /// Counts up with each change.
    #[n(0)]
    pub generation: u64,
    /// What holds from then on.
    #[n(1)]
    pub service: Service,
}

impl Cordon {
    /// The bytes of a record's body.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads a record's body.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        wire::decode_open("a cordon", body, limit::RECORD_BYTES_MAX)
    }
}

impl Node {
    /// Whether a node is a place for work.
    pub fn service(&self, node: NodeId) -> Service {
        self.cordons.get(&node).map_or(Service::Open, |(cordon, _)| cordon.service)
    }

    /// What was said of it last, and when. `None` if never anything was.
    pub fn cordon(&self, node: NodeId) -> Option<(Cordon, Wall)> {
        self.cordons.get(&node).copied()
    }

    /// Chooses among rival words about a node: the highest generation, then HLC, then author.
    pub(crate) fn review_cordon(&mut self, node: NodeId) {
        let key = node.to_string();
        let best = self
            .store
            .rivals(RecordKind::CORDON, &key)
            .filter(|r| self.authority.was_entrusted(&r.id().author, Roles::OPERATE))
            .filter_map(|r| Some((Cordon::decode(r.body()).ok()?, r.hlc(), r.id().author)))
            .max_by_key(|(cordon, hlc, author)| (cordon.generation, *hlc, *author))
            .map(|(cordon, hlc, _)| (cordon, hlc.wall));
        let before = self.service(node);
        match best {
            Some(said) => drop(self.cordons.insert(node, said)),
            None => drop(self.cordons.remove(&node)),
        }
        let after = self.service(node);
        if before == after {
            return;
        }
        let name = self.name(node);
        let text = match after {
            Service::Open => format!("{name} is a place for work again"),
            Service::Cordoned => format!("{name} is cordoned: it takes nothing new"),
            Service::Drained => format!("{name} is drained: what it holds goes to others"),
        };
        self.notify(Event::new(EventKind::Cordon, text).about(node));
        self.touch_claims_of(node);
        // Slots that found no place may find one now.
        self.dirty.extend(self.vacancies.keys().map(|(name, _)| name.clone()));
    }

    /// After what an operator may say has changed.
    pub(crate) fn review_cordons(&mut self) {
        for node in self.cordons.keys().copied().collect::<Vec<_>>() {
            self.review_cordon(node);
        }
    }
}
